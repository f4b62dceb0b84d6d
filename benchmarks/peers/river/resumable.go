package main

import (
	"context"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/stillwater-go/workflow/benchmarks/load"
)

// runArgs is a job that does all steps of a run.
type runArgs struct {
	Key    string      `json:"key"`
	Object load.Object `json:"object"`
}

// Kind names the job in the store.
func (runArgs) Kind() string { return "run" }

// runWorker goes through the steps of a run with a cursor, which is the object.
type runWorker[D riverdriver.Driver[T], T any] struct {
	river.WorkerDefaults[runArgs]
	in      transactions[T]
	waiters *waiters
}

// Work does all steps, from the one after the last that was committed. Without the transactions, River would keep the cursor only when the job
// ends or fails, and a kill would lose the steps. The completion is committed with the last step.
func (w *runWorker[D, T]) Work(ctx context.Context, job *river.Job[runArgs]) error {
	o := job.Args.Object
	river.ResumableStepCursor(ctx, "count", nil, func(ctx context.Context, cursor load.Object) error {
		if cursor.Count > 0 {
			o = cursor
		}
		for o.Count < load.Steps {
			o.Count++
			err := w.in.within(ctx, func(tx T) error {
				if _, err := river.ResumableSetStepCursorTx[D](ctx, tx, job, o); err != nil {
					return err
				}
				if o.Count < load.Steps {
					return nil
				}
				_, err := river.JobCompleteTx[D](ctx, tx, job)
				return err
			})
			if err != nil {
				return err
			}
		}
		w.waiters.ended(job.Args.Key, o)
		return nil
	})
	return nil
}

// resumable makes the engine whose runs are one job each.
func resumable[D riverdriver.Driver[T], T any](ctx context.Context, driver D, in transactions[T]) (*load.Engine, error) {
	ends := &waiters{}
	w := river.NewWorkers()
	river.AddWorker(w, &runWorker[D, T]{in: in, waiters: ends})
	c, err := start[T](ctx, driver, w)
	if err != nil {
		return nil, err
	}
	return engineOf(c, ends, func(key string) river.JobArgs { return runArgs{Key: key, Object: load.NewObject()} }), nil
}
