package workflow

import (
	"context"
	"time"

	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// options are the settings of one step, timeout, connector or hook. What is zero is inherited from the workflow's default options,
// and from the package's defaults behind those; setting one never changes another.
type options struct {
	parallelCount      int
	pollingFrequency   time.Duration
	errBackOff         time.Duration
	maxBackOff         time.Duration
	lag                time.Duration
	lagAlert           time.Duration
	pauseAfterErrCount int
	deadline           time.Duration
}

// Option sets one property of a step, timeout, signal, callback, hook or connector, or with [WithDefaultOptions] of all of a workflow.
type Option func(so *options)

// ParallelCount sets over how many roles a step's status is spread where the workflow runs on a third-party stream and scheduler; on our own
// backends many runs are in work at once without it. For a connector it is how many foreign ids are worked on at once, everywhere. Defaults to 1.
func ParallelCount(instances int) Option { return func(o *options) { o.parallelCount = instances } }

// PollingFrequency sets how often to look where a third-party part cannot notify. Our own parts do not poll. Defaults to 500 ms.
func PollingFrequency(d time.Duration) Option { return func(o *options) { o.pollingFrequency = d } }

// ErrBackOff sets the upper bound of the wait before the second attempt; it doubles with each further one, and the wait itself is drawn
// at random below it. Defaults to one second.
func ErrBackOff(d time.Duration) Option { return func(o *options) { o.errBackOff = d } }

// MaxBackOff bounds the wait between attempts. Defaults to five minutes.
func MaxBackOff(d time.Duration) Option { return func(o *options) { o.maxBackOff = d } }

// LagAlert sets how old an event may be when it is taken before metrics call it late. Nothing else depends on it. Defaults to 30 minutes.
func LagAlert(d time.Duration) Option { return func(o *options) { o.lagAlert = d } }

// ConsumeLag keeps every event waiting until it is that old, by the workflow's clock. It is for steps and connectors; timeouts, callbacks, signals and
// hooks have none. Defaults to zero.
func ConsumeLag(d time.Duration) Option { return func(o *options) { o.lag = d } }

// PauseAfterErrCount sets after how many failed attempts in a row it is given up: the engine pauses the run (of a step, timeout or signal) or the
// connector's event, holds a hook's delivery, returns a callback's error. Defaults to 10, for callbacks to 3; negative means never.
func PauseAfterErrCount(count int) Option { return func(o *options) { o.pauseAfterErrCount = count } }

// AttemptDeadline bounds one attempt; [Run.Heartbeat] moves it on. An attempt that runs into it has failed. Defaults to ten minutes.
func AttemptDeadline(d time.Duration) Option { return func(o *options) { o.deadline = d } }

// over returns o with what it leaves open taken from base.
func (o options) over(base options) options {
	pick(&o.parallelCount, base.parallelCount)
	pick(&o.pollingFrequency, base.pollingFrequency)
	pick(&o.errBackOff, base.errBackOff)
	pick(&o.maxBackOff, base.maxBackOff)
	pick(&o.lag, base.lag)
	pick(&o.lagAlert, base.lagAlert)
	pick(&o.pauseAfterErrCount, base.pauseAfterErrCount)
	pick(&o.deadline, base.deadline)
	return o
}

func pick[T comparable](v *T, base T) {
	var zero T
	if *v == zero {
		*v = base
	}
}

// handler makes the engine's view of the options.
func (o options) handler() engine.Handler {
	return engine.Handler{Policy: o.policy(), Deadline: o.deadline, Lag: o.lag}
}

func (o options) policy() machine.Policy {
	return machine.Policy{BackOff: o.errBackOff, MaxBackOff: o.maxBackOff, MaxAttempts: o.pauseAfterErrCount}
}

const (
	defaultPollingFrequency = 500 * time.Millisecond
	defaultLagAlert         = 30 * time.Minute
	defaultResumeAfter      = time.Hour

	defaultOutboxLagAlert         = time.Minute
	defaultOutboxPollingFrequency = 250 * time.Millisecond
	defaultOutboxErrBackOff       = 500 * time.Millisecond
	defaultOutboxLookupLimit      = 1000
)

func defaultOptions() options {
	return options{
		parallelCount:      1,
		pollingFrequency:   defaultPollingFrequency,
		errBackOff:         machine.DefaultBackOff,
		maxBackOff:         machine.DefaultMaxBackOff,
		lagAlert:           defaultLagAlert,
		pauseAfterErrCount: machine.DefaultMaxAttempts,
		deadline:           engine.DefaultDeadline,
	}
}

// buildOptions are the settings of a whole workflow.
type buildOptions struct {
	clock        Clock
	logger       Logger
	debug        bool
	defaults     options
	timeoutStore TimeoutStore
	outbox       outboxConfig
	customDelete func(object []byte) ([]byte, error) // of plain JSON
	errorCounter ErrorCounter
	resumeAfter  time.Duration // zero or less: never
	stopTimeout  time.Duration
	retention    time.Duration // zero: for ever
	cleanUp      any           // func(context.Context, *TypedRecord[Type, Status]) error of the workflow's own types; nil for none
	noJitter     bool
	objects      objectOptions
	inner        bool // it is a workflow of ours beside a user's
}

// BuildOption sets one property of a workflow.
type BuildOption func(w *buildOptions)

func newBuildOptions(opts []BuildOption) buildOptions {
	bo := buildOptions{
		defaults:    defaultOptions(),
		resumeAfter: defaultResumeAfter,
		stopTimeout: engine.DefaultStopTimeout,
		outbox: outboxConfig{
			pollingFrequency: defaultOutboxPollingFrequency, errBackOff: defaultOutboxErrBackOff,
			lookupLimit: defaultOutboxLookupLimit, lagAlert: defaultOutboxLagAlert,
		},
	}
	for _, o := range opts {
		o(&bo)
	}
	return bo
}

// WithTimeoutStore sets where timeouts are kept on classic parts. Our own backends keep them themselves.
func WithTimeoutStore(s TimeoutStore) BuildOption {
	return func(b *buildOptions) { b.timeoutStore = s }
}

// WithoutOutbox leaves the sending of outbox events to somebody else. It matters on classic parts only.
func WithoutOutbox() BuildOption { return func(b *buildOptions) { b.outbox.disabled = true } }

// WithClock sets the source of time for timers, schedules, backoff, lag and timestamps. Attempt deadlines, leases, group commit and
// shutdown use real time. Its Now is called often, also while others wait for it: it must return at once, and must not use the workflow. Defaults to
// the machine's clock.
func WithClock(c Clock) BuildOption { return func(b *buildOptions) { b.clock = c } }

// WithDebugMode makes the workflow log what it does.
func WithDebugMode() BuildOption { return func(b *buildOptions) { b.debug = true } }

// WithLogger sets where the workflow logs. Defaults to a text log on standard error.
func WithLogger(l Logger) BuildOption { return func(b *buildOptions) { b.logger = l } }

// WithErrorCounter adds a counter that is told of every failed attempt. Attempts themselves are counted in the store.
func WithErrorCounter(ec ErrorCounter) BuildOption {
	return func(b *buildOptions) { b.errorCounter = ec }
}

// WithDefaultOptions sets what steps, timeouts, signals, connectors and hooks inherit; callbacks inherit the deadline. What it leaves open keeps
// its default.
func WithDefaultOptions(opts ...Option) BuildOption {
	return func(b *buildOptions) {
		var o options
		for _, opt := range opts {
			opt(&o)
		}
		b.defaults = o.over(b.defaults)
	}
}

// WithCustomDelete sets how a run's object is scrubbed when its data is to be deleted. What is left is encoded as every object is; fields that
// the program does not know are deleted. Defaults to an empty object.
func WithCustomDelete[Type any](fn func(object *Type) error) BuildOption {
	return func(b *buildOptions) {
		b.customDelete = func(object []byte) ([]byte, error) {
			var t Type
			if err := Unmarshal(object, &t); err != nil {
				return nil, err
			}
			if err := fn(&t); err != nil {
				return nil, err
			}
			return Marshal(&t)
		}
	}
}

// WithRetention erases runs for good, with everything about them, so long after their last version: completed and cancelled ones, and what is
// left of those whose data was deleted. It is done in the background by the process that works on them, in small batches. Defaults to
// keeping runs for ever. It needs a backend: BuildOn fails with [ErrUnsupported] on one that cannot erase, Build panics.
func WithRetention(after time.Duration) BuildOption {
	return func(b *buildOptions) { b.retention = after }
}

// WithCleanUp sets what is done before a run is erased by [WithRetention], such as removing its files. It is called at least once for each such
// run, under recover and a deadline; a run for which it fails is kept and tried again later.
func WithCleanUp[Type any, Status StatusType](fn func(ctx context.Context, r *TypedRecord[Type, Status]) error) BuildOption {
	return func(b *buildOptions) { b.cleanUp = fn }
}

// WithPauseRetry sets how long after a pause by the engine a run is resumed. A pause by an operator is never undone. Defaults to an hour.
func WithPauseRetry(resumeAfter time.Duration) BuildOption {
	return func(b *buildOptions) { b.resumeAfter = resumeAfter }
}

// DisablePauseRetry leaves runs paused that the engine paused, until somebody resumes them.
func DisablePauseRetry() BuildOption { return func(b *buildOptions) { b.resumeAfter = 0 } }

// WithStopTimeout sets how long Stop lets running handlers finish before it ends their contexts. Defaults to ten seconds.
func WithStopTimeout(d time.Duration) BuildOption {
	return func(b *buildOptions) { b.stopTimeout = d }
}

// WithoutJitter makes every retry wait exactly as long as its policy allows, instead of a random part of that: ErrBackOff, twice that, four
// times that, up to MaxBackOff. It is for tests that look at times. Elsewhere keep the randomness: without it, what failed together comes
// back together, again and again.
func WithoutJitter() BuildOption { return func(b *buildOptions) { b.noJitter = true } }

// outboxConfig is how events get from a classic store to a classic stream.
type outboxConfig struct {
	disabled         bool
	pollingFrequency time.Duration
	errBackOff       time.Duration
	lookupLimit      int64
	lagAlert         time.Duration
}

// OutboxOption sets one property of the outbox of a classic store.
type OutboxOption func(w *outboxConfig)

// WithOutboxOptions sets how events get from a classic store to a classic stream.
func WithOutboxOptions(opts ...OutboxOption) BuildOption {
	return func(b *buildOptions) {
		for _, o := range opts {
			o(&b.outbox)
		}
	}
}

// OutboxPollingFrequency sets how often a store that cannot notify is asked for events. Defaults to 250 ms.
func OutboxPollingFrequency(d time.Duration) OutboxOption {
	return func(c *outboxConfig) { c.pollingFrequency = d }
}

// OutboxErrBackOff sets the wait after a failed send; an event that keeps failing waits longer. Defaults to 500 ms.
func OutboxErrBackOff(d time.Duration) OutboxOption {
	return func(c *outboxConfig) { c.errBackOff = d }
}

// OutboxLookupLimit sets how many events are read at once. Defaults to 1,000.
func OutboxLookupLimit(limit int64) OutboxOption {
	return func(c *outboxConfig) { c.lookupLimit = limit }
}

// OutboxLagAlert sets how old an event may be when it is sent before metrics call it late. Nothing else depends on it. Defaults to one minute.
func OutboxLagAlert(d time.Duration) OutboxOption {
	return func(c *outboxConfig) { c.lagAlert = d }
}

// ErrorCounter counts errors by labels. Implementations must be safe for concurrent use.
type ErrorCounter interface {
	// Add counts the error under the labels and returns the new count.
	Add(err error, labels ...string) int
	// Count returns the count.
	Count(err error, labels ...string) int
	// Clear sets the count to zero.
	Clear(err error, labels ...string)
}
