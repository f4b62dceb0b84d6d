//go:build !linux

package raw

import "os"

// forceData brings a file to the disk.
func forceData(f *os.File) error { return f.Sync() }
