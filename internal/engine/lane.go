package engine

// A lane is what deliveries of one run to one hook wait in: in the order of versions, the earliest at the head. Timers and the like have a
// lane each. All of it is guarded by Engine.mu.

import (
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// enlane puts a delivery at the end of its lane.
func (r *role) enlane(t *task) {
	head := r.lanes[t.lane()]
	if head == nil {
		r.lanes[t.lane()] = t
		r.push(t)
		return
	}
	last := head
	for ; ; last = last.next {
		if last.key.Version == t.key.Version {
			r.release(t)
			t.phase.Store(phaseGone)
			return // it came twice
		}
		if last.next == nil || last.next.key.Version > t.key.Version {
			break
		}
	}
	t.next, last.next = last.next, t
	switch {
	case head.phase.Load() == phaseWaiting && r.yield(head):
	case head.phase.Load() == phaseWaiting, head.claim == claimHeld:
		r.storeFollowers(head)
	}
}

// storeFollowers gives what waits behind a held delivery a due row of its own, so that the cursor may pass. When that row
// comes due while the held one is still there, it is put off again.
func (r *role) storeFollowers(head *task) {
	for t := head.next; t != nil; t = t.next {
		if t.phase.Load() == phaseCommitting {
			continue
		}
		t.phase.Store(phaseCommitting)
		due := r.flow.spec.Clock.Now().Add(time.Second)
		r.engine.submitAsync(&member{task: t, kind: kindHold, change: &backend.Change{Hold: []backend.Delivery{{
			DeliveryKey: t.key, WorkflowName: r.flow.spec.Name, Bucket: r.bucket,
			Attempts: t.attempts, FirstAt: t.firstAt, Due: due, State: backend.DeliveryQueued,
		}}}})
	}
}

// unlane takes a task out of its lane.
func (r *role) unlane(t *task) {
	key := t.lane()
	head := r.lanes[key]
	if head == t {
		delete(r.lanes, key)
		if next := t.next; next != nil {
			r.lanes[key] = next
			r.headOn(next)
		}
	} else {
		for p := head; p != nil; p = p.next {
			if p.next == t {
				p.next = t.next
				break
			}
		}
	}
	t.next = nil
}

// yield lets an earlier delivery go before the waiting head of its lane: it came when the head was in hand already. It reports false when
// there is none.
func (r *role) yield(head *task) bool {
	first := head.next
	if first == nil || first.key.Version > head.key.Version {
		return false
	}
	r.lanes[head.lane()] = first
	last := first
	for last.next != nil && last.next.key.Version < head.key.Version {
		last = last.next
	}
	head.next, last.next = last.next, head
	r.headOn(first)
	return true
}

// headOn makes the new head of a lane ready, unless its change is under way.
func (r *role) headOn(t *task) {
	switch t.phase.Load() {
	case phaseWaiting: // it waited for its turn alone
		r.flow.due.forget(t.key)
		r.push(t)
	case phaseReady:
		r.push(t)
	}
}
