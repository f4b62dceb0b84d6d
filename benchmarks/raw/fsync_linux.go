package raw

import (
	"os"
	"syscall"
)

// forceData brings a file's bytes to the disk, and of what is known about it only what is needed to read them.
func forceData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
