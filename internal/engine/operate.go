package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// maxReread bounds how often an operation that lost against other commits reads the run again.
const maxReread = 16

// Operate changes a run as an operator: rule is one of machine's. When another commit comes between, the run is read again.
func (f *Flow) Operate(ctx context.Context, runID string, actor string, rule func(rec *backend.Record) (*backend.Record, error)) error {
	e := f.engine
	for try := 0; ; try++ {
		rec, err := e.b.Lookup(ctx, runID)
		if err != nil {
			return err
		}
		if rec.WorkflowName != f.spec.Name {
			return fmt.Errorf("%w: run %s is of workflow %s", backend.ErrRecordNotFound, runID, backend.Quote(rec.WorkflowName))
		}
		next, err := rule(rec)
		if err != nil {
			return err
		}
		c := &backend.Change{Record: next, From: machine.At(rec), Cause: backend.CauseOperator, Actor: actor}
		switch {
		case rec.RunState == backend.RunStatePaused && next.RunState.Moving():
			c.Done = append(c.Done, backend.DeliveryKey{RunID: runID, Receiver: backend.ReceiverResume, Version: rec.Meta.Version})
		case next.RunState.Finished():
			f.timersOf(c, rec)
		}
		err = e.Commit(ctx, c)
		if !errors.Is(err, backend.ErrVersionConflict) || try >= maxReread {
			return err
		}
	}
}
