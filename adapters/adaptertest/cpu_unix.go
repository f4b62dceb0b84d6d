//go:build unix

package adaptertest

import (
	"syscall"
	"time"
)

// processorTime is the time that this process has computed so far; false where it cannot be read.
func processorTime() (time.Duration, bool) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, false
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), true
}
