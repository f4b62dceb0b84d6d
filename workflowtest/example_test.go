package workflowtest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/workflowtest"
)

// A workflow survives a store of which half of the commits fail: some do nothing, some do their work and lose the answer.
func ExampleNewFaulty() {
	store := workflowtest.NewFaulty(memory.New(), 1)
	defer store.Close()

	b := workflow.NewBuilder[order, status]("order")
	b.AddStep(placed, func(ctx context.Context, r *run) (status, error) { return paid, nil }, paid)
	b.AddStep(paid, func(ctx context.Context, r *run) (status, error) { return shipped, nil }, shipped)
	w, err := b.BuildOn(store, workflow.WithLogger(quiet{}))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	w.Run(ctx)
	defer w.Stop()

	store.Set(workflowtest.MethodCommit, workflowtest.Fault{Before: 0.3, After: 0.2})
	for n := 1; n <= 2; n++ {
		foreignID := fmt.Sprint("order-", n)
		_, err := w.Trigger(ctx, foreignID)
		for err != nil && !errors.Is(err, workflow.ErrWorkflowInProgress) { // in progress: stored, and the answer was lost
			_, err = w.Trigger(ctx, foreignID)
		}
		r, err := w.Await(ctx, foreignID, "", shipped)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.ForeignID, r.Status, "in version", r.Meta.Version)
	}
	fmt.Println("commits failed:", store.Injected(workflowtest.MethodCommit) > 0)
	// Output:
	// order-1 Shipped in version 3
	// order-2 Shipped in version 3
	// commits failed: true
}

// A workflow outside of a bubble takes its time from a clock that is moved by hand: an hour's timeout fires when the hour is set.
func ExampleClock() {
	clock := workflowtest.NewClock(time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC))
	store := memory.New()
	defer store.Close()
	w, err := orders().BuildOn(store, workflow.WithClock(clock))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	w.Run(ctx)
	defer w.Stop()
	if _, err := w.Trigger(ctx, "order-1"); err != nil {
		log.Fatal(err)
	}
	clock.Advance(time.Hour)
	r, err := w.Await(ctx, "order-1", "", expired)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Status, "at", r.UpdatedAt.Format(time.TimeOnly))
	// Output: Expired at 10:00:00
}

// TestExampleTimeout shows the package's way to write a test: an hour passes at once.
func TestExampleTimeout(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, orders())
		id := workflowtest.Trigger(t, w, "order-1")
		workflowtest.RequireStatus(t, w, id, placed)
		t.Advance(time.Hour)
		workflowtest.RequireHistory(t, w, id, placed, expired)
	})
}

// TestExampleRetry shows a step that fails twice: its retries come after one second and two more, exactly.
func TestExampleRetry(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, flaky(2))
		id := workflowtest.Trigger(t, w, "order-1")
		t.Advance(3*time.Second - 1)
		workflowtest.RequireStatus(t, w, id, placed)
		t.Advance(1)
		workflowtest.RequireStatus(t, w, id, shipped)
		workflowtest.RequireObject(t, w, id, order{Tries: 3})
	})
}

// TestExampleRestart shows a redeploy in the middle of a wait.
func TestExampleRestart(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, orders())
		id := workflowtest.Trigger(t, w, "order-1")
		t.Advance(40 * time.Minute)
		w = workflowtest.Restart(t, w, orders())
		t.Advance(20 * time.Minute)
		workflowtest.RequireStatus(t, w, id, expired)
	})
}

// TestExampleFaultyStore shows a store that fails half of its commits, in virtual time.
func TestExampleFaultyStore(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		store := workflowtest.NewFaulty(memory.New(), 1)
		t.Use(func() (workflow.Backend, error) { return store, nil })
		w := workflowtest.Start(t, flaky(2))
		id := workflowtest.Trigger(t, w, "order-1")
		store.Set(workflowtest.MethodCommit, workflowtest.Fault{Before: 0.3, After: 0.2})
		t.Advance(time.Minute)
		workflowtest.RequireHistory(t, w, id, placed, paid, shipped)
	})
}
