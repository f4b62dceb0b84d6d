package workflow

import (
	"context"
	"sync"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
)

// scheduleKeeper runs the workflow of the schedules once there is one: stored before, or by whatever process later. Most workflows have none, and
// for those it costs one read at the start. It is a companion of its workflow.
type scheduleKeeper struct {
	run  inner[scheduleObject, scheduleStatus]
	tell func() map[string]State

	mu      sync.Mutex
	ctx     context.Context // given to start; nil before
	begun   bool
	stopped bool
	unmeet  func()
	quit    context.CancelFunc
	looking sync.WaitGroup
}

func (k *scheduleKeeper) start(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ctx = ctx
	// Ask to be told before looking, so that nothing falls between.
	k.unmeet = k.run.w.flow.Engine().OnFirst(k.run.w.name, k.begin)
	var look context.Context
	look, k.quit = context.WithCancel(ctx)
	k.looking.Go(func() {
		if k.any(look) {
			k.begin()
		}
	})
}

// any reports whether a schedule is stored. While the store fails it looks again.
func (k *scheduleKeeper) any(ctx context.Context) bool {
	w := k.run.w
	for wait := firstStart; ; wait = min(2*wait, lastStart) {
		found, err := engine.FinderOf(w.flow.Engine().Backend()).Find(ctx, backend.Query{
			WorkflowName: w.name, Limit: 1, Filters: []RecordFilter{FilterByRunState(RunStateInitiated, RunStateRunning, RunStatePaused)},
		})
		if err == nil {
			return len(found) > 0
		}
		if ctx.Err() != nil {
			return false
		}
		if wait == firstStart {
			w.log.Error(ctx, &Error{Op: "look for schedules", Workflow: w.name, Err: err, Hint: "looked for again by itself"})
		}
		realPause(ctx, wait)
	}
}

// begin starts the workflow of the schedules, once.
func (k *scheduleKeeper) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.begun || k.stopped {
		return
	}
	k.begun = true
	k.run.start(k.ctx)
}

func (k *scheduleKeeper) stop() bool {
	k.mu.Lock()
	k.stopped = true
	quit, unmeet := k.quit, k.unmeet
	k.mu.Unlock()
	if quit != nil {
		quit()
		unmeet()
	}
	k.looking.Wait()
	return k.run.stop()
}

func (k *scheduleKeeper) states() map[string]State { return k.tell() }

// health is that of the engine, which the outer workflow reports.
func (*scheduleKeeper) health() error { return nil }
