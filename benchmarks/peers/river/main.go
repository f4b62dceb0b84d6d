// Command river measures River on SQLite and on Postgres, as a child of the harness two folders above.
//
// A run is made in two ways. In a chain, each step is a job, whose completion and successor are committed in one transaction. In a resumable
// job, one job goes through all steps, and each step's object is committed before the next step begins.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stillwater-go/workflow/benchmarks/load"
)

func main() {
	os.Exit(load.Main(map[string]load.Task{
		"river-sqlite":             load.Measure(openSQLite(startChain)),
		"river-resumable-sqlite":   load.Measure(openSQLite(startResumable)),
		"river-postgres":           load.Measure(openPostgres(startChain)),
		"river-resumable-postgres": load.Measure(openPostgres(startResumable)),
	}))
}

// workers is how many jobs are worked at once.
const workers = 128

// cooldown is the shortest pause between two fetches of jobs that River allows. Its default of 100 ms bounds throughput, as its page says.
const cooldown = river.FetchCooldownMin

// transactions are how a store makes them.
type transactions[T any] struct {
	begin    func(ctx context.Context) (T, error)
	commit   func(ctx context.Context, tx T) error
	rollback func(ctx context.Context, tx T) error
}

// within calls fn in a transaction and commits it.
func (t transactions[T]) within(ctx context.Context, fn func(tx T) error) error {
	tx, err := t.begin(ctx)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		_ = t.rollback(ctx, tx) // the first error tells more
		return err
	}
	return t.commit(ctx, tx)
}

// start migrates the store and runs a client with its defaults, but for the cooldown and the number of workers.
func start[T any](ctx context.Context, driver riverdriver.Driver[T], w *river.Workers) (*river.Client[T], error) {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: logger()})
	if err != nil {
		return nil, err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	c, err := river.NewClient(driver, &river.Config{
		FetchCooldown: cooldown,
		Logger:        logger(),
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers:       w,
	})
	if err != nil {
		return nil, err
	}
	return c, c.Start(ctx)
}

func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// stopIn is how long the client may take to stop.
const stopIn = 30 * time.Second

func stop[T any](c *river.Client[T]) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopIn)
	defer cancel()
	return c.Stop(ctx)
}
