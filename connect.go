package workflow

import (
	"context"
	"errors"
	"slices"
	"strconv"
)

// TriggerHook returns a hook that starts a run of another workflow, so that one follows the other:
//
//	orders.OnStatus(Paid, workflow.TriggerHook(shipments, func(r *workflow.TypedRecord[Order, OrderStatus]) (string, *Shipment) {
//		return r.ForeignID, &Shipment{Email: r.Object.Email}
//	}))
//
// start makes the new run's foreign id and its initial value out of the run as of the version that the hook is told of. It must be a pure
// function of that: it may be called again. With an empty foreign id nothing is started; with a nil value the run starts with an empty object, or
// that of the options, which go with every start.
//
// One version of a run starts at most one run of a target, however often the hook is told of it: the start key is made of run id
// and version. That holds as long as the target's run is kept. Where an unfinished run of the foreign id is in the way ([ErrWorkflowInProgress])
// the hook fails: it is tried again by its options, and held after the last attempt, to be listed by [Workflow.Held] and tried again by
// [Operator.RetryNow]. What trying again cannot mend, such as a foreign id that is too long, is held at once.
//
// The target may live on another store, and need not run in this process.
func TriggerHook[Type any, Status StatusType, Type2 any, Status2 StatusType](target API[Type2, Status2],
	start func(r *TypedRecord[Type, Status]) (foreignID string, initial *Type2), opts ...TriggerOption[Type2, Status2]) RunStateChangeHookFunc[Type, Status] {
	if target == nil || start == nil {
		return nil // reported when the workflow is built, as every hook that is nil
	}
	opts = slices.Clone(opts)
	return func(ctx context.Context, r *TypedRecord[Type, Status]) error {
		foreignID, initial := start(r)
		if foreignID == "" {
			return nil
		}
		key := "hook/" + r.RunID + "/" + strconv.FormatUint(uint64(r.Meta.Version), 10)
		all := append(slices.Clip(opts), WithStartKey[Type2, Status2](key))
		if initial != nil {
			all = append(all, WithInitialValue[Type2, Status2](initial))
		}
		_, err := target.Trigger(ctx, foreignID, all...)
		for _, lasting := range []error{ErrStartKeyReused, ErrInvalidID, ErrTooLarge, ErrUnknownStatus, ErrAbsurdTime} {
			if errors.Is(err, lasting) {
				return Permanent(err)
			}
		}
		return err
	}
}
