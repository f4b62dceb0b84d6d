package adaptertest

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/stillwater-go/workflow/backend"
)

// The oracle reports at most maxViolations; a broken store breaks everything at once.
const maxViolations = 100

// defaultHistory is how many versions of a run a store keeps at least, unless WalkOptions say otherwise.
const defaultHistory = 1000

// WalkOptions say what a store keeps. The zero value fits the backends of this project.
type WalkOptions struct {
	// NoHistory: History knows the present version alone.
	NoHistory bool
	// MinHistory is how many versions of a run are kept at least; a history that lacks the oldest must be that long.
	// Zero means 1,000.
	MinHistory int
	// NothingErased: no run was ever erased, so that the newest entry is at the head of the log. It is taken for granted where the
	// store is no [backend.Eraser].
	NothingErased bool
	// Buckets is the number of buckets that the workflows use. Zero means 16.
	Buckets int
}

// Check walks the store and fails t for every broken invariant. The store must be at rest. It is [Walk] with the zero options.
func Check(t T, b backend.Backend) {
	t.Helper()
	violations, err := Walk(context.WithoutCancel(t.Context()), b, WalkOptions{}) // also from a Cleanup
	report(t, violations, err)
}

func report(t T, violations []backend.Violation, err error) {
	t.Helper()
	for _, v := range violations {
		t.Errorf("broken invariant %v", v)
	}
	if err != nil {
		t.Errorf("walk the store: %v", err)
	}
}

// Walk reads all of a store through its public methods and returns every broken invariant, at most a hundred. The store must be
// at rest. The error says that the walk itself failed.
//
// What it demands: a run's versions are 1..n without gap or repeat, its record is the newest of them, and each comes from
// where the one before ended (I2, I3); nothing leaves a finished state but to have its data deleted, by a plain Store, or by an
// operator (I3); each version is in the log exactly once, at a growing position, until all cursors have passed it (I2, I6); a version loses
// its object only when its bucket's cursor has passed it and no hook is to be told of it or of an older one (I6); at most one
// versioned run per foreign id is unfinished (I7); a delivery is of a version that its run has, unless it is one of a signal (I4); the due
// deliveries are in order and are those that are held (I4, I9); no cursor lies beyond the log (I5), and the log says which entries are
// current and whose runs have deliveries (I5, I6). What pages by key and what is listed as given up are what listings and runs say (I2, I4).
// A store that is a [backend.Checker] is asked as well.
//
// Of erased runs nothing may be left, but gaps in the log, also at its end.
//
// It holds an index of the whole store in memory: it is for tests.
func Walk(ctx context.Context, b backend.Backend, opts WalkOptions) ([]backend.Violation, error) {
	if opts.MinHistory == 0 {
		opts.MinHistory = defaultHistory
	}
	if opts.Buckets == 0 {
		opts.Buckets = bucketCount
	}
	w := &walker{ctx: ctx, b: b, opts: opts, byRun: make(map[string]*facts), cursors: make(map[string][]int64)}
	for _, part := range []func() error{
		w.readRuns, w.readLog, w.readCursors, w.checkDeliveries, w.checkRuns, w.checkUnique, w.checkPages, w.checkGivenUp, w.askStore,
	} {
		if err := part(); err != nil {
			return w.found, err
		}
	}
	return w.found, nil
}

// walker is one walk.
type walker struct {
	ctx   context.Context
	b     backend.Backend
	opts  WalkOptions
	order []*facts
	byRun map[string]*facts
	// first is the position of the oldest entry in the log, head that of the newest.
	first, head int64
	// cursors are those of each workflow, by bucket.
	cursors map[string][]int64
	// held are all deliveries.
	held  map[backend.DeliveryKey]backend.Delivery
	found []backend.Violation
}

// facts are what the store says of one run.
type facts struct {
	record  *backend.Record
	history []backend.Entry
	// log are the run's entries in the log.
	log []backend.Entry
	// holds says that deliveries are held, unheld that an entry in the log denies it.
	holds, unheld bool
	// hook is the oldest version that a hook is yet to be told of.
	hook uint
}

func (w *walker) broken(invariant, runID, format string, args ...any) {
	if len(w.found) < maxViolations {
		w.found = append(w.found, backend.Violation{Invariant: invariant, RunID: runID, Detail: fmt.Sprintf(format, args...)})
	}
}

func (w *walker) readRuns() error {
	for {
		page, err := w.b.List(w.ctx, "", int64(len(w.order)), 500, backend.OrderTypeAscending)
		if err != nil {
			return fmt.Errorf("list runs: %w", err)
		}
		for i := range page {
			f := &facts{record: page[i].Clone(), hook: math.MaxUint}
			if w.byRun[f.record.RunID] != nil {
				w.broken("I2", f.record.RunID, "is listed twice")
			}
			w.order = append(w.order, f)
			w.byRun[f.record.RunID] = f
		}
		if len(page) < 500 {
			return nil
		}
	}
}

func (w *walker) readLog() error {
	entries, err := readLog(w.ctx, w.b, 0)
	if err != nil {
		return err
	}
	w.head, err = w.b.Head(w.ctx)
	if err != nil {
		return fmt.Errorf("head of the log: %w", err)
	}
	w.first = w.head + 1
	if len(entries) > 0 {
		w.first = entries[0].Pos
		_, erases := w.b.(backend.Eraser) // then the newest entry may be gone
		if newest := entries[len(entries)-1].Pos; newest > w.head || newest < w.head && (!erases || w.opts.NothingErased) {
			w.broken("I6", "", "the head of the log is %d, its newest entry has position %d", w.head, newest)
		}
	}
	last := int64(0)
	for _, e := range entries {
		if e.Pos <= last {
			w.broken("I6", e.Record.RunID, "position %d follows position %d in the log", e.Pos, last)
		}
		last = e.Pos
		f := w.byRun[e.Record.RunID]
		if f == nil {
			w.broken("I2", e.Record.RunID, "version %d is in the log, and the run does not exist", e.Record.Meta.Version)
			continue
		}
		f.log = append(f.log, e)
	}
	return nil
}

func (w *walker) readCursors() error {
	for _, f := range w.order {
		name := f.record.WorkflowName
		if _, known := w.cursors[name]; known {
			continue
		}
		cursors, err := w.b.LoadCursors(w.ctx, name, w.opts.Buckets)
		if err != nil {
			return fmt.Errorf("load the cursors of workflow %s: %w", name, err)
		}
		if len(cursors) != w.opts.Buckets {
			return fmt.Errorf("load the cursors of workflow %s: got %d of %d", name, len(cursors), w.opts.Buckets)
		}
		w.cursors[name] = cursors
		if top := slices.Max(cursors); top > w.head {
			w.broken("I5", "", "a cursor of workflow %s is at %d, the log ends at %d", name, top, w.head)
		}
	}
	return nil
}

func (w *walker) checkRuns() error {
	for _, f := range w.order {
		id := f.record.RunID
		rec, err := w.b.Lookup(w.ctx, id)
		if err != nil {
			return fmt.Errorf("lookup of listed run %s: %w", id, err)
		}
		if diff := diffRecord(rec, f.record); diff != "" {
			w.broken("I2", id, "lookup and listing differ: %s", diff)
		}
		if f.history, err = readHistory(w.ctx, w.b, id); err != nil {
			return err
		}
		if f.record.Meta.Version > 0 {
			w.checkHistory(f)
		}
		w.checkLogOf(f)
		w.checkObjects(f)
		f.history, f.log = nil, nil // what follows needs the record alone
	}
	return nil
}

// checkHistory looks at the versions of one run.
func (w *walker) checkHistory(f *facts) {
	id, n := f.record.RunID, f.record.Meta.Version
	versions := versioned(f.history)
	if len(versions) == 0 {
		w.broken("I2", id, "has version %d and no history", n)
		return
	}
	newest := versions[len(versions)-1]
	if diff := diffRecord(newest.Record, f.record); diff != "" {
		w.broken("I2", id, "the newest version in the history is not the record: %s", diff)
	}
	if w.opts.NoHistory {
		return
	}
	oldest := versions[0].Record.Meta.Version
	if oldest != 1 && len(versions) < w.opts.MinHistory {
		w.broken("I2", id, "the history begins with version %d and holds only %d", oldest, len(versions))
	}
	for i := 1; i < len(versions); i++ {
		w.checkMove(id, versions[i-1], versions[i])
	}
	if first := versions[0]; oldest == 1 && first.From != (backend.Point{}) && first.Cause != backend.CauseStore {
		w.broken("I3", id, "version 1 comes from %+v instead of nowhere", first.From)
	}
}

// checkMove looks at two versions that follow each other.
func (w *walker) checkMove(id string, a, b backend.Entry) {
	from, to := a.Record, b.Record
	if to.Meta.Version != from.Meta.Version+1 {
		w.broken("I2", id, "version %d follows version %d", to.Meta.Version, from.Meta.Version)
		return
	}
	v := to.Meta.Version
	if b.Pos <= a.Pos {
		w.broken("I2", id, "version %d has position %d, the version before it %d", v, b.Pos, a.Pos)
	}
	if b.From != pointOf(from) {
		w.broken("I3", id, "version %d comes from %+v, the version before it ended in %+v", v, b.From, pointOf(from))
	}
	if from.WorkflowName != to.WorkflowName || from.ForeignID != to.ForeignID {
		w.broken("I2", id, "version %d belongs to another workflow or foreign id than the one before it", v)
	}
	deletes := to.RunState == backend.RunStateRequestedDataDeleted || to.RunState == backend.RunStateDataDeleted
	byHand := b.Cause == backend.CauseStore || b.Cause == backend.CauseOperator
	if from.RunState.Finished() && !deletes && !byHand {
		w.broken("I3", id, "version %d is %v although the version before it was %v", v, to.RunState, from.RunState)
	}
}

// checkLogOf compares the log with the history of one run: every version once, in order, saying the same.
func (w *walker) checkLogOf(f *facts) {
	id := f.record.RunID
	inLog := make(map[uint]backend.Entry, len(f.log))
	last := uint(0)
	for _, e := range versioned(f.log) {
		v := e.Record.Meta.Version
		if _, twice := inLog[v]; twice {
			w.broken("I2", id, "version %d is in the log twice", v)
		} else if v < last {
			w.broken("I6", id, "version %d comes after version %d in the log", v, last)
		}
		if current := v == f.record.Meta.Version; e.Current != current {
			w.broken("I6", id, "the log says of version %d that it is current: %t; the record has version %d", v, e.Current, f.record.Meta.Version)
		}
		f.unheld = f.unheld || !e.Held
		last = v
		inLog[v] = e
	}
	if f.holds && f.unheld {
		w.broken("I5", id, "the log denies that deliveries are held")
	}
	if last > f.record.Meta.Version {
		w.broken("I2", id, "the log knows version %d, the record has version %d", last, f.record.Meta.Version)
	}
	for _, h := range versioned(f.history) {
		e, found := inLog[h.Record.Meta.Version]
		switch {
		case found:
			w.sameEntry(id, h, e)
		case h.Pos >= w.first:
			w.broken("I6", id, "version %d at position %d is missing in the log", h.Record.Meta.Version, h.Pos)
		case h.Pos > slices.Min(w.cursors[f.record.WorkflowName]):
			w.broken("I6", id, "the log has forgotten version %d at position %d, which a cursor has yet to pass", h.Record.Meta.Version, h.Pos)
		}
	}
}

func (w *walker) sameEntry(id string, history, log backend.Entry) {
	v := history.Record.Meta.Version
	if history.Pos != log.Pos {
		w.broken("I2", id, "version %d has position %d in the history and %d in the log", v, history.Pos, log.Pos)
	}
	if log.Trimmed != history.Trimmed { // what one has lost the other may still have
		bare := *log.Record
		bare.Object, log.Record = history.Record.Object, &bare
	}
	if diff := diffRecord(log.Record, history.Record); diff != "" {
		w.broken("I2", id, "version %d in the log is not that of the history: %s", v, diff)
	}
	if history.From != log.From || history.Cause != log.Cause || history.Actor != log.Actor {
		w.broken("I2", id, "version %d has another cause, actor or origin in the log than in the history", v)
	}
}

// checkObjects looks at the versions of one run that have lost their object.
func (w *walker) checkObjects(f *facts) {
	r := f.record
	passed := w.cursors[r.WorkflowName][backend.BucketOf(r.RunID, w.opts.Buckets)]
	for _, e := range append(f.history, f.log...) {
		v := e.Record.Meta.Version
		switch {
		case !e.Trimmed:
		case len(e.Record.Object) > 0:
			w.broken("I6", r.RunID, "version %d is said to have lost its object, and has it", v)
		case v == r.Meta.Version:
			w.broken("I6", r.RunID, "the present version %d has lost its object", v)
		case e.Pos > passed:
			w.broken("I6", r.RunID, "version %d at position %d has lost its object, and the cursor has yet to pass it", v, e.Pos)
		case v >= f.hook:
			w.broken("I6", r.RunID, "version %d has lost its object, and a hook is to be told of version %d", v, f.hook)
		}
	}
}

func (w *walker) checkUnique() error {
	type key struct{ workflowName, foreignID string }
	open := make(map[key]string)
	for _, f := range w.order {
		r := f.record
		if r.Meta.Version == 0 || r.RunState.Finished() {
			continue
		}
		k := key{r.WorkflowName, r.ForeignID}
		if other, taken := open[k]; taken {
			w.broken("I7", r.RunID, "is unfinished, and so is run %s of the same foreign id", other)
		}
		open[k] = r.RunID
	}
	return nil
}
