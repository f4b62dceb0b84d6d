package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Engine is a running engine, ready for runs.
type Engine struct {
	// Run takes one run through its steps and returns when its caller can know that it ended well. It is called by many goroutines at once,
	// each time with another key.
	Run func(ctx context.Context, key string) error
	// Close ends the engine.
	Close func() error
	// InFlight is how many runs at once suit the engine best.
	InFlight int
	// Settings are told in the outcome.
	Settings map[string]string
	// Modules are those whose versions are told.
	Modules map[string]string
}

// Opener makes an engine ready.
type Opener func(ctx context.Context, job Job) (*Engine, error)

// patience is how long runs that are in flight may take to end when the load is over, beyond the time of the job.
const patience = time.Minute

// Measure returns the task that takes an engine through all scenarios.
func Measure(open Opener) Task {
	return func(ctx context.Context, job Job) (*Outcome, error) {
		ctx, cancel := context.WithTimeout(ctx, job.Warmup+job.Load+job.Lone+job.Settle+job.Idle+2*patience)
		defer cancel()
		e, err := open(ctx, job)
		if err != nil {
			return nil, fmt.Errorf("open: %w", err)
		}
		o, err := e.measure(ctx, job)
		if cerr := e.Close(); cerr != nil {
			err = errors.Join(err, fmt.Errorf("close: %w", cerr))
		}
		return o, err
	}
}

func (e *Engine) measure(ctx context.Context, job Job) (*Outcome, error) {
	o := &Outcome{Settings: e.Settings, Modules: e.Modules, InFlight: e.InFlight}
	if job.InFlight > 0 {
		o.InFlight = job.InFlight
	}
	if err := e.load(ctx, job, o); err != nil {
		return nil, fmt.Errorf("many runs: %w", err)
	}
	o.PeakRSS = peakRSS()
	if err := pause(ctx, job.Settle/2); err != nil {
		return nil, err
	}
	lone, err := e.lone(ctx, job.Lone)
	if err != nil {
		return nil, fmt.Errorf("lone run: %w", err)
	}
	o.Lone = lone
	if job.Idle > 0 {
		if o.Idle, err = e.idle(ctx, job); err != nil {
			return nil, fmt.Errorf("idle: %w", err)
		}
	}
	return o, nil
}

// load keeps so many runs in flight: as soon as one ends the next is started. Counted are the runs that end between the warm-up and the end
// of the time; those still in flight then are brought to their end and count for nothing.
func (e *Engine) load(ctx context.Context, job Job, o *Outcome) error {
	var ended atomic.Int64
	var over atomic.Bool
	failed := make(chan error, o.InFlight)
	var group sync.WaitGroup
	for g := range o.InFlight {
		group.Go(func() {
			for n := 0; !over.Load(); n++ {
				if err := e.Run(ctx, "load-"+strconv.Itoa(g)+"-"+strconv.Itoa(n)); err != nil {
					over.Store(true)
					failed <- err
					return
				}
				ended.Add(1)
			}
		})
	}
	err := func() error {
		if err := pauseOr(ctx, job.Warmup, failed); err != nil {
			return err
		}
		before, from, runs := usage(job), time.Now(), ended.Load()
		if err := pauseOr(ctx, job.Load, failed); err != nil {
			return err
		}
		o.Runs, o.Seconds = ended.Load()-runs, time.Since(from).Seconds()
		spent := usage(job).Less(before)
		o.CPU, o.ServerCPU, o.Written = spent.CPU.Seconds(), spent.ServerCPU.Seconds(), spent.Written
		return nil
	}()
	over.Store(true)
	group.Wait()
	close(failed)
	return errors.Join(err, <-failed)
}

// lone measures runs one at a time, at least a few of them.
func (e *Engine) lone(ctx context.Context, long time.Duration) (*Latency, error) {
	const least, warm = 30, 5
	var took []time.Duration
	for n, begun := 0, time.Now(); len(took) < least || time.Since(begun) < long; n++ {
		from := time.Now()
		if err := e.Run(ctx, "lone-"+strconv.Itoa(n)); err != nil {
			return nil, err
		}
		if n >= warm {
			took = append(took, time.Since(from))
		}
	}
	return Latencies(took), nil
}

// idle watches the engine doing nothing.
func (e *Engine) idle(ctx context.Context, job Job) (*Idle, error) {
	if err := pause(ctx, job.Settle); err != nil {
		return nil, err
	}
	queries, err := job.Postgres.transactions(ctx)
	if err != nil {
		return nil, err
	}
	before, from := usage(job), time.Now()
	if err := pause(ctx, job.Idle); err != nil {
		return nil, err
	}
	spent, long := usage(job).Less(before), time.Since(from).Seconds()
	after, err := job.Postgres.transactions(ctx)
	if err != nil {
		return nil, err
	}
	i := &Idle{Seconds: long, CPU: 100 * spent.CPU.Seconds() / long, ServerCPU: 100 * spent.ServerCPU.Seconds() / long,
		Switches: float64(spent.Switches) / long, Queries: -1}
	if job.Postgres != nil {
		i.Queries = float64(after-queries) / long
	}
	return i, nil
}

// pause lets a while pass.
func pause(ctx context.Context, d time.Duration) error { return pauseOr(ctx, d, nil) }

// pauseOr lets a while pass, unless something fails.
func pauseOr(ctx context.Context, d time.Duration, failed <-chan error) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case err := <-failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
