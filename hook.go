package workflow

import (
	"context"
	"strconv"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// RunStateChangeHookFunc is told that something happened to a run; the record is the run as of then. It gets every event at least once, of
// one run in order, and never holds a run up. One that fails is called again with growing waits; after the last attempt the delivery is
// held until an operator tries it again: see [Workflow.Held] and [Operator.RetryNow].
type RunStateChangeHookFunc[Type any, Status StatusType] func(ctx context.Context, record *TypedRecord[Type, Status]) error

type hookConfig[Type any, Status StatusType] struct {
	name  string // stored with deliveries: never changes
	wants func(from backend.Point, rec *Record) bool
	// status is the one that the hook is about; every says that it is about all.
	status Status
	about  hookSubject
	fn     RunStateChangeHookFunc[Type, Status]
	opts   options
}

// hookSubject is what a hook is about.
type hookSubject int

const (
	aboutRunState hookSubject = iota
	aboutStatus
	aboutEveryStatus
)

// hookUpdater sets a hook's options.
type hookUpdater[Type any, Status StatusType] struct {
	builder *Builder[Type, Status]
	verb    string
	hook    *hookConfig[Type, Status]
}

// WithOptions sets the hook's options: backoff, attempts, deadline. What it leaves open keeps what an earlier call set, or the workflow's
// default. A parallel count or a lag is a mistake.
func (h *hookUpdater[Type, Status]) WithOptions(opts ...Option) {
	h.hook.opts.apply(opts)
	h.builder.beside(h.verb, h.hook.opts)
}

// OnPause sets the hook that is told of every pause, by an operator or by the engine. A second call replaces the first one's hook.
func (b *Builder[Type, Status]) OnPause(hook RunStateChangeHookFunc[Type, Status]) {
	b.onState("OnPause", RunStatePaused, hook)
}

// OnCancel sets the hook that is told of every cancelled run. A second call replaces the first one's hook.
func (b *Builder[Type, Status]) OnCancel(hook RunStateChangeHookFunc[Type, Status]) {
	b.onState("OnCancel", RunStateCancelled, hook)
}

// OnComplete sets the hook that is told of every completed run. A second call replaces the first one's hook.
func (b *Builder[Type, Status]) OnComplete(hook RunStateChangeHookFunc[Type, Status]) {
	b.onState("OnComplete", RunStateCompleted, hook)
}

func (b *Builder[Type, Status]) onState(verb string, rs RunState, hook RunStateChangeHookFunc[Type, Status]) {
	if hook == nil {
		b.problem("%s: the function is nil", verb)
	}
	for _, h := range b.hooks {
		if h.name == rs.String() {
			h.fn = hook
			return
		}
	}
	b.hooks = append(b.hooks, &hookConfig[Type, Status]{name: rs.String(), wants: engine.InState(rs), fn: hook})
}

// OnEnginePause sets a hook that is told of every pause by the engine, which somebody should look at: after the last failed attempt, or
// because a run is in a status that the program lacks. The record's Meta.RunStateReason says why.
func (b *Builder[Type, Status]) OnEnginePause(hook RunStateChangeHookFunc[Type, Status]) *hookUpdater[Type, Status] {
	paused := engine.InState(RunStatePaused)
	return b.addHook("OnEnginePause", &hookConfig[Type, Status]{name: "engine-pause", fn: hook, wants: func(from backend.Point, rec *Record) bool {
		return rec.Meta.PausedBy == PausedByEngine && paused(from, rec)
	}})
}

// OnRunStateChange sets a hook that is told of every change of a run's state: started, running, paused, resumed, completed, cancelled,
// data deleted.
func (b *Builder[Type, Status]) OnRunStateChange(hook RunStateChangeHookFunc[Type, Status]) *hookUpdater[Type, Status] {
	return b.addHook("OnRunStateChange", &hookConfig[Type, Status]{name: "run-state-change", fn: hook, wants: func(from backend.Point, rec *Record) bool {
		if from.RunState == RunStateUnknown && rec.Meta.Version > 1 { // a plain stream does not say where the run came from
			return !rec.RunState.Moving()
		}
		return from.RunState != rec.RunState
	}})
}

// OnStatus sets a hook that is told of every run that enters the status, also when it comes back to it. There is one for a status.
func (b *Builder[Type, Status]) OnStatus(status Status, hook RunStateChangeHookFunc[Type, Status]) *hookUpdater[Type, Status] {
	b.hookStatuses = append(b.hookStatuses, status)
	return b.addHook("OnStatus", &hookConfig[Type, Status]{
		name: "status-" + strconv.Itoa(int(status)), fn: hook, status: status, about: aboutStatus,
		wants: func(from backend.Point, rec *Record) bool { return rec.Status == int(status) && entered(from, rec) },
	})
}

// OnAnyStatus sets a hook that is told of every status that a run enters.
func (b *Builder[Type, Status]) OnAnyStatus(hook RunStateChangeHookFunc[Type, Status]) *hookUpdater[Type, Status] {
	return b.addHook("OnAnyStatus", &hookConfig[Type, Status]{name: "any-status", fn: hook, wants: entered, about: aboutEveryStatus})
}

func (b *Builder[Type, Status]) addHook(verb string, hook *hookConfig[Type, Status]) *hookUpdater[Type, Status] {
	for _, h := range b.hooks {
		if h.name == hook.name {
			b.problem("%s: there is a hook of that kind already", verb)
		}
	}
	if hook.fn == nil {
		b.problem("%s: the function is nil", verb)
	}
	b.hooks = append(b.hooks, hook)
	return &hookUpdater[Type, Status]{builder: b, verb: verb, hook: hook}
}

// entered reports whether a version entered its status. A plain store may keep no visits: then the move itself says so.
func entered(from backend.Point, rec *Record) bool {
	if rec.Meta.Visit != 0 {
		return rec.Meta.Visit == rec.Meta.Version
	}
	return from.Status != rec.Status || from.RunState == RunStateUnknown
}

// process is the name of the hook's process, in its classic form.
func (h *hookConfig[Type, Status]) process() string {
	return makeRole(h.name, "run-state-change-hook-consumer")
}

// hookSpecs makes the engine's view of the hooks.
func (w *Workflow[Type, Status]) hookSpecs(hooks []*hookConfig[Type, Status], defaults options) []*engine.Hook {
	var specs []*engine.Hook
	for _, h := range hooks {
		handler := h.opts.over(defaults).handler()
		handler.Lag = 0
		handler.Run = w.hookHandler(h.fn)
		specs = append(specs, &engine.Hook{Name: h.name, Wants: h.wants, Handler: handler})
	}
	return specs
}

// hookHandler wraps a hook for the engine.
func (w *Workflow[Type, Status]) hookHandler(fn RunStateChangeHookFunc[Type, Status]) func(context.Context, *engine.Attempt) (machine.Answer, error) {
	return func(ctx context.Context, a *engine.Attempt) (machine.Answer, error) {
		t, err := w.typedRecord(a.Record)
		if err != nil {
			return machine.Answer{}, err
		}
		return machine.Answer{}, fn(ctx, t)
	}
}
