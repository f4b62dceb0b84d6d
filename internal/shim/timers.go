package shim

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// mirror keeps the TimeoutStore in step with the timers in memory. A new timer is written at once, and again later if
// that fails; a row that is done with is marked in the background, because finding it takes a listing.
type mirror struct {
	b    *Backend
	wake chan struct{}
	errs streak // of writing
	look streak // of restoring

	mu       sync.Mutex
	creates  []*timeoutRow // not taken by the TimeoutStore yet
	finished []*timeoutRow // to be marked as completed
	overflow bool          // something was dropped at the bound; reported once
}

const (
	rowTolerance = time.Second     // stores keep times less exactly than memory
	overdueAfter = time.Minute     // a row nobody took so long after its time is adopted
	sameVisit    = time.Second     // rows of one visit are created together
	mirrorLast   = 2 * time.Second // the last try when leaving
)

func newMirror(b *Backend) *mirror {
	return &mirror{b: b, wake: make(chan struct{}, 1)}
}

// create writes rows of new timers. A timer whose row cannot be written still fires; the row is tried again while joined.
func (m *mirror) create(ctx context.Context, rows []*timeoutRow) {
	for _, row := range rows {
		if err := m.write(ctx, row); err != nil {
			m.errs.report(ctx, m.b, "store timeout", err)
			m.queue(&m.creates, row)
		}
	}
}

func (m *mirror) write(ctx context.Context, row *timeoutRow) (err error) {
	defer guard("store timeout", &err)
	err = m.b.cfg.Timeouts.Create(ctx, m.b.cfg.WorkflowName, row.foreignID, row.runID, row.status, row.expiry)
	if err == nil {
		row.stored.Store(true)
	}
	return err
}

// complete has rows marked as completed.
func (m *mirror) complete(rows []*timeoutRow) {
	for _, row := range rows {
		m.mu.Lock()
		at := slices.Index(m.creates, row)
		if at >= 0 {
			m.creates = slices.Delete(m.creates, at, at+1)
		}
		m.mu.Unlock()
		if at < 0 {
			m.queue(&m.finished, row)
		}
	}
}

func (m *mirror) queue(to *[]*timeoutRow, row *timeoutRow) {
	m.mu.Lock()
	full := len(*to) >= maxMirrorQueue
	if !full {
		*to = append(*to, row)
	}
	first := full && !m.overflow
	m.overflow = full
	m.mu.Unlock()
	if first {
		m.b.report(context.Background(), "store timeout", row.runID, errors.New("too many changes wait for the timeout store; some are dropped"))
	}
	poke(m.wake)
}

// run works the queues off until ctx ends, and adopts rows that nobody took. restored says that the first restore went well.
func (m *mirror) run(ctx context.Context, buckets int, restored bool) {
	var wait backoff
	look := realNow().Add(m.b.cfg.Scan)
	if !restored {
		look = realNow()
	}
	for {
		if !look.After(realNow()) {
			if m.b.restoreTimers(ctx, buckets, restore{granted: true, late: restored}) {
				restored = true
				m.look.reset()
				look = realNow().Add(m.b.cfg.Scan)
			} else {
				look = realNow().Add(wait.step())
			}
		}
		next := max(look.Sub(realNow()), 0)
		if err := m.flush(ctx); err != nil {
			m.errs.report(ctx, m.b, "store timeout", err)
			next = min(next, wait.step())
		} else {
			m.errs.reset()
			if restored {
				wait.reset()
			}
		}
		if !waitFor(ctx, m.wake, next) {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), mirrorLast)
			defer cancel()
			if err := m.flush(last); err != nil {
				m.errs.report(last, m.b, "store timeout", err)
			}
			return
		}
	}
}

// flush writes what is queued.
func (m *mirror) flush(ctx context.Context) error {
	m.mu.Lock()
	creates := m.creates
	m.mu.Unlock()
	for _, row := range slices.Clone(creates) {
		if err := m.write(ctx, row); err != nil {
			return err
		}
		m.mu.Lock()
		at := slices.Index(m.creates, row)
		if at >= 0 {
			m.creates = slices.Delete(m.creates, at, at+1)
		}
		m.mu.Unlock()
		if at < 0 { // it was done with meanwhile
			m.queue(&m.finished, row)
		}
	}
	m.mu.Lock()
	finished := m.finished
	m.finished = nil
	m.mu.Unlock()
	byStatus := make(map[int][]*timeoutRow)
	for _, row := range finished {
		byStatus[row.status] = append(byStatus[row.status], row)
	}
	var failed error
	for status, rows := range byStatus {
		left, err := m.markFinished(ctx, status, rows)
		if err != nil {
			failed = err
			m.mu.Lock()
			m.finished = append(m.finished, left...)
			m.mu.Unlock()
		}
	}
	return failed
}

// markFinished completes the rows of one status: one listing for all of them. It returns those that are left after an error.
func (m *mirror) markFinished(ctx context.Context, status int, rows []*timeoutRow) ([]*timeoutRow, error) {
	until := rows[0].expiry
	for _, row := range rows {
		if row.expiry.After(until) {
			until = row.expiry
		}
	}
	open, err := m.listValid(ctx, status, until.Add(rowTolerance))
	if err != nil {
		return rows, err
	}
	byRun := make(map[string][]backend.TimeoutRecord)
	for _, o := range open {
		byRun[o.RunID] = append(byRun[o.RunID], o)
	}
	for i, row := range rows {
		at := closest(byRun[row.runID], row.expiry)
		if at < 0 {
			continue // somebody did it already
		}
		id := byRun[row.runID][at].ID
		if err := m.markCompleted(ctx, id); err != nil && !errors.Is(err, backend.ErrTimeoutNotFound) {
			return rows[i:], err
		}
		byRun[row.runID] = slices.Delete(byRun[row.runID], at, at+1)
	}
	return nil, nil
}

// closest returns the row whose expiry is nearest, within the tolerance; -1 for none.
func closest(rows []backend.TimeoutRecord, expiry time.Time) int {
	best, at := rowTolerance+1, -1
	for i := range rows {
		if d := rows[i].ExpireAt.Sub(expiry).Abs(); d < best {
			best, at = d, i
		}
	}
	return at
}

// unfinished returns rows that are done with, and not marked so yet.
func (m *mirror) unfinished(runID string, status int) (rows []*timeoutRow) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, row := range m.finished {
		if row.runID == runID && row.status == status {
			rows = append(rows, row)
		}
	}
	return rows
}

func (m *mirror) listValid(ctx context.Context, status int, now time.Time) (rows []backend.TimeoutRecord, err error) {
	defer guard("list timeouts", &err)
	return m.b.cfg.Timeouts.ListValid(ctx, m.b.cfg.WorkflowName, status, now)
}

func (m *mirror) list(ctx context.Context) (rows []backend.TimeoutRecord, err error) {
	defer guard("list timeouts", &err)
	return m.b.cfg.Timeouts.List(ctx, m.b.cfg.WorkflowName)
}

func (m *mirror) markCompleted(ctx context.Context, id int64) (err error) {
	defer guard("complete timeout", &err)
	return m.b.cfg.Timeouts.Complete(ctx, id)
}

func (m *mirror) markCancelled(ctx context.Context, id int64) (err error) {
	defer guard("cancel timeout", &err)
	return m.b.cfg.Timeouts.Cancel(ctx, id)
}

// restore says how rows are restored.
type restore struct {
	granted bool // the roles are granted already: the engine has to be told
	late    bool // take only overdue rows, whose process must have died
}

// restoreTimers makes deliveries of the rows that are not completed. It reports whether everything could be read.
func (b *Backend) restoreTimers(ctx context.Context, buckets int, how restore) bool {
	rows, err := b.mirror.list(ctx)
	if err != nil {
		if ctx.Err() == nil {
			b.mirror.look.report(ctx, b, "restore timeouts", err)
		}
		return false
	}
	type group struct {
		runID  string
		status int
	}
	groups := make(map[group][]backend.TimeoutRecord)
	for _, row := range rows {
		g := group{row.RunID, row.Status}
		groups[g] = append(groups[g], row)
	}
	overdue := b.cfg.Clock.Now().Add(-overdueAfter)
	complete := true
	for g, of := range groups {
		wanted := slices.DeleteFunc(b.unknownRows(g.runID, g.status, of), func(i indexedRow) bool {
			return how.late && i.row.ExpireAt.After(overdue)
		})
		if len(wanted) == 0 {
			continue
		}
		if err := b.restoreRun(ctx, buckets, how.granted, wanted); err != nil {
			if ctx.Err() != nil {
				return false
			}
			b.mirror.look.report(ctx, b, "restore timeouts", err)
			complete = false
		}
	}
	return complete
}

// indexedRow is a row and the number of its timeout among those of its status.
type indexedRow struct {
	row   backend.TimeoutRecord
	index int
}

// unknownRows numbers the rows of one run and status by expiry, and returns those that no timer in memory stands for. Rows of
// an earlier visit are told apart by when they were created.
func (b *Backend) unknownRows(runID string, status int, rows []backend.TimeoutRecord) (unknown []indexedRow) {
	slices.SortFunc(rows, func(x, y backend.TimeoutRecord) int {
		return cmp.Or(x.ExpireAt.Compare(y.ExpireAt), cmp.Compare(x.ID, y.ID))
	})
	known := append(b.held.rows(runID, status), b.mirror.unfinished(runID, status)...)
	for i, row := range rows {
		if row.Completed {
			continue
		}
		at := slices.IndexFunc(known, func(k *timeoutRow) bool { return k.expiry.Sub(row.ExpireAt).Abs() < rowTolerance })
		if at >= 0 {
			known = slices.Delete(known, at, at+1)
			continue
		}
		index := 0
		for _, other := range rows[:i] {
			if other.CreatedAt.Sub(row.CreatedAt).Abs() <= sameVisit || !other.Completed {
				index++
			}
		}
		unknown = append(unknown, indexedRow{row, index})
	}
	return unknown
}

// restoreRun makes deliveries of the rows of one run and status, or cancels them where the run has left the status.
func (b *Backend) restoreRun(ctx context.Context, buckets int, granted bool, rows []indexedRow) error {
	first := rows[0].row
	rec, err := b.lookup(ctx, first.RunID)
	void := errors.Is(err, backend.ErrRecordNotFound)
	if err != nil && !void {
		return err
	}
	if void || rec.RunState.Finished() || rec.Status != first.Status {
		for _, i := range rows {
			if err := b.mirror.markCancelled(ctx, i.row.ID); err != nil && !errors.Is(err, backend.ErrTimeoutNotFound) {
				return err
			}
		}
		return nil
	}
	added := false
	for _, i := range rows {
		row := &timeoutRow{runID: i.row.RunID, foreignID: i.row.ForeignID, status: i.row.Status, expiry: i.row.ExpireAt}
		row.stored.Store(true)
		added = b.held.addIfNew(&delivery{status: row.status, row: row, Delivery: backend.Delivery{
			DeliveryKey: backend.DeliveryKey{
				RunID: row.runID, Receiver: backend.Receiver(timeoutPrefix + strconv.Itoa(i.index)), Version: rec.Meta.Visit,
			},
			WorkflowName: b.cfg.WorkflowName, Bucket: backend.BucketOf(row.runID, buckets),
			Due: row.expiry, State: backend.DeliveryTimer,
		}}) || added
	}
	if added && granted && rec.RunState.Moving() && b.log.waitScanRoom(ctx) {
		// Not current: it starts no step, it only makes the engine look at the due rows again.
		b.log.append(&line{record: rec, scan: true})
	}
	return nil
}
