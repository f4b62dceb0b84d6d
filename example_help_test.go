package workflow_test

import (
	"context"
	"errors"
	"log"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
)

// The examples' own names for what they write often.
type (
	OrderFlow   = workflow.Workflow[Order, OrderStatus]
	OrderRecord = workflow.TypedRecord[Order, OrderStatus]
)

// serve builds and runs an example's workflow on a store in memory.
func serve(b *workflow.Builder[Order, OrderStatus], opts ...workflow.BuildOption) (orders *OrderFlow, store *memory.Backend, done func()) {
	store = memory.New()
	orders, err := b.BuildOn(store, append([]workflow.BuildOption{workflow.WithLogger(silent{})}, opts...)...)
	check(err)
	orders.Run(context.Background())
	return orders, store, func() {
		orders.Stop()
		check(store.Close())
	}
}

// check ends an example that has failed.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// until waits until a run is as ok wants it.
func until(store workflow.Backend, runID string, ok func(rec *workflow.Record) bool) {
	for {
		rec, err := store.Lookup(context.Background(), runID)
		check(err)
		if ok(rec) {
			return
		}
		<-time.After(time.Millisecond)
	}
}

// isGone reports whether a run is there no more.
func isGone(store workflow.Backend, runID string) bool {
	_, err := store.Lookup(context.Background(), runID)
	if err != nil && !errors.Is(err, workflow.ErrRecordNotFound) {
		log.Fatal(err)
	}
	return err != nil
}

// untilHeld waits until something of a run was given up.
func untilHeld(store workflow.Backend, runID string) {
	for {
		rows, err := store.Held(context.Background(), runID)
		check(err)
		for _, d := range rows {
			if d.Due.IsZero() {
				return
			}
		}
		<-time.After(time.Millisecond)
	}
}
