//go:build unix

package memstreamer_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// TestIdleReceiversCostNothing measures the CPU time of this process while all it has are parked receivers. One that spins
// uses all of a core, which is ten times the bound.
func TestIdleReceiversCostNothing(t *testing.T) {
	const watch, bound = 300 * time.Millisecond, 30 * time.Millisecond
	for _, n := range []int{8, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := memstreamer.New()
			crowd := park(t, s, 4, n)
			runtime.GC() // what was started before is over
			before := cpuTime(t)
			<-time.After(watch)
			if used := cpuTime(t) - before; used > bound {
				t.Errorf("%d parked receivers used %v of CPU time in %v, want next to none (%v)", n, used, watch, bound)
			}
			if parked := parkedIn(recvFrame); parked != n {
				t.Errorf("%d of %d receivers are parked", parked, n)
			}
			crowd.leave(t)
		})
	}
}
