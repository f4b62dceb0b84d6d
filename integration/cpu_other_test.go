//go:build !unix

package integration

import "time"

// processCPU tells nothing here.
func processCPU() time.Duration { return 0 }

// switches is not counted on this system.
func switches() int64 { return -1 }
