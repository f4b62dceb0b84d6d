//go:build !unix

package adaptertest

import "time"

// processorTime is the time that this process has computed so far; false where it cannot be read.
func processorTime() (time.Duration, bool) { return 0, false }
