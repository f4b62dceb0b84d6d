package shim

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// deliveries keeps what a full backend would store: held deliveries, claims and timers. There is one for each delivery that
// waits, so its size is bounded by the unfinished runs that wait for something.
type deliveries struct {
	b     *Backend
	mu    sync.Mutex
	byRun map[string][]*delivery
	due   []*delivery // those with a due time, in the order of compareDue
	given []*delivery // those that are given up, in the order of compareKey
}

type delivery struct {
	backend.Delivery
	status int         // of the run when a timer was set
	row    *timeoutRow // its row in the TimeoutStore; nil for none
}

func newDeliveries(b *Backend) *deliveries {
	return &deliveries{b: b, byRun: make(map[string][]*delivery)}
}

func compareDue(a, b *delivery) int {
	return compareMark(backend.DueMark{Due: a.Due, Key: a.DeliveryKey}, backend.DueMark{Due: b.Due, Key: b.DeliveryKey})
}

func compareMark(a, b backend.DueMark) int {
	if c := a.Due.Compare(b.Due); c != 0 {
		return c
	}
	return compareKey(a.Key, b.Key)
}

func compareKey(a, b backend.DeliveryKey) int {
	return cmp.Or(cmp.Compare(a.RunID, b.RunID), cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Version, b.Version))
}

// placeGiven finds a key among those given up.
func (ds *deliveries) placeGiven(k backend.DeliveryKey) (int, bool) {
	return slices.BinarySearchFunc(ds.given, k, func(d *delivery, k backend.DeliveryKey) int { return compareKey(d.DeliveryKey, k) })
}

// isGiven reports whether a delivery is given up: it has no due time, and waits for an operator.
func isGiven(d *delivery) bool { return d.State == backend.DeliveryHeld && d.Due.IsZero() }

// apply takes what a stored change says about deliveries. of is the run as of the change; it is needed for timers alone. It returns
// what has to be told to the TimeoutStore.
func (ds *deliveries) apply(c *backend.Change, of *backend.Record) (create, complete []*timeoutRow) {
	now := ds.b.cfg.Clock.Now()
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if c.Record != nil {
		complete = ds.dropVoid(c.Record)
	}
	for _, k := range c.Done {
		if d := ds.remove(k); d != nil && d.row != nil {
			complete = append(complete, d.row)
		}
	}
	for _, h := range c.Hold {
		next := &delivery{Delivery: h}
		next.Data = slices.Clone(h.Data)
		if old := ds.remove(h.DeliveryKey); old != nil {
			next.row, next.status = old.row, old.status
		}
		if isTimer(&h) && of != nil {
			next.status = of.Status
			renewed := next.row != nil && !next.row.expiry.Equal(h.Due) && h.Due.After(now)
			if renewed {
				complete = append(complete, next.row)
			}
			if ds.b.cfg.Timeouts != nil && (next.row == nil || renewed) {
				next.row = &timeoutRow{runID: h.RunID, foreignID: of.ForeignID, status: of.Status, expiry: h.Due}
				create = append(create, next.row)
			}
		}
		ds.add(next)
	}
	return create, complete
}

// dropVoid removes the run's timers of visits that it has left, and the deadline of a run that has ended. It returns their rows; ds.mu is held.
func (ds *deliveries) dropVoid(r *backend.Record) (rows []*timeoutRow) {
	ended := r.RunState.Finished()
	for _, d := range slices.Clone(ds.byRun[r.RunID]) {
		if isTimeout(d.Receiver) && (ended || r.Meta.Visit != 0 && r.Meta.Visit != d.Version) || ended && d.Receiver == backend.ReceiverDeadline {
			ds.remove(d.DeliveryKey)
			if d.row != nil {
				rows = append(rows, d.row)
			}
		}
	}
	return rows
}

// add and remove keep both views together; ds.mu is held.
func (ds *deliveries) add(d *delivery) {
	ds.byRun[d.RunID] = append(ds.byRun[d.RunID], d)
	if !d.Due.IsZero() {
		i, _ := slices.BinarySearchFunc(ds.due, d, compareDue)
		ds.due = slices.Insert(ds.due, i, d)
	}
	if isGiven(d) {
		i, _ := ds.placeGiven(d.DeliveryKey)
		ds.given = slices.Insert(ds.given, i, d)
	}
}

func (ds *deliveries) remove(k backend.DeliveryKey) *delivery {
	of := ds.byRun[k.RunID]
	at := slices.IndexFunc(of, func(d *delivery) bool { return d.DeliveryKey == k })
	if at < 0 {
		return nil
	}
	d := of[at]
	if of = slices.Delete(of, at, at+1); len(of) == 0 {
		delete(ds.byRun, k.RunID)
	} else {
		ds.byRun[k.RunID] = of
	}
	if !d.Due.IsZero() {
		if i, ok := slices.BinarySearchFunc(ds.due, d, compareDue); ok {
			ds.due = slices.Delete(ds.due, i, i+1)
		}
	}
	if isGiven(d) {
		if i, ok := ds.placeGiven(d.DeliveryKey); ok {
			ds.given = slices.Delete(ds.given, i, i+1)
		}
	}
	return d
}

// addIfNew takes a delivery that was restored, unless its key is there already.
func (ds *deliveries) addIfNew(d *delivery) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, known := range ds.byRun[d.RunID] {
		if known.DeliveryKey == d.DeliveryKey {
			return false
		}
	}
	ds.add(d)
	return true
}

// setDeadline takes a deadline as the stored run tells it, unless the delivery that is here says the same, or has been attempted.
func (ds *deliveries) setDeadline(d *delivery) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, known := range ds.byRun[d.RunID] {
		if known.DeliveryKey != d.DeliveryKey {
			continue
		}
		if known.State != backend.DeliveryTimer || known.Due.Equal(d.Due) {
			return false
		}
		ds.remove(d.DeliveryKey)
		break
	}
	ds.add(d)
	return true
}

// dropMirrored removes the timers that the TimeoutStore will bring back.
func (ds *deliveries) dropMirrored() {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, of := range ds.byRun {
		for _, d := range slices.Clone(of) {
			if d.row != nil && d.row.stored.Load() {
				ds.remove(d.DeliveryKey)
			}
		}
	}
}

// rows returns the rows of the run's mirrored timers in a status.
func (ds *deliveries) rows(runID string, status int) (rows []*timeoutRow) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range ds.byRun[runID] {
		if d.row != nil && d.row.status == status {
			rows = append(rows, d.row)
		}
	}
	return rows
}

// visit tells which visit the run's timers in a status belong to; zero for none.
func (ds *deliveries) visit(runID string, status int) (visit uint) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range ds.byRun[runID] {
		if isTimeout(d.Receiver) && d.status == status {
			visit = max(visit, d.Version)
		}
	}
	return visit
}

// has reports whether a delivery of the run is in memory.
func (ds *deliveries) has(runID string) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return len(ds.byRun[runID]) > 0
}

// hasWork is has without timers: they wait for their time whether the run's step was lost or not.
func (ds *deliveries) hasWork(runID string) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return slices.ContainsFunc(ds.byRun[runID], func(d *delivery) bool { return d.State != backend.DeliveryTimer })
}

// page returns what is due past the mark.
func (ds *deliveries) page(after backend.DueMark, limit int) []backend.Delivery {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	i := 0
	if after != (backend.DueMark{}) {
		mark := &delivery{Delivery: backend.Delivery{DeliveryKey: after.Key, Due: after.Due}}
		var exact bool
		if i, exact = slices.BinarySearchFunc(ds.due, mark, compareDue); exact {
			i++
		}
	}
	var out []backend.Delivery
	for ; i < len(ds.due) && len(out) < limit; i++ {
		out = append(out, ds.due[i].copy())
	}
	return out
}

// givenUp returns what is given up past the key.
func (ds *deliveries) givenUp(after backend.DeliveryKey, limit int) []backend.Delivery {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	i, exact := ds.placeGiven(after)
	if exact {
		i++
	}
	var out []backend.Delivery
	for ; i < len(ds.given) && len(out) < limit; i++ {
		out = append(out, ds.given[i].copy())
	}
	return out
}

// ofRun returns the run's deliveries, by receiver and version.
func (ds *deliveries) ofRun(runID string) []backend.Delivery {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	var out []backend.Delivery
	for _, d := range ds.byRun[runID] {
		out = append(out, d.copy())
	}
	slices.SortFunc(out, func(a, b backend.Delivery) int {
		return cmp.Or(cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Version, b.Version))
	})
	return out
}

func (d *delivery) copy() backend.Delivery {
	c := d.Delivery
	c.Data = slices.Clone(d.Data)
	return c
}

const timeoutPrefix = "timeout:"

// isTimer reports whether a delivery is one that a TimeoutStore can keep.
func isTimer(d *backend.Delivery) bool {
	return d.State == backend.DeliveryTimer && isTimeout(d.Receiver)
}

func isTimeout(r backend.Receiver) bool { return strings.HasPrefix(string(r), timeoutPrefix) }

// timeoutRow is a timer as the TimeoutStore keeps it. The store gives no id for a new row: it is found again by its fields.
type timeoutRow struct {
	runID     string
	foreignID string
	status    int
	expiry    time.Time
	stored    atomic.Bool // the TimeoutStore has taken it
}
