package engine

import (
	"container/heap"

	"github.com/stillwater-go/workflow/backend"
)

// An operator may rewrite the row of a delivery that waits: its due time and its attempts are then what the row says. One that is in hand is left
// alone, for its own outcome is newer than what the operator saw: the attempt that runs is the retry. All of this is guarded by Engine.mu.

// rewrite takes over what the store says of a delivery that waits here with its task; it reports false where none does.
func (u *dues) rewrite(d backend.Delivery) bool {
	it := u.byKey[d.DeliveryKey]
	if it == nil || it.t == nil || it.t.phase.Load() != phaseWaiting {
		return false
	}
	it.t.goOnFrom(d)
	u.move(it, d)
	return true
}

// reread compares a row that was read with what is known of it here. What came while the page was read may be newer than the page. A task
// that waits knows its own row: only an operator counts its attempts anew.
func (u *dues) reread(it *dueItem, d backend.Delivery) {
	switch {
	case it.page == u.pages:
	case it.t == nil && it.d.State != backend.DeliveryClaimed && !it.d.Due.Equal(d.Due):
		u.move(it, d)
	case it.t != nil && d.Attempts < it.d.Attempts:
		u.rewrite(d)
	}
}

// leave keeps a row whose task goes.
func (u *dues) leave(k backend.DeliveryKey) {
	if it := u.byKey[k]; it != nil {
		it.t = nil
	}
}

func (u *dues) move(it *dueItem, d backend.Delivery) {
	it.d, it.page = d, u.pages
	heap.Fix(&u.items, it.at)
}

// goOnFrom makes a waiting task go on as its row says.
func (t *task) goOnFrom(d backend.Delivery) {
	t.attempts, t.firstAt, t.data = d.Attempts, d.FirstAt, d.Data
}
