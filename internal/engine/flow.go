package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// Flow is a workflow on an engine. It can trigger, await and operate at once; after Run it also works on runs, in the buckets whose
// roles this process holds. All methods may be called concurrently.
type Flow struct {
	engine *Engine
	spec   *Spec

	life    sync.Mutex
	started bool
	ended   chan struct{} // closed when Stop is through
	leave   func()
	wg      sync.WaitGroup

	ctx        context.Context // ends when the flow stops; for the engine's own reads
	handlerCtx context.Context // parent of every attempt's context; does not end by itself
	cancel     context.CancelFunc
	endWatch   func() bool

	cleaning sync.Map // the ids of runs whose clean-up has not returned

	// guarded by Engine.mu
	due      *dues
	retains  bool // the retention duty runs
	grants   int  // counts the grants; each role remembers which it belongs to
	holding  bool
	stopping bool
	idle     chan struct{} // closed when nothing is in work any more, while stopping
}

// NewFlow adds a workflow to the engine of the backend.
func NewFlow(b backend.Backend, spec *Spec) *Flow {
	f := &Flow{engine: Of(b), spec: spec, ended: make(chan struct{})}
	for _, h := range spec.Steps {
		h.setDefaults()
	}
	for _, h := range spec.Hooks {
		h.setDefaults()
	}
	for _, of := range spec.Signals {
		for _, h := range of {
			h.setDefaults()
		}
	}
	for _, ts := range spec.Timeouts {
		for _, t := range ts {
			t.setDefaults()
		}
	}
	if spec.Delete != nil {
		spec.Delete.setDefaults()
	}
	if spec.Retention != nil {
		spec.Retention.CleanUp.setDefaults()
	}
	if spec.StopTimeout <= 0 {
		spec.StopTimeout = DefaultStopTimeout
	}
	f.engine.setLog(spec.Log)
	return f
}

func (h *Handler) setDefaults() {
	if h.Deadline <= 0 {
		h.Deadline = DefaultDeadline
	}
	h.Deadline = machine.Bounded(h.Deadline)
	h.Policy = h.Policy.WithDefaults()
}

// Engine returns the engine that the flow runs on.
func (f *Flow) Engine() *Engine { return f.engine }

// Run starts working on runs, until Stop or the end of ctx. It returns at once; a second call does nothing.
func (f *Flow) Run(ctx context.Context) error {
	f.life.Lock()
	defer f.life.Unlock()
	if f.started {
		return nil
	}
	f.ctx, f.cancel = context.WithCancel(ctx)
	f.handlerCtx = context.WithoutCancel(ctx)
	f.due = newDues(f)
	f.idle = make(chan struct{})
	if err := f.engine.enter(f.ctx); err != nil {
		f.cancel()
		return err
	}
	leave, err := f.engine.b.Join(f.ctx, f.spec.Name, backend.DefaultBuckets, f.granted)
	if err != nil {
		f.engine.leave()
		f.cancel()
		return err
	}
	f.leave, f.started = leave, true
	f.endWatch = context.AfterFunc(ctx, func() { f.halt(true) })
	return nil
}

// Stop stops receiving, lets handlers finish until the deadline, ends the contexts of the rest, and gives the roles back. What
// was not finished is done by whoever holds the roles next. It waits until all of that is through; it may be called often.
func (f *Flow) Stop() { f.halt(false) }

// halt is Stop; at once says that the contexts of running handlers end right away, because the context given to Run did.
func (f *Flow) halt(atOnce bool) {
	f.life.Lock()
	if !f.started {
		f.life.Unlock()
		return
	}
	first := f.leave != nil
	leave := f.leave
	f.leave = nil
	f.life.Unlock()
	if !first {
		if atOnce {
			f.endAttempts(ErrStopping)
		}
		<-f.ended
		return
	}
	defer close(f.ended)
	f.endWatch()
	e := f.engine
	e.mu.Lock()
	f.stopping = true
	e.dropReady(f)
	busy := e.inWork(f) > 0
	e.mu.Unlock()
	if busy {
		f.drain(atOnce)
	}
	e.mu.Lock()
	cursors := e.cursorsOf(f)
	e.removeRoles(f)
	e.mu.Unlock()
	e.saveCursors(cursors)
	f.cancel()
	leave()
	f.wg.Wait()
	e.leave()
	e.say()
}

// drain waits for the attempts in work, at most until the deadline and the moment after it that a handler has to obey.
func (f *Flow) drain(atOnce bool) {
	timeout := f.spec.StopTimeout
	if atOnce {
		timeout = 0
	}
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-f.idle:
		return
	case <-t.C:
	}
	f.endAttempts(ErrStopping)
	t.Reset(abandonAfter + 2*watchEvery) // the watchdog gives up who ignores it
	select {
	case <-f.idle:
	case <-t.C:
		f.logError(&backend.Error{Op: "stop", Workflow: f.spec.Name, Err: errors.New("handlers did not end in time"),
			Hint: "their runs go on where the workflow runs next"})
	}
}

// endAttempts ends the context of every attempt of the flow.
func (f *Flow) endAttempts(cause error) {
	e := f.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	for t := e.running.head; t != nil; t = t.nextRun {
		if t.role.flow == f {
			e.end(t, cause)
		}
	}
}

// inWork counts the flow's attempts that run or commit; e.mu is held.
func (e *Engine) inWork(f *Flow) (n int) {
	for t := e.running.head; t != nil; t = t.nextRun {
		if t.role.flow == f {
			n++
		}
	}
	return n
}

// rested is called when an attempt left the hands of the engine; Engine.mu is held.
func (f *Flow) rested() {
	if f.stopping && f.engine.inWork(f) == 0 {
		select {
		case <-f.idle:
		default:
			close(f.idle)
		}
	}
}

// dropReady forgets what has not been started; their events are not safe, so they come again. e.mu is held.
func (e *Engine) dropReady(f *Flow) {
	rt := e.routes[f.spec.Name]
	if rt == nil || rt.flow != f {
		return
	}
	for _, r := range rt.roles {
		if r != nil {
			r.retire()
		}
	}
	keep := e.unread[:0]
	for _, t := range e.unread {
		if t.role.flow != f {
			keep = append(keep, t)
		}
	}
	e.unread = keep
	stalled := e.stalled
	e.stalled = nil
	for _, m := range stalled {
		if m.task != nil && m.task.role.flow == f {
			e.finishUnsafe(m.task)
		} else {
			e.stalled = append(e.stalled, m)
		}
	}
}

// removeRoles takes the flow out of the routes; e.mu is held.
func (e *Engine) removeRoles(f *Flow) {
	if rt := e.routes[f.spec.Name]; rt != nil && rt.flow == f {
		delete(e.routes, f.spec.Name)
	}
	f.holding = false
}

// cursorsOf collects all cursors of the flow; e.mu is held.
func (e *Engine) cursorsOf(f *Flow) (out []backend.Cursor) {
	if rt := e.routes[f.spec.Name]; rt != nil && rt.flow == f {
		for _, r := range rt.roles {
			if r != nil {
				out = r.moved(out)
			}
		}
	}
	return out
}

// granted is called by the backend when this process got roles of the workflow.
func (f *Flow) granted(g backend.Grant) {
	f.wg.Go(func() { f.take(g) })
}

// take makes the windows of granted roles and starts receiving.
func (f *Flow) take(g backend.Grant) {
	e := f.engine
	var cursors []int64
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		var err error
		if cursors, err = e.b.LoadCursors(f.ctx, f.spec.Name, backend.DefaultBuckets); err == nil {
			break
		}
		if f.ctx.Err() != nil {
			return
		}
		e.storeFailing(err)
		if !pause(f.ctx, wait) {
			return
		}
	}
	e.mu.Lock()
	if f.stopping || g.Context.Err() != nil {
		e.mu.Unlock()
		return
	}
	rt := e.routes[f.spec.Name]
	if rt == nil || rt.flow != f {
		rt = &routes{flow: f, buckets: backend.DefaultBuckets, roles: make([]*role, backend.DefaultBuckets)}
		e.routes[f.spec.Name] = rt
	}
	f.grants++
	grant := f.grants
	for _, b := range g.Buckets {
		if r := rt.roles[b]; r != nil {
			r.grant = grant // held without a break: what is in hand goes on
			continue
		}
		rt.roles[b] = newRole(f, b, grant, cursors[b])
	}
	f.holding = true
	f.due.readAgain()
	eraser, erases := e.b.(backend.Eraser)
	erases = erases && f.spec.Retention != nil && !f.retains
	f.retains = f.retains || erases
	e.mu.Unlock()
	if erases {
		f.wg.Go(func() { f.retain(f.ctx, eraser) })
	}
	context.AfterFunc(g.Context, func() { f.lose(g, grant) })
	e.wakeDispatcher()
	f.wg.Go(func() { f.evolve(f.ctx, g.Context) })
}

// lose drops the windows of roles that another process holds now.
func (f *Flow) lose(g backend.Grant, grant int) {
	e := f.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	rt := e.routes[f.spec.Name]
	if rt == nil || rt.flow != f {
		return
	}
	lost := false
	for _, b := range g.Buckets {
		r := rt.roles[b]
		if r == nil || r.grant != grant {
			continue
		}
		lost = true
		r.retire()
		rt.roles[b] = nil
		for t := e.running.head; t != nil; t = t.nextRun {
			if t.role == r {
				e.end(t, ErrRoleLost)
			}
		}
	}
	if lost {
		f.due.clear() // what waits for lost roles is theirs who hold them now
	}
}

// Holds reports how many of the workflow's buckets this process works on.
func (f *Flow) Holds() (n int) {
	e := f.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if rt := e.routes[f.spec.Name]; rt != nil && rt.flow == f {
		for _, r := range rt.roles {
			if r != nil {
				n++
			}
		}
	}
	return n
}

// roleOf returns the role of a run, if this process holds it; e.mu is held.
func (f *Flow) roleOf(runID string) *role {
	if rt := f.engine.routes[f.spec.Name]; rt != nil && rt.flow == f {
		return rt.roles[backend.BucketOf(runID, rt.buckets)]
	}
	return nil
}

// overtaken remembers a row that has nothing more to say; e.mu is held.
func (f *Flow) overtaken(k backend.DeliveryKey) {
	f.due.forget(k)
	f.engine.stale = append(f.engine.stale, k)
	f.engine.armWatchdog()
}
