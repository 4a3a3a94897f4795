package main

import (
	"syscall"
	"time"
)

// sleep blocks the thread, see session.atRate.
func sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	t := syscall.NsecToTimespec(d.Nanoseconds())
	syscall.Nanosleep(&t, nil) // an early return only sends in smaller steps
}
