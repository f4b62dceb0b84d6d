package main

import (
	"context"
	"sync"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/stillwater-go/workflow/benchmarks/load"
)

// stepArgs is a job that does one step of a run.
type stepArgs struct {
	Key    string      `json:"key"`
	Object load.Object `json:"object"`
}

// Kind names the job in the store.
func (stepArgs) Kind() string { return "step" }

// waiters are those who wait for the end of a run.
type waiters struct{ byKey sync.Map }

func (w *waiters) wait(key string) <-chan load.Object {
	ch := make(chan load.Object, 1)
	w.byKey.Store(key, ch)
	return ch
}

func (w *waiters) ended(key string, o load.Object) {
	if ch, ok := w.byKey.LoadAndDelete(key); ok {
		ch.(chan load.Object) <- o
	}
}

// stepWorker does a step: it counts, and commits its own completion with the job of the next step.
type stepWorker[D riverdriver.Driver[T], T any] struct {
	river.WorkerDefaults[stepArgs]
	in      transactions[T]
	waiters *waiters
}

// Work does one step.
func (w *stepWorker[D, T]) Work(ctx context.Context, job *river.Job[stepArgs]) error {
	next := job.Args
	next.Object.Count++
	err := w.in.within(ctx, func(tx T) error {
		if next.Object.Count < load.Steps {
			if _, err := river.ClientFromContext[T](ctx).InsertTx(ctx, tx, next, nil); err != nil {
				return err
			}
		}
		_, err := river.JobCompleteTx[D](ctx, tx, job)
		return err
	})
	if err == nil && next.Object.Count == load.Steps {
		w.waiters.ended(next.Key, next.Object)
	}
	return err
}

// chain makes the engine whose runs are chains of jobs.
func chain[D riverdriver.Driver[T], T any](ctx context.Context, driver D, in transactions[T]) (*load.Engine, error) {
	ends := &waiters{}
	w := river.NewWorkers()
	river.AddWorker(w, &stepWorker[D, T]{in: in, waiters: ends})
	c, err := start[T](ctx, driver, w)
	if err != nil {
		return nil, err
	}
	return engineOf(c, ends, func(key string) river.JobArgs { return stepArgs{Key: key, Object: load.NewObject()} }), nil
}

// engineOf is the engine whose runs begin with a job and end when ends hears of them.
func engineOf[T any](c *river.Client[T], ends *waiters, first func(key string) river.JobArgs) *load.Engine {
	return &load.Engine{
		Run: func(ctx context.Context, key string) error {
			end := ends.wait(key)
			if _, err := c.Insert(ctx, first(key), nil); err != nil {
				return err
			}
			return check(ctx, end)
		},
		Close: func() error { return stop(c) },
	}
}

func check(ctx context.Context, end <-chan load.Object) error {
	select {
	case o := <-end:
		return o.Check()
	case <-ctx.Done():
		return ctx.Err()
	}
}
