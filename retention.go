package workflow

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// supported reports options that the backend cannot keep; nil stands for classic parts.
func (bo buildOptions) supported(on Backend) error {
	if bo.retention < 0 {
		return fmt.Errorf("WithRetention(%v): the time is negative", bo.retention)
	}
	if _, erases := on.(backend.Eraser); bo.retention > 0 && !erases {
		return fmt.Errorf("%w: WithRetention needs a backend that can erase runs", ErrUnsupported)
	}
	return nil
}

// cleanUpOf returns the clean-up of a workflow of these types, nil for none.
func cleanUpOf[Type any, Status StatusType](bo buildOptions) (func(context.Context, *TypedRecord[Type, Status]) error, error) {
	if bo.cleanUp == nil {
		return nil, nil
	}
	fn, ok := bo.cleanUp.(func(context.Context, *TypedRecord[Type, Status]) error)
	if !ok || fn == nil {
		return nil, fmt.Errorf("WithCleanUp: a %T cannot clean up after runs of this workflow", bo.cleanUp)
	}
	return fn, nil
}

// retentionSpec makes the engine's view of the retention.
func (w *Workflow[Type, Status]) retentionSpec(bo buildOptions) *engine.Retention {
	if bo.retention <= 0 {
		return nil
	}
	r := &engine.Retention{After: bo.retention}
	if fn, _ := cleanUpOf[Type, Status](bo); fn != nil { // BuildOn has reported the error
		r.CleanUp = bo.defaults.handler()
		r.CleanUp.Run = func(ctx context.Context, a *engine.Attempt) (machine.Answer, error) {
			t, err := w.typedRecord(a.Record)
			if err != nil {
				return machine.Answer{}, err
			}
			return machine.Answer{}, fn(ctx, t)
		}
	}
	return r
}
