package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/workflowtest"
)

// What trying again cannot mend pauses the run at once, and a hook tells somebody.
func ExamplePermanent() {
	alarms := make(chan string, 1)
	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddStep(Placed, func(ctx context.Context, r *OrderRun) (OrderStatus, error) {
		return 0, workflow.Permanent(errors.New("the card is stolen"))
	}, Paid)
	b.OnEnginePause(func(ctx context.Context, r *OrderRecord) error {
		alarms <- r.ForeignID + ": " + r.Meta.RunStateReason
		return nil
	})
	orders, _, done := serve(b)
	defer done()
	if _, err := orders.Trigger(context.Background(), "order-1"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-alarms)
	// Output: order-1: gave up after 1 attempt: the card is stolen
}

// A gateway says when to come again.
func ExampleRetryAfter() {
	clock := workflowtest.NewClock(time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC))
	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddStep(Placed, func(ctx context.Context, r *OrderRun) (OrderStatus, error) {
		if r.Attempt() == 1 {
			return 0, workflow.RetryAfter(errors.New("too many requests"), 30*time.Minute)
		}
		return Paid, nil
	}, Paid).WithOptions(workflow.ErrBackOff(5*time.Second), workflow.MaxBackOff(time.Hour), workflow.PauseAfterErrCount(20))
	orders, _, done := serve(b, workflow.WithClock(clock))
	defer done()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}
	backsOff(orders, id)

	why, err := orders.Waiting(ctx, id)
	fmt.Println("again at", why.Until.Format(time.TimeOnly), "after:", why.Error, err)
	clock.AwaitDue(exampleT{}, 30*time.Minute)
	clock.Advance(30 * time.Minute)
	run, err := orders.Await(ctx, "order-1", id, Paid)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Status, "at", run.UpdatedAt.Format(time.TimeOnly))
	// Output:
	// again at 09:30:00 after: too many requests (retry after 30m0s) <nil>
	// Paid at 09:30:00
}

// The answer of the first attempt was lost; the gateway knows the key and charges once.
func ExampleRun_IdempotencyKey() {
	charges := make(map[string]int) // what the gateway has charged, by key
	charge := func(key string, cents int) { charges[key] = cents }

	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddStep(Placed, func(ctx context.Context, r *OrderRun) (OrderStatus, error) {
		charge(r.IdempotencyKey(), 4200)
		if r.Attempt() == 1 {
			return 0, errors.New("connection reset")
		}
		r.Object.Paid = true
		return Paid, nil
	}, Paid).WithOptions(workflow.ErrBackOff(time.Millisecond))
	orders, _, done := serve(b)
	defer done()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}
	run, err := orders.Await(ctx, "order-1", id, Paid)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Status, "with", len(charges), "charge of", charges[id+"/1"])
	// Output: Paid with 1 charge of 4200
}
