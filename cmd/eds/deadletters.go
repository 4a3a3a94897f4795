package main

type deadlettersCommand struct{}
