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
