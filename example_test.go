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
	"github.com/stillwater-go/workflow/adapters/memory"
)

type Order struct {
	Email string
	Paid  bool
}

type OrderStatus int

const (
	Placed OrderStatus = iota + 1
	Paid
	Shipped
	Declined
)

func (s OrderStatus) String() string {
	return [...]string{"", "Placed", "Paid", "Shipped", "Declined"}[s]
}

type OrderRun = workflow.Run[Order, OrderStatus]

// A workflow of two steps, from the trigger to its end.
func Example() {
	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddStep(Placed, func(ctx context.Context, r *OrderRun) (OrderStatus, error) {
		r.Object.Paid = true
		return Paid, nil
	}, Paid, Declined)
	b.AddStep(Paid, func(ctx context.Context, r *OrderRun) (OrderStatus, error) {
		return Shipped, nil
	}, Shipped)

	store := memory.New() // sqlite.Open("orders.db") for one that outlives the program
	defer store.Close()
	orders, err := b.BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	orders.Run(ctx)
	defer orders.Stop()

	id, err := orders.Trigger(ctx, "order-1", workflow.WithInitialValue[Order, OrderStatus](&Order{Email: "ada@example.com"}))
	if err != nil {
		log.Fatal(err)
	}
	run, err := orders.Await(ctx, "order-1", id, Shipped)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Status, run.RunState, run.Object.Email, run.Object.Paid)
	// Output: Shipped Completed ada@example.com true
}

// A step that fails is tried again with growing waits; after its last attempt the run is paused with the reason, and somebody resumes it.
func ExamplePauseAfterErrCount() {
	down := true
	paused := make(chan *workflow.TypedRecord[Order, OrderStatus], 1)
	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddStep(Placed, func(ctx context.Context, r *OrderRun) (OrderStatus, error) {
		if down {
			return 0, errors.New("gateway is down")
		}
		return Paid, nil
	}, Paid).WithOptions(workflow.ErrBackOff(time.Millisecond), workflow.PauseAfterErrCount(3))
	b.OnPause(func(ctx context.Context, r *workflow.TypedRecord[Order, OrderStatus]) error {
		paused <- r
		return nil
	})
	store := memory.New()
	defer store.Close()
	orders, err := b.BuildOn(store, workflow.WithLogger(silent{}))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	orders.Run(ctx)
	defer orders.Stop()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}
	rec := <-paused
	fmt.Println(rec.RunState, "by the", rec.Meta.PausedBy, "-", rec.Meta.RunStateReason)
	down = false
	if err := orders.RunStateController(id).Resume(ctx); err != nil {
		log.Fatal(err)
	}
	run, err := orders.Await(ctx, "order-1", id, Paid)
	fmt.Println(run.Status, err)
	// Output:
	// Paused by the engine - gave up after 3 attempts: gateway is down
	// Paid <nil>
}

// A callback brings what somebody outside has for the run, and learns what became of it.
func ExampleWorkflow_Callback() {
	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddCallback(Placed, func(ctx context.Context, r *OrderRun, payload io.Reader) (OrderStatus, error) {
		answer, err := io.ReadAll(payload)
		if err != nil {
			return 0, err
		}
		if string(answer) == "declined" {
			return Declined, nil
		}
		return Paid, nil
	}, Paid, Declined)
	store := memory.New()
	defer store.Close()
	orders, err := b.BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := orders.Trigger(ctx, "order-1"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(orders.Callback(ctx, "order-1", Placed, strings.NewReader("ok")))
	err = orders.Callback(ctx, "order-1", Placed, strings.NewReader("ok")) // it was applied already
	fmt.Println(errors.Is(err, workflow.ErrNotInStatus))
	// Output:
	// <nil>
	// true
}

type silent struct{}

func (silent) Debug(context.Context, string, map[string]string) {}
func (silent) Error(context.Context, error)                     {}
