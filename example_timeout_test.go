package workflow_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/workflowtest"
)

// A status may have several timeouts: here a reminder after an hour, which leaves the order where it is, and the end after a day.
func ExampleBuilder_AddTimeout() {
	clock := workflowtest.NewClock(time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC))
	reminded := make(chan string, 1)

	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddCallback(Placed, func(ctx context.Context, r *OrderRun, payload io.Reader) (OrderStatus, error) { return Paid, nil }, Paid)
	b.AddTimeout(Placed, workflow.DurationTimerFunc[Order, OrderStatus](time.Hour),
		func(ctx context.Context, r *OrderRun, now time.Time) (OrderStatus, error) {
			reminded <- r.ForeignID + " at " + now.Format(time.TimeOnly)
			return r.Skip() // nothing to store; the other timer goes on
		})
	b.AddTimeout(Placed, func(ctx context.Context, r *OrderRun, now time.Time) (time.Time, error) {
		if strings.HasSuffix(r.Object.Email, "@example.com") {
			return time.Time{}, nil // never: we know them
		}
		return now.Add(24 * time.Hour), nil
	}, func(ctx context.Context, r *OrderRun, now time.Time) (OrderStatus, error) {
		return Declined, nil
	}, Declined).WithOptions(workflow.PauseAfterErrCount(3))

	orders, _, done := serve(b, workflow.WithClock(clock))
	defer done()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}
	clock.AwaitDue(exampleT{}, time.Hour)
	clock.Advance(time.Hour)
	fmt.Println("reminded", <-reminded)
	clock.AwaitDue(exampleT{}, 23*time.Hour)
	clock.Advance(23 * time.Hour)
	run, err := orders.AwaitEnd(ctx, "order-1", id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Status, "at", run.UpdatedAt.Format(time.DateTime))
	// Output:
	// reminded order-1 at 10:00:00
	// Declined at 2026-01-02 09:00:00
}
