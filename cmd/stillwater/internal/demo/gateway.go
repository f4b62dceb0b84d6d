package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
)

// errGateway is how the payment gateway fails now and then; the engine tries again.
var errGateway = errors.New("payment gateway did not answer")

// sureAttempt is the attempt from which on the gateway always answers.
const sureAttempt = 4

// gateway stands for the outside world: a warehouse, a payment provider, a carrier. What it answers depends on the order and the attempt
// alone, so it is the same after a restart. Like real ones it takes an idempotency key: the same key gets the same receipt.
type gateway struct {
	calls atomic.Int64
}

// reserve sets the goods aside and returns the reservation.
func (g *gateway) reserve(_ context.Context, key string) (string, error) {
	g.calls.Add(1)
	return fmt.Sprintf("rsv-%016x", hashOf("reserve", key)), nil
}

// charge takes the money. About one call in twenty fails, about three orders in a hundred are declined: then the receipt is empty.
func (g *gateway) charge(_ context.Context, key, orderID string, attempt int) (receipt string, err error) {
	g.calls.Add(1)
	if gatewayFails(orderID, attempt) {
		return "", errGateway
	}
	if gatewayDeclines(orderID) {
		return "", nil
	}
	return fmt.Sprintf("pay-%016x", hashOf("charge", key)), nil
}

// ship hands the parcel over and returns its tracking number.
func (g *gateway) ship(_ context.Context, key string) (string, error) {
	g.calls.Add(1)
	return fmt.Sprintf("trk-%016x", hashOf("ship", key)), nil
}

// gatewayFails reports whether the gateway fails at this attempt to charge the order.
func gatewayFails(orderID string, attempt int) bool {
	return attempt < sureAttempt && hashOf("fails", orderID, strconv.Itoa(attempt))%100 < 5
}

// gatewayDeclines reports whether the gateway refuses the order for good.
func gatewayDeclines(orderID string) bool { return hashOf("declines", orderID)%100 < 3 }
