package engine

import (
	"strconv"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// fire makes a due delivery ready, unless what is in hand says more.
func (r *role) fire(it *dueItem, now time.Time) {
	t := it.t
	if t != nil && t.role != r {
		t = nil // of a role that was lost and came back
	}
	if t == nil {
		if t = r.taskOf(it.d); t == nil {
			return
		}
	} else if t.phase.Load() != phaseWaiting {
		return // dropped meanwhile
	}
	t.verify = t.verify || it.late
	if t.kind == kindStep {
		switch cur := r.steps[t.key.RunID]; {
		case cur == t:
		case cur != nil && cur.key.Version == t.key.Version && cur.phase.Load() == phaseWaiting:
			cur.goOnFrom(it.d)
			t = cur // the row was read again, the task is here
		case cur == nil:
			r.steps[t.key.RunID] = t
		case cur.key.Version > t.key.Version:
			r.flow.overtaken(t.key)
			return
		default:
			return // it is in hand already
		}
		r.push(t)
		return
	}
	head := r.lanes[t.lane()]
	if head != nil && head != t && head.key.Version == t.key.Version && head.phase.Load() == phaseWaiting {
		head.goOnFrom(it.d)
		t = head
	}
	switch {
	case head == t:
		r.push(t)
		return
	case head != nil && head.key.Version > t.key.Version && head.phase.Load() == phaseWaiting: // the earlier one goes first
		t.verify = t.verify || it.t == nil // there may be one in the store that is earlier still
		for p := head; p.next != nil; p = p.next {
			if n := p.next; n.key.Version == t.key.Version { // it stands behind the later one
				if n.phase.Load() != phaseWaiting {
					return // its row is on its way
				}
				if n != t {
					n.goOnFrom(it.d)
				}
				p.next, n.next, t = n.next, nil, n
				break
			}
		}
		t.next = head
		r.lanes[t.lane()] = t
		r.push(t)
		return
	case it.t != nil: // it stands behind another that is held: its turn comes with that one's end, or later
		it.d.Due = now.Add(time.Second)
		r.flow.due.add(it.d, t)
		return
	}
	// There may be an earlier one in the store, or its effect is stored already. A timer's row was there until now: whoever deletes it here takes it
	// out of the heap, and elsewhere it goes with its visit, which the run's record tells.
	t.verify = t.verify || t.kind != kindTimeout
	r.enlane(t)
}

// taskOf makes a task of a stored delivery whose event is no longer in memory.
func (r *role) taskOf(d backend.Delivery) *task {
	t := &task{
		role: r, key: d.DeliveryKey, stored: true, attempts: d.Attempts, firstAt: d.FirstAt, data: d.Data,
	}
	spec := r.flow.spec
	name := string(d.Receiver)
	switch {
	case d.Receiver == backend.ReceiverStep:
		t.kind, t.cause, t.handler = kindStep, backend.CauseStep, unknownHandler()
	case d.Receiver == backend.ReceiverResume:
		t.kind, t.cause, t.handler = kindResume, backend.CauseEngine, unknownHandler()
	case d.Receiver == backend.ReceiverDelete:
		t.kind, t.handler = kindDelete, spec.Delete
	case d.Receiver == backend.ReceiverDeadline:
		t.kind, t.cause, t.handler = kindDeadline, backend.CauseEngine, unknownHandler()
	case d.Receiver.IsSignal():
		t.kind, t.cause, t.handler = kindSignal, backend.CauseSignal, unknownHandler()
	case d.Receiver == ReceiverTimers:
		t.kind, t.cause, t.handler = kindTimers, backend.CauseEngine, unknownHandler()
	case strings.HasPrefix(name, timeoutPrefix):
		t.kind, t.cause, t.handler = kindTimeout, backend.CauseTimeout, unknownHandler()
	case strings.HasPrefix(name, hookPrefix):
		t.kind = kindHook
		for _, h := range spec.Hooks {
			if h.Receiver() == d.Receiver {
				t.handler = &h.Handler
			}
		}
	}
	if t.handler == nil {
		return nil // no code for it in this program: the row stays until there is
	}
	return t
}

// unknownHandler stands in until the worker has read which status the run is in.
func unknownHandler() *Handler { return &Handler{Deadline: DefaultDeadline} }

const timeoutPrefix = "timeout:"

// ReceiverTimers is the delivery that sets the timers of a visit, where the commit that entered it could not.
const ReceiverTimers backend.Receiver = "timers"

// TimeoutReceiver names the receiver of a status's n-th timeout.
func TimeoutReceiver(n int) backend.Receiver {
	return backend.Receiver(timeoutPrefix + strconv.Itoa(n))
}

// timeoutIndex is the inverse of TimeoutReceiver; -1 where it is none.
func timeoutIndex(r backend.Receiver) int {
	n, err := strconv.Atoi(strings.TrimPrefix(string(r), timeoutPrefix))
	if err != nil || n < 0 {
		return -1
	}
	return n
}
