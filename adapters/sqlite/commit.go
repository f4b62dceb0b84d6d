package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/stillwater-go/workflow/backend"
)

// TxFunc is the type of Change.Tx that this store runs: the user's own statements, committed together with the step. It runs
// with the write lock held, under a deadline of one second, and must not end the transaction, touch a table whose name
// begins with sw_, set a pragma, attach a database, or call the store.
type TxFunc = func(ctx context.Context, tx *sql.Tx) error

// Commit writes every change of the batch in one transaction and returns when it is on disk. Calls that come while another
// transaction runs are committed together. See [backend.Committer].
//
// A change fails alone with ErrVersionConflict, ErrWorkflowInProgress, ErrInvalidID, ErrTooLarge, ErrRecordNotFound (a
// delivery, an attempt, an expected version or a signal of an unknown run), ErrDuplicateSignal or *backend.TxError. The call as a whole fails with ErrLocked, ErrFull,
// ErrReadOnly, ErrCorrupt, ErrClosed, ErrOutcomeUnknown, or the context's error when it ended before the transaction began.
func (b *Backend) Commit(ctx context.Context, batch []*backend.Change) error {
	units := make([]*unit, 0, len(batch))
	for _, c := range batch {
		c.Pos = 0
		if c.Err = validate(c); c.Err == nil {
			units = append(units, &unit{ctx: ctx, change: c})
		}
	}
	if len(units) == 0 {
		if err := ctx.Err(); err != nil {
			return &backend.Error{Op: "commit", Err: err}
		}
		if b.isClosed() {
			return &backend.Error{Op: "commit", Err: backend.ErrClosed}
		}
		return nil
	}
	err := b.submit(ctx, "commit", units)
	for _, u := range units {
		if u.change.Err = u.err; err != nil {
			u.change.Err = err
			continue
		}
		if u.err == nil {
			u.change.Pos = u.pos
		}
	}
	return err
}

// CheckTx reports whether fn is a function that Commit can run: a [TxFunc] that is not nil. Otherwise the error is ErrTxUnsupported.
func (b *Backend) CheckTx(fn any) error { return checkTx(fn) }

func checkTx(fn any) error {
	if _, ok := txFunc(fn); !ok {
		return fmt.Errorf("%w: want func(context.Context, *sql.Tx) error, got %T", backend.ErrTxUnsupported, fn)
	}
	return nil
}

// txFunc returns fn as the function that it is, also where its type has a name.
func txFunc(fn any) (TxFunc, bool) {
	if f, ok := fn.(TxFunc); ok {
		return f, f != nil
	}
	want := reflect.TypeFor[TxFunc]()
	v := reflect.ValueOf(fn)
	if !v.IsValid() || !v.Type().ConvertibleTo(want) || v.IsNil() {
		return nil, false
	}
	f, ok := v.Convert(want).Interface().(TxFunc)
	return f, ok
}

// validate reports what makes a change impossible to store.
func validate(c *backend.Change) error {
	if c == nil {
		return errors.New("nil change")
	}
	if c.Record != nil {
		if err := validateRecord(c.Record); err != nil {
			return err
		}
	}
	for i := range c.Hold {
		if err := validateDelivery(&c.Hold[i]); err != nil {
			return err
		}
	}
	for _, k := range c.Done {
		if err := validateKey(k.RunID, k.Receiver, k.Version); err != nil {
			return err
		}
	}
	if a := c.Attempt; a != nil {
		if err := errors.Join(validateKey(a.RunID, a.Receiver, a.Version), inRange("attempt's time", nanosErr("at", a.At))); err != nil {
			return err
		}
		if err := backend.ValidateID("workflow name", a.WorkflowName, backend.MaxNameBytes); err != nil {
			return err
		}
	}
	if c.SignalID != "" {
		if err := backend.ValidateID("signal id", c.SignalID, backend.MaxIDBytes); err != nil {
			return err
		}
	}
	if err := versionRange(c.Expect); err != nil {
		return err
	}
	if c.Tx != nil {
		return checkTx(c.Tx)
	}
	return nil
}

func validateRecord(r *backend.Record) error {
	if err := backend.ValidateRecord(r); err != nil {
		return err
	}
	for _, err := range [...]error{
		versionRange(r.Meta.Version), versionRange(r.Meta.Visit), nanosErr("created at", r.CreatedAt), nanosErr("updated at", r.UpdatedAt),
		nanosErr("deadline", r.Meta.Deadline),
	} {
		if err != nil {
			return inRange("run "+r.RunID, err)
		}
	}
	for _, text := range [...]struct{ what, value string }{
		{"run state reason", r.Meta.RunStateReason}, {"status description", r.Meta.StatusDescription}, {"trace", r.Meta.TraceOrigin},
	} {
		if len(text.value) > backend.MaxObjectBytes {
			return fmt.Errorf("%w: %s has %d bytes, the limit is %d", backend.ErrTooLarge, text.what, len(text.value), backend.MaxObjectBytes)
		}
	}
	return nil
}

func validateDelivery(d *backend.Delivery) error {
	if err := validateKey(d.RunID, d.Receiver, d.Version); err != nil {
		return err
	}
	if err := backend.ValidateID("workflow name", d.WorkflowName, backend.MaxNameBytes); err != nil {
		return err
	}
	if n := len(d.Data); n > backend.MaxObjectBytes {
		return fmt.Errorf("%w: delivery's data has %d bytes, the limit is %d", backend.ErrTooLarge, n, backend.MaxObjectBytes)
	}
	return inRange("delivery", errors.Join(nanosErr("due", d.Due), nanosErr("first at", d.FirstAt)))
}

func validateKey(runID string, receiver backend.Receiver, version uint) error {
	if err := backend.ValidateID("run id", runID, backend.MaxIDBytes); err != nil {
		return err
	}
	if err := backend.ValidateID("receiver", string(receiver), backend.MaxNameBytes); err != nil {
		return err
	}
	return versionRange(version)
}

func versionRange(v uint) error {
	if uint64(v) > math.MaxInt64 {
		return fmt.Errorf("%w: version %d", backend.ErrTooLarge, v)
	}
	return nil
}

func inRange(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
