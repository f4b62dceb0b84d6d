package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

func TestRetryUntilItWorks(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("retry")
	var keys []string
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		keys = append(keys, r.IdempotencyKey())
		r.Object.Count++ // must not outlive a failed attempt
		if r.Attempt() < 4 {
			return 0, errTest
		}
		return statusEnd, nil
	}, statusEnd).WithOptions(quickRetry(10)...)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	r := await(t, w, id, statusEnd)
	if r.Object.Count != 1 || r.Meta.Version != 2 {
		t.Errorf("count %d version %d, want 1 and 2: failed attempts change nothing", r.Object.Count, r.Meta.Version)
	}
	if len(keys) != 4 || keys[0] != keys[3] || keys[0] != id+"/1" {
		t.Errorf("idempotency keys = %v, want the same four times", keys)
	}
	attempts, err := on.Attempts(ctxFor(t), id, 10)
	if err != nil || len(attempts) != 3 || attempts[2].Number != 3 || !strings.Contains(attempts[0].Error, errTest.Error()) {
		t.Errorf("Attempts = %+v, %v; want the three failed ones", attempts, err)
	}
	if held, _ := on.Held(ctxFor(t), id); len(held) != 0 {
		t.Errorf("deliveries left behind: %+v", held)
	}
}

// badSteps are all the ways in which a step can be bad. Each must end as paused by the engine with a reason, and delay nobody.
func badSteps() map[string]workflow.ConsumerFunc[object, status] {
	return map[string]workflow.ConsumerFunc[object, status]{
		"error":            func(context.Context, *run) (status, error) { return 0, errTest },
		"panic":            func(context.Context, *run) (status, error) { panic("broken") },
		"panic with error": func(context.Context, *run) (status, error) { panic(errTest) },
		"panic that panics when printed": func(context.Context, *run) (status, error) {
			panic(evil{})
		},
		"nil dereference": func(_ context.Context, r *run) (status, error) {
			var p *object
			return status(p.Count), nil
		},
		"undeclared status": func(context.Context, *run) (status, error) { return statusOther, nil },
		"status whose name panics": func(context.Context, *run) (status, error) {
			return status(99), nil
		},
		"goexit":            func(context.Context, *run) (status, error) { runtime.Goexit(); return 0, nil },
		"permanent":         func(context.Context, *run) (status, error) { return 0, workflow.Permanent(errTest) },
		"error that panics": func(context.Context, *run) (status, error) { return 0, evilError{} },
		"huge error": func(context.Context, *run) (status, error) {
			return 0, errors.New(strings.Repeat("x", 1<<20))
		},
		"hang": func(ctx context.Context, _ *run) (status, error) { <-ctx.Done(); return 0, ctx.Err() },
		"object that is too large": func(_ context.Context, r *run) (status, error) {
			r.Object.Note = strings.Repeat("x", backend.MaxObjectBytes+1)
			return statusEnd, nil
		},
	}
}

type evil struct{}

func (evil) String() string { panic("no") }

type evilError struct{}

func (evilError) Error() string { panic("no") }

func TestABadStepPausesItsRunAndHarmsNoOther(t *testing.T) {
	for what, bad := range badSteps() {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			on := newStore(t)
			b := workflow.NewBuilder[object, status]("bad")
			b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
				if r.Object.Note == "bad" {
					return bad(ctx, r)
				}
				return statusEnd, nil
			}, statusEnd).WithOptions(append(quickRetry(3), workflow.AttemptDeadline(20*time.Millisecond))...)
			w := build(t, on, b)
			id := trigger(t, w, "bad", workflow.WithInitialValue[object, status](&object{Note: "bad"}))
			for i := range 100 {
				await(t, w, trigger(t, w, name(i)), statusEnd)
			}
			rec := awaitRecord(t, on, id, paused)
			if rec.Meta.PausedBy != backend.PausedByEngine || rec.Meta.RunStateReason == "" || rec.Meta.Version != 2 || rec.Status != int(statusA) {
				t.Errorf("paused record = %+v, want version 2, by the engine, with a reason, in its status", rec.Meta)
			}
			if len(rec.Meta.RunStateReason) > backend.MaxTextBytes {
				t.Errorf("the reason has %d bytes", len(rec.Meta.RunStateReason))
			}
			want := 3
			if what == "permanent" || what == "object that is too large" { // trying again cannot mend it
				want = 1
			}
			attempts, _ := on.Attempts(ctxFor(t), id, 10)
			if len(attempts) != want {
				t.Errorf("%d failed attempts are kept, want %d", len(attempts), want)
			}
			if strings.HasPrefix(what, "panic") && attempts[0].Stack == "" {
				t.Error("the panic's stack is not kept")
			}
		})
	}
}

func TestAnObjectThatNoLongerDecodesPausesItsRun(t *testing.T) {
	on := newStore(t)
	now := time.Now()
	c := &backend.Change{Cause: backend.CauseTrigger, Record: &backend.Record{
		WorkflowName: "three", ForeignID: "f", RunID: "r", RunState: backend.RunStateInitiated, Status: int(statusA),
		Object: []byte(`{"Count":"not a number"}`), CreatedAt: now, UpdatedAt: now, Meta: backend.Meta{Version: 1, Visit: 1},
	}}
	if err := on.Commit(ctxFor(t), []*backend.Change{c}); err != nil || c.Err != nil {
		t.Fatal(err, c.Err)
	}
	w := build(t, on, three("three"))
	await(t, w, trigger(t, w, "g"), statusEnd)
	rec := awaitRecord(t, on, "r", paused)
	if !strings.Contains(rec.Meta.RunStateReason, "decode") || string(rec.Object) != `{"Count":"not a number"}` {
		t.Errorf("reason %q object %s: want the reason, and the bytes kept", rec.Meta.RunStateReason, rec.Object)
	}
}

func TestAHandlerThatIgnoresItsEndIsGivenUp(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("deaf")
	release := make(chan struct{})
	var calls atomic.Int32
	b.AddStep(statusA, func(context.Context, *run) (status, error) {
		calls.Add(1)
		<-release
		return statusEnd, nil // its answer comes too late and must not count
	}, statusEnd).WithOptions(append(quickRetry(1), workflow.AttemptDeadline(10*time.Millisecond))...)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	rec := awaitRecord(t, on, id, paused)
	close(release)
	if !strings.Contains(rec.Meta.RunStateReason, "deadline") {
		t.Errorf("reason = %q, want the deadline", rec.Meta.RunStateReason)
	}
	w.Stop()
	if rec, _ := on.Lookup(ctxFor(t), id); rec.Meta.Version != 2 || !paused(rec) {
		t.Errorf("the late answer was taken: version %d %v", rec.Meta.Version, rec.RunState)
	}
}

func TestRetryAfterAndPauseRetry(t *testing.T) {
	on := newStore(t)
	clock := newFakeClock()
	b := workflow.NewBuilder[object, status]("later")
	var tries atomic.Int32
	b.AddStep(statusA, func(context.Context, *run) (status, error) {
		switch tries.Add(1) {
		case 1:
			return 0, workflow.RetryAfter(errTest, 3*time.Hour)
		case 2:
			return 0, workflow.Permanent(errTest)
		}
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock), workflow.WithPauseRetry(2*time.Hour))
	id := trigger(t, w, "f")
	clock.awaitWaiter(t)
	clock.step(3*time.Hour - time.Second)
	if n := tries.Load(); n != 1 {
		t.Fatalf("%d attempts before the asked wait was over", n)
	}
	clock.step(time.Second)
	awaitRecord(t, on, id, paused)
	clock.awaitWaiter(t)
	clock.step(2 * time.Hour)
	r := await(t, w, id, statusEnd)
	if r.Meta.Version != 4 { // trigger, pause, resume, step
		t.Errorf("version %d, want 4", r.Meta.Version)
	}
}

func TestAnOperatorsPauseIsNeverUndone(t *testing.T) {
	on := newStore(t)
	clock := newFakeClock()
	b := workflow.NewBuilder[object, status]("legal hold")
	b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) { return r.Pause(ctx, "legal hold") }, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock), workflow.WithPauseRetry(time.Hour))
	id := trigger(t, w, "f")
	rec := awaitRecord(t, on, id, paused)
	clock.step(1000 * time.Hour)
	other := trigger(t, w, "g")
	awaitRecord(t, on, other, paused)
	if now, _ := on.Lookup(ctxFor(t), id); now.Meta.Version != rec.Meta.Version || rec.Meta.PausedBy != backend.PausedByOperator {
		t.Errorf("version went from %d to %d, paused by %v", rec.Meta.Version, now.Meta.Version, rec.Meta.PausedBy)
	}
	if held, _ := on.Held(ctxFor(t), id); len(held) != 0 {
		t.Errorf("an operator's pause has due rows: %+v", held)
	}
}

func TestDefaultOptionsKeepWhatTheyDoNotSet(t *testing.T) {
	on := newStore(t)
	clock := newFakeClock()
	b := workflow.NewBuilder[object, status]("defaults")
	var tries atomic.Int32
	b.AddStep(statusA, func(context.Context, *run) (status, error) { tries.Add(1); return 0, errTest }, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock), workflow.WithDefaultOptions(workflow.LagAlert(time.Minute)))
	id := trigger(t, w, "f")
	clock.awaitWaiter(t)
	held, err := on.Held(ctxFor(t), id)
	if err != nil || len(held) != 1 {
		t.Fatalf("Held = %v, %v", held, err)
	}
	if wait := held[0].Due.Sub(clock.Now()); wait > time.Second || tries.Load() != 1 {
		t.Errorf("wait %v after %d attempts, want at most a second after one", wait, tries.Load())
	}
}

func TestThousandBadRunsDoNotStopAGoodOne(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("crowd")
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		if r.Object.Note == "bad" {
			return 0, fmt.Errorf("attempt %d of %s: %w", r.Attempt(), r.RunID, errTest)
		}
		return statusEnd, nil
	}, statusEnd).WithOptions(quickRetry(5)...)
	w := build(t, on, b)
	bad := make([]string, 1000)
	for i := range bad {
		bad[i] = trigger(t, w, "bad"+name(i), workflow.WithInitialValue[object, status](&object{Note: "bad"}))
	}
	for i := range 100 {
		await(t, w, trigger(t, w, name(i)), statusEnd)
	}
	for _, id := range bad {
		awaitRecord(t, on, id, paused)
	}
}
