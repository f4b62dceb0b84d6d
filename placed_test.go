package workflow_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// TestAHookIsToldOfItsEventAlsoAfterAFailedRead: not of where the run stands when the read succeeds.
func TestAHookIsToldOfItsEventAlsoAfterAFailedRead(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var told []uint
		works := false
		program := func() *workflow.Builder[object, status] {
			b := three("failed read")
			b.OnStatus(statusA, func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
				if !works {
					return errTest
				}
				told = append(told, r.Meta.Version)
				return nil
			})
			return b
		}
		w := build(t, on, program())
		trigger(t, w, "f")
		pass(time.Millisecond)
		w.Stop()
		works = true
		faulty := adaptertest.NewFaulty(on, 1)
		faulty.Set(adaptertest.MethodHistory, adaptertest.Fault{Before: 1})
		build(t, faulty, program())
		pass(time.Minute)
		faulty.Heal()
		pass(time.Minute)
		if !slices.Equal(told, []uint{1}) {
			t.Errorf("the hook was told of versions %d, want 1", told)
		}
	})
}

// TestASignalWaitsForAFailedRead: what the store cannot say is no failed attempt.
func TestASignalWaitsForAFailedRead(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		program := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("failed read")
			b.AddStep(statusA, step(statusB), statusB)
			workflow.AddSignal(b, statusB, remark, func(context.Context, *run, string) (status, error) { return statusEnd, nil }, statusEnd)
			return b
		}
		var fails atomic.Bool // the read that follows the run's
		lookups := 0
		shaky := &tapped{Backend: on,
			lookup: func(_ string, do func() (*backend.Record, error)) (*backend.Record, error) {
				rec, err := do()
				if err == nil && rec.Status == int(statusB) {
					lookups++
					fails.Store(lookups <= 3)
				}
				return rec, err
			},
			held: func(_ string, do func() ([]backend.Delivery, error)) ([]backend.Delivery, error) {
				if fails.CompareAndSwap(true, false) {
					return nil, errTest
				}
				return do()
			},
		}
		client, err := program().BuildOn(shaky)
		if err != nil {
			t.Fatal(err)
		}
		id := trigger(t, client, "f")
		send(t, remark, client, "f", "early", workflow.SignalQueued)
		build(t, shaky, program())
		pass(time.Minute)
		attempts, err := on.Attempts(ctxFor(t), id, 100)
		if rec := lookup(t, on, id); err != nil || lookups < 4 || len(attempts) > 0 || rec.RunState != backend.RunStateCompleted {
			t.Errorf("the run is %v, %q; failed attempts %+v, %v", rec.RunState, rec.Meta.RunStateReason, attempts, err)
		}
	})
}

// TestRowsOfAHookThatComeDueInAnotherOrder: an event whose row comes due first does not go before an earlier one that lies in the store, also where a
// later one waits in memory.
func TestRowsOfAHookThatComeDueInAnotherOrder(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var told []uint
		program := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("other order")
			b.AddStep(statusA, step(statusB), statusB)
			b.AddStep(statusB, step(statusC), statusC)
			b.AddCallback(statusC, goes(statusEnd), statusEnd)
			b.OnAnyStatus(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
				told = append(told, r.Meta.Version)
				return nil
			})
			return b
		}
		w := build(t, on, program())
		id := trigger(t, w, "f")
		pass(time.Second)
		w.Stop()
		told = nil
		row := func(version uint, after time.Duration) backend.Delivery {
			return backend.Delivery{DeliveryKey: backend.DeliveryKey{RunID: id, Receiver: "hook:any-status", Version: version}, WorkflowName: w.Name(),
				Bucket: backend.BucketOf(id, backend.DefaultBuckets), State: backend.DeliveryQueued, Due: time.Now().Add(after)}
		}
		c := &backend.Change{Hold: []backend.Delivery{row(2, 2*time.Second), row(3, time.Second)}}
		if err := errors.Join(on.Commit(ctxFor(t), []*backend.Change{c}), c.Err); err != nil {
			t.Fatal(err)
		}
		w = build(t, on, program())
		pass(time.Millisecond)
		if err := w.Callback(ctxFor(t), "f", statusC, nil); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if !slices.Equal(told, []uint{2, 3, 4}) {
			t.Errorf("the hook was told of %d, want 2, 3, 4", told)
		}
	})
}

// TestASignalBringsBackAnEarlierOne: one that comes due behind one that an earlier program has parked wakes it, and waits for it.
func TestASignalBringsBackAnEarlierOne(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		b := workflow.NewBuilder[object, status]("brought back by another")
		b.AddStep(statusA, step(statusB), statusB)
		workflow.AddSignal(b, statusB, remark, func(_ context.Context, r *run, text string) (status, error) {
			r.Object.Trail = append(r.Object.Trail, text)
			return statusB, nil
		}, statusB)
		w := build(t, on, b)
		id := trigger(t, w, "f")
		pass(time.Second)
		c := &backend.Change{Hold: []backend.Delivery{{
			DeliveryKey:  backend.DeliveryKey{RunID: id, Receiver: backend.SignalPrefix + "remark:0123456789abcdef", Version: 1},
			WorkflowName: w.Name(), Bucket: backend.BucketOf(id, backend.DefaultBuckets), State: backend.DeliveryQueued, Data: []byte("\x00\"first\""),
		}}}
		if err := errors.Join(on.Commit(ctxFor(t), []*backend.Change{c}), c.Err); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		send(t, remark, w, "f", "second", workflow.SignalQueued)
		pass(time.Second)
		if got := trail(t, on, id); !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("the run has heard %q", got)
		}
	})
}
