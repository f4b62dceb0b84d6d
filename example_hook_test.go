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
)

// Shipment is the object of a second workflow.
type Shipment struct {
	Order string
	Email string
}

// ShipmentStatus is its status.
type ShipmentStatus int

// The statuses of a shipment.
const (
	Packing ShipmentStatus = iota + 1
	Sent
)

func (s ShipmentStatus) String() string { return [...]string{"", "Packing", "Sent"}[s] }

// Every order that is paid starts a shipment: one, however often the hook is told.
func ExampleTriggerHook() {
	store := memory.New()
	defer store.Close()
	sb := workflow.NewBuilder[Shipment, ShipmentStatus]("shipment")
	sb.AddStep(Packing, func(ctx context.Context, r *workflow.Run[Shipment, ShipmentStatus]) (ShipmentStatus, error) {
		return Sent, nil
	}, Sent)
	shipments, err := sb.BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}

	b := orderSteps()
	b.OnStatus(Paid, workflow.TriggerHook(shipments, func(r *OrderRecord) (string, *Shipment) {
		if r.Object.Email == "" {
			return "", nil // nobody to ship to: nothing is started
		}
		return r.ForeignID, &Shipment{Order: r.RunID, Email: r.Object.Email}
	}, workflow.WithRunTimeout[Shipment, ShipmentStatus](7*24*time.Hour)))
	orders, err := b.BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	orders.Run(ctx)
	defer orders.Stop()
	shipments.Run(ctx)
	defer shipments.Stop()
	id, err := orders.Trigger(ctx, "order-1", workflow.WithInitialValue[Order, OrderStatus](&Order{Email: "ada@example.com"}))
	if err != nil {
		log.Fatal(err)
	}
	workflow.WaitFor(exampleT{}, shipments, "order-1", func(r *workflow.Run[Shipment, ShipmentStatus]) (bool, error) {
		return r.Status == Sent, nil
	})
	for r, err := range shipments.AllRuns(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		shipment, err := r.Object()
		fmt.Println(r.Status, shipment.Email, shipment.Order == id, err)
	}
	// Output: Sent ada@example.com true <nil>
}

// What a run goes through, told to one hook in order.
func ExampleBuilder_OnAnyStatus() {
	told := make(chan OrderStatus, 3)
	b := orderSteps()
	b.OnAnyStatus(func(ctx context.Context, r *OrderRecord) error {
		told <- r.Status
		return nil
	}).WithOptions(workflow.PauseAfterErrCount(20), workflow.MaxBackOff(time.Hour))
	orders, _, done := serve(b)
	defer done()
	if _, err := orders.Trigger(context.Background(), "order-1"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-told, <-told, <-told)
	// Output: Placed Paid Shipped
}

// A hook that was given up waits until somebody has it told again.
func ExampleWorkflow_Held() {
	var works atomic.Bool
	mailed := make(chan string, 1)
	b := orderSteps()
	b.OnComplete(func(ctx context.Context, r *OrderRecord) error {
		if !works.Load() {
			return workflow.Permanent(errors.New("the mail server does not know us"))
		}
		mailed <- "mailed " + r.ForeignID
		return nil
	})
	orders, store, done := serve(b)
	defer done()
	ctx := context.Background()
	id, err := orders.Trigger(ctx, "order-1")
	if err != nil {
		log.Fatal(err)
	}
	untilHeld(store, id)

	for d, err := range orders.Held(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(d.Receiver, "of version", d.Version, "after", d.Attempts, "attempt:", d.LastError)
	}
	works.Store(true)
	if err := orders.Operator("ada").RetryNow(ctx, id, "the password was changed"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-mailed)
	// Output:
	// hook:Completed of version 3 after 1 attempt: the mail server does not know us
	// mailed order-1
}
