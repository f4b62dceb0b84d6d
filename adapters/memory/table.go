package memory

import (
	"fmt"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// keptAttempts bounds the failed attempts that are kept of one run. The newest stay.
const keptAttempts = 100

// table is the data: runs with their history, deliveries, the log and the outbox. It knows the storing rules, which are the
// same for a Commit and for a plain Store. All of it is guarded by mu.
//
// commits is taken before mu by everything that changes runs, and is held for the whole of a batch. So what was judged under
// it stays true while mu is released for a user's function.
type table struct {
	clock   backend.Clock
	keep    kept
	commits sync.Mutex

	mu        sync.RWMutex
	closed    bool
	runs      map[string]*run
	mostRuns  int // since runs was made
	order     runList
	lastKey   int64 // of the run that was created last
	workflows map[string]*workflow
	held      deliveries
	outbox    outbox
	log       *log // nil where nobody reads one

	stores listeners // told after each plain Store, without any lock of the table
}

// workflow is what is kept by name of a workflow.
type workflow struct {
	name        string
	order       runList
	foreign     map[string]*foreign
	mostForeign int // since foreign was made
	due         dueIndex
	givenUp     dueIndex // held for an operator; none has a due time
	cursors     cursors
	outgoing    eventList
	late        map[*run]struct{} // those with objects that only wait for a cursor to be dropped
}

// foreign is one foreign id of a workflow.
type foreign struct {
	id   string
	runs runList
	// active is the unfinished run that counts for the rule of one per foreign id.
	active *run
}

// run is one run.
type run struct {
	workflow *workflow
	foreign  *foreign
	key      int64           // its place in the order of creation, never used again
	erased   bool            // it is gone, and only yet to be taken out of a list
	record   *backend.Record // the present version; never changed in place
	versions []*backend.Entry
	bare     int // how many of the versions, from the oldest on, have lost their object
	attempts ring[backend.Attempt]
	held     *delivery // first of a list
	hooks    int       // how many of those are for hooks
	signals  map[string]struct{}
	waiting  int // its events in the outbox
}

func newTable(o options, l *log) *table {
	return &table{
		clock:     o.clock,
		keep:      o.keep,
		runs:      make(map[string]*run),
		workflows: make(map[string]*workflow),
		held:      deliveries{byKey: make(map[backend.DeliveryKey]*delivery)},
		outbox:    outbox{byID: make(map[string]*outgoing)},
		log:       l,
	}
}

// verdict is what the storing rules say of a record that may be stored.
type verdict struct {
	run     *run // nil for a new one
	version uint // the version that it gets
}

// judge applies the storing rules to a record: the version check, and one unfinished run per workflow and foreign id.
func (t *table) judge(rec *backend.Record) (verdict, error) {
	r := t.runs[rec.RunID]
	have := uint(0)
	if r != nil {
		have = r.record.Meta.Version
	}
	version := rec.Meta.Version
	switch {
	case version == 0 && have > 0:
		version = have + 1
	case version != 0 && version != have+1:
		return verdict{}, &backend.ConflictError{RunID: rec.RunID, Want: version - 1, Have: have}
	}
	if r != nil && (r.foreign.id != rec.ForeignID || r.workflow.name != rec.WorkflowName) {
		return verdict{}, fmt.Errorf("%w: run %s belongs to another workflow or foreign id", backend.ErrInvalidID, backend.Quote(rec.RunID))
	}
	if counts(version, rec.RunState) {
		if a := t.active(r, rec); a != nil && a != r {
			return verdict{}, &backend.InProgressError{WorkflowName: rec.WorkflowName, ForeignID: rec.ForeignID, RunID: a.record.RunID}
		}
	}
	return verdict{run: r, version: version}, nil
}

// active returns the run that holds the record's foreign id, if any; r is the record's own run, where it exists.
func (t *table) active(r *run, rec *backend.Record) *run {
	if r != nil {
		return r.foreign.active
	}
	w := t.workflows[rec.WorkflowName]
	if w == nil {
		return nil
	}
	f := w.foreign[rec.ForeignID]
	if f == nil {
		return nil
	}
	return f.active
}

// counts reports whether a run holds its foreign id.
func counts(version uint, state backend.RunState) bool { return version > 0 && !state.Finished() }

// put stores a record that was judged. It keeps rec, unless the record gets another version than it says.
func (t *table) put(v verdict, rec *backend.Record, from backend.Point, cause backend.Cause, actor string) *backend.Entry {
	if rec.Meta.Version != v.version {
		rec = rec.Clone()
		rec.Meta.Version = v.version
	}
	r := v.run
	if r == nil {
		r = t.create(rec)
	}
	e := &backend.Entry{Record: rec, From: from, Cause: cause, Actor: actor}
	if t.log != nil {
		e.Pos = t.log.append(r, e)
		r.workflow.cursors.saw(e.Pos)
	}
	r.record = rec
	r.versions = append(r.versions, e)
	t.forget(r)
	switch f := r.foreign; {
	case counts(v.version, rec.RunState):
		f.active = r
	case f.active == r:
		f.active = nil
	}
	return e
}

// create makes the place of a new run.
func (t *table) create(rec *backend.Record) *run {
	w := t.workflow(rec.WorkflowName)
	f := w.foreign[rec.ForeignID]
	if f == nil {
		f = &foreign{id: rec.ForeignID}
		w.foreign[rec.ForeignID] = f
		w.mostForeign = max(w.mostForeign, len(w.foreign))
	}
	t.lastKey++
	r := &run{workflow: w, foreign: f, key: t.lastKey, record: rec, versions: make([]*backend.Entry, 0, 2)}
	t.runs[rec.RunID] = r
	t.mostRuns = max(t.mostRuns, len(t.runs))
	t.order.add(r)
	w.order.add(r)
	f.runs.add(r)
	return r
}

// workflow returns the workflow of that name, making it on first use.
func (t *table) workflow(name string) *workflow {
	w := t.workflows[name]
	if w == nil {
		w = &workflow{name: name, foreign: make(map[string]*foreign), late: make(map[*run]struct{})}
		t.workflows[name] = w
	}
	return w
}

// point is where the run stands, the zero Point for one that does not exist.
func (r *run) point() backend.Point {
	if r == nil {
		return backend.Point{}
	}
	return pointOf(r.record)
}

func pointOf(rec *backend.Record) backend.Point {
	return backend.Point{RunState: rec.RunState, Status: rec.Status}
}
