package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// A connector starts a run for each event of another system. An event that keeps failing is parked, and goes on when somebody asks for it.
func ExampleBuilder_AddConnector() {
	events := []workflow.ConnectorEvent{
		{ID: "evt-1", ForeignID: "order-1", Type: "placed", Headers: map[string]string{"email": "ada@example.com"}},
		{ID: "evt-2", ForeignID: "order-2", Type: "placed"},
		{ID: "evt-3", ForeignID: "order-3", Type: "placed", Headers: map[string]string{"email": "alan@example.com"}},
	}
	var lenient atomic.Bool
	paused := make(chan bool, 1)

	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddStep(Placed, func(ctx context.Context, r *OrderRun) (OrderStatus, error) { return Paid, nil }, Paid)
	b.AddConnector("shop", memstreamer.NewConnector(events), // your own, for Kafka, a webhook's table, a poller, …
		func(ctx context.Context, api workflow.API[Order, OrderStatus], e *workflow.ConnectorEvent) error {
			email := e.Headers["email"]
			if email == "" && !lenient.Load() {
				paused <- true
				return workflow.Permanent(errors.New("the order has no address"))
			}
			_, err := api.Trigger(ctx, e.ForeignID, workflow.WithInitialValue[Order, OrderStatus](&Order{Email: email}),
				workflow.WithStartKey[Order, OrderStatus](e.ID)) // an event that comes twice starts one run
			return err
		}).WithOptions(workflow.ParallelCount(4), workflow.PauseAfterErrCount(5), workflow.ErrBackOff(time.Second))

	store := memory.New()
	defer store.Close()
	orders, err := b.BuildOn(store, workflow.WithLogger(silent{}))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	orders.Run(ctx)
	defer orders.Stop()

	<-paused
	workflow.WaitFor(exampleT{}, orders, "order-3", func(r *OrderRun) (bool, error) { return r.Status == Paid, nil }) // the others go on
	waitParked(ctx, orders, workflow.RunStatePaused)

	for e, err := range orders.ParkedEvents(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Connector, e.Event.ID, e.State, e.Attempts, e.LastError)
	}
	lenient.Store(true)
	if err := orders.RetryEvent(ctx, "shop", "evt-2"); err != nil { // it is paused; now with fresh attempts
		log.Fatal(err)
	}
	workflow.WaitFor(exampleT{}, orders, "order-2", func(r *OrderRun) (bool, error) { return r.Status == Paid, nil })
	fmt.Println("order-2 is paid")
	// Output:
	// shop evt-2 Paused 1 the order has no address
	// order-2 is paid
}

// waitParked waits until a parked event is in that state.
func waitParked(ctx context.Context, orders *OrderFlow, state workflow.RunState) {
	for {
		for e, err := range orders.ParkedEvents(ctx) {
			if err != nil {
				log.Fatal(err)
			}
			if e.State == state {
				return
			}
		}
		<-time.After(time.Millisecond)
	}
}

// exampleT lets an example use the helpers for tests.
type exampleT struct{}

func (exampleT) Helper()                           {}
func (exampleT) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
