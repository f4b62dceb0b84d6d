//go:build !linux

package load

import "time"

// Without /proc these figures are missing; the rest is measured.

func ownUsage() Used { return Used{} }

func peakRSS() int64 { return 0 }

func treeCPU(int) time.Duration { return 0 }
