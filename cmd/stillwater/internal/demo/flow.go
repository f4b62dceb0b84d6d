package demo

import (
	"context"
	"database/sql"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// workflowName is the name of the demo's workflow in its store.
const workflowName = "demo-orders"

// backOff is the upper bound of the wait before a second attempt. It is short, so that the demo shows retries and not waiting.
const backOff = 20 * time.Millisecond

// shop is the code of the demo's workflow: one method per step.
type shop struct {
	gateway gateway
	clock   backend.Clock
}

// newFlow builds the workflow on a store.
func newFlow(on backend.Backend, clock backend.Clock, log workflow.Logger) (*workflow.Workflow[Order, Status], error) {
	s := &shop{clock: clock}
	b := workflow.NewBuilder[Order, Status](workflowName)
	b.AddStep(StatusPlaced, s.reserve, StatusReserved)
	b.AddStep(StatusReserved, s.charge, StatusPaid, StatusDeclined).WithOptions(workflow.ErrBackOff(backOff))
	b.AddStep(StatusPaid, s.ship, StatusShipped)
	return b.BuildOn(on, workflow.WithClock(clock), workflow.WithLogger(log))
}

// reserve sets the goods aside.
func (s *shop) reserve(ctx context.Context, r *workflow.Run[Order, Status]) (Status, error) {
	id, err := s.gateway.reserve(ctx, r.IdempotencyKey())
	if err != nil {
		return 0, err
	}
	r.Object.ReservationID = id
	return StatusReserved, nil
}

// charge takes the money. The line in the ledger is written in the very commit that makes the order paid: there is never one without the other.
func (s *shop) charge(ctx context.Context, r *workflow.Run[Order, Status]) (Status, error) {
	receipt, err := s.gateway.charge(ctx, r.IdempotencyKey(), r.Object.ID, r.Attempt())
	if err != nil {
		return 0, err
	}
	if receipt == "" {
		r.Object.DeclineReason = "declined by the payment gateway"
		return StatusDeclined, nil
	}
	now := s.clock.Now().UTC()
	r.Object.Receipt, r.Object.PaidAt = receipt, &now
	orderID, runID, amount := r.Object.ID, r.RunID, r.Object.TotalCents
	err = sqlite.Transact(r, func(ctx context.Context, tx *sql.Tx) error {
		return writeCharge(ctx, tx, orderID, runID, amount, now)
	})
	return StatusPaid, err
}

// ship hands the parcel over.
func (s *shop) ship(ctx context.Context, r *workflow.Run[Order, Status]) (Status, error) {
	tracking, err := s.gateway.ship(ctx, r.IdempotencyKey())
	if err != nil {
		return 0, err
	}
	now := s.clock.Now().UTC()
	r.Object.Tracking, r.Object.ShippedAt = tracking, &now
	return StatusShipped, nil
}
