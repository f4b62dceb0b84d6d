package workflow_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

type status int

const (
	statusNone status = iota
	statusA
	statusB
	statusC
	statusEnd
	statusOther
)

func (s status) String() string {
	return [...]string{"None", "A", "B", "C", "End", "Other"}[s]
}

type object struct {
	Count int
	Note  string
	Trail []string `json:",omitempty"`
}

type (
	run  = workflow.Run[object, status]
	flow = workflow.Workflow[object, status]

	reader = io.Reader
)

// patience bounds every wait of these tests; nothing waits that long unless something is broken.
const patience = 30 * time.Second

// newStore makes a backend whose invariants are checked when the test ends.
func newStore(t testing.TB) *memory.Backend {
	t.Helper()
	b := memory.New()
	t.Cleanup(func() {
		adaptertest.Check(t, b)
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func ctxFor(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// quietLog keeps what the workflow reports.
type quietLog struct {
	mu   sync.Mutex
	errs []error
}

func (l *quietLog) Debug(context.Context, string, map[string]string) {}

func (l *quietLog) Error(_ context.Context, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// build makes and runs a workflow, and stops it when the test ends.
func build(t testing.TB, on backend.Backend, b *workflow.Builder[object, status], opts ...workflow.BuildOption) *flow {
	t.Helper()
	w, err := b.BuildOn(on, append([]workflow.BuildOption{workflow.WithLogger(&quietLog{})}, opts...)...)
	if err != nil {
		t.Fatalf("BuildOn: %v", err)
	}
	w.Run(context.Background())
	t.Cleanup(w.Stop)
	return w
}

func trigger(t testing.TB, w *flow, foreignID string, opts ...workflow.TriggerOption[object, status]) string {
	t.Helper()
	id, err := w.Trigger(ctxFor(t), foreignID, opts...)
	if err != nil {
		t.Fatalf("Trigger(%q): %v", foreignID, err)
	}
	return id
}

func await(t testing.TB, w *flow, runID string, s status) *run {
	t.Helper()
	r, err := w.Await(ctxFor(t), "", runID, s)
	if err != nil {
		t.Fatalf("Await(%s, %v): %v", runID, s, err)
	}
	return r
}

// awaitRecord waits until the run's present version satisfies ok, woken by nothing but the store's own entries.
func awaitRecord(t testing.TB, on backend.Backend, runID string, ok func(*backend.Record) bool) *backend.Record {
	t.Helper()
	ctx := ctxFor(t)
	for {
		rec, err := on.Lookup(ctx, runID)
		if err != nil {
			t.Fatalf("Lookup(%s): %v", runID, err)
		}
		if ok(rec) {
			return rec
		}
		select {
		case <-ctx.Done():
			t.Fatalf("run %s stayed in version %d, %v, status %d, %q", runID, rec.Meta.Version, rec.RunState, rec.Status, rec.Meta.RunStateReason)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func paused(rec *backend.Record) bool { return rec.RunState == backend.RunStatePaused }

// step counts and goes on.
func step(to status) workflow.ConsumerFunc[object, status] {
	return func(_ context.Context, r *run) (status, error) {
		r.Object.Count++
		return to, nil
	}
}

// three is a workflow of three steps.
func three(name string) *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status](name)
	b.AddStep(statusA, step(statusB), statusB)
	b.AddStep(statusB, step(statusC), statusC)
	b.AddStep(statusC, step(statusEnd), statusEnd)
	return b
}

func name(i int) string { return "order-" + strconv.Itoa(i) }

var errTest = errors.New("gateway says no")

func quickRetry(attempts int) []workflow.Option {
	return []workflow.Option{workflow.ErrBackOff(time.Millisecond), workflow.MaxBackOff(2 * time.Millisecond), workflow.PauseAfterErrCount(attempts)}
}
