package integration

import (
	"os"
	"syscall"
)

// peakBytes is the most memory that a process held which has ended.
func peakBytes(p *os.ProcessState) (bytes int64, known bool) {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, false
	}
	return u.Maxrss << 10, true
}
