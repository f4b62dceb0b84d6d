package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stillwater-go/workflow/backend"
)

// txn is one transaction of the writer, begun and not yet ended. What it learns about runs and workflows is kept apart until
// the commit has succeeded.
type txn struct {
	w    *writer
	c    *conn
	base marks // as it found them
	now  marks // as it leaves them, all but the head
	next int64 // the position that the next log row gets
	// dirty says that something was written.
	dirty bool
	// classic says that a plain Store is among the units: watchers on this Backend have to hear of it.
	classic bool
	// scrub says that bytes have to be gone from the write-ahead log too.
	scrub bool

	runs    map[string]runInfo // runs as this transaction leaves them
	flows   map[string]flow    // workflows that it made or started
	saving  bool               // a savepoint is open
	undo    []known            // what it has to go back to
	grouped bool               // moves are gathered
	moves   []move             // not written yet
	kind    []move             // of one kind: the scratch of writeMoves
	args    []driver.Value     // the scratch of statements with many rows
	rows    []logRow           // every log row
	flushed int                // how many of them are written
	erased  []int64            // the ids of the runs that it erased
}

// marks is what the processes on a file tell each other by: the newest position that was ever given, and the counts of sw_marks.
type marks struct{ head, wakes, erasures int64 }

// headTerm is the newest position that was ever given. The row at it may have been erased.
const headTerm = `max(coalesce((SELECT max(pos) FROM sw_log), 0), coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'sw_log'), 0))`

// readMarks reads all marks as of one moment.
func readMarks(ctx context.Context, c *conn) (m marks, err error) {
	err = c.query(ctx, func(row []driver.Value) error {
		m = marks{head: asInt(row[0]), wakes: asInt(row[1]), erasures: asInt(row[2])}
		return nil
	}, "SELECT "+headTerm+", m.wakes, m.erasures FROM (SELECT 1) LEFT JOIN sw_marks m ON m.id = 1")
	return m, err
}

// memberError is the failure of a statement on behalf of one unit, which no verdict explains.
type memberError struct{ err error }

func (e *memberError) Error() string { return e.err.Error() }
func (e *memberError) Unwrap() error { return e.err }

func newTxn(w *writer) (*txn, error) {
	t := &txn{w: w, c: w.c, runs: map[string]runInfo{}}
	m := w.left.marks
	if version, ok := t.c.dataVersion(); !ok || !w.left.known || version != w.left.version {
		var err error
		if m, err = readMarks(context.Background(), t.c); err != nil {
			t.rollback()
			return nil, err
		}
	}
	t.base, t.now, t.next = m, m, m.head+1
	if m.erasures != w.erasures {
		w.cache.reset() // another process erased runs, and some may be among those remembered
		w.erasures = m.erasures
	}
	return t, nil
}

// apply writes the units in order. A unit's own failure is in its err. With guarded set, each unit has a savepoint, so that an
// unexpected failure of a statement is its own failure too.
func (t *txn) apply(units []*unit, guarded bool) error {
	t.grouped = !guarded && len(units) >= minGrouped
	for _, u := range units {
		if u.dead != nil {
			u.err = u.dead
			continue
		}
		if !guarded && (u.change == nil || u.change.Tx == nil) {
			if err := t.settleUnit(u, t.run(u)); err != nil {
				return err
			}
			continue
		}
		if err := t.applyGuarded(u, guarded); err != nil {
			return err
		}
	}
	return t.flush()
}

// settleUnit files a unit's error: a verdict is the unit's own, anything else the transaction's.
func (t *txn) settleUnit(u *unit, err error) error {
	switch {
	case err == nil:
		return nil
	case isVerdict(err):
		u.err = err
		return nil
	}
	return &memberError{err: err}
}

// run writes one unit.
func (t *txn) run(u *unit) error {
	if u.op == nil {
		return t.change(u)
	}
	if err := t.writeMoves(); err != nil {
		return err
	}
	return u.op(t)
}

// applyGuarded writes one unit within a savepoint, runs the user's function of the transaction, and undoes both when either fails.
func (t *txn) applyGuarded(u *unit, own bool) error {
	ctx := context.Background()
	if err := t.flush(); err != nil {
		return err
	}
	if _, err := t.c.exec(ctx, "SAVEPOINT sw_member"); err != nil {
		return &memberError{err: err}
	}
	saved := t.save()
	defer func() { t.saving = false }()
	err := t.run(u)
	if err == nil {
		err = t.flush()
	}
	if err == nil && u.change != nil && u.change.Tx != nil {
		err = t.w.guard.run(u.ctx, u.change.Tx, t.c, t.w.b.cfg.txDeadline)
	}
	if err == nil {
		if _, err := t.c.exec(ctx, "RELEASE sw_member"); err != nil {
			return &memberError{err: err}
		}
		return nil
	}
	if t.w.guard.lost(t.c) {
		t.w.abandon()
		u.dead = err
		return &memberError{err: err}
	}
	if errors.Is(err, errTxBroken) {
		u.dead = err // the transaction is gone; the others are written again without this one
		return &memberError{err: err}
	}
	if endsTransaction(err) && !isTxError(err) {
		return &memberError{err: err} // SQLite may have ended the transaction itself
	}
	if err := t.c.script(ctx, "ROLLBACK TO sw_member; RELEASE sw_member"); err != nil {
		return &memberError{err: err}
	}
	t.restore(saved)
	if isVerdict(err) || own {
		u.err, u.pos = fail(ctx, "commit", err), 0
		return nil
	}
	return &memberError{err: err}
}

func isTxError(err error) bool {
	var e *backend.TxError
	return errors.As(err, &e)
}

// saved is what a savepoint's rollback takes back on our side.
type saved struct {
	next    int64
	rows    int
	dirty   bool
	classic bool
	scrub   bool
	now     marks
	erased  int
	flows   map[string]flow
}

// known is what a run was known as before a savepoint's member changed that.
type known struct {
	runID string
	info  runInfo
	found bool
}

func (t *txn) save() saved {
	t.saving, t.undo = true, t.undo[:0]
	return saved{next: t.next, rows: len(t.rows), dirty: t.dirty, classic: t.classic, scrub: t.scrub, now: t.now, erased: len(t.erased),
		flows: maps.Clone(t.flows)}
}

func (t *txn) restore(s saved) {
	t.next, t.dirty, t.classic, t.scrub, t.flows = s.next, s.dirty, s.classic, s.scrub, s.flows
	for _, k := range slices.Backward(t.undo) {
		if k.found {
			t.runs[k.runID] = k.info
		} else {
			delete(t.runs, k.runID)
		}
	}
	t.now, t.erased = s.now, t.erased[:s.erased]
	t.rows, t.moves = t.rows[:s.rows], t.moves[:0]
	t.flushed = s.rows
}

// know keeps where a run stands.
func (t *txn) know(runID string, info runInfo) {
	t.undoable(runID)
	t.runs[runID] = info
}

// undoable notes what is known of a run, where a savepoint may have to go back to it.
func (t *txn) undoable(runID string) {
	if t.saving {
		info, found := t.runs[runID]
		t.undo = append(t.undo, known{runID, info, found})
	}
}

// rollback undoes the transaction. What the rollback itself answers is of no use: SQLite has mostly rolled back already.
func (t *txn) rollback() {
	if t.w.c != t.c || t.w.c == nil {
		return
	}
	if err := t.c.script(context.Background(), "ROLLBACK"); err != nil && breaksConn(err) {
		t.w.reopenLater()
		return
	}
	for id := range t.runs {
		t.w.cache.drop(id)
	}
}

// committed files what the transaction did, and tells who waits for it.
func (t *txn) committed() {
	for id, info := range t.runs {
		if info.state.Finished() { // hardly ever written again
			t.w.cache.drop(id)
			continue
		}
		t.w.cache.put(id, info)
	}
	maps.Copy(t.w.flows, t.flows)
	if t.scrub {
		// The old bytes are gone from the database; this takes them out of the write-ahead log too, unless a reader is in
		// the way, in which case the next checkpoint does. The connection may be another one than the transaction's by now.
		_, _ = t.w.c.pragma(context.Background(), "wal_checkpoint(TRUNCATE)")
	}
	t.w.erasures = t.now.erasures
	t.w.b.watch.committed(t.base, t.now, t.classic)
}

// workflow returns the id of a workflow, making its row on first use.
func (t *txn) workflow(name string) (int64, error) {
	if f, ok := t.knownFlow(name); ok {
		return f.id, nil
	}
	ctx := context.Background()
	find := func() (f flow, ok bool, err error) {
		err = t.c.query(ctx, func(row []driver.Value) error {
			f, ok = flow{id: asInt(row[0]), started: row[1] != nil}, true
			return nil
		}, "SELECT id, first_pos FROM sw_workflows WHERE name = ?", name)
		return f, ok, err
	}
	f, ok, err := find()
	if err == nil && !ok {
		if _, err = t.c.exec(ctx, "INSERT INTO sw_workflows (name) VALUES (?)", name); err == nil {
			t.dirty = true
			f, ok, err = find()
		}
	}
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, fmt.Errorf("workflow %s: row vanished", backend.Quote(name))
	}
	t.keepFlow(name, f)
	return f.id, nil
}

// start stores the position of a workflow's first log row.
func (t *txn) start(name string, pos int64) error {
	f, ok := t.knownFlow(name)
	if !ok || f.started {
		return nil
	}
	_, err := t.c.exec(context.Background(), "UPDATE sw_workflows SET first_pos = ? WHERE id = ? AND first_pos IS NULL", pos, f.id)
	if err != nil {
		return err
	}
	t.keepFlow(name, flow{id: f.id, started: true})
	return nil
}

func (t *txn) knownFlow(name string) (flow, bool) {
	if f, ok := t.flows[name]; ok {
		return f, true
	}
	f, ok := t.w.flows[name]
	return f, ok
}

func (t *txn) keepFlow(name string, f flow) {
	if t.flows == nil {
		t.flows = map[string]flow{}
	}
	t.flows[name] = f
}

// find returns what is known of a run, reading it where it is not. A fresh look is asked for when the first one led to a conflict.
func (t *txn) find(runID string, fresh bool) (runInfo, bool, error) {
	if !fresh {
		if info, ok := t.runs[runID]; ok {
			return info, true, nil
		}
		if info, ok := t.w.cache.get(runID); ok {
			return info, true, nil
		}
	}
	if err := t.writeMoves(); err != nil { // they may be of this run
		return runInfo{}, false, err
	}
	var info runInfo
	found := false
	err := t.c.query(context.Background(), func(row []driver.Value) error {
		info = runInfo{
			id: asInt(row[0]), workflow: asInt(row[1]), version: asInt(row[2]), head: asInt(row[3]), status: int(asInt(row[4])),
			state: backend.RunState(asInt(row[5])), createdAt: asInt(row[6]), foreignID: asText(row[7]), trace: asText(row[8]),
		}
		found = true
		return nil
	}, "SELECT id, workflow, version, head, status, state, created_at, foreign_id, trace FROM sw_runs WHERE run_id = ?", runID)
	if err != nil {
		return runInfo{}, false, err
	}
	if found {
		t.know(runID, info)
	}
	return info, found, nil
}
