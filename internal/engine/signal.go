package engine

// A signal is something said to a run from outside. It is a delivery of its own (receiver "signal:<name>:<random>") from the moment it is
// stored until its effect is. Its Version is the time of its arrival in nanoseconds, which orders a run's signals.
//
//	accepted at once, nothing before it: handled in the sender's goroutine, no row at all
//	otherwise                            a row
//	    due        : it is handled, or parked, by whoever holds the run's role
//	    no due time: parked; the run's status does not accept it, or an earlier one goes first
//
// Every signal that is taken makes a version, also where its handler leaves the run as it is. The entry of each version makes the earliest
// waiting signal due that the status accepts (rearm). A row loses its due time only against the version of the run that it was
// judged by (Change.Expect), so the entry of the next version always finds it. A program that takes the role looks at what earlier ones
// have parked (see Flow.evolve).

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// Signal is a signal on its way to a run.
type Signal struct {
	Name string
	// ID, where not empty, makes the signal one: a second one with it is a duplicate.
	ID string
	// Actor says who sent it.
	Actor string
	// Payload is in its stored form.
	Payload []byte
}

// SignalState says what became of a signal.
type SignalState int

// The states.
const (
	SignalApplied SignalState = iota + 1
	SignalQueued
	SignalDuplicate
	SignalTooLate
)

// String returns the state's name.
func (s SignalState) String() string {
	switch s {
	case SignalApplied:
		return "applied"
	case SignalQueued:
		return "queued"
	case SignalDuplicate:
		return "duplicate"
	case SignalTooLate:
		return "too late"
	}
	return "unknown"
}

// MaxSignals bounds the signals of one run that wait.
const MaxSignals = 1000

// ErrTooManySignals says that so many signals of the run wait that no further one is taken.
var ErrTooManySignals = errors.New("too many signals wait")

// Signal hands a signal to the run that find reads. It returns what became of it, and the run as it was seen last. With an error nothing is
// stored, unless it wraps backend.ErrOutcomeUnknown. ErrFinished comes with SignalTooLate.
func (f *Flow) Signal(ctx context.Context, find func(ctx context.Context) (*backend.Record, error), s Signal) (SignalState, *backend.Record, error) {
	var tried Acted
	var failed error // why the attempt here came to nothing: there is one only
	for conflicts := 0; ; {
		rec, err := find(ctx)
		if err != nil {
			return 0, nil, err
		}
		if seen, err := f.signalSeen(ctx, rec.RunID, s.ID); seen || err != nil {
			return SignalDuplicate, rec, err
		}
		if rec.RunState.Finished() {
			return SignalTooLate, rec, machine.ErrFinished
		}
		queued, err := f.signalsOf(ctx, rec.RunID)
		if err != nil {
			return 0, rec, err
		}
		accepts := f.spec.Signals[rec.Status][s.Name] != nil && rec.RunState.Moving()
		if accepts && len(queued) == 0 && failed == nil {
			tried, failed = f.applySignal(ctx, find, rec, s)
			switch {
			case failed == nil:
				return SignalApplied, tried.Record, nil
			case errors.Is(failed, backend.ErrDuplicateSignal):
				return SignalDuplicate, rec, nil
			case tried.Attempts == 0 && !errors.Is(failed, backend.ErrVersionConflict) && !errors.Is(failed, errNotAccepted):
				return 0, rec, failed // the store's failure, or ctx's end
			}
			continue // it failed, or the run moved: the row takes it from here
		}
		switch {
		case len(queued) >= MaxSignals:
			return 0, rec, fmt.Errorf("%w: %d", ErrTooManySignals, len(queued))
		case f.engine.volatile && failed != nil && !errors.Is(failed, errNotAccepted):
			return 0, rec, failed
		case f.engine.volatile:
			return 0, rec, errVolatile("a signal that the run's status does not accept yet")
		}
		c := f.queueSignal(rec, s)
		if tried.Attempts > 0 && accepts {
			f.queueFailed(c, rec, f.spec.Signals[rec.Status][s.Name].Policy, tried.Attempts, failed)
		}
		err = f.engine.Commit(ctx, c)
		switch {
		case err == nil && c.Record != nil:
			return SignalQueued, c.Record, nil
		case err == nil:
			return SignalQueued, rec, nil
		case errors.Is(err, backend.ErrDuplicateSignal):
			return SignalDuplicate, rec, nil
		case errors.Is(err, backend.ErrVersionConflict) && reread(ctx, conflicts):
			conflicts++
		default:
			return 0, rec, err
		}
	}
}

// errNotAccepted says that the run came into a status that does not accept the signal.
var errNotAccepted = errors.New("the status does not accept the signal")

// applySignal handles a signal at once: one attempt, the others are the engine's.
func (f *Flow) applySignal(ctx context.Context, find func(ctx context.Context) (*backend.Record, error), rec *backend.Record, s Signal) (Acted, error) {
	return f.Act(ctx, Act{
		Find: func(ctx context.Context) (*backend.Record, error) {
			if first := rec; first != nil {
				rec = nil
				return first, nil
			}
			return find(ctx)
		},
		Accept: func(rec *backend.Record) (*Handler, error) {
			h := f.spec.Signals[rec.Status][s.Name]
			if h == nil || !rec.RunState.Moving() {
				return nil, errNotAccepted
			}
			once := *h
			once.Policy.MaxAttempts = 1
			once.Run = func(ctx context.Context, a *Attempt) (machine.Answer, error) {
				a.Payload = s.Payload
				return h.Run(ctx, a)
			}
			return &once, nil
		},
		Receiver: backend.Receiver(backend.SignalPrefix + s.Name), Cause: backend.CauseSignal, Actor: s.Actor, SignalID: s.ID,
	})
}

// queueSignal makes the row of a signal. It is due at once also where this program sees that the run does not accept it yet: whoever holds
// the run's role has the last word, with a program that may be another.
func (f *Flow) queueSignal(rec *backend.Record, s Signal) *backend.Change {
	now := f.spec.Clock.Now()
	return &backend.Change{SignalID: s.ID, Expect: rec.Meta.Version, Wake: true, Hold: []backend.Delivery{{
		DeliveryKey:  backend.DeliveryKey{RunID: rec.RunID, Receiver: signalReceiver(s.Name), Version: f.engine.arrival(now)},
		WorkflowName: f.spec.Name, Bucket: backend.BucketOf(rec.RunID, backend.DefaultBuckets),
		State: backend.DeliveryQueued, Due: now, Data: signalData(s),
	}}}
}

// queueFailed completes the row of a signal whose first attempts failed in the sender's goroutine: it backs off, or pauses its run, as its
// policy says.
func (f *Flow) queueFailed(c *backend.Change, rec *backend.Record, policy machine.Policy, attempts int, err error) {
	d, now := &c.Hold[0], f.spec.Clock.Now()
	failure := machine.Failure{Attempts: attempts}
	failure.Permanent, failure.After, _ = classify(err)
	decision := machine.Retry(policy, failure, f.engine.chance(f.spec))
	d.State, d.Attempts, d.FirstAt, d.LastError = backend.DeliveryBackingOff, attempts, now, backend.Cut(safeText(err))
	if d.Due = now.Add(decision.Wait); !decision.GiveUp {
		return
	}
	next, perr := machine.Pause(rec, backend.PausedByEngine, gaveUp(attempts, d.LastError), now)
	if perr != nil {
		return // it moves: that was looked at
	}
	d.State, d.Due, d.Attempts = backend.DeliveryHeld, time.Time{}, 0
	c.Record, c.From, c.Cause, c.Expect = next, machine.At(rec), backend.CauseEngine, 0
	if f.spec.AutoResume > 0 {
		c.Hold = append(c.Hold, f.resumeRow(next, now))
	}
}

// arrival numbers signals by the time of their arrival. Those of one process that come in one moment are numbered on.
func (e *Engine) arrival(now time.Time) uint {
	for {
		last := e.lastArrival.Load()
		next := max(now.UnixNano(), last+1)
		if e.lastArrival.CompareAndSwap(last, next) {
			return uint(next)
		}
	}
}

func (f *Flow) signalSeen(ctx context.Context, runID, id string) (bool, error) {
	if id == "" {
		return false, nil
	}
	r, ok := f.engine.b.(backend.SignalReader)
	if !ok {
		return false, errVolatile("the memory of signal ids")
	}
	return r.SignalSeen(ctx, runID, id)
}

// signalsOf returns the stored signals of a run, in the order of their arrival.
func (f *Flow) signalsOf(ctx context.Context, runID string) ([]backend.Delivery, error) {
	held, err := f.engine.b.Held(ctx, runID)
	if err != nil {
		return nil, err
	}
	held = slices.DeleteFunc(held, func(d backend.Delivery) bool { return !d.Receiver.IsSignal() })
	slices.SortFunc(held, compareSignals)
	return held, nil
}

func compareSignals(a, b backend.Delivery) int {
	switch {
	case a.Version < b.Version:
		return -1
	case a.Version > b.Version:
		return 1
	}
	return strings.Compare(string(a.Receiver), string(b.Receiver))
}

// placeSignal finds what a due signal means for the run as it is now.
func (e *Engine) placeSignal(t *task) (*member, error) {
	spec := t.role.flow.spec
	rec := t.rec
	if rec.RunState == backend.RunStateDataDeleted || rec.RunState == backend.RunStateRequestedDataDeleted {
		return e.nothing(t), nil
	}
	h := spec.Signals[rec.Status][signalName(t.key.Receiver)]
	if h == nil || !rec.RunState.Moving() {
		return e.parkSignal(t), nil
	}
	queued, err := t.role.flow.signalsOf(t.role.flow.ctx, rec.RunID)
	if err != nil {
		return nil, err
	}
	mine := backend.Delivery{DeliveryKey: t.key}
	for _, d := range queued {
		if compareSignals(d, mine) >= 0 || spec.Signals[rec.Status][signalName(d.Receiver)] == nil {
			continue
		}
		m := e.parkSignal(t) // the version that the earlier one makes brings this one back
		if first, ok := armSignal(spec, rec, queued, spec.Clock.Now()); ok {
			m.change.Hold = append(m.change.Hold, first) // it was parked by a program whose status did not accept it
		}
		return m, nil
	}
	t.actor, t.payload, err = parseSignalData(t.data)
	t.handler = h
	if err != nil {
		m := e.failed(t, err)
		return &m, nil
	}
	return nil, nil
}

// parkSignal takes a signal's due time away: the entry that brings the run where it is accepted gives it one again.
func (e *Engine) parkSignal(t *task) *member {
	m := e.postpone(t, time.Time{}, backend.DeliveryQueued)
	m.change.Expect = t.rec.Meta.Version
	return m
}

// heard turns the answer of a signal's handler that leaves the run as it is into one that stores it as it is.
func heard(answer machine.Answer, rec *backend.Record) machine.Answer {
	if answer.Verb == machine.Skip {
		return machine.Answer{Verb: machine.Repeat, Object: rec.Object}
	}
	return answer
}

// armSignal returns the earliest signal that the run's status accepts with a due time, if it has none yet. One that has is in hand or
// comes by itself.
func armSignal(spec *Spec, rec *backend.Record, held []backend.Delivery, now time.Time) (backend.Delivery, bool) {
	var first backend.Delivery
	found := false
	for _, d := range held {
		if !d.Receiver.IsSignal() || spec.Signals[rec.Status][signalName(d.Receiver)] == nil {
			continue
		}
		if !found || compareSignals(d, first) < 0 {
			first, found = d, true
		}
	}
	if !found || !first.Due.IsZero() {
		return first, false
	}
	first.State, first.Due = backend.DeliveryQueued, now
	return first, true
}

func signalReceiver(name string) backend.Receiver {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	return backend.Receiver(backend.SignalPrefix + name + ":" + hex.EncodeToString(b[:]))
}

// signalName is the name in a signal's receiver.
func signalName(r backend.Receiver) string {
	name, _ := strings.CutPrefix(string(r), backend.SignalPrefix)
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		name = name[:i]
	}
	return name
}

// signalData packs what a delivery keeps of a signal: the length of the actor as a varint, the actor, the payload.
func signalData(s Signal) []byte {
	b := binary.AppendUvarint(make([]byte, 0, 2+len(s.Actor)+len(s.Payload)), uint64(len(s.Actor)))
	return append(append(b, s.Actor...), s.Payload...)
}

// parseSignalData is the inverse of signalData.
func parseSignalData(data []byte) (actor string, payload []byte, err error) {
	n, size := binary.Uvarint(data)
	if size <= 0 || n > uint64(len(data)-size) {
		return "", nil, &PermanentError{Err: errors.New("the stored signal is damaged")}
	}
	data = data[size:]
	return string(data[:n]), data[n:], nil
}
