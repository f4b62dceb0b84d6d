package workflow_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// nilError is an error whose methods need a receiver that is not nil.
type nilError struct{ inner error }

func (e *nilError) Error() string { return "wrapped: " + e.inner.Error() }
func (e *nilError) Unwrap() error { return e.inner }

// evilIs is an error that panics when it is compared.
type evilIs struct{}

func (evilIs) Error() string   { return "evil" }
func (evilIs) Is(error) bool   { panic("is") }
func (evilIs) As(any) bool     { panic("as") }
func (evilIs) Unwrap() []error { panic("unwrap") }

// TestUserCodeCannotEndTheProcess: whatever a step returns and whatever the error counter does, the run ends paused and the process lives.
// Each case runs in a process of its own.
func TestUserCodeCannotEndTheProcess(t *testing.T) {
	const child = "STILLWATER_CHILD"
	cases := map[string]func(t *testing.T){
		"counter-panics":  func(t *testing.T) { endsPaused(t, errTest, &counter{do: func() { panic("counter") }}) },
		"typed-nil-error": func(t *testing.T) { endsPaused(t, (*nilError)(nil), nil) },
		"error-that-is":   func(t *testing.T) { endsPaused(t, evilIs{}, nil) },
		"tx-typed-nil":    func(t *testing.T) { txEndsPaused(t, (*nilError)(nil)) },
	}
	if which := os.Getenv(child); which != "" {
		cases[which](t)
		return
	}
	for what := range cases {
		t.Run(what, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^"+strings.Split(t.Name(), "/")[0]+"$")
			cmd.Env = append(os.Environ(), child+"="+what)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %.1500s", err, out)
			}
		})
	}
}

func endsPaused(t *testing.T, err error, ec workflow.ErrorCounter) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("evil")
	b.AddStep(statusA, func(context.Context, *run) (status, error) { return 0, err }, statusEnd).WithOptions(quickRetry(2)...)
	var opts []workflow.BuildOption
	if ec != nil {
		opts = append(opts, workflow.WithErrorCounter(ec))
	}
	w := build(t, on, b, opts...)
	awaitRecord(t, on, trigger(t, w, "f"), paused)
}

func txEndsPaused(t *testing.T, err error) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("evil tx")
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		return statusEnd, r.Transact(func(context.Context) error { return err })
	}, statusEnd).WithOptions(quickRetry(2)...)
	w := build(t, on, b)
	awaitRecord(t, on, trigger(t, w, "f"), paused)
}

// askingLog is a logger that asks the workflow something, as one that adds the state of things to its lines does.
type askingLog struct {
	ask   atomic.Pointer[func()]
	asked atomic.Int32
}

func (*askingLog) Debug(context.Context, string, map[string]string) {}
func (l *askingLog) Error(context.Context, error) {
	if ask := l.ask.Load(); ask != nil {
		(*ask)()
		l.asked.Add(1)
	}
}

// TestUserCodeIsCalledWithNoLockHeld: an error counter and a logger that ask the workflow for its states must get an answer.
func TestUserCodeIsCalledWithNoLockHeld(t *testing.T) {
	refused := func(_ context.Context, r *run) (status, error) { // its commit is refused
		return statusEnd, r.Transact(func(context.Context) error { return errTest })
	}
	release := make(chan struct{})
	defer close(release)
	deaf := func(context.Context, *run) (status, error) { <-release; return 0, errTest }
	for what, bad := range map[string]workflow.ConsumerFunc[object, status]{"a refused commit": refused, "a given up handler": deaf} {
		t.Run(what, func(t *testing.T) {
			on := newStore(t)
			b := workflow.NewBuilder[object, status]("asking")
			b.AddStep(statusA, bad, statusEnd).WithOptions(append(quickRetry(1), workflow.AttemptDeadline(20*time.Millisecond))...)
			log := &askingLog{}
			ec := &counter{}
			w, err := b.BuildOn(on, workflow.WithLogger(log), workflow.WithErrorCounter(ec))
			if err != nil {
				t.Fatal(err)
			}
			ask := func() { w.States() }
			log.ask.Store(&ask)
			ec.do = ask
			w.Run(context.Background())
			id := trigger(t, w, "f")
			eventually(t, "the run is paused and the logger was answered", func() bool {
				rec, err := on.Lookup(context.Background(), id)
				return err == nil && paused(rec) && log.asked.Load() > 0
			})
			w.Stop()
		})
	}
}

// TestHooksOfOneRunStayInOrder: the hook of a later pause waits for that of an earlier one, in memory and across a restart.
func TestHooksOfOneRunStayInOrder(t *testing.T) {
	for what, restart := range map[string]bool{"in memory": false, "across a restart": true} {
		t.Run(what, func(t *testing.T) {
			on, clock := newStore(t), newFakeClock()
			var mu sync.Mutex
			var heard []uint
			tried := make(chan uint, 100)
			failed := false
			make := func() *workflow.Builder[object, status] {
				b := workflow.NewBuilder[object, status]("hook order")
				b.AddCallback(statusA, repeats, statusA)
				b.OnPause(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
					mu.Lock()
					defer mu.Unlock()
					tried <- r.Meta.Version
					if !failed {
						failed = true
						return workflow.RetryAfter(errTest, time.Hour)
					}
					heard = append(heard, r.Meta.Version)
					return nil
				})
				return b
			}
			w := build(t, on, make(), workflow.WithClock(clock))
			id := trigger(t, w, "f")
			c := w.RunStateController(id)
			if err := c.Pause(ctxFor(t), "first"); err != nil {
				t.Fatal(err)
			}
			receive(t, tried)
			heldIn(t, on, id, backend.DeliveryBackingOff)
			if restart {
				w.Stop()
				w = build(t, on, make(), workflow.WithClock(clock))
				holds(t, w, workflow.StateRunning)
				await(t, w, id, statusA)
				clock.awaitWaiter(t)
			}
			if err := errors.Join(c.Resume(ctxFor(t)), c.Pause(ctxFor(t), "second")); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the second event is stored behind the first, or was delivered before it", func() bool {
				held, err := on.Held(ctxFor(t), id)
				mu.Lock()
				defer mu.Unlock()
				return err == nil && (len(held) == 2 || len(heard) > 0)
			})
			for range 3 {
				clock.step(time.Hour)
			}
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				if len(heard) != 2 || heard[0] != 2 || heard[1] != 4 {
					t.Errorf("heard of versions %v, want 2 and then 4", heard)
				}
			}()
			eventually(t, "both pauses were told", func() bool {
				clock.step(time.Second)
				mu.Lock()
				defer mu.Unlock()
				return len(heard) == 2
			})
		})
	}
}

// TestAProgramWithoutTheStepLosesNothing: an older program, which lacks the step, has the roles for a while.
func TestAProgramWithoutTheStepLosesNothing(t *testing.T) {
	on, clock := newStore(t), newFakeClock()
	var works atomic.Bool
	newer := func() *workflow.Builder[object, status] {
		b := workflow.NewBuilder[object, status]("rolled")
		b.AddStep(statusA, func(context.Context, *run) (status, error) {
			if works.Load() {
				return statusEnd, nil
			}
			return 0, workflow.RetryAfter(errTest, time.Hour)
		}, statusEnd)
		return b
	}
	older := workflow.NewBuilder[object, status]("rolled")
	older.AddCallback(statusA, goes(statusEnd), statusEnd)
	older.AddStep(statusB, step(statusEnd), statusEnd)
	w := build(t, on, newer(), workflow.WithClock(clock))
	id := trigger(t, w, "f")
	heldIn(t, on, id, backend.DeliveryBackingOff)
	w.Stop()
	w = build(t, on, older, workflow.WithClock(clock))
	clock.step(2 * time.Hour)
	await(t, w, trigger(t, w, "g", workflow.WithStartingPoint[object, status](statusB)), statusEnd)
	<-time.After(50 * time.Millisecond)
	w.Stop()
	works.Store(true)
	build(t, on, newer(), workflow.WithClock(clock))
	stuckUnless(t, on, id, statusEnd)
}

// TestASlowTimerFunctionRacesWithNothing: the timer function of the next status takes longer than an attempt may before it is
// claimed. It is the race detector that finds something here.
func TestASlowTimerFunctionRacesWithNothing(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("slow timer")
	b.AddStep(statusA, step(statusB), statusB)
	b.AddTimeout(statusB, func(context.Context, *run, time.Time) (time.Time, error) {
		for begin := time.Now(); time.Since(begin) < 1600*time.Millisecond; { // a channel would hide the race
			runtime.Gosched()
		}
		return time.Now(), nil
	}, func(context.Context, *run, time.Time) (status, error) { return statusEnd, nil }, statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	stuckUnless(t, on, id, statusEnd)
	if held, _ := on.Held(ctxFor(t), id); len(held) != 0 {
		t.Errorf("left behind: %+v", held)
	}
}

// TestAWaitOfAgesIsStored: a wait that no store can hold must not leave the run in the engine's hands for ever.
func TestAWaitOfAgesIsStored(t *testing.T) {
	const forever = time.Duration(1<<63 - 1)
	base := newStore(t)
	limit := time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC) // as a store that counts nanoseconds in 64 bits has it
	on := &tapped{Backend: base, commit: func(batch []*backend.Change, do func() error) error {
		for _, c := range batch {
			for _, d := range c.Hold {
				if d.Due.After(limit) {
					return refuseAlone(batch, errors.New("time out of range"))
				}
			}
		}
		return do()
	}}
	b := workflow.NewBuilder[object, status]("ages")
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		if r.Object.Note == "retry" {
			return 0, workflow.RetryAfter(errTest, forever)
		}
		return 0, workflow.Permanent(errTest)
	}, statusEnd)
	w := build(t, on, b, workflow.WithPauseRetry(forever), workflow.WithStopTimeout(time.Millisecond))
	id := trigger(t, w, "retry", workflow.WithInitialValue[object, status](&object{Note: "retry"}))
	heldIn(t, base, id, backend.DeliveryBackingOff)
	id = trigger(t, w, "pause")
	eventually(t, "the run is paused", func() bool {
		rec, err := base.Lookup(ctxFor(t), id)
		return err == nil && paused(rec)
	})
}

// refuseAlone makes each member of a batch fail by itself.
func refuseAlone(batch []*backend.Change, err error) error {
	_ = refuse(batch, err)
	return nil
}
