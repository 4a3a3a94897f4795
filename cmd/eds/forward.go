package main

type forwardCommand struct{}
