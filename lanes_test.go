package workflow_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// TestAStopLosesNoTimerThatWasHeldTooLate: a timer comes due while its run is paused, the resume comes before its row says held, and the
// timeout's attempt is ended by a stop.
func TestAStopLosesNoTimerThatWasHeldTooLate(t *testing.T) {
	base, clock := newStore(t), newFakeClock()
	var slow, free atomic.Bool
	looked, look, entered := make(chan bool, 1), make(chan struct{}), make(chan bool, 10)
	on := &tapped{Backend: base, lookup: func(_ string, do func() (*backend.Record, error)) (*backend.Record, error) {
		rec, err := do()
		if slow.CompareAndSwap(true, false) { // the engine's look at the paused run
			looked <- true
			<-look
		}
		return rec, err
	}}
	mk := func() *workflow.Builder[object, status] {
		b := workflow.NewBuilder[object, status]("held too late")
		b.AddTimeout(statusA, hourly(), func(ctx context.Context, _ *run, _ time.Time) (status, error) {
			if free.Load() {
				return statusEnd, nil
			}
			entered <- true
			<-ctx.Done()
			return 0, ctx.Err()
		}, statusEnd)
		return b
	}
	w, err := mk().BuildOn(on, workflow.WithLogger(&quietLog{}), workflow.WithClock(clock), workflow.WithStopTimeout(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	w.Run(context.Background())
	id := trigger(t, w, "f")
	c := w.RunStateController(id)
	if err := c.Pause(ctxFor(t), "wait"); err != nil {
		t.Fatal(err)
	}
	clock.awaitWaiter(t)
	slow.Store(true)
	clock.step(time.Hour)
	receive(t, looked)
	if err := c.Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is left of the resume", func() bool {
		cursors, err := base.LoadCursors(ctxFor(t), "held too late", backend.DefaultBuckets)
		return err == nil && cursors[backend.BucketOf(id, backend.DefaultBuckets)] >= 3
	})
	close(look)
	receive(t, entered)
	w.Stop()
	free.Store(true)
	build(t, on, mk(), workflow.WithClock(clock))
	stuckUnless(t, base, id, statusEnd)
}

// TestTheHeartbeatOfAnAttemptThatWasGivenUpIsItsOwn: a handler that ignored its end must not keep the next attempt alive, and has to be told.
func TestTheHeartbeatOfAnAttemptThatWasGivenUpIsItsOwn(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("zombie")
	second, beat := make(chan bool, 10), make(chan error, 10)
	b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
		if r.Attempt() == 1 {
			<-second
			beat <- r.Heartbeat(context.WithoutCancel(ctx))
			return 0, errTest
		}
		second <- true
		<-beat2(beat)
		return statusEnd, nil
	}, statusEnd).WithOptions(append(quickRetry(100), workflow.AttemptDeadline(300*time.Millisecond))...)
	_ = second
	w := build(t, on, b)
	id := trigger(t, w, "f")
	stuckUnless(t, on, id, statusEnd)
	if err := <-beat; err == nil {
		t.Error("the heartbeat of an attempt that was given up succeeded")
	}
}

// beat2 is closed once a value is in ch, and leaves it there.
func beat2(ch chan error) <-chan bool {
	out := make(chan bool)
	go func() {
		err := <-ch
		ch <- err
		close(out)
	}()
	return out
}

// TestAClaimWhoseAnswerIsLostLeavesNoRow: the claim of a long attempt is stored without an answer, and the attempt ends before the next try.
func TestAClaimWhoseAnswerIsLostLeavesNoRow(t *testing.T) {
	base := newStore(t)
	lost := make(chan bool, 10)
	var once atomic.Bool
	on := &tapped{Backend: base, commit: func(batch []*backend.Change, do func() error) error {
		err := do()
		for _, c := range batch {
			if len(c.Hold) == 1 && c.Hold[0].State == backend.DeliveryClaimed && once.CompareAndSwap(false, true) {
				err = refuse(batch, backend.ErrOutcomeUnknown)
				lost <- true
			}
		}
		return err
	}}
	b := workflow.NewBuilder[object, status]("claim")
	b.AddStep(statusA, func(context.Context, *run) (status, error) {
		<-lost
		<-time.After(20 * time.Millisecond)
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	await(t, w, id, statusEnd)
	eventually(t, "the run that is through has no row", func() bool {
		held, err := base.Held(ctxFor(t), id)
		return err == nil && len(held) == 0
	})
}

// readTapped is a tapped backend whose reads of the log a test can watch.
type readTapped struct {
	tapped
	read func(after int64, do func() ([]backend.Entry, error)) ([]backend.Entry, error)
}

func (b *readTapped) ReadLog(ctx context.Context, after int64, limit int) ([]backend.Entry, error) {
	return b.read(after, func() ([]backend.Entry, error) { return b.tapped.ReadLog(ctx, after, limit) })
}

// TestAPauseThatCrossesACatchUpEndsTheAttempt: the run is paused after its entry was read from the log, and before it was received.
func TestAPauseThatCrossesACatchUpEndsTheAttempt(t *testing.T) {
	base := newStore(t)
	now := time.Now()
	c := &backend.Change{Cause: backend.CauseTrigger, Record: &backend.Record{
		WorkflowName: "catch up", ForeignID: "f", RunID: "r", RunState: backend.RunStateInitiated, Status: int(statusA),
		CreatedAt: now, UpdatedAt: now, Meta: backend.Meta{Version: 1, Visit: 1},
	}}
	if err := base.Commit(ctxFor(t), []*backend.Change{c}); err != nil || c.Err != nil {
		t.Fatal(err, c.Err)
	}
	var w *flow
	ready := make(chan struct{})
	var once atomic.Bool
	on := &readTapped{tapped: tapped{Backend: base}}
	on.read = func(after int64, do func() ([]backend.Entry, error)) ([]backend.Entry, error) {
		entries, err := do()
		if after == 0 && len(entries) > 0 && once.CompareAndSwap(false, true) {
			<-ready
			if perr := w.RunStateController("r").Pause(context.Background(), "wait"); perr != nil {
				t.Error(perr)
			}
		}
		return entries, err
	}
	b := workflow.NewBuilder[object, status]("catch up")
	b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
			t.Errorf("the step runs on with version %d of a paused run, and is not told", r.Meta.Version)
		}
		return 0, errTest
	}, statusEnd)
	w = build(t, on, b)
	close(ready)
	<-time.After(2500 * time.Millisecond)
}
