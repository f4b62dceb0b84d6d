package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/graph"
	"github.com/stillwater-go/workflow/internal/machine"
)

// maxSignalName bounds the name of a signal; maxSignalOverhead what is stored with a payload.
const (
	maxSignalName     = 100
	maxSignalOverhead = 4 << 10
)

// Signal is something that can be said to a run from outside, with a payload of type P: an approval, a payment that came in. Make it once,
// with [NewSignal], say with [AddSignal] which statuses accept it, and send it with Send. The zero value cannot be sent.
type Signal[P any] struct{ name string }

// NewSignal names a signal. The name is stored with signals that wait: it must stay the same.
func NewSignal[P any](name string) Signal[P] { return Signal[P]{name: name} }

// Name returns the signal's name.
func (s Signal[P]) Name() string { return s.name }

// SignalFunc is called with a signal's payload when the run is in a status that accepts it. Like a step it changes r.Object and returns the
// status to go to, which must be one of the destinations declared; the zero status leaves the run as it is. Every signal that was taken
// makes a version, which names its sender.
type SignalFunc[P any, Type any, Status StatusType] func(ctx context.Context, r *Run[Type, Status], payload P) (Status, error)

type signalConfig[Type any, Status StatusType] struct {
	name    string
	payload reflect.Type
	decode  func(body []byte) error
	call    func(ctx context.Context, r *Run[Type, Status], body []byte) (Status, error)
	opts    options
}

// signalUpdater sets a signal's options in a status.
type signalUpdater[Type any, Status StatusType] struct {
	builder *Builder[Type, Status]
	signal  *signalConfig[Type, Status]
	from    Status
}

// WithOptions sets the options of the signal in this status: backoff, attempts, deadline. A parallel count or a lag is a mistake.
func (s *signalUpdater[Type, Status]) WithOptions(opts ...Option) {
	s.signal.opts.apply(opts)
	s.builder.beside(fmt.Sprintf("AddSignal(%v, %q)", s.from, s.signal.name), s.signal.opts)
}

// AddSignal makes the status from accept the signal: fn is called with its payload, and the run goes to the status that it returns, which must
// be one of allowedDestinations. A signal that comes before its run accepts it waits until the run does.
func AddSignal[P any, Type any, Status StatusType](b *Builder[Type, Status], from Status, s Signal[P], fn SignalFunc[P, Type, Status], allowedDestinations ...Status) *signalUpdater[Type, Status] {
	c := &signalConfig[Type, Status]{
		name: s.name, payload: reflect.TypeFor[P](),
		decode: func(body []byte) error { _, err := decodeSignal[P](body); return err },
		call: func(ctx context.Context, r *Run[Type, Status], body []byte) (Status, error) {
			p, err := decodeSignal[P](body)
			if err != nil {
				return 0, Permanent(err)
			}
			return fn(ctx, r, p)
		},
	}
	if err := backend.ValidateID("signal name", s.name, maxSignalName); err != nil {
		b.problem("AddSignal(%v): %w", from, err)
	}
	if fn == nil {
		b.problem("AddSignal(%v, %q): the function is nil", from, s.name)
	}
	if b.signals[from][s.name] != nil {
		b.problem("AddSignal(%v, %q): the status accepts the signal already", from, s.name)
	}
	for _, of := range b.signals {
		if other := of[s.name]; other != nil && other.payload != c.payload {
			b.problem("AddSignal(%v, %q): the signal has payload %v elsewhere, here %v", from, s.name, other.payload, c.payload)
		}
	}
	b.edges(from, allowedDestinations, graph.Signal)
	b.graph.MarkWaits(int(from))
	if b.signals[from] == nil {
		b.signals[from] = make(map[string]*signalConfig[Type, Status])
	}
	b.signals[from][s.name] = c
	return &signalUpdater[Type, Status]{builder: b, signal: c, from: from}
}

func decodeSignal[P any](body []byte) (P, error) {
	var p P
	if len(body) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return p, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return p, nil
}

// SignalReceiver takes signals; [Workflow] is one.
type SignalReceiver interface {
	// Signal sends to the newest run of a foreign id; see [Workflow.Signal].
	Signal(ctx context.Context, foreignID, name string, payload []byte, opts ...SignalOption) (Receipt, error)
	// SignalRun sends to a run; see [Workflow.SignalRun].
	SignalRun(ctx context.Context, runID, name string, payload []byte, opts ...SignalOption) (Receipt, error)
}

// Send sends the signal to the newest run of the foreign id; see [Workflow.Signal].
func (s Signal[P]) Send(ctx context.Context, to SignalReceiver, foreignID string, payload P, opts ...SignalOption) (Receipt, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return Receipt{}, fmt.Errorf("signal %q: %w: %w", s.name, ErrPayload, err)
	}
	return to.Signal(ctx, foreignID, s.name, body, opts...)
}

// SendToRun sends the signal to a run; see [Workflow.Signal].
func (s Signal[P]) SendToRun(ctx context.Context, to SignalReceiver, runID string, payload P, opts ...SignalOption) (Receipt, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return Receipt{}, fmt.Errorf("signal %q: %w: %w", s.name, ErrPayload, err)
	}
	return to.SignalRun(ctx, runID, s.name, body, opts...)
}

// SignalState says what became of a signal.
type SignalState = engine.SignalState

// The states of a signal at its sending.
const (
	// SignalApplied: the run accepted it at once, and what that led to is durable.
	SignalApplied = engine.SignalApplied
	// SignalQueued: it is durable, and is handled as soon as the run accepts it.
	SignalQueued = engine.SignalQueued
	// SignalDuplicate: the run has had a signal of that id.
	SignalDuplicate = engine.SignalDuplicate
	// SignalTooLate: the run has ended. Nothing is stored; the error says so too.
	SignalTooLate = engine.SignalTooLate
)

// Receipt says what became of a signal, and where its run stood.
type Receipt struct {
	State SignalState
	RunID string
	// Status, RunState and Version are the run's: after the signal where it was applied, as it was seen otherwise.
	Status   int
	RunState RunState
	Version  uint
}

type signalOpts struct{ id, actor string }

// SignalOption sets one property of a signal.
type SignalOption func(o *signalOpts)

// WithSignalID makes the signal count once: a second one of that id to the run is a duplicate, whatever its name and payload, as long as the
// run is kept. Give the id of the outside event that you pass on.
func WithSignalID(id string) SignalOption { return func(o *signalOpts) { o.id = id } }

// WithSender says who sent the signal; it is kept in the run's history.
func WithSender(actor string) SignalOption { return func(o *signalOpts) { o.actor = actor } }

// Signal sends a signal to the newest run of the foreign id. It works before Run too, and in processes that never call Run. payload is JSON;
// nil is the zero value. Prefer [Signal.Send], which encodes it.
//
// A run that is in a status that accepts the signal, with none waiting before it, handles it at once, in the caller's goroutine: the receipt
// says applied. Otherwise it is stored and handled, in the order of arrival, when the run comes into a status that accepts it (or is
// resumed): queued. A handler that fails is tried again by the engine like a step, and may end with the run paused.
//
// Errors: [ErrRunFinished] together with a receipt that says too late; [ErrUnknownSignal] where no status of the workflow accepts
// the name; [ErrPayload]; [ErrTooLarge]; [ErrRecordNotFound]; [ErrTooManySignals]; [ErrInvalidID]; [ErrUnsupported] on classic parts
// for a signal that has an id or that would have to wait; there a handler's failure is the sender's, too. With any other error the signal was not
// taken, unless it matches [ErrOutcomeUnknown].
func (w *Workflow[Type, Status]) Signal(ctx context.Context, foreignID, name string, payload []byte, opts ...SignalOption) (Receipt, error) {
	return w.signal(ctx, name, payload, opts, func(ctx context.Context) (*Record, error) {
		return w.flow.Engine().Backend().Latest(ctx, w.name, foreignID)
	})
}

// SignalRun is [Workflow.Signal] for the run of a run id.
func (w *Workflow[Type, Status]) SignalRun(ctx context.Context, runID, name string, payload []byte, opts ...SignalOption) (Receipt, error) {
	return w.signal(ctx, name, payload, opts, func(ctx context.Context) (*Record, error) {
		rec, err := w.flow.Engine().Backend().Lookup(ctx, runID)
		if err == nil && rec.WorkflowName != w.name {
			err = fmt.Errorf("%w: run %s is of workflow %s", ErrRecordNotFound, backend.Quote(runID), backend.Quote(rec.WorkflowName))
		}
		return rec, err
	})
}

func (w *Workflow[Type, Status]) signal(ctx context.Context, name string, payload []byte, opts []SignalOption, find func(context.Context) (*Record, error)) (Receipt, error) {
	var o signalOpts
	for _, opt := range opts {
		opt(&o)
	}
	fail := func(rec *Record, err error) (Receipt, error) {
		e := &Error{Op: fmt.Sprintf("signal %q", name), Workflow: w.name, Err: err}
		if rec != nil {
			e.RunID = rec.RunID
		}
		return Receipt{}, e
	}
	if err := w.checkSignal(name, payload, o); err != nil {
		return fail(nil, err)
	}
	payload, err := w.encodePayload(payload)
	if err != nil {
		return fail(nil, err)
	}
	if len(payload) > backend.MaxObjectBytes-maxSignalOverhead {
		return fail(nil, fmt.Errorf("%w: the encoded payload has %d bytes", ErrTooLarge, len(payload)))
	}
	state, rec, err := w.flow.Signal(ctx, find, engine.Signal{Name: name, ID: o.id, Actor: o.actor, Payload: payload})
	if err != nil && state != SignalTooLate {
		return fail(rec, err)
	}
	receipt := Receipt{State: state, RunID: rec.RunID, Status: rec.Status, RunState: rec.RunState, Version: rec.Meta.Version}
	if err != nil {
		_, err = fail(rec, fmt.Errorf("too late: %w: it is %v in status %d", err, rec.RunState, rec.Status))
	}
	return receipt, err
}

// checkSignal refuses what no run could handle.
func (w *Workflow[Type, Status]) checkSignal(name string, payload []byte, o signalOpts) error {
	var c *signalConfig[Type, Status]
	for _, of := range w.signals {
		if of[name] != nil {
			c = of[name]
		}
	}
	switch {
	case c == nil:
		return ErrUnknownSignal
	case len(payload) > MaxPayloadBytes:
		return fmt.Errorf("%w: payload has %d bytes, the limit is %d", ErrTooLarge, len(payload), MaxPayloadBytes)
	}
	if o.id != "" {
		if err := backend.ValidateID("signal id", o.id, backend.MaxIDBytes); err != nil {
			return err
		}
	}
	if len(o.actor) > backend.MaxIDBytes {
		return fmt.Errorf("%w: sender has %d bytes, the limit is %d", ErrTooLarge, len(o.actor), backend.MaxIDBytes)
	}
	return c.check(payload)
}

// check decodes a payload to learn whether that goes; a decoder of the user's own may panic.
func (c *signalConfig[Type, Status]) check(payload []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: its decoder panics", ErrPayload)
		}
	}()
	return c.decode(payload)
}

// signalHandlers makes the engine's view of the signals.
func (w *Workflow[Type, Status]) signalHandlers(defaults options) map[int]map[string]*engine.Handler {
	out := make(map[int]map[string]*engine.Handler, len(w.signals))
	for status, of := range w.signals {
		handlers := make(map[string]*engine.Handler, len(of))
		for name, c := range of {
			h := c.opts.over(defaults).handler()
			h.Lag = 0
			h.Run = func(ctx context.Context, a *engine.Attempt) (machine.Answer, error) {
				r, err := w.attemptRun(a)
				if err != nil {
					return machine.Answer{}, err
				}
				body, err := w.decodePayload(a.Payload)
				if err != nil {
					return machine.Answer{}, err
				}
				to, err := c.call(ctx, r, body)
				return r.answer(to, err)
			}
			handlers[name] = &h
		}
		out[int(status)] = handlers
	}
	return out
}

// The errors of signals.
var (
	// ErrUnknownSignal says that no status of the workflow accepts a signal of that name.
	ErrUnknownSignal = errors.New("no status accepts the signal")
	// ErrPayload says that a signal's payload cannot be encoded or decoded.
	ErrPayload = errors.New("signal payload")
	// ErrTooManySignals says that a thousand signals of the run wait already.
	ErrTooManySignals = engine.ErrTooManySignals
)
