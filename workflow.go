package workflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/graph"
)

// API is what a program does with a built workflow. [Workflow] implements it; depend on it to be testable.
type API[Type any, Status StatusType] interface {
	// Name returns the workflow's name.
	Name() string
	// Trigger starts a run; see [Workflow.Trigger].
	Trigger(ctx context.Context, foreignID string, opts ...TriggerOption[Type, Status]) (runID string, err error)
	// Schedule starts runs at the times of a spec; see [Workflow.Schedule].
	Schedule(foreignID string, spec string, opts ...ScheduleOption[Type, Status]) error
	// Await waits until a run has reached a status; see [Workflow.Await].
	Await(ctx context.Context, foreignID, runID string, status Status, opts ...AwaitOption) (*Run[Type, Status], error)
	// Callback hands a payload to the run's present status; see [Workflow.Callback].
	Callback(ctx context.Context, foreignID string, status Status, payload io.Reader) error
	// Run starts working on runs; see [Workflow.Run].
	Run(ctx context.Context)
	// Stop ends working on runs; see [Workflow.Stop].
	Stop()
}

// Workflow is a built workflow. It can trigger, await and control runs at once; after [Workflow.Run] this process also works on them. All
// methods are safe for concurrent use.
type Workflow[Type any, Status StatusType] struct {
	name         string
	graph        *graph.Graph
	statuses     map[int]Status
	callbacks    map[Status][]CallbackFunc[Type, Status]
	callbackOpts map[Status]options
	opts         buildOptions
	clock        Clock
	log          *logger
	spec         *engine.Spec
	flow         *engine.Flow
	processes    processes
	nobody       *Operator // acts on the workflow's runs in nobody's name; immutable
	origins      sync.Map  // by program counter: the texts of the places that trigger
	// parallelCounts by status: over how many roles it is spread on classic parts.
	parallelCounts map[int]int
	// objects turns objects and payloads into stored bytes and back.
	objects objects

	connectors []*connector
	schedules  *schedules[Type] // nil in an inner workflow, and where the name leaves no room for theirs
	companions []companion      // in the order of their start

	mu      sync.Mutex
	started bool
	stopped bool
	// quitStart ends the tries to start, where the first one failed.
	quitStart context.CancelFunc
	starting  sync.WaitGroup
	hooks     []*hookConfig[Type, Status]
	signals   map[Status]map[string]*signalConfig[Type, Status]
}

func newWorkflow[Type any, Status StatusType](b *Builder[Type, Status], bo buildOptions) *Workflow[Type, Status] {
	w := &Workflow[Type, Status]{
		name: b.name, graph: b.graph, statuses: b.statuses, callbacks: b.callbacks, callbackOpts: b.callbackOpts,
		parallelCounts: make(map[int]int),
		opts:           bo, clock: bo.clock, log: newLogger(bo.logger, bo.debug),
	}
	w.objects = newObjects(reflect.TypeFor[Type](), bo.objects)
	if w.clock == nil {
		w.clock = backend.RealClock{}
	}
	return w
}

// start puts the workflow on its backend.
func (w *Workflow[Type, Status]) start(on Backend, b *Builder[Type, Status]) error {
	w.flow = engine.NewFlow(on, w.spec)
	w.nobody = w.newOperator()
	w.processes.init(w.processNames())
	if err := w.addConnectors(on, b.connectors); err != nil {
		return err
	}
	return w.addSchedules(on)
}

// Name returns the workflow's name.
func (w *Workflow[Type, Status]) Name() string { return w.name }

// Backend returns what the workflow was built on; for one built on classic parts, the backend that was made of them. Read from it what the
// workflow's own methods do not tell; write nothing to it. It belongs to whoever opened it.
func (w *Workflow[Type, Status]) Backend() Backend { return w.flow.Engine().Backend() }

// Run starts working on runs in the background and returns at once. It goes on until [Workflow.Stop], or until ctx ends, which also ends the
// contexts of running steps. A second call does nothing. A store that cannot be reached is logged and tried again until it can;
// [Workflow.Health] says so meanwhile. Use [Workflow.RunUntil] to wait, and to learn why it could not start.
func (w *Workflow[Type, Status]) Run(ctx context.Context) {
	err := w.run(ctx)
	if err == nil {
		return
	}
	w.log.Error(ctx, &Error{Op: "run", Workflow: w.name, Err: err, Hint: "tried again by itself"})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.quitStart != nil || w.started {
		return
	}
	trying, quit := context.WithCancel(ctx)
	w.quitStart = quit
	w.starting.Go(func() {
		for wait := firstStart; realPause(trying, wait); wait = min(2*wait, lastStart) {
			if w.run(ctx) == nil {
				return
			}
		}
	})
}

// The waits between tries to start.
const (
	firstStart = 20 * time.Millisecond
	lastStart  = 5 * time.Second
)

// RunUntil is Run that blocks until ctx ends, and then until everything is stopped. It returns an error when the backend cannot be used.
func (w *Workflow[Type, Status]) RunUntil(ctx context.Context) error {
	if err := w.run(ctx); err != nil {
		return &Error{Op: "run", Workflow: w.name, Err: err}
	}
	<-ctx.Done()
	w.Stop()
	return nil
}

func (w *Workflow[Type, Status]) run(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started {
		return nil
	}
	if err := w.flow.Run(ctx); err != nil {
		return err
	}
	w.started = true
	for _, c := range w.companions {
		c.start(ctx)
	}
	return nil
}

// Stop ends working on runs: nothing new starts, running steps may finish until the stop timeout, then their contexts end. What was not
// finished goes on where the workflow runs next; nothing is marked as failed by it. Stop waits until all of that is through.
func (w *Workflow[Type, Status]) Stop() {
	w.mu.Lock()
	if w.quitStart != nil {
		w.quitStart()
	}
	w.mu.Unlock()
	w.starting.Wait()
	w.mu.Lock()
	started := w.started
	w.mu.Unlock()
	if !started {
		return
	}
	w.stopCompanions()
	w.flow.Stop()
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
}

// Health returns nil while all is well. Otherwise it says what stands in the way: [ErrStoreFailing], [ErrStuckHandlers],
// [ErrConnectorFailing], or several joined. It reads nothing and returns at once.
func (w *Workflow[Type, Status]) Health() error {
	w.mu.Lock()
	trying := w.quitStart != nil && !w.started
	w.mu.Unlock()
	if trying {
		return fmt.Errorf("%w: the workflow could not be started yet", ErrStoreFailing)
	}
	return errors.Join(w.flow.Engine().Health(), w.companionHealth())
}

// graphError puts a problem of the graph in the user's words.
func (w *Workflow[Type, Status]) graphError(p graph.Problem) error {
	return fmt.Errorf("%w: %s", ErrGraph, p.Describe(w.describe))
}

// describe names a status for people.
func (w *Workflow[Type, Status]) describe(status int) string {
	if s, ok := w.statuses[status]; ok {
		return fmt.Sprintf("%s (%d)", w.statusName(int(s)), status)
	}
	return fmt.Sprint(status)
}
