package memstreamer_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// maxParkedHeap is what a parked receiver may have on the heap: the receiver, its name and cursor, and what the runtime keeps of its select.
// Its goroutine, which is the caller's, comes beside that: the stack and the runtime's descriptor of some 450 bytes.
const maxParkedHeap = 1024

// TestAParkedReceiverIsSmall counts the bytes behind thousands of parked receivers: of one topic, where they share its log and its wake-up,
// and of some.
func TestAParkedReceiverIsSmall(t *testing.T) {
	for _, topics := range []int{1, 100} {
		t.Run(fmt.Sprintf("topics=%d", topics), func(t *testing.T) {
			heap, stack := parkedSize(t, topics, 2000)
			t.Logf("a parked receiver has %.0f bytes of heap and %.0f of stack", heap, stack)
			if heap > maxParkedHeap {
				t.Errorf("a parked receiver has %.0f bytes of heap, at most %d are allowed", heap, maxParkedHeap)
			}
			if heap <= 0 {
				t.Errorf("a parked receiver has %.0f bytes of heap: the measurement sees nothing", heap)
			}
		})
	}
}

// BenchmarkParked reports what a parked receiver holds in memory. Its time is that of the measurement.
func BenchmarkParked(b *testing.B) {
	var heap, stack float64
	for b.Loop() {
		heap, stack = parkedSize(b, 1, 1000)
	}
	b.ReportMetric(heap, "heap-B/receiver")
	b.ReportMetric(stack, "stack-B/receiver")
}

// parkedSize is how much memory each of n parked receivers has.
func parkedSize(t testing.TB, topics, n int) (heap, stack float64) {
	// Descriptors of goroutines are never freed: this many are there from now on, and are used again below.
	park(t, memstreamer.New(), topics, n).leave(t)
	s := memstreamer.New()
	before := memory()
	crowd := park(t, s, topics, n)
	after := memory()
	crowd.leave(t)
	runtime.KeepAlive(s)
	per := func(before, after uint64) float64 { return (float64(after) - float64(before)) / float64(n) }
	return per(before.HeapAlloc, after.HeapAlloc), per(before.StackInuse, after.StackInuse)
}

// memory is what is in use after two collections: the first one empties pools, the second frees what was in them.
func memory() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
