package demo

import (
	"fmt"
	"math"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// Order is what the demo's runs are about. The foreign id of a run is the order's ID.
type Order struct {
	ID       string   `json:"id"`
	Customer Customer `json:"customer"`
	ShipTo   Address  `json:"ship_to"`
	Lines    []Line   `json:"lines"`
	// Currency is three capital letters. All amounts are in its hundredths.
	Currency   string    `json:"currency"`
	TotalCents int64     `json:"total_cents"`
	PlacedAt   time.Time `json:"placed_at"`
	Notes      string    `json:"notes,omitempty"`

	// What the steps fill in.
	ReservationID string     `json:"reservation_id,omitempty"`
	Receipt       string     `json:"receipt,omitempty"`
	DeclineReason string     `json:"decline_reason,omitempty"`
	Tracking      string     `json:"tracking,omitempty"`
	PaidAt        *time.Time `json:"paid_at,omitempty"`
	ShippedAt     *time.Time `json:"shipped_at,omitempty"`
}

// Customer is who ordered.
type Customer struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Address is where the order goes.
type Address struct {
	Street   string `json:"street"`
	City     string `json:"city"`
	Postcode string `json:"postcode"`
	Country  string `json:"country"`
}

// Line is one position of an order.
type Line struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`
	UnitCents int64  `json:"unit_cents"`
}

// forgetSteps empties what the steps fill in: an input does not decide that.
func (o *Order) forgetSteps() {
	o.ReservationID, o.Receipt, o.DeclineReason, o.Tracking, o.PaidAt, o.ShippedAt = "", "", "", "", nil, nil
}

// maxQuantity bounds one line, so that a typing error does not empty the stock.
const maxQuantity = 1_000_000

// validate says in a few words what is wrong with an order, or returns nil.
func (o *Order) validate() error {
	if o.ID == "" {
		return fmt.Errorf("id is missing")
	}
	if err := backend.ValidateID("id", o.ID, backend.MaxIDBytes); err != nil {
		return err
	}
	if len(o.Currency) != 3 || !capitals(o.Currency) {
		return fmt.Errorf("currency %s is not three capital letters", backend.Quote(o.Currency))
	}
	if len(o.Lines) == 0 {
		return fmt.Errorf("order has no lines")
	}
	if o.TotalCents < 0 {
		return fmt.Errorf("total_cents is negative: %d", o.TotalCents)
	}
	var total int64
	for i, l := range o.Lines {
		switch {
		case l.Quantity < 1 || l.Quantity > maxQuantity:
			return fmt.Errorf("lines[%d].quantity is %d, it must be 1 to %d", i, l.Quantity, maxQuantity)
		case l.UnitCents < 0:
			return fmt.Errorf("lines[%d].unit_cents is negative: %d", i, l.UnitCents)
		case l.UnitCents > (math.MaxInt64-total)/l.Quantity:
			return fmt.Errorf("the order's total is too large")
		}
		total += l.Quantity * l.UnitCents
	}
	if o.TotalCents != total {
		return fmt.Errorf("total_cents is %d, the lines add up to %d", o.TotalCents, total)
	}
	return nil
}

func capitals(s string) bool {
	for _, c := range []byte(s) {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// Status is where an order stands.
type Status int

// The statuses of an order.
const (
	StatusPlaced Status = iota + 1
	StatusReserved
	StatusPaid
	StatusDeclined
	StatusShipped
)

// String returns the status's name.
func (s Status) String() string {
	switch s {
	case StatusPlaced:
		return "Placed"
	case StatusReserved:
		return "Reserved"
	case StatusPaid:
		return "Paid"
	case StatusDeclined:
		return "Declined"
	case StatusShipped:
		return "Shipped"
	default:
		return fmt.Sprintf("Status(%d)", int(s))
	}
}
