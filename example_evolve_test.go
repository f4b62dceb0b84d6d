package workflow_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
)

// A program without the status Declined, in which runs are: what it would leave behind is seen before it is deployed, and where it belongs is said.
func ExampleWorkflow_Orphans() {
	store := memory.New()
	defer store.Close()
	ctx := context.Background()
	old := workflow.NewBuilder[Order, OrderStatus]("order")
	old.AddCallback(Declined, func(ctx context.Context, r *OrderRun, payload io.Reader) (OrderStatus, error) { return Shipped, nil }, Shipped)
	before, err := old.BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}
	id, err := before.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}

	next, err := orderSteps().BuildOn(store) // not run: it only looks
	if err != nil {
		log.Fatal(err)
	}
	orphans, err := next.Orphans(ctx)
	for _, o := range orphans {
		fmt.Println(o.Runs, "unfinished run in", o.Description, o.Status, "such as", o.Examples[0] == id, err)
	}

	b := orderSteps()
	b.RenameStatus(int(Declined), Placed) // who was declined may pay again
	orders, err := b.BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}
	orphans, err = orders.Orphans(ctx)
	fmt.Println(len(orphans), err)

	orders.Run(ctx)
	defer orders.Stop()
	run, err := orders.AwaitEnd(ctx, "order-1", id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Status)
	for item, err := range orders.History(ctx, id) {
		if err != nil {
			log.Fatal(err)
		}
		if item.Reason != "" {
			fmt.Println("version", item.Version, "by the", item.Cause, "-", item.Reason)
		}
	}
	// Output:
	// 1 unfinished run in Declined 4 such as true <nil>
	// 0 <nil>
	// Shipped
	// version 2 by the engine - status 4 (Declined) was renamed
}

// An older program saves an object that a newer one has given a field: it is still there.
func ExampleUnmarshal() {
	type NewOrder struct {
		Email   string
		Paid    bool
		Voucher string
	}
	store := memory.New()
	defer store.Close()
	ctx := context.Background()
	nb := workflow.NewBuilder[NewOrder, OrderStatus]("order")
	nb.AddStep(Placed, func(ctx context.Context, r *workflow.Run[NewOrder, OrderStatus]) (OrderStatus, error) {
		return Paid, nil
	}, Paid)
	newer, err := nb.BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}
	id, err := newer.Trigger(ctx, "order-1", workflow.WithInitialValue[NewOrder, OrderStatus](&NewOrder{Voucher: "SPRING"}))
	if err != nil {
		log.Fatal(err)
	}

	older, err := orderSteps().BuildOn(store) // its Order has no voucher
	if err != nil {
		log.Fatal(err)
	}
	older.Run(ctx)
	defer older.Stop()
	if _, err := older.AwaitEnd(ctx, "order-1", id); err != nil {
		log.Fatal(err)
	}
	rec, err := store.Lookup(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	var order NewOrder
	fmt.Println(workflow.Unmarshal(rec.Object, &order), order.Paid, order.Voucher)
	// Output: <nil> true SPRING
}
