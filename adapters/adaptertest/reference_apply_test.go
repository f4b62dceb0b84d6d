package adaptertest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// apply is the storing rule of the reference: it judges one change and stores it whole, or sets its Err. d is locked.
func (d *refDisk) apply(ctx context.Context, c *backend.Change) {
	if c.Err = d.judge(c); c.Err == nil && c.Tx != nil {
		c.Err = d.runTx(ctx, c)
	}
	if c.Err != nil && d.bug != keepsAFailedMembersDelivery {
		return
	}
	if c.Err == nil && c.Record != nil {
		c.Pos = d.append(c)
	}
	d.holdAndDone(c)
	if c.Err != nil {
		return
	}
	if c.SignalID != "" {
		d.remember(c.RunID(), c.SignalID)
	}
	if c.Attempt != nil && d.bug != forgetsAttempts && d.bug != keepsOnlyThePresent {
		d.attempts[c.Attempt.RunID] = append(d.attempts[c.Attempt.RunID], *c.Attempt)
	}
	d.trim(c.RunID())
}

func (d *refDisk) holdAndDone(c *backend.Change) {
	if d.bug == losesDeliveriesOfRecords && c.Record != nil {
		return
	}
	if d.bug == scrubsLast && c.Scrub {
		defer d.scrub(c.Record)
	}
	for _, k := range c.Done {
		if d.bug != doneIsForgotten {
			delete(d.deliveries, k)
		}
	}
	for _, h := range c.Hold {
		if d.bug == dueOnceIsDueAlways && !d.deliveries[h.DeliveryKey].Due.IsZero() {
			h.Due = d.deliveries[h.DeliveryKey].Due
		}
		if h.Due = d.rounded(h.Due); d.bug == signalsHaveVersions && h.Receiver.IsSignal() && h.Version > d.runs[h.RunID].Meta.Version {
			continue
		}
		if old, held := d.deliveries[h.DeliveryKey]; held && d.bug == dataIsOverwritten {
			copy(old.Data, h.Data)
			h.Data = old.Data
		} else {
			h.Data = slices.Clone(h.Data)
		}
		d.deliveries[h.DeliveryKey] = h
	}
}

func (d *refDisk) rounded(at time.Time) time.Time {
	switch {
	case d.bug == timesAreMicroseconds:
		return at.Truncate(time.Microsecond)
	case d.bug == timesWrapAround && !at.IsZero():
		return time.Unix(0, at.UnixNano())
	}
	return at
}

// judge says why a change cannot be stored.
func (d *refDisk) judge(c *backend.Change) error {
	r := c.Record
	if r == nil {
		return d.guard(c)
	}
	if err := backend.ValidateRecord(r); err != nil && d.bug != validatesNothing {
		return err
	}
	have := uint(0)
	old := d.runs[r.RunID]
	if old != nil {
		have = old.Meta.Version
	}
	if have != r.Meta.Version-1 && d.bug != checksNoVersion {
		if d.bug == conflictsSayNothing {
			return fmt.Errorf("reference: %w", backend.ErrVersionConflict)
		}
		return &backend.ConflictError{RunID: r.RunID, Want: r.Meta.Version - 1, Have: have}
	}
	if err := d.judgeUnique(r); err != nil {
		return err
	}
	return d.guard(c)
}

func (d *refDisk) judgeUnique(r *backend.Record) error {
	if r.RunState.Finished() || d.bug == checksNoUniqueness {
		return nil
	}
	for _, id := range d.order {
		o := d.runs[id]
		same := o.ForeignID == r.ForeignID && (o.WorkflowName == r.WorkflowName || d.bug == workflowsAreOne)
		if d.bug == idsAreFolded {
			same = o.WorkflowName == r.WorkflowName && strings.EqualFold(strings.TrimSpace(o.ForeignID), strings.TrimSpace(r.ForeignID))
		}
		versioned := o.Meta.Version > 0 || d.bug == zeroIsUnique
		open := !o.RunState.Finished() && (o.RunState != backend.RunStatePaused || d.bug != pausedFreesTheForeignID)
		if same && versioned && open && id != r.RunID {
			e := &backend.InProgressError{WorkflowName: r.WorkflowName, ForeignID: r.ForeignID, RunID: id}
			if d.bug == inProgressNamesNobody {
				e.RunID = ""
			}
			return e
		}
	}
	return nil
}

// runTx runs a function of the transaction; the reference lets go of nothing meanwhile.
func (d *refDisk) runTx(ctx context.Context, c *backend.Change) (err error) {
	fn, ok := c.Tx.(refTx)
	if !ok {
		return fmt.Errorf("reference: %w", backend.ErrTxUnsupported)
	}
	if d.bug == txIsForgotten {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = &backend.TxError{Err: fmt.Errorf("panic: %v", p)}
		}
		if d.bug == txFailuresAreIgnored {
			err = nil
		}
	}()
	if err := fn(ctx); err != nil {
		return &backend.TxError{Err: err}
	}
	return nil
}

// append stores a version and returns its position.
func (d *refDisk) append(c *backend.Change) int64 {
	r := c.Record.Clone()
	if d.bug == aliasesTheObject {
		r.Object = c.Record.Object
	}
	if d.bug == dropsTheVisit {
		r.Meta.Visit = 0
	}
	if d.bug == dropsTheDeadline {
		r.Meta.Deadline = time.Time{}
	}
	r.CreatedAt, r.UpdatedAt = d.rounded(r.CreatedAt), d.rounded(r.UpdatedAt)
	if d.bug != reusesAPosition || d.pos%4 != 3 {
		d.pos++
	}
	if d.bug == objectsAreText {
		r.Object = []byte(strings.ToValidUTF8(string(r.Object), "?"))
	}
	if d.runs[r.RunID] == nil {
		d.order = append(d.order, r.RunID)
		d.lastKey++
		d.keys[r.RunID] = d.lastKey
	}
	if old := d.runs[r.RunID]; old != nil && d.bug == recordsAreRecycled {
		*old = *r
		r = old
	}
	d.runs[r.RunID] = r
	if _, began := d.began[r.WorkflowName]; !began {
		d.began[r.WorkflowName] = d.pos
	}
	e := backend.Entry{Pos: d.pos, Record: r, From: c.From, Cause: c.Cause, Actor: c.Actor}
	if d.bug == fromIsForgotten {
		e.From = backend.Point{}
	}
	switch {
	case d.bug == losesALogEntry && d.pos%5 == 4:
	case d.bug == showsEntriesLate && d.pos%8 == 4:
		d.late = append(d.late, e)
	default:
		d.log = append(append(d.log, e), d.late...)
		d.late = nil
		slices.SortFunc(d.log, func(a, b backend.Entry) int { return cmp.Compare(a.Pos, b.Pos) })
	}
	if d.bug != losesHistory || d.pos%5 != 4 {
		d.history[r.RunID] = append(d.history[r.RunID], e)
	}
	if d.bug == keepsOnlyThePresent {
		d.history[r.RunID] = []backend.Entry{e}
	}
	if c.Scrub && d.bug != scrubsNothing {
		d.scrub(r)
	}
	return d.pos
}

// restart is what a clean end and a new start do to the data.
func (d *refDisk) restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bringBack()
	switch d.bug {
	case restartForgetsSignals:
		clear(d.signals)
	case restartCountsKeysAnew:
		d.lastKey = int64(len(d.order))
	case restartForgetsAttempts:
		clear(d.attempts)
	case restartForgetsCursors:
		clear(d.cursors)
	case restartReusesPositions:
		d.pos = 0
	case restartForgetsDeliveries:
		clear(d.deliveries)
	case restartSortsRuns:
		slices.Sort(d.order)
	}
}

// refClassic is the classic view.
type refClassic struct{ s *refStore }

func (s *refStore) RecordStore() backend.RecordStore { return refClassic{s} }

func (v refClassic) Store(ctx context.Context, r *backend.Record) error {
	if err := ctx.Err(); err != nil && v.s.d.bug == cancelIsALie {
		_ = v.Store(context.WithoutCancel(ctx), r)
		return err
	}
	leave, err := v.s.enter(ctx)
	if err != nil {
		return err
	}
	d := v.s.d
	c := &backend.Change{Record: r, Cause: backend.CauseStore}
	old := d.runs[r.RunID]
	if old != nil {
		c.From = pointOf(old)
	}
	if r.Meta.Version == 0 {
		c.Record = r.Clone()
		c.Err = d.storeZero(c, old)
	} else {
		d.apply(ctx, c)
	}
	if c.Err == nil && d.bug != storesNoOutbox {
		c.Err = d.note(c.Record)
	}
	calls := d.othersThan(nil)
	leave()
	if c.Err != nil {
		return c.Err
	}
	for _, w := range calls {
		w.call()
	}
	return nil
}

// storeZero is the unconditional upsert.
func (d *refDisk) storeZero(c *backend.Change, old *backend.Record) error {
	if err := backend.ValidateRecord(c.Record); err != nil {
		return err
	}
	if old != nil && old.Meta.Version > 0 && d.bug != zeroStaysZeroAlways {
		c.Record.Meta.Version = old.Meta.Version + 1
		if err := d.judgeUnique(c.Record); err != nil {
			return err
		}
	}
	if d.bug == zeroIsCounted && old != nil {
		c.Record.Meta.Version = old.Meta.Version + 1
	}
	c.Pos = d.append(c)
	return nil
}

func (d *refDisk) note(r *backend.Record) error {
	data, err := backend.MakeOutboxEventData(*r)
	if err != nil {
		return err
	}
	d.outbox = append(d.outbox, backend.OutboxEvent{ID: data.ID, WorkflowName: data.WorkflowName, Data: data.Data})
	return nil
}

func (v refClassic) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	return v.s.Lookup(ctx, runID)
}

func (v refClassic) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	return v.s.Latest(ctx, workflowName, foreignID)
}

func (v refClassic) List(ctx context.Context, workflowName string, offset int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	return v.s.List(ctx, workflowName, offset, limit, order, filters...)
}

func (v refClassic) ListOutboxEvents(ctx context.Context, workflowName string, limit int64) ([]backend.OutboxEvent, error) {
	leave, err := v.s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []backend.OutboxEvent
	for _, e := range v.s.d.outbox {
		if e.WorkflowName == workflowName && int64(len(out)) < limit {
			out = append(out, e)
		}
	}
	if v.s.d.bug == outboxIsAStack {
		slices.Reverse(out)
	}
	return out, nil
}

func (v refClassic) DeleteOutboxEvent(ctx context.Context, id string) error {
	leave, err := v.s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	before := len(v.s.d.outbox)
	v.s.d.outbox = slices.DeleteFunc(v.s.d.outbox, func(e backend.OutboxEvent) bool { return e.ID == id })
	if len(v.s.d.outbox) == before {
		return fmt.Errorf("reference: %w", backend.ErrOutboxRecordNotFound)
	}
	return nil
}

// refJoin is one contender for the roles of a workflow; the first in the queue holds them all.
type refJoin struct {
	d       *refDisk
	buckets []int
	granted func(backend.Grant)
	cancel  context.CancelFunc
	ctx     context.Context
	running chan struct{} // closed when granted has returned
	left    bool
}

func (s *refStore) Join(ctx context.Context, workflowName string, buckets int, granted func(backend.Grant)) (func(), error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	j := &refJoin{d: s.d, granted: granted}
	j.ctx, j.cancel = context.WithCancel(ctx)
	for b := range buckets {
		j.buckets = append(j.buckets, b)
	}
	key := workflowName
	if s.d.bug == rolesOfAllWorkflows {
		key = ""
	}
	s.d.contests[key] = append(s.d.contests[key], j)
	if len(s.d.contests[key]) == 1 || s.d.bug == grantsToTwo {
		j.grant()
	}
	return func() { s.d.leave(key, j) }, nil
}

// grant needs the lock of d.
func (j *refJoin) grant() {
	j.d.epoch++
	running := make(chan struct{})
	j.running = running
	g := backend.Grant{Buckets: j.buckets, Epoch: j.d.epoch, Context: j.ctx}
	if j.d.bug == epochsStandStill {
		g.Epoch = 1
	}
	go func() {
		defer close(running)
		j.granted(g)
	}()
}

func (d *refDisk) leave(key string, j *refJoin) {
	d.mu.Lock()
	if j.left && d.bug != leaveTwiceTakesTwo {
		d.mu.Unlock()
		return
	}
	j.left = true
	running := j.running
	d.mu.Unlock()
	if running != nil && d.bug != leaveDoesNotWait {
		<-running
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bug != leaveEndsNoContext {
		j.cancel()
	}
	queue := d.contests[key]
	i := slices.Index(queue, j)
	if d.bug == leaveTwiceTakesTwo && i < 0 && len(queue) > 0 {
		i = 0
		queue[0].cancel()
	}
	if i < 0 || (d.bug == waiterStaysInTheQueue && i > 0) {
		return
	}
	d.contests[key] = slices.Delete(queue, i, i+1)
	if rest := d.contests[key]; i == 0 && len(rest) > 0 && d.bug != nobodyIsNext {
		rest[0].grant()
	}
}
