package engine

import (
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// TestAHookSetAsideStillGoesFirst: an earlier event of a lane that waits for room in its role is still an earlier one.
func TestAHookSetAsideStillGoesFirst(t *testing.T) {
	f := NewFlow(memory.New(), specOf("aside", goOn))
	f.due = newDues(f)
	u := f.due
	u.foreign, u.complete = false, true
	d := backend.Delivery{DeliveryKey: backend.DeliveryKey{RunID: "a", Receiver: "hook:Paused", Version: 2}}
	u.aside = append(u.aside, &dueItem{d: d, late: true})
	if !u.mayHold(laneKey{run: "a", receiver: d.Receiver}) {
		t.Error("a later event of the lane would not look for the earlier one")
	}
}

// TestALaneInWrongOrderIsNoCircle: an earlier event came into the lane while the later one was in hand, and its row comes due while that
// one waits.
func TestALaneInWrongOrderIsNoCircle(t *testing.T) {
	f := NewFlow(memory.New(), specOf("circle", goOn))
	f.due = newDues(f)
	r := newRole(f, 0, 1, 0)
	of := func(v uint) *task {
		return &task{role: r, kind: kindHook, key: backend.DeliveryKey{RunID: "a", Receiver: "hook:Paused", Version: v}}
	}
	done := make(chan bool)
	go func() {
		f.engine.mu.Lock()
		defer f.engine.mu.Unlock()
		later, earlier := of(4), of(2)
		r.enlane(later)
		r.pop()
		later.phase.Store(phaseCommitting)
		r.enlane(earlier)
		later.phase.Store(phaseWaiting)
		earlier.phase.Store(phaseWaiting)
		r.fire(&dueItem{d: backend.Delivery{DeliveryKey: earlier.key}, t: earlier}, time.Now())
		for r.pop() != nil {
		}
		n := 0
		for p := r.lanes[later.lane()]; p != nil; p = p.next {
			if n++; n > 2 {
				t.Error("the lane is a circle: the next walk along it, under the engine's lock, never ends")
				break
			}
		}
		close(done)
	}()
	<-done
}
