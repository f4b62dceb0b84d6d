package workflow

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// companion is something that runs beside the workflow's flow: it is started after it and stopped before it.
type companion interface {
	// start begins the work in the background, until stop or the end of ctx. It returns at once; what stands in its way is tried again.
	start(ctx context.Context)
	// stop ends the work: what is under way may finish until the workflow's stop timeout. It returns false where something still ran
	// a moment after that.
	stop() (ended bool)
	// states says what its processes do in this program, by name.
	states() map[string]State
	// health is nil while all is well.
	health() error
}

// stopCompanions ends all of them at the same time, and waits for them.
func (w *Workflow[Type, Status]) stopCompanions() {
	var wg sync.WaitGroup
	for _, c := range w.companions {
		wg.Go(func() {
			if !c.stop() {
				w.log.Error(context.Background(), &Error{Op: "stop", Workflow: w.name, Err: ErrStuckHandlers, Hint: "user code ignores its context"})
			}
		})
	}
	wg.Wait()
}

// companionStates adds what the companions' processes do.
func (w *Workflow[Type, Status]) companionStates(to map[string]State) {
	for _, c := range w.companions {
		maps.Copy(to, c.states())
	}
}

func (w *Workflow[Type, Status]) companionHealth() error {
	errs := make([]error, 0, len(w.companions))
	for _, c := range w.companions {
		errs = append(errs, c.health())
	}
	return errors.Join(errs...)
}

// inner is a workflow of ours beside the user's, on the same backend.
type inner[Type any, Status StatusType] struct {
	w        *Workflow[Type, Status]
	starting sync.WaitGroup
}

// innerOptions are an inner workflow's options: the outer one's, but for what is about the user's own types. Its codecs stay: what an inner
// workflow keeps may hold the user's data.
func innerOptions(outer buildOptions) BuildOption {
	return func(bo *buildOptions) {
		*bo = outer
		bo.inner = true
		bo.customDelete, bo.cleanUp = nil, nil
		bo.objects.version, bo.objects.upgrades = 0, nil
		bo.objects.limit, bo.objects.limited = 0, false
	}
}

func (i *inner[Type, Status]) start(ctx context.Context) {
	i.starting.Go(func() { i.w.Run(ctx) })
}

func (i *inner[Type, Status]) stop() bool {
	i.starting.Wait()
	i.w.Stop()
	return true
}

// states is empty: the workflow that it belongs to speaks of the process that feeds it.
func (*inner[Type, Status]) states() map[string]State { return nil }

// health is that of the engine, which the outer workflow reports.
func (*inner[Type, Status]) health() error { return nil }

// realPause waits by the machine's clock: for parts that fail, whatever the workflow's clock says. It reports false when ctx ended first.
func realPause(ctx context.Context, d time.Duration) bool {
	timer, stop := context.WithTimeout(ctx, d)
	defer stop()
	<-timer.Done()
	return ctx.Err() == nil
}
