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

// retentionSpec makes the engine's view of the retention.
func (bo buildOptions) retentionSpec() *engine.Retention {
	if bo.retention <= 0 {
		return nil
	}
	r := &engine.Retention{After: bo.retention}
	if bo.cleanUp != nil {
		r.CleanUp = bo.defaults.handler()
		r.CleanUp.Run = func(ctx context.Context, a *engine.Attempt) (machine.Answer, error) {
			return machine.Answer{}, bo.cleanUp(ctx, a.Record)
		}
	}
	return r
}
