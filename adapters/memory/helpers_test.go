package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

const orders = "orders"

// birth is when every run of these tests was made.
func birth() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC) }

// newRun is the change that makes a run.
func newRun(workflowName, foreignID, runID string) *backend.Change {
	return &backend.Change{
		Record: &backend.Record{
			WorkflowName: workflowName, ForeignID: foreignID, RunID: runID,
			RunState: backend.RunStateInitiated, Status: 1, Object: []byte(`{"v":1}`),
			CreatedAt: birth(), UpdatedAt: birth(),
			Meta: backend.Meta{Version: 1, Visit: 1},
		},
		Cause: backend.CauseTrigger,
	}
}

// move is the change that takes a run to another place.
func move(rec *backend.Record, state backend.RunState, status int) *backend.Change {
	next := rec.Clone()
	next.RunState, next.Status = state, status
	next.Meta.Version++
	next.Object = fmt.Appendf(nil, `{"v":%d}`, next.Meta.Version)
	next.UpdatedAt = rec.UpdatedAt.Add(time.Second)
	return &backend.Change{
		Record: next,
		From:   backend.Point{RunState: rec.RunState, Status: rec.Status},
		Cause:  backend.CauseStep,
	}
}

func step(rec *backend.Record) *backend.Change {
	return move(rec, backend.RunStateRunning, rec.Status+1)
}

func complete(rec *backend.Record) *backend.Change {
	return move(rec, backend.RunStateCompleted, rec.Status)
}

// open returns a Backend that is checked at the end of the test.
func open(t testing.TB, opts ...memory.Option) *memory.Backend {
	t.Helper()
	b := memory.New(opts...)
	t.Cleanup(func() {
		for _, v := range violations(t, b) {
			t.Errorf("broken invariant %v", v)
		}
	})
	return b
}

func violations(t testing.TB, b *memory.Backend) []backend.Violation {
	t.Helper()
	var found []backend.Violation
	ctx := context.WithoutCancel(t.Context()) // which has ended when a Cleanup runs
	err := b.Check(ctx, func(v backend.Violation) { found = append(found, v) })
	if err != nil && !errors.Is(err, backend.ErrClosed) {
		t.Errorf("check: %v", err)
	}
	return found
}

// commit stores the changes, each of which must be stored.
func commit(t testing.TB, b *memory.Backend, changes ...*backend.Change) {
	t.Helper()
	if err := b.Commit(t.Context(), changes); err != nil {
		t.Fatalf("commit: %v", err)
	}
	for i, c := range changes {
		if c.Err != nil {
			t.Fatalf("change %d of run %s: %v", i, c.RunID(), c.Err)
		}
	}
}

// start stores a new run named after its foreign id.
func start(t testing.TB, b *memory.Backend, foreignID string) *backend.Record {
	t.Helper()
	c := newRun(orders, foreignID, "run-"+foreignID)
	commit(t, b, c)
	return c.Record
}

// refuse commits a change that must fail with the error, alone.
func refuse(t testing.TB, b *memory.Backend, c *backend.Change, want error) {
	t.Helper()
	if err := b.Commit(t.Context(), []*backend.Change{c}); err != nil {
		t.Fatalf("the commit as a whole failed: %v", err)
	}
	if !errors.Is(c.Err, want) {
		t.Fatalf("the change fails with %v, want %v", c.Err, want)
	}
	if c.Pos != 0 {
		t.Errorf("a change that failed has position %d", c.Pos)
	}
}

// must returns v, failing the test on an error.
func must[V any](t testing.TB) func(V, error) V {
	return func(v V, err error) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func readAll(t testing.TB, b *memory.Backend) []backend.Entry {
	t.Helper()
	return must[[]backend.Entry](t)(b.ReadLog(t.Context(), 0, 1<<30))
}

func history(t testing.TB, b *memory.Backend, runID string, after uint, limit int) []backend.Entry {
	t.Helper()
	return must[[]backend.Entry](t)(b.History(t.Context(), runID, after, limit))
}

func lookup(t testing.TB, b *memory.Backend, runID string) *backend.Record {
	t.Helper()
	return must[*backend.Record](t)(b.Lookup(t.Context(), runID))
}

func held(t testing.TB, b *memory.Backend, runID string) []backend.Delivery {
	t.Helper()
	return must[[]backend.Delivery](t)(b.Held(t.Context(), runID))
}

func due(t testing.TB, b *memory.Backend, after backend.DueMark, limit int) []backend.Delivery {
	t.Helper()
	return must[[]backend.Delivery](t)(b.Due(t.Context(), orders, after, limit))
}

// delivery is a step delivery of a run that backs off until the given minute.
func delivery(rec *backend.Record, version uint, minute int) backend.Delivery {
	return backend.Delivery{
		DeliveryKey:  backend.DeliveryKey{RunID: rec.RunID, Receiver: backend.ReceiverStep, Version: version},
		WorkflowName: rec.WorkflowName,
		Bucket:       backend.BucketOf(rec.RunID, backend.DefaultBuckets),
		Attempts:     1,
		Due:          birth().Add(time.Duration(minute) * time.Minute),
		State:        backend.DeliveryBackingOff,
		LastError:    "no answer",
		FirstAt:      birth(),
		Data:         []byte("data"),
	}
}

// saveAll moves every cursor of a workflow.
func saveAll(t testing.TB, b *memory.Backend, workflowName string, pos int64) {
	t.Helper()
	var cursors []backend.Cursor
	for bucket := range backend.DefaultBuckets {
		cursors = append(cursors, backend.Cursor{WorkflowName: workflowName, Bucket: bucket, Pos: pos})
	}
	if err := b.SaveCursors(t.Context(), cursors); err != nil {
		t.Fatal(err)
	}
}
