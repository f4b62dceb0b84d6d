package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

const (
	triggerers = 8   // goroutines of a worker that start runs
	awaited    = 256 // runs of a worker that are awaited at the same time
)

// worker is what a killed process does. Everything that it was told is durable it says on descriptor 3, one line each:
//
//	ready
//	T foreignID runID      triggered
//	D foreignID runID      awaited until it was done
//	E foreignID runID      awaited, and it ended cancelled
//	P runID reason         paused
//	R runID reason         resumed after the pause for that reason
//	C runID reason         cancelled
//
// and what its postman says.
type worker struct {
	prefix string
	acks   *os.File
	store  *sqlite.Backend
	flow   *workflow.Workflow[parcel, parcelStatus]
	post   *postman
	fresh  chan string // run ids for the operator
}

func newWorker() (*worker, error) {
	w := &worker{prefix: os.Getenv(envPrefix), acks: os.NewFile(3, "acks"), fresh: make(chan string, 16)}
	var err error
	if w.store, err = sqlite.Open(os.Getenv(envDB)); err != nil {
		return nil, err
	}
	ledger, err := openLedger(w.store.Path(), false)
	if err != nil {
		return nil, err
	}
	if err := ledger.Close(); err != nil {
		return nil, err
	}
	if w.flow, err = newParcels(w.store); err != nil {
		return nil, err
	}
	w.post, err = newPostman(w.store, "l"+w.prefix, w.say)
	return w, err
}

// say acknowledges: one write, so that a line is whole or cut, never mixed.
func (w *worker) say(parts ...string) {
	if _, err := w.acks.WriteString(strings.Join(parts, " ") + "\n"); err != nil {
		fmt.Fprintln(os.Stderr, "acknowledge:", err)
		os.Exit(1)
	}
}

// workParcels is the life of a worker process. It never ends by itself, unless something is wrong.
func workParcels() int {
	w, err := newWorker()
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	ctx := context.Background()
	broken := make(chan error, 1)
	fail := func(err error) {
		select {
		case broken <- err:
		default:
		}
	}
	go func() { fail(w.flow.RunUntil(ctx)) }()
	go func() { fail(w.post.flow.RunUntil(ctx)) }()
	go func() { fail(w.post.work(ctx)) }()
	w.say("ready")
	var seq atomic.Int64
	room := make(chan struct{}, awaited)
	for range triggerers {
		go func() {
			for {
				room <- struct{}{}
				id := fmt.Sprintf("%s-%d", w.prefix, seq.Add(1))
				runID, err := w.trigger(ctx, id)
				if err != nil {
					fail(err)
					return
				}
				go func() {
					defer func() { <-room }()
					if err := w.await(ctx, id, runID); err != nil {
						fail(err)
					}
				}()
			}
		}()
	}
	go func() { fail(w.operate(ctx)) }()
	fmt.Fprintln(os.Stderr, "worker:", <-broken)
	return 1
}

func (w *worker) trigger(ctx context.Context, id string) (string, error) {
	runID, err := w.flow.Trigger(ctx, id, workflow.WithInitialValue[parcel, parcelStatus](&parcel{
		Cents: int64(100 + len(id)), Padding: strings.Repeat("p", 200),
	}))
	if err != nil {
		return "", err
	}
	w.say("T", id, runID)
	select {
	case w.fresh <- runID:
	default: // the operator is busy
	}
	return runID, nil
}

func (w *worker) await(ctx context.Context, id, runID string) error {
	_, err := w.flow.Await(ctx, id, runID, parcelDone)
	switch {
	case err == nil:
		w.say("D", id, runID)
	case errors.Is(err, workflow.ErrRunEnded):
		w.say("E", id, runID)
	default:
		return err
	}
	return nil
}

// operate pauses runs and resumes most of them, and cancels some, as a person would who is in a hurry.
func (w *worker) operate(ctx context.Context) error {
	for n := 0; ; n++ {
		runID := <-w.fresh
		reason := fmt.Sprintf("%s-op%d", w.prefix, n)
		c := w.flow.RunStateController(runID)
		if rand.IntN(4) == 0 {
			if ok, err := tolerate(c.Cancel(ctx, reason)); err != nil {
				return err
			} else if ok {
				w.say("C", runID, reason)
			}
			continue
		}
		ok, err := tolerate(c.Pause(ctx, reason))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		w.say("P", runID, reason)
		if rand.IntN(8) == 0 {
			continue // forgotten
		}
		<-time.After(time.Duration(rand.IntN(3)) * time.Millisecond)
		if err := c.Resume(ctx); err != nil {
			return err
		}
		w.say("R", runID, reason)
	}
}

// tolerate reports whether the operation was done. That the run has ended or is paused already is no failure.
func tolerate(err error) (bool, error) {
	if errors.Is(err, workflow.ErrInvalidTransition) || errors.Is(err, workflow.ErrRunFinished) || errors.Is(err, workflow.ErrRunPaused) {
		return false, nil
	}
	return err == nil, err
}

// drainTimeout is how long the last worker may take to bring every run to its end.
const drainTimeout = 90 * time.Second

// drainParcels is the life of the last worker: it starts nothing new, and ends when no run moves any more.
func drainParcels() int {
	w, err := newWorker()
	if err == nil {
		err = w.drain()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "drain:", err)
		return 1
	}
	w.say("drained")
	return 0
}

func (w *worker) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	w.flow.Run(ctx)
	w.post.flow.Run(ctx)
	for {
		moving, err := w.store.List(ctx, parcelFlow, 0, 1000, backend.OrderTypeAscending,
			backend.FilterByRunState(backend.RunStateInitiated, backend.RunStateRunning))
		if err != nil {
			return err
		}
		if len(moving) == 0 {
			break
		}
		var group sync.WaitGroup
		errs := make([]error, len(moving))
		for i := range moving {
			group.Go(func() { errs[i] = w.await(ctx, moving[i].ForeignID, moving[i].RunID) })
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("runs do not move: %w", err)
		}
	}
	if err := w.post.drain(ctx); err != nil {
		return err
	}
	w.flow.Stop()
	w.post.flow.Stop()
	return w.store.Close()
}
