package workflow_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// The tests in the files field_a_test.go to field_f_test.go are named by number: each is a defect of the predecessor, put again into the situation that
// showed it there. What needs a file or a process of its own is in the integration module, under the same numbers.

// noted keeps when something was called, by key, and with what.
type noted struct {
	mu sync.Mutex
	at map[string][]time.Time
}

func (n *noted) add(key string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.at == nil {
		n.at = make(map[string][]time.Time)
	}
	n.at[key] = append(n.at[key], time.Now())
	return len(n.at[key])
}

// of returns the times of the calls for a key.
func (n *noted) of(key string) []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]time.Time(nil), n.at[key]...)
}

func (n *noted) count(key string) int { return len(n.of(key)) }

// total counts the calls for all keys.
func (n *noted) total() (sum int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, at := range n.at {
		sum += len(at)
	}
	return sum
}

// keys returns how many keys were called.
func (n *noted) keys() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.at)
}

// classicOn makes and runs a workflow on the given classic parts.
func classicOn(t testing.TB, es workflow.EventStreamer, rs workflow.RecordStore, roles workflow.RoleScheduler, b *workflow.Builder[object, status], opts ...workflow.BuildOption) *flow {
	t.Helper()
	w := b.Build(es, rs, roles, append([]workflow.BuildOption{workflow.WithLogger(&quietLog{})}, opts...)...)
	w.Run(context.Background())
	t.Cleanup(w.Stop)
	return w
}

// inTime runs fn in virtual time, without a store.
func inTime(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, fn)
}

// each runs fn in virtual time for every case.
func each[C any](t *testing.T, cases map[string]C, fn func(t *testing.T, c C)) {
	t.Helper()
	for what, c := range cases {
		t.Run(what, func(t *testing.T) { inTime(t, func(t *testing.T) { fn(t, c) }) })
	}
}

// triggerAll starts n runs, named by number.
func triggerAll(t testing.TB, w *flow, n int, opts ...workflow.TriggerOption[object, status]) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = trigger(t, w, name(i), opts...)
	}
	return ids
}

// allIn fails the test unless each of the runs is in the status and run state now.
func allIn(t testing.TB, on interface {
	Lookup(ctx context.Context, runID string) (*backend.Record, error)
}, ids []string, s status, rs backend.RunState) {
	t.Helper()
	for i, id := range ids {
		rec, err := on.Lookup(ctxFor(t), id)
		if err != nil {
			t.Fatalf("run %d of %d: %v", i+1, len(ids), err)
		}
		if rec.Status != int(s) || rec.RunState != rs {
			t.Errorf("run %d of %d, %s, is %v in %v (%q), want %v in %v", i+1, len(ids), rec.ForeignID, rec.RunState, status(rec.Status), rec.Meta.RunStateReason, rs, s)
		}
	}
}

// poisoned is the note of a run that is meant to fail.
const poisoned = "poison"

func poison() workflow.TriggerOption[object, status] {
	return workflow.WithInitialValue[object, status](&object{Note: poisoned})
}

// byEngine fails the test unless the engine has paused the run and said why.
func byEngine(t testing.TB, on backend.Backend, runID string) *backend.Record {
	t.Helper()
	rec := lookup(t, on, runID)
	if rec.RunState != backend.RunStatePaused || rec.Meta.PausedBy != backend.PausedByEngine || rec.Meta.RunStateReason == "" {
		t.Errorf("run %s is %v by %v, %q, want one that the engine has paused with a reason", rec.ForeignID, rec.RunState, rec.Meta.PausedBy, rec.Meta.RunStateReason)
	}
	return rec
}

// failedAttempts returns what is kept of a run's failed attempts.
func failedAttempts(t testing.TB, on backend.Backend, runID string) []backend.Attempt {
	t.Helper()
	a, err := on.Attempts(ctxFor(t), runID, 1000)
	must(t, err)
	return a
}

// timeoutTo is a timeout function that goes to a status.
func timeoutTo(to status) workflow.TimeoutFunc[object, status] {
	return func(context.Context, *run, time.Time) (status, error) { return to, nil }
}
