package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// notes keeps what hooks were told.
type notes struct {
	mu   sync.Mutex
	told map[string][]string
}

func (n *notes) hook(kind string) workflow.RunStateChangeHookFunc[object, status] {
	return func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.told == nil {
			n.told = make(map[string][]string)
		}
		n.told[kind] = append(n.told[kind], fmt.Sprintf("%s %v %v %d", r.ForeignID, r.RunState, r.Status, r.Object.Count))
		return nil
	}
}

func (n *notes) get(kind string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.told[kind])
}

// hooked pauses in B for an operator the first time, fails for good in C, and ends.
func hooked(n *notes, fails func() bool) *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status]("hooked")
	b.AddStep(statusA, step(statusB), statusB)
	b.AddStep(statusB, step(statusC), statusC)
	b.AddStep(statusC, func(_ context.Context, r *run) (status, error) {
		if fails() {
			return 0, workflow.Permanent(errTest)
		}
		return statusEnd, nil
	}, statusEnd)
	b.OnPause(n.hook("pause"))
	b.OnComplete(n.hook("complete"))
	b.OnCancel(n.hook("cancel"))
	b.OnEnginePause(n.hook("engine pause"))
	b.OnRunStateChange(n.hook("run state"))
	b.OnStatus(statusB, n.hook("status B"))
	b.OnStatus(statusEnd, n.hook("status End"))
	b.OnAnyStatus(n.hook("any status"))
	return b
}

func (n *notes) want(t *testing.T, kind string, want ...string) {
	t.Helper()
	if got := n.get(kind); !slices.Equal(got, want) {
		t.Errorf("%s: told %q, want %q", kind, got, want)
	}
}

// TestEveryKindOfHook: each is told of what it is about, of a run in order and as of then.
func TestEveryKindOfHook(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		n, failing := &notes{}, true
		w := build(t, on, hooked(n, func() bool { return failing }), workflow.DisablePauseRetry())
		id := trigger(t, w, "f")
		pass(time.Minute)
		failing = false
		if err := w.RunStateController(id).Resume(ctxFor(t)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		n.want(t, "pause", "f Paused C 2")
		n.want(t, "engine pause", "f Paused C 2")
		n.want(t, "complete", "f Completed End 2")
		n.want(t, "cancel")
		n.want(t, "run state", "f Initiated A 0", "f Running B 1", "f Paused C 2", "f Running C 2", "f Completed End 2")
		n.want(t, "status B", "f Running B 1")
		n.want(t, "status End", "f Completed End 2")
		n.want(t, "any status", "f Initiated A 0", "f Running B 1", "f Running C 2", "f Completed End 2")
		cancelled := trigger(t, w, "g", workflow.WithStartAfter[object, status](time.Hour))
		c := w.RunStateController(cancelled)
		if err := errors.Join(c.Pause(ctxFor(t), "wait"), c.Cancel(ctxFor(t), "enough")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		n.want(t, "cancel", "g Cancelled A 0")
		n.want(t, "engine pause", "f Paused C 2") // an operator's pause is none of the engine's
		n.want(t, "pause", "f Paused C 2", "g Paused A 0")
	})
}

// TestHooksOnClassicParts: the same hooks, at least once each.
func TestHooksOnClassicParts(t *testing.T) {
	n := &notes{}
	store := memrecordstore.New()
	w := hooked(n, func() bool { return false }).Build(memstreamer.New(), store, memrolescheduler.New(), workflow.WithLogger(&quietLog{}))
	w.Run(t.Context())
	t.Cleanup(w.Stop)
	await(t, w, trigger(t, w, "f"), statusEnd)
	for kind, want := range map[string][]string{
		"complete": {"f Completed End 2"}, "status B": {"f Running B 1"}, "status End": {"f Completed End 2"},
		"any status": {"f Initiated A 0", "f Running B 1", "f Running C 2", "f Completed End 2"},
		"run state":  {"f Initiated A 0", "f Completed End 2"},
	} {
		eventuallyTrue(t, kind+" was told of", func() bool {
			got := n.get(kind)
			return !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(got, s) })
		})
	}
}

// eventuallyTrue waits for what other goroutines bring about and tell nobody.
func eventuallyTrue(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.After(patience)
	for !ok() {
		select {
		case <-end:
			t.Fatalf("it never came true that %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// TestAHookIsHeldListedAndRetried: after its last attempt its delivery waits for an operator, who finds it and has it tried again; the run
// has long gone on.
func TestAHookIsHeldListedAndRetried(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		b := three("held hook")
		calls, works := 0, false
		b.OnStatus(statusB, func(context.Context, *workflow.TypedRecord[object, status]) error {
			if calls++; works {
				return nil
			}
			return errTest
		}).WithOptions(workflow.PauseAfterErrCount(3), workflow.ErrBackOff(time.Second))
		w := build(t, on, b)
		id := trigger(t, w, "f")
		pass(time.Minute)
		if rec := lookup(t, on, id); rec.RunState != workflow.RunStateCompleted || calls != 3 {
			t.Errorf("after %d calls the run is %v", calls, rec.RunState)
		}
		held := 0
		for h, err := range w.Held(ctxFor(t)) {
			if err != nil {
				t.Fatal(err)
			}
			if held++; h.RunID != id || h.Receiver != "hook:status-2" || h.Attempts != 3 || !strings.Contains(h.LastError, errTest.Error()) {
				t.Errorf("held: %+v", h)
			}
		}
		if held != 1 {
			t.Fatalf("%d deliveries are held, want 1", held)
		}
		works = true
		if err := w.Operator("ada").RetryNow(ctxFor(t), id, "mended"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if rows, err := on.Held(ctxFor(t), id); err != nil || len(rows) > 0 || calls != 4 {
			t.Errorf("after the retry: %d calls, %+v, %v", calls, rows, err)
		}
	})
}

func TestHookMisuse(t *testing.T) {
	b := three("hook misuse")
	hook := (&notes{}).hook("x")
	b.OnPause(hook)
	b.OnPause(hook) // the later one counts
	b.OnStatus(statusB, hook)
	b.OnStatus(statusB, hook)
	b.OnStatus(statusOther, hook)
	b.OnAnyStatus(nil)
	b.OnEnginePause(hook).WithOptions(workflow.ParallelCount(2))
	_, err := b.BuildOn(newStore(t))
	for _, part := range []string{"OnStatus: there is a hook of that kind already", "OnStatus(Other): status is not part", "OnAnyStatus: the function is nil",
		"OnEnginePause: a parallel count is for steps"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("BuildOn says %v, not %q", err, part)
		}
	}
	if err != nil && strings.Contains(err.Error(), "OnPause") {
		t.Errorf("a second OnPause: %v", err)
	}
}
