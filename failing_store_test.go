package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/backend"
)

// TestALoneRunSurvivesAnUnknownOutcome: the commit is stored, its answer is lost, and nobody else commits afterwards (G6, G12).
func TestALoneRunSurvivesAnUnknownOutcome(t *testing.T) {
	for version := uint(1); version <= 3; version++ {
		t.Run(fmt.Sprint("of version ", version), func(t *testing.T) {
			base := newStore(t)
			var once sync.Once
			on := &tapped{Backend: base, commit: func(batch []*backend.Change, do func() error) error {
				err := do()
				if storesVersion(batch, version) {
					once.Do(func() { err = refuse(batch, backend.ErrOutcomeUnknown) })
				}
				return err
			}}
			w := build(t, on, three("unknown"))
			_, err := w.Trigger(ctxFor(t), "f")
			if (err != nil) != (version == 1) {
				t.Fatalf("Trigger: %v", err)
			}
			rec, err := base.Latest(ctxFor(t), "unknown", "f")
			if err != nil {
				t.Fatal(err)
			}
			stuckUnless(t, base, rec.RunID, statusEnd)
		})
	}
}

// TestATriggerWhileTheEngineStartsIsSeen: it is stored between the engine's look at the log's head and its taking note of it.
func TestATriggerWhileTheEngineStartsIsSeen(t *testing.T) {
	base := newStore(t)
	var once sync.Once
	var id string
	on := &tapped{Backend: base}
	client, err := three("starting").BuildOn(on, workflow.WithLogger(&quietLog{}))
	if err != nil {
		t.Fatal(err)
	}
	on.head = func(do func() (int64, error)) (int64, error) {
		head, err := do()
		once.Do(func() { id = trigger(t, client, "f") })
		return head, err
	}
	build(t, on, three("starting"))
	stuckUnless(t, base, id, statusEnd)
}

// TestATransactionsOwnErrorIsAFailedAttempt: whatever the user's function of the transaction answers, it is not the store's answer.
func TestATransactionsOwnErrorIsAFailedAttempt(t *testing.T) {
	for what, wrong := range map[string]error{"not found": workflow.ErrRecordNotFound, "conflict": workflow.ErrVersionConflict, "own": errTest} {
		t.Run(what, func(t *testing.T) {
			on := newStore(t)
			b := workflow.NewBuilder[object, status]("tx")
			b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
				first := r.Attempt() == 1
				err := r.Transact(func(context.Context) error {
					if first {
						return fmt.Errorf("their row: %w", wrong)
					}
					return nil
				})
				return statusEnd, err
			}, statusEnd).WithOptions(quickRetry(3)...)
			w := build(t, on, b)
			stuckUnless(t, on, trigger(t, w, "f"), statusEnd)
		})
	}
}

// TestASlowReadLosesNoDelivery: reading the store takes longer than the step's deadline. The deadline is for the step alone.
func TestASlowReadLosesNoDelivery(t *testing.T) {
	base := newStore(t)
	var once sync.Once
	on := &tapped{Backend: base, held: func(_ string, do func() ([]backend.Delivery, error)) ([]backend.Delivery, error) {
		once.Do(func() { <-time.After(400 * time.Millisecond) })
		return do()
	}}
	now := time.Now()
	c := &backend.Change{Cause: backend.CauseTrigger, Record: &backend.Record{
		WorkflowName: "slow", ForeignID: "f", RunID: "r", RunState: backend.RunStateInitiated, Status: int(statusA),
		CreatedAt: now, UpdatedAt: now, Meta: backend.Meta{Version: 1, Visit: 1},
	}, Hold: []backend.Delivery{{
		DeliveryKey: backend.DeliveryKey{RunID: "r", Receiver: "timeout:0", Version: 1}, WorkflowName: "slow",
		Bucket: backend.BucketOf("r", backend.DefaultBuckets), Due: now.Add(time.Hour), State: backend.DeliveryTimer,
	}}}
	if err := base.Commit(ctxFor(t), []*backend.Change{c}); err != nil || c.Err != nil {
		t.Fatal(err, c.Err)
	}
	b := workflow.NewBuilder[object, status]("slow")
	b.AddStep(statusA, step(statusEnd), statusEnd).WithOptions(workflow.AttemptDeadline(20 * time.Millisecond))
	build(t, on, b)
	stuckUnless(t, base, "r", statusEnd)
}

// TestAFailingStoreIsNotHammered: what it did not take is tried four times a second, whatever the deadline of the step was.
func TestAFailingStoreIsNotHammered(t *testing.T) {
	base := newStore(t)
	var down atomic.Bool
	var tries atomic.Int32
	on := &tapped{Backend: base, commit: func(batch []*backend.Change, do func() error) error {
		if down.Load() && storesVersion(batch, 2) {
			tries.Add(1)
			return refuse(batch, errShaky)
		}
		return do()
	}}
	b := workflow.NewBuilder[object, status]("down")
	b.AddStep(statusA, step(statusEnd), statusEnd).WithOptions(workflow.AttemptDeadline(5 * time.Millisecond))
	w := build(t, on, b)
	down.Store(true)
	id := trigger(t, w, "f")
	<-time.After(time.Second)
	n := tries.Load()
	down.Store(false)
	stuckUnless(t, base, id, statusEnd)
	if n < 2 || n > 8 {
		t.Errorf("the store was asked %d times in a second, want about four", n)
	}
}

// TestAPauseThatCrossesAFailureHolds: the step fails while the pause is being committed. Its next attempt must wait for the resume.
func TestAPauseThatCrossesAFailureHolds(t *testing.T) {
	base, clock := newStore(t), newFakeClock()
	committing, release := make(chan bool, 10), make(chan struct{})
	on := &tapped{Backend: base, commit: func(batch []*backend.Change, do func() error) error {
		for _, c := range batch {
			if c.Record != nil && c.Record.RunState == backend.RunStatePaused {
				committing <- true
				<-release
			}
		}
		return do()
	}}
	b := workflow.NewBuilder[object, status]("cross")
	entered, open := make(chan bool, 10), make(chan struct{})
	versions := make(chan uint, 10)
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		if r.ForeignID != "f" {
			return statusEnd, nil
		}
		versions <- r.Meta.Version
		if r.Meta.Version > 1 {
			return statusEnd, nil
		}
		entered <- true
		<-open
		return 0, workflow.RetryAfter(errTest, time.Hour)
	}, statusEnd).WithOptions(workflow.ErrBackOff(time.Hour))
	failed := &counter{added: make(chan string, 10)}
	w := build(t, on, b, workflow.WithClock(clock), workflow.WithErrorCounter(failed))
	id := trigger(t, w, "f")
	receive(t, entered)
	pausing := make(chan error, 1)
	go func() { pausing <- w.RunStateController(id).Pause(context.Background(), "wait") }()
	receive(t, committing)
	close(open)
	receive(t, failed.added) // the failure is decided; the pause is not stored yet
	close(release)
	if err := receive(t, pausing); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the failed attempt is kept", func() bool {
		a, err := base.Attempts(ctxFor(t), id, 10)
		return err == nil && len(a) == 1
	})
	await(t, w, trigger(t, w, "other"), statusEnd)
	clock.step(2 * time.Hour)
	<-time.After(100 * time.Millisecond)
	if err := w.RunStateController(id).Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	stuckUnless(t, base, id, statusEnd)
	close(versions)
	var seen []uint
	for v := range versions {
		seen = append(seen, v)
	}
	if len(seen) != 2 || seen[1] != 3 {
		t.Errorf("the step ran on versions %v, want 1 and 3: it was called while the run was paused", seen)
	}
}

// counter is an ErrorCounter that tells of each error.
type counter struct {
	added chan string
	do    func()
}

func (c *counter) Add(_ error, labels ...string) int {
	if c.do != nil {
		c.do()
	}
	if c.added != nil {
		c.added <- labels[len(labels)-1]
	}
	return 0
}

func (c *counter) Count(error, ...string) int { return 0 }
func (c *counter) Clear(error, ...string)     {}

// TestAStartThatFailsIsTriedAgain: a store that cannot be reached when the program starts is no reason to work on nothing for ever.
func TestAStartThatFailsIsTriedAgain(t *testing.T) {
	on := adaptertest.NewFaulty(newStore(t), 1)
	on.Set(adaptertest.MethodJoin, adaptertest.Fault{Before: 1})
	log := &quietLog{}
	w := build(t, on, three("starts late"), workflow.WithLogger(log))
	if err := w.Health(); !errors.Is(err, workflow.ErrStoreFailing) {
		t.Errorf("while it cannot start, Health says %v", err)
	}
	id := trigger(t, w, "f")
	w.Run(t.Context()) // again is harmless
	on.Heal()
	await(t, w, id, statusEnd)
	if err := w.Health(); err != nil || log.count("tried again by itself") == 0 {
		t.Errorf("afterwards, Health says %v; logged: %v", err, log.errs)
	}
	w.Stop()

	on.Set(adaptertest.MethodJoin, adaptertest.Fault{Before: 1})
	w = build(t, on, three("stopped before it started"))
	w.Stop() // ends the tries, and returns
}
