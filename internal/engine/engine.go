package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// Engine serves all workflows built on one opened Backend in this process. It owns no goroutine until a flow runs or
// somebody awaits a run. All methods may be called concurrently.
type Engine struct {
	b         backend.Backend
	prompt    bool // the backend wants every move of a cursor at once
	volatile  bool // the backend may lose what waits
	commitCtx context.Context
	// eraseCheck is how often one who awaits a run looks whether it is still there.
	eraseCheck time.Duration
	log        atomic.Pointer[Log]
	failing    atomic.Bool

	lastArrival atomic.Int64 // of a signal

	committer committer
	notes     notes

	life  sync.Mutex   // serialises starting and stopping the goroutines; taken before mu
	users atomic.Int64 // flows that run, and awaits; to and from zero under life alone
	stop  func()       // ends the goroutines and waits for them; guarded by life

	waitMu  sync.Mutex // guards waiters; taken after mu
	waiters map[string][]*waiter

	mu        sync.Mutex // guards everything below
	live      bool       // pos is known, and commits are routed
	pos       int64      // how far the log was read
	behind    bool       // somebody else's entries lie past pos
	routes    map[string]*routes
	ring      fifo[*role] // roles with something ready and a free slot, in turn
	ready     int         // deliveries ready in roles of the ring
	workers   int
	starting  int
	running   runList
	claims    int
	abandoned int
	stalled   []*member             // changes that the store did not take
	unread    []*task               // deliveries that could not be read
	stale     []backend.DeliveryKey // rows of overtaken deliveries, to be deleted
	strangers map[string][]*stranger
	watching  bool
	lastFlush time.Time

	wake  chan struct{} // tells the dispatcher to read
	watch chan struct{} // tells the watchdog that there is something to watch
}

// routes are the roles that this process holds of one workflow.
type routes struct {
	flow    *Flow
	buckets int
	roles   []*role // by bucket; nil where another process holds it
}

// Of returns the engine of the backend, making it on first use.
func Of(b backend.Backend) *Engine {
	return b.Slot().Get(func() any { return newEngine(b) }).(*Engine)
}

func newEngine(b backend.Backend) *Engine {
	e := &Engine{
		b:         b,
		commitCtx: context.Background(),

		eraseCheck: eraseCheck,

		routes:    make(map[string]*routes),
		waiters:   make(map[string][]*waiter),
		strangers: make(map[string][]*stranger),
		wake:      make(chan struct{}, 1),
		watch:     make(chan struct{}, 1),
	}
	if p, ok := b.(backend.PromptCursors); ok {
		e.prompt = p.PromptCursors()
	}
	if v, ok := b.(backend.VolatileDeliveries); ok {
		e.volatile = v.VolatileDeliveries()
	}
	return e
}

// Backend returns what the engine works on.
func (e *Engine) Backend() backend.Backend { return e.b }

// enter makes sure that the engine's goroutines run until the matching leave.
func (e *Engine) enter(ctx context.Context) error {
	for n := e.users.Load(); n > 0; n = e.users.Load() {
		if e.users.CompareAndSwap(n, n+1) {
			return nil
		}
	}
	e.life.Lock()
	defer e.life.Unlock()
	if e.users.Load() == 0 {
		if err := e.start(ctx); err != nil {
			return err
		}
	}
	e.users.Add(1)
	return nil
}

// leave ends the goroutines with the last user, and waits for them.
func (e *Engine) leave() {
	for n := e.users.Load(); n > 1; n = e.users.Load() {
		if e.users.CompareAndSwap(n, n-1) {
			return
		}
	}
	e.life.Lock()
	defer e.life.Unlock()
	if e.users.Add(-1) == 0 {
		e.stop()
		e.stop = nil
	}
}

// start reads where the log stands and starts the dispatcher and the watchdog.
func (e *Engine) start(ctx context.Context) error {
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	// Watch before reading the head, so that nothing falls between.
	unwatch := e.b.Watch(e.changed)
	if dw, ok := e.b.(backend.DueWatcher); ok {
		entries, due := unwatch, dw.WatchDue(e.dueChanged)
		unwatch = func() { entries(); due() }
	}
	head, err := e.b.Head(ctx)
	if err != nil {
		unwatch()
		cancel()
		return err
	}
	e.mu.Lock()
	e.live, e.pos = true, head
	e.missed() // what was committed since the head was read
	e.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { e.dispatch(runCtx) })
	wg.Go(func() { e.watchdog(runCtx) })
	e.stop = func() {
		unwatch()
		cancel()
		wg.Wait()
		e.mu.Lock()
		e.live, e.behind, e.watching = false, false, false
		e.mu.Unlock()
	}
	return nil
}

// changed is called by the backend when entries may have come from elsewhere.
func (e *Engine) changed() {
	e.mu.Lock()
	e.behind = true
	e.mu.Unlock()
	e.wakeDispatcher()
}

// dueChanged is called by the backend when an outsider has stored due deliveries.
func (e *Engine) dueChanged() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.readDueAgain()
}

// readDueAgain makes every flow look for due rows that it has not been told of; e.mu is held.
func (e *Engine) readDueAgain() {
	for _, rt := range e.routes {
		rt.flow.due.readAgain()
	}
}

func (e *Engine) wakeDispatcher() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// chance is a random number in [0,1) for the spread of retries, or always 1 where the workflow wants none.
func (e *Engine) chance(s *Spec) float64 {
	if s.NoJitter {
		return 1
	}
	return rand.Float64()
}

// Health returns nil while all is well; otherwise what stands in the way of work, every cause joined.
func (e *Engine) Health() error {
	var causes []error
	if e.failing.Load() {
		causes = append(causes, ErrStoreFailing)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.abandoned >= maxAbandoned {
		causes = append(causes, fmt.Errorf("%w: %d ignore the end of their contexts, no new attempt starts", ErrStuckHandlers, e.abandoned))
	}
	if e.claims >= maxClaims {
		causes = append(causes, fmt.Errorf("%w: %d run for more than a second, further slow ones keep their slots", ErrStuckHandlers, e.claims))
	}
	return errors.Join(causes...)
}

// setLog makes the engine report through the log of the flow that came last.
func (e *Engine) setLog(l Log) {
	if l != nil {
		e.log.Store(&l)
	}
}

// notes are calls of the user's logger and error counter that wait until no lock is held.
type notes struct {
	mu    sync.Mutex
	calls []func()
}

// maxNotes bounds the calls that wait; more are dropped: they would say the same.
const maxNotes = 1000

// later calls fn soon, when no lock is held.
func (e *Engine) later(fn func()) {
	e.notes.mu.Lock()
	defer e.notes.mu.Unlock()
	if len(e.notes.calls) < maxNotes {
		e.notes.calls = append(e.notes.calls, fn)
	}
}

// say makes the calls that wait; no lock may be held. A call that panics harms nobody.
func (e *Engine) say() {
	e.notes.mu.Lock()
	calls := e.notes.calls
	e.notes.calls = nil
	e.notes.mu.Unlock()
	for _, call := range calls {
		func() {
			defer func() { _ = recover() }() // a broken logger must not stop a run
			call()
		}()
	}
}

// logError reports an error of the flow's soon, in the flow's own log.
func (f *Flow) logError(err error) {
	if l := f.spec.Log; l != nil {
		f.engine.later(func() { l.Error(context.Background(), err) })
	}
}

// logError reports an error that is no single flow's soon, in the log of the flow that came last.
func (e *Engine) logError(err error) {
	if l := e.log.Load(); l != nil {
		e.later(func() { (*l).Error(context.Background(), err) })
	}
}
