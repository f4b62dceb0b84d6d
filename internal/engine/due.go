package engine

import (
	"container/heap"
	"context"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// dues is a flow's part of everything that has a due time. The stored rows are the truth; in memory lie those up to the mark. It
// is guarded by Engine.mu. Its pump is one goroutine that exists only while something is to come.
type dues struct {
	flow     *Flow
	items    dueHeap
	byKey    map[backend.DeliveryKey]*dueItem
	mark     backend.DueMark
	complete bool                         // no stored row lies past the mark
	foreign  bool                         // others may have stored rows: read from the start
	aside    []*dueItem                   // due, but their roles are full
	blocked  bool                         // so many are aside that nothing else is looked at
	reading  bool                         // a page is being read: what is stored now may not be in it
	pages    int                          // counts the pages that were begun
	done     map[backend.DeliveryKey]bool // deleted while a page is read
	inLine   map[laneKey]int              // how many rows of a lane are here
	pumping  bool
	wake     chan struct{}
}

type dueItem struct {
	d  backend.Delivery
	t  *task // nil for a row that was only read
	at int   // its place in the heap

	late bool // it was set aside: its row may be gone by now
	page int  // the page that was being read, or was read last, when it came
}

// maxDue bounds the rows in memory that have no task; more are left in the store until their time is near.
const maxDue = 4096

type dueHeap []*dueItem

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if a, b := h[i].d.Due, h[j].d.Due; !a.Equal(b) {
		return a.Before(b)
	}
	return h[i].d.Version < h[j].d.Version // a run's earlier events first
}
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}
func (h *dueHeap) Push(x any) {
	it := x.(*dueItem)
	it.at = len(*h)
	*h = append(*h, it)
}
func (h *dueHeap) Pop() any {
	old := *h
	n := len(old) - 1
	it := old[n]
	old[n] = nil
	*h = old[:n]
	return it
}

func newDues(f *Flow) *dues {
	u := &dues{flow: f, wake: make(chan struct{}, 1)}
	u.reset()
	return u
}

// add takes a row that this process has stored.
func (u *dues) add(d backend.Delivery, t *task) {
	if d.Due.IsZero() {
		return
	}
	if t == nil && u.rewrite(d) {
		u.start()
		return
	}
	u.forget(d.DeliveryKey)
	delete(u.done, d.DeliveryKey)
	switch {
	case t != nil || u.reading:
	case !u.complete && d.Due.After(u.mark.Due):
		return // it will be read when its time is near
	case len(u.items) >= maxDue:
		u.complete = false
		if before := d.Due.Add(-1); u.mark.Due.IsZero() || u.mark.Due.After(before) {
			u.mark = backend.DueMark{Due: before}
		}
		u.start()
		return
	}
	u.push(&dueItem{d: d, t: t})
	if t != nil && t.again {
		t.again = false
		u.foreign = true
	}
	u.start()
}

func (u *dues) push(it *dueItem) {
	it.page = u.pages
	u.byKey[it.d.DeliveryKey] = it
	u.inLine[laneKey{run: it.d.RunID, receiver: it.d.Receiver}]++
	heap.Push(&u.items, it)
}

// mayHold reports whether the store may have an earlier delivery of the lane that this process has not in hand.
func (u *dues) mayHold(k laneKey) bool {
	return !u.complete || u.foreign || u.reading || len(u.aside) > 0 || u.inLine[k] > 0
}

// crowded reports whether deliveries that wait are left to the store alone.
func (u *dues) crowded() bool { return len(u.items) >= maxDue }

// forget drops a row that this process has deleted.
func (u *dues) forget(k backend.DeliveryKey) {
	if u.reading {
		u.done[k] = true
	}
	it := u.byKey[k]
	if it == nil {
		return
	}
	delete(u.byKey, k)
	heap.Remove(&u.items, it.at)
	lane := laneKey{run: k.RunID, receiver: k.Receiver}
	if u.inLine[lane]--; u.inLine[lane] <= 0 {
		delete(u.inLine, lane)
	}
}

// cancelled drops a row whose delivery is done, with the task that waits for it.
func (u *dues) cancelled(k backend.DeliveryKey) {
	it := u.byKey[k]
	u.forget(k)
	if it != nil && it.t != nil && it.t.kind != kindStep && it.t.phase.Load() == phaseWaiting {
		it.t.phase.Store(phaseGone)
		it.t.role.unlane(it.t)
	}
}

// clear drops everything: the rows are read again.
func (u *dues) clear() {
	u.reset()
	u.start()
}

func (u *dues) reset() {
	u.aside, u.blocked = nil, false
	u.items, u.byKey, u.inLine = nil, make(map[backend.DeliveryKey]*dueItem), make(map[laneKey]int)
	u.foreign = true
}

// readAgain makes the pump look for rows that others stored.
func (u *dues) readAgain() {
	u.foreign = true
	u.start()
}

// roomAgain is called when a full role has room.
func (u *dues) roomAgain() {
	if len(u.aside) == 0 {
		return
	}
	for _, it := range u.aside {
		if u.byKey[it.d.DeliveryKey] == nil {
			u.push(it)
		}
	}
	u.aside = nil
	u.blocked = false
	u.start()
}

// start wakes the pump, or makes one.
func (u *dues) start() {
	f := u.flow
	if !f.holding || f.stopping {
		return
	}
	if !u.pumping {
		u.pumping = true
		f.wg.Go(func() { u.pump(f.ctx) })
		return
	}
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// pump makes due rows ready at their time. It ends when nothing is to come.
func (u *dues) pump(ctx context.Context) {
	clock := u.flow.spec.Clock
	for {
		next, read, mark, end := u.round(ctx, clock.Now())
		if end {
			return
		}
		var wait <-chan time.Time
		switch {
		case read:
			if err := u.read(ctx, mark); err == nil || ctx.Err() != nil {
				continue
			}
			wait = time.After(time.Second) // the store fails: a real second, whatever the clock
		case !next.IsZero():
			wait = clock.After(next.Sub(clock.Now()))
			if !next.After(clock.Now()) {
				continue // the clock was moved meanwhile
			}
		}
		select {
		case <-ctx.Done():
		case <-wait:
		case <-u.wake:
		}
	}
}

// round makes ready what is due, and says what comes next: a page to read, a time to wait for, a role to have room again (neither), or
// nothing at all.
func (u *dues) round(ctx context.Context, now time.Time) (next time.Time, read bool, mark backend.DueMark, end bool) {
	e := u.flow.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if u.foreign {
		u.foreign, u.complete, u.mark = false, false, backend.DueMark{}
	}
	u.fire(now)
	e.kick(false)
	// Rows past the mark are not known: read them before anything later than the mark is waited for.
	read = !u.complete && !u.blocked && (len(u.items) == 0 || u.items[0].d.Due.After(u.mark.Due))
	if u.reading = read; read {
		u.pages++
		u.done = make(map[backend.DeliveryKey]bool)
	}
	if ctx.Err() != nil || (!read && len(u.items) == 0 && len(u.aside) == 0) {
		u.pumping, u.reading = false, false
		return time.Time{}, false, u.mark, true
	}
	if !read && !u.blocked && len(u.items) > 0 {
		next = u.items[0].d.Due
	}
	return next, read, u.mark, false
}

// read takes the next page of stored rows.
func (u *dues) read(ctx context.Context, mark backend.DueMark) error {
	e := u.flow.engine
	rows, err := e.b.Due(ctx, u.flow.spec.Name, mark, duePage)
	e.mu.Lock()
	defer e.mu.Unlock()
	u.reading = false
	if err != nil {
		if ctx.Err() == nil {
			e.storeFailing(err)
		}
		return err
	}
	if u.foreign || u.mark != mark {
		return nil // others stored meanwhile: this page says too little
	}
	for _, d := range rows {
		u.mark = backend.DueMark{Due: d.Due, Key: d.DeliveryKey}
		if it := u.byKey[d.DeliveryKey]; it != nil {
			u.reread(it, d)
			continue
		}
		if u.done[d.DeliveryKey] {
			continue
		}
		if t := u.inHand(d); t != nil { // what this process knows of it is newer, most of the time
			t.again = t.phase.Load() == phaseCommitting
			continue
		}
		if d.State == backend.DeliveryClaimed {
			d.Due = time.Time{} // whoever claimed it is gone, or it would be in hand
		}
		u.push(&dueItem{d: d})
	}
	u.complete = len(rows) < duePage
	return nil
}

// inHand returns the task, if any, by which this process works on the delivery, or is about to.
func (u *dues) inHand(d backend.Delivery) *task {
	r := u.flow.roleOf(d.RunID)
	if r == nil {
		return nil
	}
	if d.Receiver == backend.ReceiverStep {
		if t := r.steps[d.RunID]; t != nil && t.key.Version >= d.Version && t.phase.Load() != phaseWaiting {
			return t
		}
		return nil
	}
	for _, k := range [...]laneKey{{d.RunID, d.Receiver, 0}, {d.RunID, d.Receiver, d.Version}} {
		for t := r.lanes[k]; t != nil; t = t.next {
			if t.key.Version == d.Version && t.phase.Load() != phaseWaiting {
				return t
			}
		}
	}
	return nil
}

// fire makes everything ready that is due.
func (u *dues) fire(now time.Time) {
	for len(u.items) > 0 {
		it := u.items[0]
		if it.d.Due.After(now) {
			return
		}
		r := u.flow.roleOf(it.d.RunID)
		u.forget(it.d.DeliveryKey)
		if r != nil && r.crowded() { // one full role holds up no other
			it.late = true
			if u.aside = append(u.aside, it); len(u.aside) >= maxDue {
				u.blocked = true
				return
			}
			continue
		}
		if r != nil {
			r.fire(it, now)
		}
	}
}
