package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// attempts keeps the numbers of the attempts that were made.
type attempts struct {
	mu   sync.Mutex
	made []int
}

func (a *attempts) add(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made = append(a.made, n)
}

func (a *attempts) all() []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]int(nil), a.made...)
}

// TestRetryNowOfWhatBacksOff: the next attempt comes at once and counts anew, in the process that works on the run and from another one (G12).
func TestRetryNowOfWhatBacksOff(t *testing.T) {
	for _, what := range []string{"step", "timeout", "hook"} {
		for _, from := range []string{"the same process", "another process"} {
			t.Run(what+" from "+from, func(t *testing.T) {
				on, worker, other := twoPeers(t)
				clock := newFakeClock()
				var as attempts
				var broken atomic.Bool
				broken.Store(true)
				ended := make(chan bool, 1)
				try := func(n int) error {
					as.add(n)
					if broken.Load() {
						return workflow.RetryAfter(errTest, 1000*time.Hour)
					}
					return nil
				}
				b := workflow.NewBuilder[object, status]("backs off")
				switch what {
				case "step":
					b.AddStep(statusA, func(_ context.Context, r *run) (status, error) { return statusEnd, try(r.Attempt()) }, statusEnd)
				case "timeout":
					b.AddTimeout(statusA, workflow.TimeTimerFunc[object, status](clock.Now()), func(_ context.Context, r *run, _ time.Time) (status, error) {
						return statusEnd, try(r.Attempt())
					}, statusEnd)
				case "hook":
					b.AddStep(statusA, step(statusEnd), statusEnd)
					b.OnComplete(func(context.Context, *workflow.TypedRecord[object, status]) error {
						err := try(0)
						if err == nil {
							ended <- true
						}
						return err
					})
				}
				w := build(t, worker, b, workflow.WithClock(clock))
				id := trigger(t, w, "f")
				heldIn(t, on, id, backend.DeliveryBackingOff)
				op := w.Operator("ada").Operator
				if from == "another process" {
					op = workflow.NewOperator(other, workflow.WithActor("ada"), workflow.WithOperatorClock(clock))
				}
				must(t, op.RetryNow(ctxFor(t), id, "the gateway is back"))
				eventually(t, "the retry is made, and fails again", func() bool { return len(as.all()) == 2 && heldIn(t, on, id, backend.DeliveryBackingOff).Attempts == 1 })
				broken.Store(false)
				must(t, op.RetryNow(ctxFor(t), id, "now really"))
				if what == "hook" {
					receive(t, ended)
				}
				stuckUnless(t, on, id, statusEnd)
				if made := as.all(); len(made) != 3 || what != "hook" && made[2] != 1 {
					t.Errorf("attempts made: %v, want three first ones", made)
				}
				var told []string
				for item, err := range op.History(ctxFor(t), id) {
					must(t, err)
					if item.Record == nil && item.Attempt == 0 {
						told = append(told, fmt.Sprintf("%v %s: %s, %s", item.Cause, item.Actor, item.Reason, item.Error))
					}
				}
				if want := []string{"operator ada: the gateway is back, ", "operator ada: now really, "}; !slices.Equal(told, want) {
					t.Errorf("the history says %q, want %q", told, want)
				}
				eventually(t, "nothing is left to retry", func() bool {
					return errors.Is(op.RetryNow(ctxFor(t), id, ""), workflow.ErrNothingToRetry)
				})
			})
		}
	}
}

// TestRetryNowWhileTheAttemptRuns: an attempt that has begun is the retry; a second one of the same delivery is not started beside it.
func TestRetryNowWhileTheAttemptRuns(t *testing.T) {
	for _, from := range []string{"the same process", "another process"} {
		t.Run(from, func(t *testing.T) {
			on, worker, other := twoPeers(t)
			var inside, most, calls atomic.Int32
			entered, open := make(chan int, 10), make(chan error)
			b := workflow.NewBuilder[object, status]("runs")
			b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
				calls.Add(1)
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				defer inside.Add(-1)
				if r.Attempt() == 1 {
					return 0, errTest
				}
				entered <- r.Attempt()
				return statusEnd, <-open
			}, statusEnd).WithOptions(workflow.ErrBackOff(time.Millisecond), workflow.MaxBackOff(time.Millisecond))
			w := build(t, worker, b)
			id := trigger(t, w, "f")
			receive(t, entered)
			op := w.Operator("ada").Operator
			if from == "another process" {
				op = workflow.NewOperator(other)
			}
			for range 20 { // the row says that it backs off: nobody outside knows that it runs
				if err := op.RetryNow(ctxFor(t), id, "now"); err != nil && !errors.Is(err, workflow.ErrNothingToRetry) {
					t.Fatal(err)
				}
			}
			// after a second it is known to take long
			heldIn(t, on, id, backend.DeliveryClaimed)
			err := op.RetryNow(ctxFor(t), id, "now")
			if !errors.Is(err, workflow.ErrAttemptRunning) || !strings.Contains(err.Error(), "pause or cancel") {
				t.Errorf("while it is claimed: %v", err)
			}
			open <- nil
			await(t, w, id, statusEnd)
			if most.Load() != 1 || calls.Load() != 2 {
				t.Errorf("%d calls, %d at once; want 2, one after the other", calls.Load(), most.Load())
			}
			if held, _ := on.Held(ctxFor(t), id); len(held) != 0 {
				t.Errorf("deliveries left behind: %+v", held)
			}
		})
	}
}

func TestRetryNowResumesWhatTheEnginePaused(t *testing.T) {
	on, worker, other := twoPeers(t)
	b := workflow.NewBuilder[object, status]("paused")
	var broken atomic.Bool
	broken.Store(true)
	b.AddStep(statusA, func(context.Context, *run) (status, error) {
		if broken.Load() {
			return 0, workflow.Permanent(errTest)
		}
		return statusEnd, nil
	}, statusEnd)
	var heard atomic.Int32
	b.OnPause(func(context.Context, *workflow.TypedRecord[object, status]) error {
		heard.Add(1)
		if broken.Load() {
			return workflow.Permanent(errTest)
		}
		return nil
	})
	w := build(t, worker, b)
	op := workflow.NewOperator(other).As("ada")
	id := trigger(t, w, "f")
	awaitRecord(t, on, id, paused)
	heldIn(t, on, id, backend.DeliveryHeld) // its hook was given up too
	broken.Store(false)
	must(t, op.RetryNow(ctxFor(t), id, "mended"))
	await(t, w, id, statusEnd)
	eventually(t, "the hook is told", func() bool { return heard.Load() == 2 })
	entries, err := on.History(ctxFor(t), id, 2, 1)
	must(t, err)
	if en := entries[0]; en.Actor != "ada" || en.Record.Meta.RunStateReason != "mended" || en.Record.RunState != workflow.RunStateRunning {
		t.Errorf("the resume is %+v %+v", en, en.Record)
	}
}

func TestRetryNowOfADeletionThatWasGivenUp(t *testing.T) {
	on := newStore(t)
	var broken atomic.Bool
	broken.Store(true)
	w := build(t, on, three("deletion"), workflow.WithCustomDelete(func(*object) error {
		if broken.Load() {
			return workflow.Permanent(errTest)
		}
		return nil
	}))
	id := trigger(t, w, "f")
	await(t, w, id, statusEnd)
	op := w.Operator("ada")
	must(t, op.DeleteData(ctxFor(t), id, "asked for"))
	heldIn(t, on, id, backend.DeliveryHeld)
	why, err := w.Waiting(ctxFor(t), id)
	if err != nil || why.Kind != workflow.WaitsForDeletion || len(why.GivenUp) != 1 {
		t.Errorf("it waits for %v, %v", why, err)
	}
	broken.Store(false)
	must(t, op.RetryNow(ctxFor(t), id, "mended"))
	awaitRecord(t, on, id, func(r *backend.Record) bool { return r.RunState == workflow.RunStateDataDeleted })
}

func TestNothingToRetry(t *testing.T) {
	on := newStore(t)
	clock := newFakeClock()
	w := build(t, on, timed("waits"), workflow.WithClock(clock))
	op := w.Operator("ada")
	id := trigger(t, w, "f")
	before := heldIn(t, on, id, backend.DeliveryTimer)
	if err := op.RetryNow(ctxFor(t), id, "now"); !errors.Is(err, workflow.ErrNothingToRetry) {
		t.Errorf("a run that waits for its time: %v", err)
	}
	if after := heldIn(t, on, id, backend.DeliveryTimer); !after.Due.Equal(before.Due) {
		t.Errorf("its timer went from %v to %v", before.Due, after.Due)
	}
	must(t, op.Pause(ctxFor(t), id, "wait"))
	if err := op.RetryNow(ctxFor(t), id, "now"); !errors.Is(err, workflow.ErrNothingToRetry) {
		t.Errorf("a run that an operator has paused: %v", err)
	}
	must(t, op.Cancel(ctxFor(t), id, ""))
	if err := op.RetryNow(ctxFor(t), id, "now"); !errors.Is(err, workflow.ErrNothingToRetry) {
		t.Errorf("a run that has ended: %v", err)
	}
}
