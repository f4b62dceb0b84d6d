package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
)

// shop starts a workflow whose payments fail while the gateway is down: with RetryAfter, the next attempt is an hour away.
func shop(store *memory.Backend, down func() bool) *workflow.Workflow[Order, OrderStatus] {
	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddStep(Placed, func(ctx context.Context, r *OrderRun) (OrderStatus, error) {
		if down() {
			return 0, workflow.RetryAfter(errors.New("gateway is down"), time.Hour)
		}
		r.Object.Paid = true
		return Paid, nil
	}, Paid, Declined)
	b.AddStep(Paid, func(ctx context.Context, r *OrderRun) (OrderStatus, error) {
		return Shipped, nil
	}, Shipped)
	orders, err := b.BuildOn(store, workflow.WithLogger(silent{}))
	if err != nil {
		log.Fatal(err)
	}
	orders.Run(context.Background())
	return orders
}

// backsOff waits until the run has failed its first attempt.
func backsOff(orders *workflow.Workflow[Order, OrderStatus], id string) {
	for {
		why, err := orders.Waiting(context.Background(), id)
		if err != nil {
			log.Fatal(err)
		}
		if why.Kind == workflow.WaitsForRetry {
			return
		}
		<-time.After(time.Millisecond)
	}
}

// An operator acts on runs by their ids, here without the workflow's code: a command line or a user interface does the same from another process.
func ExampleOperator() {
	store := memory.New()
	defer store.Close()
	orders := shop(store, func() bool { return true })
	defer orders.Stop()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}

	op := workflow.NewOperator(store, workflow.WithActor("ada"))
	if err := op.Pause(ctx, id, "the customer called"); err != nil {
		log.Fatal(err)
	}
	if err := op.Cancel(ctx, id, "not wanted any more"); err != nil {
		log.Fatal(err)
	}
	err = op.Resume(ctx, id, "")
	fmt.Println(errors.Is(err, workflow.ErrInvalidTransition), errors.Is(err, workflow.ErrRunFinished))

	rec, err := store.Lookup(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rec.RunState, "-", rec.Meta.RunStateReason)
	// Output:
	// true true
	// Cancelled - not wanted any more
}

// The gateway is back: a run that would wait for an hour is tried again at once.
func ExampleOperator_RetryNow() {
	down := make(chan bool, 2)
	down <- true
	down <- false
	store := memory.New()
	defer store.Close()
	orders := shop(store, func() bool { return <-down })
	defer orders.Stop()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}
	backsOff(orders, id)

	op := orders.Operator("ada")
	if err := op.RetryNow(ctx, id, "the gateway is back"); err != nil {
		log.Fatal(err)
	}
	run, err := orders.Await(ctx, "order-1", id, Shipped)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Status, run.Object.Paid)
	// Output: Shipped true
}

// A shipped order was packed wrongly: it goes back to the stay in which it was paid, and an order that was paid in cash skips the gateway.
func ExampleTypedOperator_ForceStatus() {
	store := memory.New()
	defer store.Close()
	orders := shop(store, func() bool { return false })
	defer orders.Stop()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := orders.Await(ctx, "order-1", id, Shipped); err != nil {
		log.Fatal(err)
	}

	op := orders.Operator("ada")
	if err := op.Rewind(ctx, id, 2, "packed wrongly"); err != nil { // version 2 entered Paid
		log.Fatal(err)
	}
	if err := op.ForceStatus(ctx, id, Declined, "sent back", &Order{Email: "ada@example.com"}); err != nil {
		log.Fatal(err)
	}
	run, err := orders.AwaitEnd(ctx, "order-1", id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Status, run.RunState, run.Object.Email)
	// Output: Declined Completed ada@example.com
}

// Every paused run is cancelled, with a word on each.
func ExampleOperator_CancelAll() {
	store := memory.New()
	defer store.Close()
	orders := shop(store, func() bool { return true })
	defer orders.Stop()
	ctx := context.Background()
	op := orders.Operator("ada")
	for i := range 3 {
		id, err := orders.Trigger(ctx, fmt.Sprintf("order-%d", i))
		if err != nil {
			log.Fatal(err)
		}
		if err := op.Pause(ctx, id, "stock-taking"); err != nil {
			log.Fatal(err)
		}
	}

	progress := func(rec *workflow.Record, err error) { fmt.Println(rec.ForeignID, err) }
	done, err := op.CancelAll(ctx, "the shop is closed", progress,
		workflow.Where(workflow.FilterByRunState(workflow.RunStatePaused), workflow.FilterByReason("stock")))
	fmt.Println(done.Done, "cancelled,", done.Failed, "failed,", err)
	// Output:
	// order-0 <nil>
	// order-1 <nil>
	// order-2 <nil>
	// 3 cancelled, 0 failed, <nil>
}

// Runs come in pages; the token of a page leads to the next one.
func ExampleWorkflow_Runs() {
	store := memory.New()
	defer store.Close()
	orders := shop(store, func() bool { return false })
	defer orders.Stop()
	ctx := context.Background()
	for i := range 3 {
		id, err := orders.Trigger(ctx, fmt.Sprintf("order-%d", i))
		if err != nil {
			log.Fatal(err)
		}
		if _, err := orders.AwaitEnd(ctx, "", id); err != nil {
			log.Fatal(err)
		}
	}

	page, err := orders.Runs(ctx, workflow.Where(workflow.FilterByStatus(Shipped)), workflow.NewestFirst(), workflow.PageSize(2))
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range page.Runs {
		order, err := r.Object() // decoded when asked for: one that does not decode spoils no page
		fmt.Println(r.ForeignID, r.Status, order.Paid, err)
	}
	page, err = orders.Runs(ctx, workflow.Where(workflow.FilterByStatus(Shipped)), workflow.NewestFirst(), workflow.PageAfter(page.Next))
	fmt.Println(len(page.Runs), page.Next == "", err)

	counts, err := orders.Counts(ctx)
	for _, c := range counts {
		fmt.Println(c.Name, c.RunState, c.Runs, err)
	}
	// Output:
	// order-2 Shipped true <nil>
	// order-1 Shipped true <nil>
	// 1 true <nil>
	// Shipped Completed 3 <nil>
}

// A run's history holds every version and every failed attempt.
func ExampleWorkflow_History() {
	down := make(chan bool, 2)
	down <- true
	down <- false
	store := memory.New()
	defer store.Close()
	orders := shop(store, func() bool { return <-down })
	defer orders.Stop()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}
	backsOff(orders, id)

	op := orders.Operator("ada")
	if err := op.Pause(ctx, id, "wait for the gateway"); err != nil {
		log.Fatal(err)
	}
	why, err := orders.Waiting(ctx, id)
	fmt.Println(why.PausedBy, why.Actor, why.Reason, err)
	if err := op.Resume(ctx, id, "the gateway is back"); err != nil {
		log.Fatal(err)
	}
	if _, err := orders.AwaitEnd(ctx, "order-1", id); err != nil {
		log.Fatal(err)
	}

	for item, err := range orders.History(ctx, id) {
		switch {
		case err != nil:
			log.Fatal(err)
		case item.Attempt > 0:
			fmt.Println(item.Version, item.Receiver, "failed:", item.Error)
		default:
			fmt.Printf("%d %v %v by %v %q %q\n", item.Version, item.ToStatus, item.To.RunState, item.Cause, item.Actor, item.Reason)
		}
	}
	// Output:
	// operator ada wait for the gateway <nil>
	// 1 Placed Initiated by trigger "" ""
	// 1 step failed: gateway is down (retry after 1h0m0s)
	// 2 Placed Paused by operator "ada" "wait for the gateway"
	// 3 Placed Running by operator "ada" "the gateway is back"
	// 4 Paid Running by step "" ""
	// 5 Shipped Completed by step "" ""
}

// What comes first, or how it ended: two ways to await a run.
func ExampleWorkflow_AwaitAny() {
	store := memory.New()
	defer store.Close()
	orders := shop(store, func() bool { return false })
	defer orders.Stop()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}

	run, err := orders.AwaitAny(ctx, "order-1", id, Paid, Declined)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("first", run.Status)
	run, err = orders.AwaitEnd(ctx, "order-1", id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("then", run.Status, run.RunState)
	_, err = orders.Await(ctx, "order-1", id, Declined)
	fmt.Println(errors.Is(err, workflow.ErrRunEnded))
	// Output:
	// first Paid
	// then Shipped Completed
	// true
}
