package workflow_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

func goroutines(testing.TB) int { return runtime.NumGoroutine() }

// awaitGoroutines waits until no more goroutines are there than before; those that are ending need a moment.
func awaitGoroutines(t testing.TB, before int) {
	t.Helper()
	end := time.After(patience)
	for runtime.NumGoroutine() > before {
		select {
		case <-end:
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		case <-time.After(time.Millisecond):
		}
	}
}

func TestStopLetsHandlersFinish(t *testing.T) {
	on := newStore(t)
	before := goroutines(t)
	g := newGate()
	b := workflow.NewBuilder[object, status]("drain")
	b.AddStep(statusA, g.step(statusB), statusB)
	b.AddStep(statusB, step(statusEnd), statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	g.awaitEntered(t)
	stopped := make(chan struct{})
	go func() { w.Stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Fatal("Stop did not wait for the handler")
	case <-time.After(20 * time.Millisecond):
	}
	close(g.open)
	receive(t, stopped)
	rec, _ := on.Lookup(ctxFor(t), id)
	if rec.Status != int(statusB) || rec.Meta.Version != 2 {
		t.Errorf("after Stop: status %d version %d, want the finished step stored and nothing new started", rec.Status, rec.Meta.Version)
	}
	w.Stop() // again is harmless
	awaitGoroutines(t, before)

	again := workflow.NewBuilder[object, status]("drain")
	again.AddStep(statusA, step(statusB), statusB)
	again.AddStep(statusB, step(statusEnd), statusEnd)
	await(t, build(t, on, again), id, statusEnd)
}

func TestStopHandsBackWhatDoesNotFinish(t *testing.T) {
	on := newStore(t)
	g := newGate()
	b := workflow.NewBuilder[object, status]("handback")
	b.AddStep(statusA, g.step(statusEnd), statusEnd)
	w := build(t, on, b, workflow.WithStopTimeout(time.Millisecond))
	id := trigger(t, w, "f")
	g.awaitEntered(t)
	w.Stop()
	if cause := receive(t, g.causes); !errors.Is(cause, workflow.ErrStopping) {
		t.Errorf("the handler's context ended with %v, want ErrStopping", cause)
	}
	rec, _ := on.Lookup(ctxFor(t), id)
	attempts, _ := on.Attempts(ctxFor(t), id, 10)
	if rec.Meta.Version != 1 || len(attempts) != 0 {
		t.Errorf("version %d, failed attempts %+v: a stop marks nothing as failed", rec.Meta.Version, attempts)
	}
	again := workflow.NewBuilder[object, status]("handback")
	again.AddStep(statusA, step(statusEnd), statusEnd)
	await(t, build(t, on, again), id, statusEnd)
}

func TestTheEndOfRunsContextStops(t *testing.T) {
	on := newStore(t)
	before := goroutines(t)
	g := newGate()
	b := workflow.NewBuilder[object, status]("ctx")
	b.AddStep(statusA, g.step(statusEnd), statusEnd)
	w, err := b.BuildOn(on, workflow.WithLogger(&quietLog{}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.RunUntil(ctx) }()
	trigger(t, w, "f")
	g.awaitEntered(t)
	cancel()
	if cause := receive(t, g.causes); !errors.Is(cause, workflow.ErrStopping) {
		t.Errorf("the handler's context ended with %v", cause)
	}
	if err := receive(t, ended); err != nil {
		t.Errorf("RunUntil: %v", err)
	}
	for name, s := range w.States() {
		if s != workflow.StateShutdown {
			t.Errorf("process %s is %v after the end", name, s)
		}
	}
	awaitGoroutines(t, before)
}

func TestRestartGoesOnWithDueRowsAndHeldWork(t *testing.T) {
	on := newStore(t)
	clock := newFakeClock()
	make := func(ok bool) *workflow.Builder[object, status] {
		b := workflow.NewBuilder[object, status]("restart")
		b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
			if !ok {
				return 0, errTest
			}
			r.Object.Count = r.Attempt()
			return statusB, nil
		}, statusB)
		b.AddTimeout(statusB, workflow.DurationTimerFunc[object, status](time.Hour), func(context.Context, *run, time.Time) (status, error) {
			return statusEnd, nil
		}, statusEnd)
		return b
	}
	w := build(t, on, make(false), workflow.WithClock(clock))
	id := trigger(t, w, "f")
	clock.awaitWaiter(t) // the delivery backs off
	w.Stop()
	w = build(t, on, make(true), workflow.WithClock(clock))
	clock.awaitWaiter(t)
	clock.step(time.Minute)
	if r := await(t, w, id, statusB); r.Object.Count != 2 {
		t.Errorf("attempt %d after the restart, want 2: attempts are durable", r.Object.Count)
	}
	w.Stop()
	w = build(t, on, make(true), workflow.WithClock(clock))
	clock.step(time.Hour)
	await(t, w, id, statusEnd)
}

func TestASlowHandlerLeavesItsSlot(t *testing.T) {
	on := newStore(t)
	g := newGate()
	b := workflow.NewBuilder[object, status]("slow")
	b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
		if r.Object.Note == "slow" {
			return g.step(statusEnd)(ctx, r)
		}
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b)
	const slow = 16*64 + 500 // more than all the slots, fewer than slots and claims together
	ids := make([]string, slow)
	for i := range ids {
		ids[i] = trigger(t, w, "slow"+name(i), workflow.WithInitialValue[object, status](&object{Note: "slow"}))
	}
	quick := trigger(t, w, "quick")
	await(t, w, quick, statusEnd) // comes through although more handlers are slow than there are slots
	claims := 0
	for _, id := range ids {
		held, err := on.Held(ctxFor(t), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range held {
			if d.State == backend.DeliveryClaimed && d.Due.After(time.Now()) {
				claims++
			}
		}
	}
	if claims == 0 || claims > 1000 {
		t.Errorf("%d claims are stored, want some and at most 1,000", claims)
	}
	close(g.open)
	for _, id := range ids {
		await(t, w, id, statusEnd)
	}
	for _, id := range ids {
		if held, _ := on.Held(ctxFor(t), id); len(held) != 0 {
			t.Fatalf("rows left behind: %+v", held)
		}
	}
}

func TestHeartbeatMovesTheDeadline(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("beat")
	var beats, tries atomic.Int32
	b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
		tries.Add(1)
		for range 6 {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(300 * time.Millisecond): // six times this is far beyond the deadline
			}
			if err := r.Heartbeat(ctx); err != nil {
				return 0, err
			}
			beats.Add(1)
		}
		return statusEnd, nil
	}, statusEnd).WithOptions(workflow.AttemptDeadline(1200 * time.Millisecond))
	w := build(t, on, b)
	await(t, w, trigger(t, w, "f"), statusEnd)
	if tries.Load() != 1 || beats.Load() != 6 {
		t.Errorf("%d attempts, %d heartbeats, want 1 and 6", tries.Load(), beats.Load())
	}
}

func TestHeartbeatTellsThatTheRunWasTaken(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("told")
	entered, told := make(chan string, 1), make(chan error, 1)
	b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
		entered <- r.RunID
		<-ctx.Done()
		told <- r.Heartbeat(ctx)
		return 0, ctx.Err()
	}, statusEnd)
	w := build(t, on, b)
	trigger(t, w, "f")
	if err := w.RunStateController(receive(t, entered)).Cancel(ctxFor(t), ""); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, told); !errors.Is(err, workflow.ErrSuperseded) {
		t.Errorf("Heartbeat = %v, want ErrSuperseded", err)
	}
}

func TestTheSecondInstanceTakesOver(t *testing.T) {
	on := newStore(t)
	first := build(t, on, three("pair"))
	second := build(t, on, three("pair"))
	await(t, second, trigger(t, first, "f"), statusEnd)
	first.Stop()
	await(t, first, trigger(t, first, "g"), statusEnd) // by the second; a stopped workflow still triggers and awaits
	if second.States()["a-consumer-1-of-1"] != workflow.StateRunning {
		t.Errorf("States = %v", second.States())
	}
}

func TestHundredIdleWorkflowsAreParked(t *testing.T) {
	on := newStore(t)
	before := goroutines(t)
	flows := make([]*flow, 100)
	for i := range flows {
		flows[i] = build(t, on, three("idle "+name(i)))
		await(t, flows[i], trigger(t, flows[i], "f"), statusEnd)
	}
	awaitGoroutines(t, before+3) // the dispatcher, the watchdog, and what the backend needs
	start := cpuTime(t)
	<-time.After(500 * time.Millisecond)
	if used := cpuTime(t) - start; used > 50*time.Millisecond {
		t.Errorf("100 idle workflows used %v of CPU in half a second", used)
	}
}

func TestHealthTellsOfStuckHandlersAndOfAFailingStore(t *testing.T) {
	base := newStore(t)
	on := &shaky{Backend: base, calm: true, rnd: rand.New(rand.NewPCG(1, 1))}
	b := workflow.NewBuilder[object, status]("stuck")
	release := make(chan struct{})
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		if r.Object.Note == "stuck" {
			<-release
		}
		return statusEnd, nil
	}, statusEnd).WithOptions(append(quickRetry(1), workflow.AttemptDeadline(time.Millisecond))...)
	w := build(t, on, b)
	if err := w.Health(); err != nil {
		t.Errorf("Health of a fresh workflow: %v", err)
	}
	for i := range 100 {
		trigger(t, w, name(i), workflow.WithInitialValue[object, status](&object{Note: "stuck"}))
	}
	awaitHealth(t, w, workflow.ErrStuckHandlers)
	id := trigger(t, w, "waits")
	if rec, _ := base.Lookup(ctxFor(t), id); rec.Meta.Version != 1 {
		t.Error("an attempt started although too many are stuck")
	}
	close(release)
	await(t, w, id, statusEnd)
	awaitHealth(t, w, nil)
	on.failAll(true)
	if _, err := w.Trigger(ctxFor(t), "refused"); !errors.Is(err, errShaky) {
		t.Errorf("Trigger over a failing store: %v", err)
	}
	awaitHealth(t, w, workflow.ErrStoreFailing)
	on.failAll(false)
	trigger(t, w, "works again")
	awaitHealth(t, w, nil)
}

func awaitHealth(t *testing.T, w *flow, want error) {
	t.Helper()
	end := time.After(patience)
	for {
		err := w.Health()
		if want == nil && err == nil || want != nil && errors.Is(err, want) {
			return
		}
		select {
		case <-end:
			t.Fatalf("Health stays %v, want %v", err, want)
		case <-time.After(time.Millisecond):
		}
	}
}
