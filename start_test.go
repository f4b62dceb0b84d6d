package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// bubble runs fn in virtual time, on a store whose invariants are checked at the end.
func bubble(t *testing.T, fn func(t *testing.T, on *memory.Backend)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fn(t, newStore(t))
	})
}

// pass lets virtual time pass, and everything happen that this makes possible.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func lookup(t testing.TB, on backend.Backend, runID string) *backend.Record {
	t.Helper()
	rec, err := on.Lookup(ctxFor(t), runID)
	if err != nil {
		t.Fatalf("Lookup(%s): %v", runID, err)
	}
	return rec
}

func TestStartKey(t *testing.T) {
	on := newStore(t)
	w := build(t, on, three("keys"))
	first := trigger(t, w, "f", workflow.WithStartKey[object, status]("request-1"))
	await(t, w, first, statusEnd)
	if again := trigger(t, w, "f", workflow.WithStartKey[object, status]("request-1")); again != first {
		t.Errorf("the same key gave run %s, want %s", again, first)
	}
	other := trigger(t, w, "f", workflow.WithStartKey[object, status]("request-2"))
	if other == first {
		t.Error("another key gave the same run")
	}
	await(t, w, other, statusEnd)
	_, err := w.Trigger(ctxFor(t), "g", workflow.WithStartKey[object, status]("request-1"))
	if !errors.Is(err, workflow.ErrStartKeyReused) {
		t.Errorf("the key of another foreign id: %v, want ErrStartKeyReused", err)
	}
	if _, err := w.Trigger(ctxFor(t), "g", workflow.WithStartKey[object, status]("")); !errors.Is(err, workflow.ErrInvalidID) {
		t.Errorf("an empty key: %v, want ErrInvalidID", err)
	}
	elsewhere := build(t, on, three("other keys"))
	if id := trigger(t, elsewhere, "f", workflow.WithStartKey[object, status]("request-1")); id == first {
		t.Error("two workflows share a run by their keys")
	}
}

// TestStartKeyRaces: a client tries again while its first try is still under way, and other starts of the foreign id are refused.
func TestStartKeyRaces(t *testing.T) {
	on := newStore(t)
	w, err := three("racing keys").BuildOn(adaptertest.NewFaulty(on, 1)) // nobody runs it: the runs stay unfinished
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, 32)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			id, err := w.Trigger(ctxFor(t), "f", workflow.WithStartKey[object, status]("k"))
			if err != nil {
				t.Errorf("trigger %d: %v", i, err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("one key, runs %s and %s", ids[0], id)
		}
	}
	_, err = w.Trigger(ctxFor(t), "f", workflow.WithStartKey[object, status]("other"))
	var in *workflow.InProgressError
	if !errors.As(err, &in) || in.RunID != ids[0] {
		t.Errorf("a second run: %v, want one that names run %s", err, ids[0])
	}
	if id := trigger(t, w, "f", workflow.WithStartKey[object, status]("k")); id != ids[0] {
		t.Errorf("the key gave %s, want %s", id, ids[0])
	}
}

func TestStartAt(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		var started time.Time
		b := workflow.NewBuilder[object, status]("later")
		b.AddStep(statusA, func(context.Context, *run) (status, error) { started = time.Now(); return statusB, nil }, statusB)
		b.AddTimeout(statusB, workflow.DurationTimerFunc[object, status](time.Minute), func(context.Context, *run, time.Time) (status, error) {
			return statusEnd, nil
		}, statusEnd)
		w := build(t, on, b)
		id := trigger(t, w, "f", workflow.WithStartAt[object, status](begin.Add(time.Hour)))
		now := trigger(t, w, "past", workflow.WithStartAt[object, status](begin.Add(-time.Hour)))
		pass(time.Hour - time.Second)
		if rec := lookup(t, on, id); rec.Meta.Version != 1 || rec.RunState != backend.RunStateInitiated {
			t.Errorf("a second before its time the run is %v in version %d", rec.RunState, rec.Meta.Version)
		}
		if rec := lookup(t, on, now); rec.RunState != backend.RunStateCompleted {
			t.Errorf("a start in the past: the run is %v", rec.RunState)
		}
		pass(time.Second)
		if got := started.Sub(begin); got != time.Hour {
			t.Errorf("started after %v, want an hour", got)
		}
		pass(time.Minute)
		if rec := lookup(t, on, id); rec.RunState != backend.RunStateCompleted {
			t.Errorf("the run is %v", rec.RunState)
		}
	})
}

// TestStartAtOutlivesARestartAndAPause: neither a new process nor a resume begins the run early, and timers of the first status count from
// its start.
func TestStartAtOutlivesARestartAndAPause(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		var expired time.Time
		make := func() *flow {
			b := workflow.NewBuilder[object, status]("later")
			b.AddStep(statusA, step(statusB), statusB)
			b.AddStep(statusB, step(statusEnd), statusEnd)
			b.AddTimeout(statusOther, workflow.DurationTimerFunc[object, status](time.Minute), func(context.Context, *run, time.Time) (status, error) {
				expired = time.Now()
				return statusEnd, nil
			}, statusEnd)
			return build(t, on, b)
		}
		w := make()
		at := workflow.WithStartAfter[object, status](time.Hour)
		id := trigger(t, w, "restart", at)
		resumed := trigger(t, w, "resume", at)
		timed := trigger(t, w, "timer", at, workflow.WithStartingPoint[object, status](statusOther))
		pass(time.Minute)
		if err := w.RunStateController(resumed).Pause(ctxFor(t), "wait"); err != nil {
			t.Fatal(err)
		}
		if err := w.RunStateController(resumed).Resume(ctxFor(t)); err != nil {
			t.Fatal(err)
		}
		w.Stop()
		make()
		pass(59*time.Minute - time.Second)
		for _, id := range []string{id, resumed} {
			if rec := lookup(t, on, id); rec.Status != int(statusA) {
				t.Errorf("before its time run %s is in status %d", rec.ForeignID, rec.Status)
			}
		}
		pass(time.Second)
		for _, id := range []string{id, resumed} {
			if rec := lookup(t, on, id); rec.RunState != backend.RunStateCompleted {
				t.Errorf("run %s is %v", rec.ForeignID, rec.RunState)
			}
		}
		pass(time.Minute)
		if rec := lookup(t, on, timed); rec.RunState != backend.RunStateCompleted || expired.Sub(begin) != time.Hour+time.Minute {
			t.Errorf("the first status's timer expired after %v, run is %v", expired.Sub(begin), rec.RunState)
		}
	})
}

func TestDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var cancelled atomic.Int64
		b := workflow.NewBuilder[object, status]("deadline")
		b.AddCallback(statusA, func(context.Context, *run, reader) (status, error) { return statusEnd, nil }, statusEnd)
		b.AddStep(statusB, step(statusEnd), statusEnd)
		b.OnCancel(func(context.Context, *workflow.TypedRecord[object, status]) error {
			cancelled.Add(1)
			return nil
		})
		w := build(t, on, b)
		late := trigger(t, w, "late", workflow.WithRunTimeout[object, status](time.Hour))
		held := trigger(t, w, "paused", workflow.WithDeadline[object, status](time.Now().Add(time.Hour)))
		soon := trigger(t, w, "soon", workflow.WithRunTimeout[object, status](time.Hour), workflow.WithStartingPoint[object, status](statusB))
		if err := w.RunStateController(held).Pause(ctxFor(t), "wait"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour - time.Second)
		if rec := lookup(t, on, late); !rec.RunState.Moving() {
			t.Errorf("before its deadline the run is %v", rec.RunState)
		}
		if held, err := on.Held(ctxFor(t), soon); err != nil || len(held) > 0 {
			t.Errorf("a run that ended keeps its deadline: %+v, %v", held, err)
		}
		pass(time.Second)
		for _, id := range []string{late, held} {
			rec := lookup(t, on, id)
			if rec.RunState != backend.RunStateCancelled || !strings.Contains(rec.Meta.RunStateReason, "deadline") {
				t.Errorf("run %s is %v, %q", rec.ForeignID, rec.RunState, rec.Meta.RunStateReason)
			}
		}
		if n := cancelled.Load(); n != 2 {
			t.Errorf("OnCancel was told of %d runs", n)
		}
		if rec := lookup(t, on, soon); rec.RunState != backend.RunStateCompleted {
			t.Errorf("the run that was in time is %v", rec.RunState)
		}
	})
}

func TestAbsurdStart(t *testing.T) {
	w := build(t, newStore(t), three("absurd"))
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	for what, opt := range map[string]workflow.TriggerOption[object, status]{
		"start":    workflow.WithStartAt[object, status](far),
		"deadline": workflow.WithDeadline[object, status](far),
	} {
		if _, err := w.Trigger(ctxFor(t), what, opt); !errors.Is(err, workflow.ErrAbsurdTime) {
			t.Errorf("%s: %v, want ErrAbsurdTime", what, err)
		}
	}
}

// countingCommits counts the calls of Commit that store a run.
type countingCommits struct {
	backend.Backend
	mu      sync.Mutex
	batches []int
}

func (b *countingCommits) Commit(ctx context.Context, batch []*backend.Change) error {
	b.mu.Lock()
	b.batches = append(b.batches, len(batch))
	b.mu.Unlock()
	return b.Backend.Commit(ctx, batch)
}

func TestTriggerMany(t *testing.T) {
	on := &countingCommits{Backend: newStore(t)}
	w, err := three("many").BuildOn(on)
	if err != nil {
		t.Fatal(err)
	}
	taken := trigger(t, w, name(7))
	starts := make([]workflow.Start[object, status], 2000)
	for i := range starts {
		starts[i] = workflow.Start[object, status]{ForeignID: name(i), Options: []workflow.TriggerOption[object, status]{
			workflow.WithInitialValue[object, status](&object{Count: i}),
		}}
	}
	starts[9].ForeignID = ""
	on.batches = nil
	got, err := w.TriggerMany(ctxFor(t), starts...)
	if !errors.Is(err, workflow.ErrWorkflowInProgress) || !errors.Is(err, workflow.ErrInvalidID) {
		t.Errorf("the error is %v, want the two that failed", err)
	}
	if len(on.batches) != 1 || on.batches[0] != len(starts)-1 {
		t.Errorf("commits of %v changes, want one of %d", on.batches, len(starts)-1)
	}
	var in *workflow.InProgressError
	if !errors.As(got[7].Err, &in) || in.RunID != taken {
		t.Errorf("a taken foreign id: %v, want one that names %s", got[7].Err, taken)
	}
	for i, g := range got {
		if i == 7 || i == 9 {
			if g.RunID != "" {
				t.Errorf("start %d failed and has run %s", i, g.RunID)
			}
			continue
		}
		if g.Err != nil {
			t.Fatalf("start %d: %v", i, g.Err)
		}
		if rec := lookup(t, on, g.RunID); rec.ForeignID != name(i) || !strings.Contains(string(rec.Object), fmt.Sprintf(`"Count":%d,`, i)) {
			t.Fatalf("start %d is run %+v", i, rec)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err = w.TriggerMany(ctx, workflow.Start[object, status]{ForeignID: "late"})
	if !errors.Is(err, context.Canceled) || !errors.Is(got[0].Err, context.Canceled) {
		t.Errorf("with an ended context: %v, %v", got[0].Err, err)
	}
	if _, err := w.TriggerMany(t.Context(), make([]workflow.Start[object, status], workflow.MaxStarts+1)...); !errors.Is(err, workflow.ErrTooLarge) {
		t.Errorf("too many: %v, want ErrTooLarge", err)
	}
}

// TestRacingTriggers: sixteen triggers of one foreign id meet a slow store, a thousand times: one run each.
func TestRacingTriggers(t *testing.T) {
	faulty := adaptertest.NewFaulty(newStore(t), 7)
	for _, m := range []adaptertest.Method{adaptertest.MethodCommit, adaptertest.MethodLatest, adaptertest.MethodLookup} {
		faulty.Set(m, adaptertest.Fault{Delay: func(ctx context.Context) error {
			return waitFor(ctx, 50*time.Microsecond)
		}})
	}
	w, err := three("racing").BuildOn(faulty)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 1000 {
		var mu sync.Mutex
		started, refused := 0, 0
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				_, err := w.Trigger(ctxFor(t), name(round))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					started++
				case errors.Is(err, workflow.ErrWorkflowInProgress):
					refused++
				default:
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		if started != 1 || refused != 15 {
			t.Fatalf("round %d: %d runs, %d refusals", round, started, refused)
		}
	}
}

// waitFor is an injected delay. None makes no timer: Go's race detector crashes now and then on one of no duration in a bubble.
func waitFor(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// TestACallbackReachesARunThatBeginsLater: as signals do.
func TestACallbackReachesARunThatBeginsLater(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, signalFlow("later"))
		id := trigger(t, w, "f", workflow.WithStartAfter[object, status](time.Hour))
		if err := w.Callback(ctxFor(t), "f", statusA, nil); err != nil {
			t.Error(err)
		}
		send(t, approve, w, "f", approval{"ada"}, workflow.SignalApplied)
		if rec := lookup(t, on, id); rec.Status != int(statusC) {
			t.Errorf("the run is in status %d", rec.Status)
		}
	})
}
