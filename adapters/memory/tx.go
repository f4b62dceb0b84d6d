package memory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// txDeadline is how long a function of the transaction may take.
const txDeadline = time.Second

// TxFunc is the type of Change.Tx that this backend runs. It is called inside the commit, once the change was found to be
// allowed and before it is stored, under a deadline of one second. Its failure fails its change alone, as *backend.TxError. Since there is no
// database, nothing undoes what a failing function did. It must not commit or store: a call into the same Backend that
// changes runs waits for the commit that it is part of.
type TxFunc = func(ctx context.Context) error

// CheckTx reports whether fn is a [TxFunc] that is not nil. Otherwise the error is backend.ErrTxUnsupported.
func (b *Backend) CheckTx(fn any) error {
	_, err := txFunc(fn)
	return err
}

func txFunc(fn any) (TxFunc, error) {
	if f, ok := fn.(TxFunc); ok && f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("%w: want func(context.Context) error, got %T", backend.ErrTxUnsupported, fn)
}

var errGoexit = errors.New("the function ended its goroutine")

// runTx calls fn on a goroutine of its own and waits for it until the deadline. One that outlives its context is abandoned:
// Go has no way to end it.
func runTx(ctx context.Context, fn TxFunc) error {
	ctx, cancel := context.WithTimeout(ctx, txDeadline)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
			done <- err
		}()
		err = fn(ctx)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done:
		default:
			err = ctx.Err()
		}
	}
	if err != nil {
		return &backend.TxError{Err: err}
	}
	return nil
}
