package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/workflowtest"
)

// One unfinished run per foreign id: the error names the one in the way.
func ExampleWorkflow_Trigger() {
	b := orderSteps()
	orders, err := b.BuildOn(memory.New()) // nobody runs it: the run stays unfinished
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	first, err := orders.Trigger(ctx, "order-1", workflow.WithInitialValue[Order, OrderStatus](&Order{Email: "ada@example.com"}))
	if err != nil {
		log.Fatal(err)
	}

	_, err = orders.Trigger(ctx, "order-1")
	var busy *workflow.InProgressError
	if errors.As(err, &busy) {
		fmt.Println(busy.ForeignID, "is in progress:", busy.RunID == first)
	}
	// Output: order-1 is in progress: true
}

// A client that never got its answer asks again: the key makes one run of both.
func ExampleWithStartKey() {
	orders, _, done := serve(orderSteps())
	defer done()
	ctx := context.Background()

	key := workflow.WithStartKey[Order, OrderStatus]("request-7")
	first, err := orders.Trigger(ctx, "order-1", key)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := orders.AwaitEnd(ctx, "order-1", first); err != nil {
		log.Fatal(err)
	}
	again, err := orders.Trigger(ctx, "order-1", key) // also when the run has ended meanwhile
	fmt.Println(again == first, err)
	_, err = orders.Trigger(ctx, "order-2", key)
	fmt.Println(errors.Is(err, workflow.ErrStartKeyReused))
	// Output:
	// true <nil>
	// true
}

// Many runs in one commit, each judged by itself.
func ExampleWorkflow_TriggerMany() {
	orders, err := orderSteps().BuildOn(memory.New())
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	starts := []workflow.Start[Order, OrderStatus]{
		{ForeignID: "order-1"},
		{ForeignID: "order-2", Options: []workflow.TriggerOption[Order, OrderStatus]{workflow.WithStartingPoint[Order](Paid)}},
		{ForeignID: "order-1"},
	}
	started, err := orders.TriggerMany(ctx, starts...) // err joins those of the first few that failed
	for i, s := range started {
		fmt.Println(starts[i].ForeignID, s.RunID != "", errors.Is(s.Err, workflow.ErrWorkflowInProgress))
	}
	fmt.Println(errors.Is(err, workflow.ErrWorkflowInProgress))
	// Output:
	// order-1 true false
	// order-2 true false
	// order-1 false true
	// true
}

// A run that is stored now and begins in an hour; if it has not ended a day after that, it is cancelled.
func ExampleWithStartAt() {
	clock := workflowtest.NewClock(time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC))
	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddStep(Placed, func(ctx context.Context, r *OrderRun) (OrderStatus, error) { return Paid, nil }, Paid)
	workflow.AddSignal(b, Paid, workflow.NewSignal[string]("delivered"), func(ctx context.Context, r *OrderRun, by string) (OrderStatus, error) {
		return Shipped, nil
	}, Shipped)
	orders, _, done := serve(b, workflow.WithClock(clock))
	defer done()
	ctx := context.Background()

	id, err := orders.Trigger(ctx, "order-1",
		workflow.WithStartAt[Order, OrderStatus](clock.Now().Add(time.Hour)),
		workflow.WithRunTimeout[Order, OrderStatus](24*time.Hour)) // counts from the start
	if err != nil {
		log.Fatal(err)
	}
	why, err := orders.Waiting(ctx, id)
	fmt.Println(why.RunState, "until", why.Until.Format(time.DateTime), err)

	clock.AwaitDue(exampleT{}, time.Hour)
	clock.Advance(time.Hour)
	run, err := orders.Await(ctx, "order-1", id, Paid)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Status, "at", run.UpdatedAt.Format(time.DateTime))

	clock.AwaitDue(exampleT{}, 24*time.Hour)
	clock.Advance(24 * time.Hour)
	run, err = orders.AwaitEnd(ctx, "order-1", id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.RunState, "-", run.Meta.RunStateReason)
	// Output:
	// Initiated until 2026-01-01 10:00:00 <nil>
	// Paid at 2026-01-01 10:00:00
	// Cancelled - its deadline 2026-01-02T10:00:00Z has passed
}
