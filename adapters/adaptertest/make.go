package adaptertest

import (
	"strconv"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// The words that the cases use.
const (
	orders  = "orders"
	billing = "billing"
	// bucketCount is the engine's own number of buckets.
	bucketCount = 16
	// pageSize is small, so that paging is exercised by small stores.
	pageSize = 7
)

// birth is the time at which the first run of a case is created; the nanoseconds are odd on purpose.
func birth() time.Time { return time.Date(2025, time.March, 14, 9, 26, 53, 589793239, time.UTC) }

// newRun makes the first version of a run.
func newRun(workflowName, foreignID, runID string) *backend.Change {
	return &backend.Change{
		Record: &backend.Record{
			WorkflowName: workflowName,
			ForeignID:    foreignID,
			RunID:        runID,
			RunState:     backend.RunStateInitiated,
			Status:       1,
			Object:       []byte(`{"v":1}`),
			CreatedAt:    birth(),
			UpdatedAt:    birth(),
			Meta:         backend.Meta{Version: 1, Visit: 1, StatusDescription: "Started", TraceOrigin: "orders.go:17"},
		},
		Cause: backend.CauseTrigger,
	}
}

// run makes the first version of a run of workflow orders; the id serves as foreign id and, with a prefix, as run id.
func run(id string) *backend.Change { return newRun(orders, id, "run-"+id) }

// step makes the version after rec: the run is in the given status and running.
func step(rec *backend.Record, status int) *backend.Change {
	return move(rec, backend.RunStateRunning, status)
}

// move makes the version after rec in the given run state and status.
func move(rec *backend.Record, to backend.RunState, status int) *backend.Change {
	next := rec.Clone()
	next.RunState, next.Status = to, status
	next.Meta.Version++
	next.Meta.Visit = next.Meta.Version
	next.UpdatedAt = rec.UpdatedAt.Add(time.Second)
	next.Object = []byte(`{"v":` + strconv.Itoa(int(next.Meta.Version)) + `}`)
	return &backend.Change{Record: next, From: pointOf(rec), Cause: backend.CauseStep}
}

// complete makes the version after rec that ends the run.
func complete(rec *backend.Record) *backend.Change {
	return move(rec, backend.RunStateCompleted, rec.Status+1)
}

func pointOf(r *backend.Record) backend.Point {
	return backend.Point{RunState: r.RunState, Status: r.Status}
}

// timer is a delivery of rec's present version to a timeout, due at the given time.
func timer(rec *backend.Record, index int, due time.Time) backend.Delivery {
	return backend.Delivery{
		DeliveryKey: backend.DeliveryKey{
			RunID: rec.RunID, Receiver: backend.Receiver("timeout/" + strconv.Itoa(index)), Version: rec.Meta.Version,
		},
		WorkflowName: rec.WorkflowName,
		Bucket:       3,
		Due:          due,
		State:        backend.DeliveryTimer,
		Data:         []byte("cool-down"),
	}
}

// backoff is a delivery of rec's present version to its step that failed and is due again at the given time.
func backoff(rec *backend.Record, attempts int, due time.Time) backend.Delivery {
	return backend.Delivery{
		DeliveryKey:  backend.DeliveryKey{RunID: rec.RunID, Receiver: backend.ReceiverStep, Version: rec.Meta.Version},
		WorkflowName: rec.WorkflowName,
		Bucket:       3,
		Attempts:     attempts,
		Due:          due,
		State:        backend.DeliveryBackingOff,
		LastError:    "the card was declined",
		FirstAt:      birth().Add(time.Nanosecond),
	}
}

// attempt is the n-th failed attempt at the step of rec's present version.
func attempt(rec *backend.Record, n int) *backend.Attempt {
	return &backend.Attempt{
		RunID: rec.RunID, WorkflowName: rec.WorkflowName, Receiver: backend.ReceiverStep, Version: rec.Meta.Version,
		Number: n, At: birth().Add(time.Duration(n) * time.Minute), Took: time.Duration(n) * 1234567 * time.Nanosecond,
		Error: "attempt " + strconv.Itoa(n) + " failed", Stack: "goroutine 1 [running]:\nmain.main()", Actor: "ada " + strconv.Itoa(n),
	}
}

// put commits changes that have to succeed, in one batch.
func (e *env) put(changes ...*backend.Change) {
	e.Helper()
	putIn(e.T, e.b, changes...)
}

func putIn(t T, b backend.Committer, changes ...*backend.Change) {
	t.Helper()
	if err := b.Commit(t.Context(), changes); err != nil {
		t.Fatalf("commit: %v", err)
	}
	for i, c := range changes {
		if c.Err != nil {
			t.Fatalf("change %d of %d, of run %s, failed: %v", i+1, len(changes), c.RunID(), c.Err)
		}
		if c.Record != nil && c.Pos <= 0 {
			t.Fatalf("change %d of %d, of run %s, is stored with position %d, want a positive one", i+1, len(changes), c.RunID(), c.Pos)
		}
	}
}

// try commits changes of which some may fail by themselves; the batch as a whole must not.
func (e *env) try(changes ...*backend.Change) {
	e.Helper()
	if err := e.b.Commit(e.Context(), changes); err != nil {
		e.Fatalf("commit: a change that fails by itself must not fail the batch: %v", err)
	}
}

// start commits the first version of a run of workflow orders and returns it.
func (e *env) start(id string) *backend.Record {
	e.Helper()
	c := run(id)
	e.put(c)
	return c.Record
}

// advance commits the next version of a run and returns it.
func (e *env) advance(rec *backend.Record) *backend.Record {
	e.Helper()
	c := step(rec, rec.Status+1)
	e.put(c)
	return c.Record
}
