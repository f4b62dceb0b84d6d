// Command temporal measures a Temporal server within its own process, as a child of the harness two folders above: on SQLite in memory, which
// is what temporaltest gives its users, on a SQLite file that is forced to the disk, and on Postgres.
//
// The work is a workflow of three activities. Client, worker and server talk over the loopback, as they do where they are apart.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

func main() {
	os.Exit(load.Main(map[string]load.Task{
		"temporal-memory":   load.Measure(open(sqliteInMemory)),
		"temporal-sqlite":   load.Measure(open(sqliteFile)),
		"temporal-postgres": load.Measure(open(postgres)),
	}))
}

const (
	namespace = "bench"
	taskQueue = "bench"
)

// count is the activity: it adds one.
func count(_ context.Context, o load.Object) (load.Object, error) {
	o.Count++
	return o, nil
}

// flow is the measured workflow.
func flow(ctx workflow.Context, o load.Object) (load.Object, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	for range load.Steps {
		if err := workflow.ExecuteActivity(ctx, count, o).Get(ctx, &o); err != nil {
			return o, err
		}
	}
	return o, nil
}

// open starts a server on a store, a client and a worker.
func open(on func(ctx context.Context, job load.Job) (*store, error)) load.Opener {
	return func(ctx context.Context, job load.Job) (*load.Engine, error) {
		s, err := on(ctx, job)
		if err != nil {
			return nil, err
		}
		server, address, err := serve(s)
		if err != nil {
			return nil, err
		}
		c, err := dial(ctx, address)
		if err != nil {
			return nil, errors.Join(err, server.Stop())
		}
		w := worker.New(c, taskQueue, worker.Options{
			MaxConcurrentActivityTaskPollers: pollers, MaxConcurrentWorkflowTaskPollers: pollers,
		})
		w.RegisterWorkflow(flow)
		w.RegisterActivity(count)
		if err := w.Start(); err != nil {
			return nil, errors.Join(err, server.Stop())
		}
		return &load.Engine{
			InFlight: s.inFlight,
			Settings: s.settings(),
			Modules:  load.Named("go.temporal.io/server", "go.temporal.io/sdk", "modernc.org/sqlite", "modernc.org/libc", "github.com/jackc/pgx/v5"),
			Run: func(ctx context.Context, key string) error {
				r, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: key, TaskQueue: taskQueue}, flow, load.NewObject())
				if err != nil {
					return fmt.Errorf("start: %w", err)
				}
				var o load.Object
				if err := r.Get(ctx, &o); err != nil {
					return fmt.Errorf("result: %w", err)
				}
				return o.Check()
			},
			Close: func() error {
				w.Stop()
				c.Close()
				return server.Stop()
			},
		}, nil
	}
}

// pollers is how many calls of the worker wait for tasks of each kind: more than the two of its default, which would bound throughput.
const pollers = 16

// dial connects a client and makes the namespace.
func dial(ctx context.Context, address string) (client.Client, error) {
	options := client.Options{HostPort: address, Namespace: namespace, Logger: quiet{}}
	names, err := client.NewNamespaceClient(options)
	if err != nil {
		return nil, err
	}
	defer names.Close()
	request := &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		HistoryArchivalState: enumspb.ARCHIVAL_STATE_DISABLED, VisibilityArchivalState: enumspb.ARCHIVAL_STATE_DISABLED,
	}
	if err := insist(ctx, "make the namespace", func() error { return names.Register(ctx, request) }); err != nil {
		return nil, err
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, err
	}
	// The server's caches hear of the namespace some seconds later.
	return c, insist(ctx, "find the namespace", func() error {
		_, err := c.DescribeTaskQueue(ctx, taskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		return err
	})
}

// insist calls fn again and again while the server is coming up.
func insist(ctx context.Context, what string, fn func() error) error {
	for deadline := time.Now().Add(time.Minute); ; {
		err := fn()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// quiet keeps the client's errors alone.
type quiet struct{}

var _ sdklog.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(text string, pairs ...any) {
	// There is nowhere to tell that this cannot be told.
	_, _ = fmt.Fprintln(os.Stderr, append([]any{text}, pairs...)...)
}
