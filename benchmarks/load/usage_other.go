//go:build !linux

package load

// Without /proc these figures are missing; the rest is measured.

func ownUsage() Used     { return Used{} }
func peakRSS() int64     { return 0 }
func treeUsage(int) Used { return Used{} }
