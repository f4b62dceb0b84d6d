package workflow_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/workflowtest"
)

// A customer wants to be forgotten: what is personal goes, what the books need stays; in the end the whole run goes.
func ExampleWithCustomDelete() {
	orders, store, done := serve(orderSteps(), workflow.WithCustomDelete(func(o *Order) error {
		o.Email = ""
		return nil
	}))
	defer done()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1", workflow.WithInitialValue[Order, OrderStatus](&Order{Email: "ada@example.com"}))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := orders.AwaitEnd(ctx, "order-1", id); err != nil {
		log.Fatal(err)
	}

	op := orders.Operator("ada")
	if err := op.DeleteData(ctx, id, "asked for by mail"); err != nil {
		log.Fatal(err)
	}
	until(store, id, func(rec *workflow.Record) bool { return rec.RunState == workflow.RunStateDataDeleted })
	for r, err := range orders.AllRuns(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		left, err := r.Object()
		fmt.Printf("%v, %v: %+v %v\n", r.Status, r.RunState, *left, err)
	}

	if err := op.Erase(ctx, id); err != nil {
		log.Fatal(err)
	}
	fmt.Println("gone:", isGone(store, id))
	// Output:
	// Shipped, DataDeleted: {Email: Paid:true} <nil>
	// gone: true
}

// Runs that have ended are kept for thirty days; before one is erased, its files are.
func ExampleWithRetention() {
	clock := workflowtest.NewClock(time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC))
	removed := make(chan string, 10)
	orders, store, done := serve(orderSteps(), workflow.WithClock(clock),
		workflow.WithRetention(30*24*time.Hour),
		workflow.WithCleanUp(func(ctx context.Context, r *OrderRecord) error {
			removed <- "files of " + r.ForeignID
			return nil
		}))
	defer done()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := orders.AwaitEnd(ctx, "order-1", id); err != nil {
		log.Fatal(err)
	}

	clock.Advance(29 * 24 * time.Hour)
	fmt.Println("after 29 days it is gone:", isGone(store, id))
	for !isGone(store, id) {
		clock.Advance(time.Hour)
		<-time.After(time.Millisecond)
	}
	fmt.Println(<-removed, "removed; the run after", clock.Now().Sub(time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)) >= 30*24*time.Hour)
	// Output:
	// after 29 days it is gone: false
	// files of order-1 removed; the run after true
}
