package adaptertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// The reference is the smallest store that keeps the whole contract: everything in slices and maps under one lock, slow and
// obvious. It proves that the suite can be passed; with a bug planted it proves that the suite notices.

// refDisk is the data, which outlives the stores opened on it.
type refDisk struct {
	mu         sync.Mutex
	bug        bug
	runs       map[string]*backend.Record
	order      []string
	log        []backend.Entry
	late       []backend.Entry
	history    map[string][]backend.Entry
	deliveries map[backend.DeliveryKey]backend.Delivery
	attempts   map[string][]backend.Attempt
	cursors    map[string]map[int]int64
	began      map[string]int64
	outbox     []backend.OutboxEvent
	pos        int64
	watchers   []*refWatcher
	contests   map[string][]*refJoin
	epoch      int64
	commits    int
	keys       map[string]int64
	lastKey    int64
	signals    map[string]map[string]bool
	bare       map[string]int // versions that have lost their object
	dues       []*refWatcher
	gone       []*backend.Record
}

// refStore is one opened store.
type refStore struct {
	d      *refDisk
	slot   backend.Slot
	mu     sync.Mutex
	closed bool
	stop   chan struct{}
}

var (
	_ backend.Backend    = (*refStore)(nil)
	_ backend.Transactor = (*refStore)(nil)
	_ backend.Checker    = (*refStore)(nil)
)

func newReference(planted bug) Store {
	d := &refDisk{
		bug: planted, runs: map[string]*backend.Record{}, history: map[string][]backend.Entry{},
		deliveries: map[backend.DeliveryKey]backend.Delivery{}, attempts: map[string][]backend.Attempt{},
		cursors: map[string]map[int]int64{}, began: map[string]int64{}, contests: map[string][]*refJoin{},
		keys: map[string]int64{}, signals: map[string]map[string]bool{}, bare: map[string]int{},
	}
	return Store{
		Backend: d.open(),
		Reopen: func() (backend.Backend, error) {
			d.restart()
			return d.open(), nil
		},
		Crash: func() (backend.Backend, error) {
			d.crash()
			return d.open(), nil
		},
		Peer: func() (backend.Backend, error) { return d.open(), nil },
		Tx:   func(do func(ctx context.Context) error) any { return refTx(do) },
	}
}

type refTx func(ctx context.Context) error

func (d *refDisk) open() *refStore {
	s := &refStore{d: d, stop: make(chan struct{})}
	if d.bug == spinsWhileIdle {
		go func() {
			for stopped := false; !stopped; {
				select {
				case <-s.stop:
					stopped = true
				default: // the planted bug: it spins
				}
			}
		}()
	}
	return s
}

// crash ends every hold that a dead process had.
func (d *refDisk) crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bug != crashKeepsRoles {
		d.contests = map[string][]*refJoin{}
	}
	d.watchers, d.dues = nil, nil
	d.bringBack()
	if d.bug == crashForgetsSignals {
		clear(d.signals)
	}
	if d.bug == crashLosesTheLastCommit && len(d.log) > 0 {
		d.log = d.log[:len(d.log)-1]
	}
}

func (s *refStore) Slot() *backend.Slot { return &s.slot }

func (s *refStore) Close() error {
	if s.d.bug == closeTwiceFails && s.isClosed() != nil {
		return fmt.Errorf("close: already closed by somebody")
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	return nil
}

func (s *refStore) isClosed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && s.d.bug != answersAfterClose {
		return fmt.Errorf("reference: %w", backend.ErrClosed)
	}
	return nil
}

// enter locks the data for one call.
func (s *refStore) enter(ctx context.Context) (leave func(), err error) {
	s.d.mu.Lock()
	if err = ctx.Err(); err == nil {
		err = s.isClosed()
	}
	if err != nil {
		s.d.mu.Unlock()
		return nil, err
	}
	return s.d.mu.Unlock, nil
}

func (s *refStore) Commit(ctx context.Context, batch []*backend.Change) error {
	if s.d.bug == cancelIsALie && ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
		defer func() {
			for _, c := range batch {
				c.Err = context.Canceled
			}
		}()
	}
	leave, err := s.enter(ctx)
	if err != nil {
		for _, c := range batch {
			c.Err = err
		}
		return err
	}
	s.d.commits++
	for i, c := range batch {
		if i > 0 && s.d.bug == tearsBatches {
			s.d.mu.Unlock()
			linger(context.Background(), 10*time.Microsecond)
			s.d.mu.Lock()
		}
		s.d.apply(ctx, c)
		if c.Err != nil && s.d.bug == badMemberFailsTheBatch {
			leave()
			return c.Err
		}
	}
	calls := append(s.d.othersThan(s), s.d.toldOfDue(s, batch)...)
	leave()
	for _, w := range calls {
		w.call()
	}
	return nil
}

// othersThan are the watchers who have to be told of a commit by s.
func (d *refDisk) othersThan(s *refStore) []*refWatcher {
	var out []*refWatcher
	for _, w := range d.watchers {
		if w.s != s && d.bug != watchIsDeaf {
			out = append(out, w)
		}
	}
	return out
}

func (s *refStore) ReadLog(ctx context.Context, after int64, limit int) ([]backend.Entry, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []backend.Entry
	for _, e := range s.d.log {
		if e.Pos > after && len(out) < limit {
			out = append(out, s.d.flagged(e))
		}
	}
	if s.d.bug == logPagesFromTheEnd && len(out) == limit {
		out = slices.Clone(s.d.log[len(s.d.log)-limit:])
	}
	return out, nil
}

// flagged says of an entry whether it is current, and whether its run has deliveries.
func (d *refDisk) flagged(e backend.Entry) backend.Entry {
	r := d.runs[e.Record.RunID]
	e.Current = d.bug == everythingIsCurrent || r != nil && r.Meta.Version == e.Record.Meta.Version && d.bug != nothingIsCurrent
	for k := range d.deliveries {
		e.Held = e.Held || k.RunID == e.Record.RunID && d.bug != nothingIsHeld
	}
	return e
}

func (s *refStore) Head(ctx context.Context) (int64, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	if s.d.bug == headStartsAtOne {
		return s.d.pos + 1, nil
	}
	return s.d.pos, nil
}

// refWatcher calls one function, never twice at once.
type refWatcher struct {
	s     *refStore
	fn    func()
	mu    sync.Mutex
	ended bool
}

func (w *refWatcher) call() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended || w.s.d.bug == watchGoesOn {
		w.fn()
	}
}

func (s *refStore) Watch(changed func()) func() {
	w := &refWatcher{s: s, fn: changed}
	s.d.mu.Lock()
	s.d.watchers = append(s.d.watchers, w)
	s.d.mu.Unlock()
	return w.stop
}

func (w *refWatcher) stop() {
	if w.s.d.bug == stopDoesNotWait {
		return
	}
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
}

func (s *refStore) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	r := s.d.runs[runID]
	if r == nil || (s.d.bug == lookupLags && len(s.d.log) > 0 && s.d.log[len(s.d.log)-1].Record.RunID == runID && s.d.commits%4 == 3) {
		return nil, fmt.Errorf("reference: %w", backend.ErrRecordNotFound)
	}
	if s.d.bug == recordsAreRecycled {
		return r, nil
	}
	return r.Clone(), nil
}

func (s *refStore) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var found *backend.Record
	for _, id := range s.d.order {
		r := s.d.runs[id]
		if (r.WorkflowName != workflowName && s.d.bug != workflowsAreOne) || r.ForeignID != foreignID {
			continue
		}
		if s.d.bug == latestIsLastUpdated && found != nil && found.UpdatedAt.After(r.UpdatedAt) {
			continue
		}
		found = r
	}
	if found == nil {
		return nil, fmt.Errorf("reference: %w", backend.ErrRecordNotFound)
	}
	return found.Clone(), nil
}

func (s *refStore) List(ctx context.Context, workflowName string, offset int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	ids := slices.Clone(s.d.order)
	if s.d.bug == listIsByRunID {
		slices.Sort(ids)
	}
	if order == backend.OrderTypeDescending {
		slices.Reverse(ids)
	}
	match := s.d.matcher(filters)
	var out []backend.Record
	for i, id := range ids {
		r := s.d.runs[id]
		if s.d.bug == offsetCountsAll && int64(i) < offset {
			continue
		}
		if (workflowName != "" && r.WorkflowName != workflowName) || (s.d.bug != filtersAreIgnored && !match(r)) {
			continue
		}
		if s.d.bug != offsetCountsAll && offset > 0 {
			offset--
			continue
		}
		if len(out) < limit {
			out = append(out, *r.Clone())
		}
	}
	return out, nil
}

func (s *refStore) History(ctx context.Context, runID string, after uint, limit int) ([]backend.Entry, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if s.d.bug == historyOfAnybody && s.d.runs[runID] == nil && len(s.d.order) > 0 {
		runID = s.d.order[0]
	}
	var out []backend.Entry
	for _, e := range s.d.history[runID] {
		if (e.Record.Meta.Version > after || s.d.bug == historyIgnoresAfter) && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *refStore) Attempts(ctx context.Context, runID string, limit int) ([]backend.Attempt, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	all := slices.Clone(s.d.attempts[runID])
	if s.d.bug == attemptsNewestFirst {
		slices.Reverse(all)
	}
	return all[:min(limit, len(all))], nil
}

func (s *refStore) Due(ctx context.Context, workflowName string, after backend.DueMark, limit int) ([]backend.Delivery, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	mark := backend.Delivery{DeliveryKey: after.Key, Due: after.Due}
	var out []backend.Delivery
	for _, d := range s.d.deliveries {
		if (d.WorkflowName != workflowName && s.d.bug != workflowsAreOne) || (d.Due.IsZero() && s.d.bug != givenUpIsDue) {
			continue
		}
		if s.d.bug == dueMarkIsATime {
			if d.Due.After(after.Due) {
				out = append(out, d)
			}
			continue
		}
		if compareDue(d, mark) > 0 {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b backend.Delivery) int {
		if s.d.bug == dueOrderIsByRun && a.RunID != b.RunID {
			return compareDue(backend.Delivery{DeliveryKey: a.DeliveryKey}, backend.Delivery{DeliveryKey: b.DeliveryKey})
		}
		return compareDue(a, b)
	})
	return out[:min(limit, len(out))], nil
}

func (s *refStore) Held(ctx context.Context, runID string) ([]backend.Delivery, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []backend.Delivery
	for _, d := range s.d.deliveries {
		if d.RunID == runID {
			out = append(out, d)
		}
	}
	return out, nil
}

func (s *refStore) LoadCursors(ctx context.Context, workflowName string, buckets int) ([]int64, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	first := s.d.pos
	if pos, began := s.d.began[workflowName]; began {
		first = pos - 1
	}
	if s.d.bug == newCursorsStartAtTheEnd {
		first = s.d.pos
	}
	out := make([]int64, buckets)
	for b := range out {
		out[b] = first
		if pos, stored := s.d.cursors[workflowName][b]; stored {
			out[b] = pos
		}
	}
	return out, nil
}

func (s *refStore) SaveCursors(ctx context.Context, cursors []backend.Cursor) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for i, c := range cursors {
		of := s.d.cursors[c.WorkflowName]
		if of == nil {
			of = map[int]int64{}
			s.d.cursors[c.WorkflowName] = of
		}
		if (of[c.Bucket] < c.Pos || s.d.bug == cursorsGoBack) && (i == 0 || s.d.bug != savesOneCursor) {
			of[c.Bucket] = c.Pos
		}
		if s.d.bug == trimsTooEarly {
			s.d.log = slices.DeleteFunc(s.d.log, func(e backend.Entry) bool { return e.Pos <= c.Pos })
		}
	}
	for _, id := range s.d.order {
		s.d.trim(id)
	}
	return nil
}

func (s *refStore) CheckTx(fn any) error {
	if _, ok := fn.(refTx); ok {
		return nil
	}
	return fmt.Errorf("reference: %w", backend.ErrTxUnsupported)
}
