package workflow_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/backend"
)

// TestASignalToARunThatKeepsMoving: the sender's goroutine tries so often and no longer, and the signal is taken all the same.
func TestASignalToARunThatKeepsMoving(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var w *flow
		var calls atomic.Int64
		b := workflow.NewBuilder[object, status]("keeps moving")
		workflow.AddSignal(b, statusA, remark, func(_ context.Context, r *run, _ string) (status, error) {
			if calls.Add(1) <= 40 { // somebody else is always faster
				if err := w.Operator("hasty").SetDeadline(ctxFor(t), r.RunID, time.Now().Add(time.Hour), "more time"); err != nil {
					t.Error(err)
				}
			}
			return statusEnd, nil
		}, statusEnd)
		w = build(t, on, b)
		id := trigger(t, w, "f")
		send(t, remark, w, "f", "please", workflow.SignalQueued)
		pass(time.Minute)
		if rec := lookup(t, on, id); rec.RunState != backend.RunStateCompleted || calls.Load() != 41 {
			t.Errorf("after %d calls the run is %v", calls.Load(), rec.RunState)
		}
	})
}

// TestASignalThatFailsForGood: where the policy has no second attempt, the failure in the sender's goroutine is the last one.
func TestASignalThatFailsForGood(t *testing.T) {
	for name, err := range map[string]error{"permanent": workflow.Permanent(errTest), "one attempt": errTest} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, on *memory.Backend) {
				calls := 0
				b := workflow.NewBuilder[object, status]("for good")
				u := workflow.AddSignal(b, statusA, remark, func(context.Context, *run, string) (status, error) {
					if calls++; calls == 1 {
						return 0, err
					}
					return statusEnd, nil
				}, statusEnd)
				if name == "one attempt" {
					u.WithOptions(workflow.PauseAfterErrCount(1))
				}
				w := build(t, on, b, workflow.WithPauseRetry(time.Hour))
				id := trigger(t, w, "f")
				if r := send(t, remark, w, "f", "x", workflow.SignalQueued, workflow.WithSignalID("1")); r.RunState != backend.RunStatePaused {
					t.Errorf("the receipt says %v", r.RunState)
				}
				pass(time.Minute)
				rec := lookup(t, on, id)
				if calls != 1 || rec.RunState != backend.RunStatePaused || rec.Meta.PausedBy != backend.PausedByEngine || !strings.Contains(rec.Meta.RunStateReason, errTest.Error()) {
					t.Errorf("after %d calls the run is %v by %v, %q", calls, rec.RunState, rec.Meta.PausedBy, rec.Meta.RunStateReason)
				}
				send(t, remark, w, "f", "x", workflow.SignalDuplicate, workflow.WithSignalID("1"))
				pass(time.Hour)
				if rec := lookup(t, on, id); calls != 2 || rec.RunState != backend.RunStateCompleted {
					t.Errorf("resumed by itself, after %d calls, the run is %v", calls, rec.RunState)
				}
			})
		})
	}
}

// TestASignalOnClassicPartsSaysWhyItFailed: there is no place for it to wait, so its own error goes to the sender.
func TestASignalOnClassicPartsSaysWhyItFailed(t *testing.T) {
	b := workflow.NewBuilder[object, status]("classic signal")
	workflow.AddSignal(b, statusA, remark, func(context.Context, *run, string) (status, error) { return 0, errTest }, statusEnd)
	w := b.Build(memstreamer.New(), memrecordstore.New(), memrolescheduler.New(), workflow.WithTimeoutStore(memtimeoutstore.New()), workflow.WithLogger(&quietLog{}))
	trigger(t, w, "f")
	if _, err := remark.Send(ctxFor(t), w, "f", "x"); !errors.Is(err, errTest) || errors.Is(err, workflow.ErrUnsupported) {
		t.Errorf("%v, want the handler's error", err)
	}
}

// TestANewProgramAcceptsWhatWaits: signals that the program before, or a sender with an older program, saw no use for are taken by one that
// accepts them.
func TestANewProgramAcceptsWhatWaits(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		accepting := func(in ...status) *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("accepting")
			b.AddCallback(statusA, goes(statusB), statusB)
			b.AddCallback(statusB, goes(statusEnd), statusEnd)
			for _, s := range in {
				workflow.AddSignal(b, s, remark, func(_ context.Context, r *run, text string) (status, error) {
					r.Object.Trail = append(r.Object.Trail, text)
					if len(r.Object.Trail) == 3 {
						return statusEnd, nil
					}
					return r.SaveAndRepeat()
				}, statusEnd)
			}
			return b
		}
		old := build(t, on, accepting(statusB))
		id := trigger(t, old, "f")
		send(t, remark, old, "f", "first", workflow.SignalQueued)
		send(t, remark, old, "f", "second", workflow.SignalQueued)
		pass(time.Minute)
		old.Stop()
		build(t, on, accepting(statusA, statusB))
		pass(time.Second)
		if got := trail(t, on, id); strings.Join(got, " ") != "first second" {
			t.Errorf("the new program took %q", got)
		}
		if r := send(t, remark, old, "f", "third", workflow.SignalQueued); r.Status != int(statusA) {
			t.Errorf("the receipt is %+v", r)
		}
		pass(time.Second)
		if rec := lookup(t, on, id); rec.RunState != backend.RunStateCompleted {
			t.Errorf("an old sender's signal left the run %v", rec.RunState)
		}
	})
}

// onLookup is a store that lets something happen after each Lookup.
type onLookup struct {
	*memory.Backend
	slot  backend.Slot
	after func()
}

func (l *onLookup) Slot() *backend.Slot { return &l.slot }

func (l *onLookup) Lookup(ctx context.Context, id string) (*backend.Record, error) {
	rec, err := l.Backend.Lookup(ctx, id)
	l.after()
	return rec, err
}

// TestADeadlineThatIsMovedWhileItComesDue: a deadline that was put off and is brought forward again in the moment at which the row of the first one
// is looked at.
func TestADeadlineThatIsMovedWhileItComesDue(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		make := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("moved deadline")
			b.AddCallback(statusA, goes(statusEnd), statusEnd)
			return b
		}
		client, err := make().BuildOn(on)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		id := trigger(t, client, "f")
		move := func(to time.Duration) {
			if err := client.Operator("boss").SetDeadline(ctxFor(t), id, begin.Add(to), ""); err != nil {
				t.Error(err)
			}
		}
		move(time.Hour)
		var moved atomic.Bool
		build(t, &onLookup{Backend: on, after: func() {
			if time.Since(begin) >= time.Hour && moved.CompareAndSwap(false, true) {
				move(2 * time.Hour)
			}
		}}, make())
		pass(time.Minute)
		rec := lookup(t, on, id) // put off, by somebody whose row is not seen here before it comes due
		next := *rec
		next.Meta.Version, next.Meta.Deadline = rec.Meta.Version+1, begin.Add(10*time.Hour)
		c := &backend.Change{Record: &next, From: backend.Point{RunState: rec.RunState, Status: rec.Status}, Cause: backend.CauseOperator}
		if err := errors.Join(on.Commit(ctxFor(t), []*backend.Change{c}), c.Err); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if rec := lookup(t, on, id); !moved.Load() || rec.RunState != backend.RunStateCancelled {
			t.Errorf("an hour after its deadline the run is %v", rec.RunState)
		}
	})
}

// TestASignalThatLosesToAnotherCommit: it is handled again right away, and not when the engine next looks after what is left over.
func TestASignalThatLosesToAnotherCommit(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var w *flow
		calls := 0
		b := workflow.NewBuilder[object, status]("loses")
		b.AddCallback(statusA, goes(statusB), statusB)
		workflow.AddSignal(b, statusB, remark, func(_ context.Context, r *run, _ string) (status, error) {
			if calls++; calls <= 2 {
				if err := w.Operator("hasty").SetDeadline(ctxFor(t), r.RunID, time.Now().Add(time.Hour), "more time"); err != nil {
					t.Error(err)
				}
			}
			return statusEnd, nil
		}, statusEnd)
		w = build(t, on, b)
		id := trigger(t, w, "f")
		send(t, remark, w, "f", "early", workflow.SignalQueued)
		began := time.Now()
		must(t, w.Callback(ctxFor(t), "f", statusA, nil))
		if _, err := w.AwaitEnd(ctxFor(t), "f", id); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); calls != 3 || took != 0 {
			t.Errorf("%d calls took %v", calls, took)
		}
	})
}
