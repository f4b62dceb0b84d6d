package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/graph"
	"github.com/stillwater-go/workflow/internal/machine"
)

// patience bounds the waits of these tests.
const patience = 5 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("it never came true that %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// downStore is a backend that takes no commit while it is down.
type downStore struct {
	backend.Backend
	down atomic.Bool
}

var errDown = errors.New("down")

func (b *downStore) Commit(ctx context.Context, batch []*backend.Change) error {
	if !b.down.Load() {
		return b.Backend.Commit(ctx, batch)
	}
	for _, c := range batch {
		c.Err = errDown
	}
	return errDown
}

// specOf is a workflow of two statuses: run goes from 1 to 2.
func specOf(name string, run func(ctx context.Context, a *Attempt) (machine.Answer, error)) *Spec {
	g := graph.New()
	g.AddNode(1)
	g.AddEdge(1, 2, graph.Step)
	return &Spec{Name: name, Graph: g, Clock: backend.RealClock{}, Steps: map[int]*Handler{1: {Run: run}},
		Delete: &Handler{Run: run}, StopTimeout: time.Millisecond}
}

func goOn(context.Context, *Attempt) (machine.Answer, error) { return machine.Answer{Status: 2}, nil }

func start(t *testing.T, f *Flow, id string) {
	t.Helper()
	rec := machine.Start(backend.Record{WorkflowName: f.spec.Name, ForeignID: id, RunID: id, Status: 1}, f.spec.Graph, time.Now())
	if err := f.Trigger(t.Context(), Start{Record: rec}); err != nil {
		t.Fatal(err)
	}
}

func running(e *Engine) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running.n
}

// TestTimersThatWereCancelledAreForgotten: a run that leaves its status an hour or a year before its timer must not leave it in memory (G11).
func TestTimersThatWereCancelledAreForgotten(t *testing.T) {
	b := memory.New()
	spec := specOf("timers", func(ctx context.Context, a *Attempt) (machine.Answer, error) {
		if a.Record.RunID == "stays" { // its timer is the first that comes due
			return machine.Answer{}, &RetryAfterError{Err: errDown, After: time.Hour}
		}
		return machine.Answer{Status: 2}, nil
	})
	spec.Timeouts = map[int][]*Timeout{1: {{Handler: Handler{Run: goOn}, Timer: func(_ context.Context, _ *backend.Record, now time.Time) (time.Time, error) {
		return now.Add(24 * time.Hour), nil
	}}}}
	f := NewFlow(b, spec)
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	eventually(t, "the roles are held and the rows are read", func() bool {
		f.engine.mu.Lock()
		defer f.engine.mu.Unlock()
		return f.holding && f.due.complete
	})
	const runs = 5000
	start(t, f, "stays")
	for i := range runs {
		start(t, f, fmt.Sprint(i))
	}
	eventually(t, "the last run is through", func() bool {
		rec, err := b.Lookup(t.Context(), fmt.Sprint(runs-1))
		return err == nil && rec.RunState == backend.RunStateCompleted && running(f.engine) == 0
	})
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	if n := len(f.due.items); n > 1500 {
		t.Errorf("%d timers are kept, of %d runs that have all left their status", n, runs)
	}
}

// TestAStopLeavesNothingInWork: changes that the store did not take are left to whoever holds the roles next; the engine, which goes on for
// others, must not watch them for ever.
func TestAStopLeavesNothingInWork(t *testing.T) {
	b := &downStore{Backend: memory.New()}
	other := NewFlow(b, specOf("other", goOn))
	f := NewFlow(b, specOf("stopped", func(context.Context, *Attempt) (machine.Answer, error) {
		b.down.Store(true)
		return machine.Answer{Status: 2}, nil
	}))
	for _, f := range []*Flow{other, f} {
		if err := f.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer f.Stop()
	}
	start(t, f, "a")
	eventually(t, "the change is stalled", func() bool {
		f.engine.mu.Lock()
		defer f.engine.mu.Unlock()
		return len(f.engine.stalled) == 1
	})
	f.Stop()
	b.down.Store(false)
	eventually(t, "nothing is in work", func() bool { return running(f.engine) == 0 })
}

// TestClaimsAreCountedOnce: a claim fails to be stored after its attempt was ended by a stop.
func TestClaimsAreCountedOnce(t *testing.T) {
	b := memory.New()
	f := NewFlow(b, specOf("claims", goOn))
	e := f.engine
	r := &role{engine: e, flow: f, steps: make(map[string]*task), lanes: make(map[laneKey]*task)}
	task := &task{role: r, handler: f.spec.Steps[1], key: backend.DeliveryKey{RunID: "a", Receiver: backend.ReceiverStep, Version: 1}}
	e.mu.Lock()
	defer e.mu.Unlock()
	task.phase.Store(phaseRunning)
	e.running.add(task)
	task.claim = claimAsked
	e.claims++
	e.finishUnsafe(task)
	e.settle(&member{task: task, kind: kindClaim, change: &backend.Change{Err: errDown}}, true)
	if e.claims != 0 {
		t.Errorf("%d claims are counted, want none", e.claims)
	}
}

// TestWhatWaitsIsBounded: the memory of deliveries that back off does not grow with their number; their rows are the truth (G11).
func TestWhatWaitsIsBounded(t *testing.T) {
	b := memory.New()
	spec := specOf("waiting", func(context.Context, *Attempt) (machine.Answer, error) {
		return machine.Answer{}, &RetryAfterError{Err: errDown, After: time.Hour}
	})
	f := NewFlow(b, spec)
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	const runs = 10000
	for i := range runs {
		start(t, f, fmt.Sprint(i))
	}
	eventually(t, "the last run backs off", func() bool {
		held, err := b.Held(t.Context(), fmt.Sprint(runs-1))
		return err == nil && len(held) == 1 && running(f.engine) == 0
	})
	e := f.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	tasks := 0
	for _, r := range e.routes["waiting"].roles {
		tasks += len(r.steps)
	}
	if tasks > 5000 || len(f.due.items) > 5000 {
		t.Errorf("of %d runs that back off, %d tasks with their objects and %d due items are in memory", runs, tasks, len(f.due.items))
	}
}
