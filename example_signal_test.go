package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/stillwater-go/workflow"
)

// Approval is what a signal brings.
type Approval struct{ By string }

// Approvals come when they come: too early, twice, in time, too late. Each gets a receipt.
func ExampleSignal() {
	approved := workflow.NewSignal[Approval]("approved")

	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddCallback(Placed, func(ctx context.Context, r *OrderRun, payload io.Reader) (OrderStatus, error) { return Paid, nil }, Paid)
	workflow.AddSignal(b, Paid, approved, func(ctx context.Context, r *OrderRun, a Approval) (OrderStatus, error) {
		if a.By == "" {
			return Declined, nil
		}
		return Shipped, nil
	}, Shipped, Declined)
	orders, _, done := serve(b)
	defer done()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}

	receipt, err := approved.Send(ctx, orders, "order-1", Approval{By: "ada"}, workflow.WithSignalID("mail-17"), workflow.WithSender("ada"))
	fmt.Println("early:", receipt.State, err)
	receipt, err = approved.Send(ctx, orders, "order-1", Approval{By: "ada"}, workflow.WithSignalID("mail-17"))
	fmt.Println("the same mail again:", receipt.State, err)

	if err := orders.Callback(ctx, "order-1", Placed, strings.NewReader("")); err != nil {
		log.Fatal(err)
	}
	run, err := orders.AwaitEnd(ctx, "order-1", id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("in its status it was handled:", run.Status)

	receipt, err = approved.Send(ctx, orders, "order-1", Approval{By: "alan"})
	fmt.Println("after the end:", receipt.State, errors.Is(err, workflow.ErrRunFinished))

	other, err := orders.Trigger(ctx, "order-2", workflow.WithStartingPoint[Order](Paid))
	if err != nil {
		log.Fatal(err)
	}
	receipt, err = approved.SendToRun(ctx, orders, other, Approval{By: "ada"})
	fmt.Println("just in time:", receipt.State, OrderStatus(receipt.Status), err)
	// Output:
	// early: queued <nil>
	// the same mail again: duplicate <nil>
	// in its status it was handled: Shipped
	// after the end: too late true
	// just in time: applied Shipped <nil>
}
