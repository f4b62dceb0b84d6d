package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// keptAttempts bounds the failed attempts kept of a run; the oldest go first.
const keptAttempts = 100

// change writes one change: first what may fail by the rules, then the rest.
func (t *txn) change(u *unit) error {
	c := u.change
	if err := t.checkRuns(c); err != nil {
		return err
	}
	if err := t.checkGuards(c); err != nil {
		return err
	}
	if c.Record != nil {
		if err := t.storeVersion(u); err != nil {
			return err
		}
	}
	if err := t.remember(c); err != nil {
		return err
	}
	for i := range c.Hold {
		if err := t.hold(&c.Hold[i]); err != nil {
			return err
		}
	}
	for _, k := range c.Done {
		if err := t.done(k); err != nil {
			return err
		}
	}
	if c.Attempt != nil {
		if err := t.attempt(c.Attempt); err != nil {
			return err
		}
	}
	t.dirty = t.dirty || c.Tx != nil
	return nil
}

// checkRuns makes sure that what the change holds belongs to runs that are there.
func (t *txn) checkRuns(c *backend.Change) error {
	check := func(runID string) error {
		if c.Record != nil && c.Record.RunID == runID {
			return nil
		}
		_, ok, err := t.find(runID, false)
		if err == nil && !ok {
			err = fmt.Errorf("%w: run %s", backend.ErrRecordNotFound, runID)
		}
		return err
	}
	for i := range c.Hold {
		if err := check(c.Hold[i].RunID); err != nil {
			return err
		}
	}
	if c.Attempt != nil {
		return check(c.Attempt.RunID)
	}
	return nil
}

// storeVersion writes the run's new version: the row with the version check in the write itself, and its log row.
func (t *txn) storeVersion(u *unit) error {
	r := u.change.Record
	workflow, err := t.workflow(r.WorkflowName)
	if err != nil {
		return err
	}
	if r.Meta.Version == 0 {
		return t.upsert(u, workflow)
	}
	want := int64(r.Meta.Version) - 1
	info, found := t.runs[r.RunID]
	if !found {
		info, found = t.w.cache.get(r.RunID)
	}
	if !found && want == 0 { // most likely a new run
		stored, err := t.insertRun(u, workflow, 1)
		if stored || err != nil {
			return err
		}
	}
	if found && info.version == want {
		stored, err := t.updateRun(u, workflow, info, want+1)
		if stored || err != nil {
			return err
		}
	}
	info, found, err = t.find(r.RunID, true) // what was remembered is old, or there was nothing
	switch {
	case err != nil:
		return err
	case !found && want == 0:
		return t.inTheWay(workflow, r)
	case !found || info.version != want:
		return &backend.ConflictError{RunID: r.RunID, Want: uint(want), Have: uint(info.version)}
	}
	stored, err := t.updateRun(u, workflow, info, want+1)
	if err == nil && !stored {
		return t.inTheWay(workflow, r)
	}
	return err
}

// upsert writes a record of version 0 unconditionally: over a versioned row it becomes that row's next version.
func (t *txn) upsert(u *unit, workflow int64) error {
	r := u.change.Record
	info, found, err := t.find(r.RunID, true)
	if err != nil {
		return err
	}
	stored := false
	switch {
	case !found:
		stored, err = t.insertRun(u, workflow, 0)
	case info.version == 0:
		stored, err = t.updateRun(u, workflow, info, 0)
	default:
		stored, err = t.updateRun(u, workflow, info, info.version+1)
	}
	if err == nil && !stored {
		return t.inTheWay(workflow, r)
	}
	return err
}

// insertRun makes the run's row, unless its run id is taken or an unfinished run is in the way.
func (t *txn) insertRun(u *unit, workflow, version int64) (bool, error) {
	r := u.change.Record
	created, err := nanos("created at", r.CreatedAt)
	if err != nil {
		return false, err
	}
	n, err := t.tryInsert(r, workflow, version, created)
	if err == nil && n == 0 && len(t.moves) > 0 { // the run in the way may have its end among them
		if err = t.writeMoves(); err == nil {
			n, err = t.tryInsert(r, workflow, version, created)
		}
	}
	if err != nil || n == 0 {
		return false, err
	}
	info := runInfo{id: t.next, workflow: workflow, createdAt: created, foreignID: r.ForeignID, trace: r.Meta.TraceOrigin}
	return true, t.appendVersion(u, info, version)
}

// tryInsert makes the run's row. Its id is the position of its first version: no run that was erased had it.
func (t *txn) tryInsert(r *backend.Record, workflow, version, created int64) (int64, error) {
	return t.c.execN(context.Background(), `INSERT INTO sw_runs
		(id, run_id, workflow, foreign_id, version, status, state, head, live, created_at, trace)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		t.next, r.RunID, workflow, r.ForeignID, version, int64(r.Status), int64(r.RunState), t.next, flag(live(version, r.RunState)),
		created, r.Meta.TraceOrigin)
}

// updateRun moves the run's row on from what info says, unless the row has moved or an unfinished run is in the way.
func (t *txn) updateRun(u *unit, workflow int64, info runInfo, version int64) (bool, error) {
	r := u.change.Record
	created, err := nanos("created at", r.CreatedAt)
	if err != nil {
		return false, err
	}
	var n int64
	same := info.workflow == workflow && info.createdAt == created && info.foreignID == r.ForeignID && info.trace == r.Meta.TraceOrigin
	switch {
	case same && t.gathers(info, version):
		n = 1
		err = t.gather(move{id: info.id, version: info.version, head: info.head, toStatus: int64(r.Status), toState: int64(r.RunState),
			toPos: t.next, ends: !live(version, r.RunState)})
	case same && live(info.version, info.state) == live(version, r.RunState):
		n, err = t.c.execN(context.Background(),
			"UPDATE sw_runs SET version = ?, status = ?, state = ?, head = ? WHERE id = ? AND version = ? AND head = ?",
			version, int64(r.Status), int64(r.RunState), t.next, info.id, info.version, info.head)
	default:
		n, err = t.c.execN(context.Background(), `UPDATE OR IGNORE sw_runs SET version = ?, status = ?, state = ?, head = ?,
			live = ?, workflow = ?, foreign_id = ?, created_at = ?, trace = ? WHERE id = ? AND version = ? AND head = ?`,
			version, int64(r.Status), int64(r.RunState), t.next, flag(live(version, r.RunState)), workflow, r.ForeignID, created,
			r.Meta.TraceOrigin, info.id, info.version, info.head)
	}
	if err != nil || n == 0 {
		return false, err
	}
	info.workflow, info.createdAt, info.foreignID, info.trace = workflow, created, r.ForeignID, r.Meta.TraceOrigin
	return true, t.appendVersion(u, info, version)
}

// appendVersion puts the log row of a stored version in line and remembers where the run stands. info is the run as it was.
func (t *txn) appendVersion(u *unit, info runInfo, version int64) error {
	c, r := u.change, u.change.Record
	updated, err := nanos("updated at", r.UpdatedAt)
	if err != nil {
		return err
	}
	deadline, err := nanos("deadline", r.Meta.Deadline)
	if err != nil {
		return err
	}
	row := logRow{pos: t.next, run: info.id, prev: info.head, version: version, updatedAt: updated, deadline: deadline, rec: r, from: c.From,
		cause: c.Cause, actor: c.Actor}
	if u.classic {
		row.from = backend.Point{RunState: info.state, Status: info.status}
	}
	info.version, info.head, info.status, info.state = version, t.next, r.Status, r.RunState
	t.know(r.RunID, info)
	t.rows = append(t.rows, row)
	u.pos = t.next
	t.next++
	t.dirty = true
	if err := t.start(r.WorkflowName, row.pos); err != nil {
		return err
	}
	if u.classic {
		if err := t.outbox(r, info, version); err != nil {
			return err
		}
	}
	if c.Scrub {
		if err := t.scrubRun(row); err != nil {
			return err
		}
	}
	if version > 0 && version%postEvery == 0 {
		return t.post(r.RunID, info)
	}
	return nil
}

// inTheWay says which unfinished run keeps a record from being stored.
func (t *txn) inTheWay(workflow int64, r *backend.Record) error {
	e := &backend.InProgressError{WorkflowName: r.WorkflowName, ForeignID: r.ForeignID}
	err := t.c.query(context.Background(), func(row []driver.Value) error {
		e.RunID = asText(row[0])
		return nil
	}, "SELECT run_id FROM sw_runs WHERE workflow = ? AND foreign_id = ? AND live = 1", workflow, r.ForeignID)
	if err != nil {
		return err
	}
	return e
}

// hold writes a delivery, new or known.
func (t *txn) hold(d *backend.Delivery) error {
	info, found, err := t.find(d.RunID, false)
	if err != nil || !found {
		return err
	}
	workflow, err := t.workflow(d.WorkflowName)
	if err != nil {
		return err
	}
	first, err := nanos("first at", d.FirstAt)
	if err != nil {
		return err
	}
	var due driver.Value
	if !d.Due.IsZero() {
		if due, err = nanos("due", d.Due); err != nil {
			return err
		}
	}
	t.dirty = true
	_, err = t.c.exec(context.Background(), `INSERT INTO sw_deliveries
		(run, receiver, version, run_id, workflow, bucket, attempts, due, state, last_error, first_at, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET workflow = excluded.workflow, bucket = excluded.bucket, attempts = excluded.attempts,
			due = excluded.due, state = excluded.state, last_error = excluded.last_error, first_at = excluded.first_at, data = excluded.data`,
		info.id, string(d.Receiver), int64(d.Version), d.RunID, workflow, int64(d.Bucket), int64(d.Attempts), due, int64(d.State),
		backend.Cut(d.LastError), first, blob(d.Data))
	return err
}

// done removes a delivery; one that is not there is no error.
func (t *txn) done(k backend.DeliveryKey) error {
	info, found, err := t.find(k.RunID, false)
	if err != nil || !found {
		return err
	}
	n, err := t.c.execN(context.Background(), "DELETE FROM sw_deliveries WHERE run = ? AND receiver = ? AND version = ?",
		info.id, string(k.Receiver), int64(k.Version))
	t.dirty = t.dirty || n > 0
	return err
}

// attempt keeps a failed attempt and forgets the oldest beyond the bound.
func (t *txn) attempt(a *backend.Attempt) error {
	info, found, err := t.find(a.RunID, false)
	if err != nil || !found {
		return err
	}
	workflow, err := t.workflow(a.WorkflowName)
	if err != nil {
		return err
	}
	at, err := nanos("attempt's time", a.At)
	if err != nil {
		return err
	}
	t.dirty = true
	ctx := context.Background()
	_, err = t.c.exec(ctx, `INSERT INTO sw_attempts (run, workflow, receiver, version, number, at, took, error, stack, actor)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, info.id, workflow, string(a.Receiver), int64(a.Version), int64(a.Number), at,
		int64(a.Took), backend.Cut(a.Error), backend.Cut(a.Stack), a.Actor)
	if err != nil {
		return err
	}
	_, err = t.c.exec(ctx, `DELETE FROM sw_attempts WHERE run = ?1 AND id <=
		(SELECT id FROM sw_attempts WHERE run = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`, info.id, int64(keptAttempts))
	return err
}

// outbox leaves the event of a plain Store.
func (t *txn) outbox(r *backend.Record, info runInfo, version int64) error {
	stored := *r
	stored.Meta.Version = uint(version)
	event, err := backend.MakeOutboxEventData(stored)
	if err != nil {
		return err
	}
	t.classic = true
	_, err = t.c.exec(context.Background(), "INSERT INTO sw_outbox (event_id, workflow, run, data, created_at) VALUES (?, ?, ?, ?, ?)",
		event.ID, info.workflow, info.id, event.Data, time.Now().UnixNano())
	return err
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
