//go:build unix

package integration

import (
	"syscall"
	"time"
)

// processCPU is the time that the process has spent on the processors so far.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// switches counts how often a thread of the process went to sleep so far, and so had to be woken; -1 where the system does not tell.
func switches() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return -1
	}
	return int64(u.Nvcsw)
}
