package workflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/graph"
	"github.com/stillwater-go/workflow/internal/shim"
)

// StatusType is what a workflow's statuses are made of: an integer type that can name its values. A step that returns the zero
// value without an error leaves the run where it is.
type StatusType interface {
	~int | ~int32 | ~int64
	// String names the status. It may be called from any goroutine.
	String() string
}

// Builder collects what a workflow is made of. Use it from one goroutine; build once.
type Builder[Type any, Status StatusType] struct {
	name      string
	graph     *graph.Graph
	statuses  map[int]Status
	steps     map[Status]*stepConfig[Type, Status]
	callbacks map[Status][]CallbackFunc[Type, Status]
	// callbackOpts by status.
	callbackOpts map[Status]options
	timeouts     map[Status][]*timeoutConfig[Type, Status]
	// signals by the status that accepts them and their name.
	signals    map[Status]map[string]*signalConfig[Type, Status]
	connectors []*connectorConfig[Type, Status]
	hooks      []*hookConfig[Type, Status]
	// hookStatuses are statuses that a hook names; the graph must have them.
	hookStatuses []Status
	renames      map[int]Status
	problems     []error
}

// NewBuilder starts a workflow. The name is stored with every run: it must stay the same, and be unique in its store.
func NewBuilder[Type any, Status StatusType](name string) *Builder[Type, Status] {
	return &Builder[Type, Status]{
		name:         name,
		graph:        graph.New(),
		statuses:     make(map[int]Status),
		steps:        make(map[Status]*stepConfig[Type, Status]),
		callbacks:    make(map[Status][]CallbackFunc[Type, Status]),
		callbackOpts: make(map[Status]options),
		renames:      make(map[int]Status),
		timeouts:     make(map[Status][]*timeoutConfig[Type, Status]),
		signals:      make(map[Status]map[string]*signalConfig[Type, Status]),
	}
}

// AddStep sets what is done with a run that enters the status from: c is called, and the run goes to the status that it returns, which
// must be one of allowedDestinations. There is at most one step for a status.
func (b *Builder[Type, Status]) AddStep(from Status, c ConsumerFunc[Type, Status], allowedDestinations ...Status) *stepUpdater[Type, Status] {
	s := &stepConfig[Type, Status]{fn: c}
	switch {
	case b.steps[from] != nil:
		b.problem("AddStep(%v): the status has a step already", from)
	case c == nil:
		b.problem("AddStep(%v): the function is nil", from)
	case len(allowedDestinations) == 0:
		b.problem("AddStep(%v): name at least one destination", from)
	}
	b.edges(from, allowedDestinations, graph.Step)
	b.steps[from] = s
	return &stepUpdater[Type, Status]{step: s}
}

// AddCallback sets what is done when somebody calls [Workflow.Callback] for a run in the status from. Several of one status are called in the order
// in which they were added, until one moves the run.
func (b *Builder[Type, Status]) AddCallback(from Status, fn CallbackFunc[Type, Status], allowedDestinations ...Status) {
	if fn == nil {
		b.problem("AddCallback(%v): the function is nil", from)
	}
	b.edges(from, allowedDestinations, graph.Callback)
	b.graph.MarkWaits(int(from))
	b.callbacks[from] = append(b.callbacks[from], fn)
}

// AddTimeout sets a timer for every stay in the status from: timer says when it expires, and then tf is called, unless the run has left
// that stay. Several timeouts of one status are independent of each other. Stored timers know theirs by its place among those of the status:
// add further ones behind those that are there.
func (b *Builder[Type, Status]) AddTimeout(from Status, timer TimerFunc[Type, Status], tf TimeoutFunc[Type, Status], allowedDestinations ...Status) *timeoutUpdater[Type, Status] {
	if timer == nil || tf == nil {
		b.problem("AddTimeout(%v): a function is nil", from)
	}
	t := &timeoutConfig[Type, Status]{timer: timer, fn: tf}
	b.edges(from, allowedDestinations, graph.Timeout)
	b.graph.MarkWaits(int(from))
	b.timeouts[from] = append(b.timeouts[from], t)
	return &timeoutUpdater[Type, Status]{builder: b, timeout: t, from: from}
}

// Build makes the workflow on classic parts: a stream, a store and a scheduler of your own or of ours. It panics on misuse (a step
// twice, a nil function, no status at all); problems of the graph are logged. Prefer [Builder.BuildOn], which returns errors.
func (b *Builder[Type, Status]) Build(eventStreamer EventStreamer, recordStore RecordStore, roleScheduler RoleScheduler, opts ...BuildOption) *Workflow[Type, Status] {
	bo := newBuildOptions(opts)
	if len(b.timeouts) > 0 && bo.timeoutStore == nil {
		b.problem("timeouts need a TimeoutStore on classic parts: pass WithTimeoutStore")
	}
	if err := bo.supported(nil); err != nil {
		b.problem("%w", err)
	}
	if eventStreamer == nil || recordStore == nil || roleScheduler == nil {
		b.problem("Build needs a stream, a store and a scheduler")
	}
	if err := errors.Join(append(b.check(), bo.objects.check()...)...); err != nil {
		panic(fmt.Sprintf("workflow %q: %v", b.name, err))
	}
	w := b.make(bo)
	parts := shim.New(w.classicConfig(eventStreamer, recordStore, roleScheduler, bo))
	if err := w.start(parts, b); err != nil {
		panic(fmt.Sprintf("workflow %q: %v", b.name, err))
	}
	for _, p := range b.graph.Problems() {
		w.log.Error(context.Background(), &Error{Op: "build", Workflow: b.name, Err: w.graphError(p)})
	}
	waivers := parts.Waivers()
	if len(b.connectors) > 0 {
		waivers = append(waivers, connectorWaiver)
	}
	waivers = append(waivers, scheduleWaiver)
	for _, waived := range waivers {
		w.log.Debug(context.Background(), "these parts give less", map[string]string{"workflow": b.name, "waived": waived})
	}
	return w
}

// BuildOn makes the workflow on a backend. It returns every problem joined in one error; problems of the graph match [ErrGraph].
// Several workflows may be built on one backend.
func (b *Builder[Type, Status]) BuildOn(on Backend, opts ...BuildOption) (*Workflow[Type, Status], error) {
	if on == nil {
		b.problem("BuildOn needs a backend")
	}
	bo := newBuildOptions(opts)
	problems := append(b.check(), bo.objects.check()...)
	problems = append(problems, b.checkConnectors()...)
	if err := bo.supported(on); err != nil {
		problems = append(problems, err)
	}
	if _, err := cleanUpOf[Type, Status](bo); err != nil {
		problems = append(problems, err)
	}
	w := b.make(bo)
	for _, p := range b.graph.Problems() {
		problems = append(problems, w.graphError(p))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, &Error{Op: "build", Workflow: b.name, Err: err}
	}
	if err := w.start(on, b); err != nil {
		return nil, &Error{Op: "build", Workflow: b.name, Err: err}
	}
	return w, nil
}

// check returns what is wrong with the pieces.
func (b *Builder[Type, Status]) check() []error {
	problems := b.problems
	if err := backend.ValidateID("workflow name", b.name, backend.MaxNameBytes); err != nil {
		problems = append(problems, err)
	}
	if len(b.graph.Statuses()) == 0 {
		problems = append(problems, errors.New("add at least one step, callback, signal or timeout"))
	}
	for _, s := range b.hookStatuses {
		if !b.graph.Has(int(s)) {
			problems = append(problems, fmt.Errorf("OnStatus(%v): %w", s, ErrUnknownStatus))
		}
	}
	problems = append(problems, b.renameProblems()...)
	return problems
}

func (b *Builder[Type, Status]) problem(format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf(format, args...))
}

// beside reports options of something that stands beside the steps, where only steps and connectors have them.
func (b *Builder[Type, Status]) beside(where string, o options) {
	if o.parallelCount != 0 {
		b.problem("%s: a parallel count is for steps and connectors", where)
	}
	if o.lag != 0 {
		b.problem("%s: a consume lag is for steps and connectors", where)
	}
}

// edges declares the moves out of a status.
func (b *Builder[Type, Status]) edges(from Status, to []Status, kind graph.Kind) {
	b.statuses[int(from)] = from
	b.graph.AddNode(int(from))
	for _, t := range to {
		b.statuses[int(t)] = t
		b.graph.AddEdge(int(from), int(t), kind)
	}
}

// make puts the untyped workflow together.
func (b *Builder[Type, Status]) make(bo buildOptions) *Workflow[Type, Status] {
	w := newWorkflow(b, bo)
	spec := &engine.Spec{
		Name: b.name, Graph: b.graph, Clock: w.clock, Log: w.log, Knows: b.graph.Has,
		Steps:      make(map[int]*engine.Handler),
		Timeouts:   make(map[int][]*engine.Timeout),
		AutoResume: bo.resumeAfter, StopTimeout: bo.stopTimeout, Retry: bo.defaults.policy(), NoJitter: bo.noJitter,
	}
	for status, s := range b.steps {
		h := s.opts.over(bo.defaults).handler()
		h.Run = w.stepHandler(s.fn)
		w.parallelCounts[int(status)] = s.opts.over(bo.defaults).parallelCount
		spec.Steps[int(status)] = &h
	}
	for status, ts := range b.timeouts {
		for _, t := range ts {
			h := t.opts.over(bo.defaults).handler()
			h.Lag = 0
			h.Run = w.timeoutHandler(t.fn)
			spec.Timeouts[int(status)] = append(spec.Timeouts[int(status)], &engine.Timeout{Handler: h, Timer: w.timer(t.timer)})
		}
	}
	spec.Renames = w.renameSpecs(b.renames)
	spec.Retention = w.retentionSpec(bo)
	w.signals = b.signals
	spec.Signals = w.signalHandlers(bo.defaults)
	w.hooks = b.hooks
	spec.Hooks = w.hookSpecs(b.hooks, bo.defaults)
	if ec := bo.errorCounter; ec != nil {
		spec.Failed = func(err error, receiver, runID string) { ec.Add(err, b.name, receiver, runID) }
	}
	del := bo.defaults.handler()
	del.Run = w.deleteHandler(bo.customDelete)
	spec.Delete = &del
	w.spec = spec
	return w
}

// The user's functions. All of them are called under recover and a deadline, with no lock and no transaction held, and may be called
// again for the same version after a crash: use [Run.IdempotencyKey] with outside systems.
type (
	// ConsumerFunc is a step. It changes r.Object and returns the status to go to.
	ConsumerFunc[Type any, Status StatusType] func(ctx context.Context, r *Run[Type, Status]) (Status, error)
	// CallbackFunc handles a callback; reader holds its payload.
	CallbackFunc[Type any, Status StatusType] func(ctx context.Context, r *Run[Type, Status], reader io.Reader) (Status, error)
	// TimerFunc says when a timer of the run expires; the zero time means never, a past time at once. It sees a copy of the run.
	TimerFunc[Type any, Status StatusType] func(ctx context.Context, r *Run[Type, Status], now time.Time) (time.Time, error)
	// TimeoutFunc is called when a timer has expired.
	TimeoutFunc[Type any, Status StatusType] func(ctx context.Context, r *Run[Type, Status], now time.Time) (Status, error)
)
