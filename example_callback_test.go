package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/stillwater-go/workflow"
)

// A callback that could not be applied says where the run is.
func ExampleCallbackError() {
	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddCallback(Placed, func(ctx context.Context, r *OrderRun, payload io.Reader) (OrderStatus, error) {
		email, err := io.ReadAll(payload)
		if err != nil {
			return 0, err
		}
		r.Object.Email = string(email)
		return Paid, nil
	}, Paid)
	b.AddStep(Paid, func(ctx context.Context, r *OrderRun) (OrderStatus, error) { return Shipped, nil }, Shipped)
	b.CallbackOptions(Placed, workflow.PauseAfterErrCount(5), workflow.AttemptDeadline(10*time.Second))
	orders, _, done := serve(b)
	defer done()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}

	if err := orders.Callback(ctx, "order-1", Placed, strings.NewReader("ada@example.com")); err != nil {
		log.Fatal(err)
	}
	if _, err := orders.AwaitEnd(ctx, "order-1", id); err != nil {
		log.Fatal(err)
	}
	err = orders.Callback(ctx, "order-1", Placed, strings.NewReader("alan@example.com"))
	var not *workflow.CallbackError
	if errors.As(err, &not) {
		fmt.Println("the run is", not.RunState, "in", OrderStatus(not.Status))
	}
	fmt.Println(errors.Is(err, workflow.ErrNotInStatus), errors.Is(err, workflow.ErrRunFinished))
	// Output:
	// the run is Completed in Shipped
	// true true
}
