package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/benchmarks/load"
)

// flowName is the name of the measured workflow.
const flowName = "bench"

// stage is the status of a run: the number of the step that comes next.
type stage int

const (
	first stage = 1
	ended stage = first + load.Steps
)

// String is stored with every version, as the description of its status.
func (s stage) String() string { return strconv.Itoa(int(s)) }

type flow = workflow.Workflow[load.Object, stage]

// steps declares the workflow: each step adds one to the object's counter.
func steps() *workflow.Builder[load.Object, stage] {
	b := workflow.NewBuilder[load.Object, stage](flowName)
	for s := first; s < ended; s++ {
		b.AddStep(s, func(_ context.Context, r *workflow.Run[load.Object, stage]) (stage, error) {
			r.Object.Count++
			return s + 1, nil
		}, s+1)
	}
	return b
}

// ours measures the library on a backend. A backend for a server is one more function that opens it.
func ours(inFlight int, open func(job load.Job) (on backend.Backend, closed func() error, settings map[string]string, err error)) load.Task {
	return load.Measure(func(ctx context.Context, job load.Job) (*load.Engine, error) {
		on, closed, settings, err := open(job)
		if err != nil {
			return nil, err
		}
		w, err := steps().BuildOn(on)
		if err != nil {
			return nil, errors.Join(err, closed())
		}
		return start(ctx, w, inFlight, settings, closed), nil
	})
}

// start runs a workflow of ours.
func start(ctx context.Context, w *flow, inFlight int, settings map[string]string, closed func() error) *load.Engine {
	w.Run(ctx)
	initial := load.NewObject()
	return &load.Engine{
		InFlight: inFlight,
		Settings: settings,
		Modules:  load.Named("modernc.org/sqlite", "modernc.org/libc"),
		Run: func(ctx context.Context, key string) error {
			id, err := w.Trigger(ctx, key, workflow.WithInitialValue[load.Object, stage](&initial))
			if err != nil {
				return fmt.Errorf("trigger: %w", err)
			}
			r, err := w.Await(ctx, key, id, ended)
			if err != nil {
				return fmt.Errorf("await: %w", err)
			}
			return r.Object.Check()
		},
		Close: func() error {
			w.Stop()
			return closed()
		},
	}
}

func nothing() error { return nil }

func openMemory(load.Job) (backend.Backend, func() error, map[string]string, error) {
	return memory.New(), nothing, map[string]string{"durable": "no"}, nil
}

// openSQLite opens the store as everybody does who asks for nothing.
func openSQLite(job load.Job) (backend.Backend, func() error, map[string]string, error) {
	on, err := sqlite.Open(storePath(job))
	if err != nil {
		return nil, nil, nil, err
	}
	return on, on.Close, map[string]string{
		"synchronous": "FULL (the default; Open asks its connection and fails otherwise)", "journal_mode": "wal", "driver": "modernc.org/sqlite",
	}, nil
}

func storePath(job load.Job) string { return filepath.Join(job.Dir, "bench.db") }

// classicTriple measures the classic parts in memory, put together with Build.
func classicTriple(inFlight int) load.Task {
	return load.Measure(func(ctx context.Context, _ load.Job) (*load.Engine, error) {
		w := steps().Build(memstreamer.New(), memrecordstore.New(), memrolescheduler.New())
		return start(ctx, w, inFlight, map[string]string{"durable": "no"}, nothing), nil
	})
}
