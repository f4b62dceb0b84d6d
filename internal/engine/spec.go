package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// Spec is a workflow as the engine sees it: untyped functions around the user's typed ones.
type Spec struct {
	Name  string
	Graph machine.Graph
	Clock backend.Clock
	// Knows reports whether the program has the status at all; nil for yes. Runs in one that it lacks are paused by the engine, unless
	// Renames has a new one for it.
	Knows   func(status int) bool
	Renames map[int]Rename
	// Steps by the status that they consume.
	Steps map[int]*Handler
	// Hooks are told of what happened to runs.
	Hooks []*Hook
	// Delete scrubs a run's object; its answer's Object is what is left.
	Delete *Handler
	// Timeouts by the status in which they run.
	Timeouts map[int][]*Timeout
	// Signals by the status that accepts them and their name.
	Signals map[int]map[string]*Handler
	// AutoResume is how long after a pause by the engine the run is resumed; zero or less never.
	AutoResume time.Duration
	// Retention erases finished runs; nil keeps them for ever.
	Retention *Retention
	// StopTimeout is how long Stop lets handlers finish.
	StopTimeout time.Duration
	// Retry is the policy of what has none of its own, such as setting timers.
	Retry machine.Policy
	// NoJitter makes every retry wait as long as its policy allows, instead of a random part of that.
	NoJitter bool
	// Failed is told of every failed attempt; nil for none. It must return at once.
	Failed func(err error, receiver, runID string)
	Log    Log
}

func (s *Spec) knows(status int) bool { return s.Knows == nil || s.Knows(status) }

// Handler is one piece of user code and how it is to be treated.
type Handler struct {
	// Run is called under recover. Its answer says what becomes of the run.
	Run func(ctx context.Context, a *Attempt) (machine.Answer, error)
	// Policy says how failures are tried again.
	Policy machine.Policy
	// Deadline bounds one attempt; Heartbeat moves it on. Defaults to DefaultDeadline.
	Deadline time.Duration
	// Lag is how old an event must be before it is delivered.
	Lag time.Duration
}

// Hook is told of some versions of every run, of one run in order.
type Hook struct {
	Handler
	// Name makes the hook's receiver, which is stored with its deliveries: it must stay the same.
	Name string
	// Wants says which versions it is told of; from is where the run stood before, the zero Point where nobody knows. It is called under
	// the engine's lock.
	Wants func(from backend.Point, rec *backend.Record) bool
}

// Receiver is the hook's receiver.
func (h *Hook) Receiver() backend.Receiver { return backend.Receiver(hookPrefix + h.Name) }

const hookPrefix = "hook:"

// InState is what a hook wants that is told of every change into a run state.
func InState(rs backend.RunState) func(from backend.Point, rec *backend.Record) bool {
	return func(from backend.Point, rec *backend.Record) bool { return rec.RunState == rs && from.RunState != rs }
}

// Timeout is a timer of a status and what happens when it expires.
type Timeout struct {
	Handler
	// Timer says when it expires for the run as it will be stored; the zero time means never.
	Timer func(ctx context.Context, rec *backend.Record, now time.Time) (time.Time, error)
}

// The engine's bounds and times. They are documented in docs/architecture.md.
const (
	// DefaultDeadline bounds an attempt that does not heartbeat.
	DefaultDeadline = 10 * time.Minute
	// DefaultStopTimeout is how long Stop lets handlers finish.
	DefaultStopTimeout = 10 * time.Second

	maxBatch     = 512  // changes per commit
	maxQueue     = 1024 // deliveries that one role keeps ready
	maxReady     = 4096 // deliveries that all roles of a process keep ready together, but that each may have minQueue
	minQueue     = 64
	maxRunning   = 64          // deliveries of one role in work at once
	maxWorkers   = 4096        // goroutines that run user code
	maxClaims    = 1000        // long attempts per engine
	maxAbandoned = 100         // attempts that ignored their end, before no new one starts
	claimAfter   = time.Second // a handler that runs longer becomes a claim
	abandonAfter = time.Second // how long a handler may ignore the end of its context
	watchEvery   = 250 * time.Millisecond
	flushEvery   = time.Second      // how often moved cursors are stored
	readChunk    = 512              // entries per read of the log
	heldAgain    = time.Hour        // when a timer that a pause holds is looked at again, if nothing else wakes it
	duePage      = 500              // due rows per read
	callDeadline = 10 * time.Second // for timer functions
)

// Log receives what a person may have to look at; err carries workflow and run.
type Log interface {
	Error(ctx context.Context, err error)
	Debug(ctx context.Context, msg string, meta map[string]string)
}

// Attempt is one call of user code, as the code's wrapper sees it.
type Attempt struct {
	// Record is the run as of the version that is worked on. It is immutable.
	Record *backend.Record
	// Number is 1 for the first attempt.
	Number int
	// FirstAt is when the first attempt was made, by the workflow's clock; zero while this is the first.
	FirstAt time.Time
	// Payload is what a signal brought, in its stored form.
	Payload []byte
	// Tx is a function of the transaction to run inside the commit; nil for none.
	Tx any

	engine *Engine
	task   *task
	taken  atomic.Bool // its outcome is decided: by the worker that ran it, or by the watchdog that gave it up
}

// Backend returns the backend that the attempt's commit will go to.
func (a *Attempt) Backend() backend.Backend {
	if a.engine == nil {
		return nil
	}
	return a.engine.b
}

// Heartbeat moves the attempt's deadline on, durably once it is a claim. It returns why the attempt was ended, if it was.
func (a *Attempt) Heartbeat(ctx context.Context) error {
	if a.task == nil {
		return ctx.Err()
	}
	return a.engine.heartbeat(ctx, a)
}
