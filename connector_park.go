package workflow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/id"
	"github.com/stillwater-go/workflow/internal/machine"
)

// parkedEvent is the object of a parked event's run, as it is stored. Its names never change.
type parkedEvent struct {
	ID        string            `json:"id,omitempty"`
	ForeignID string            `json:"foreign_id,omitempty"`
	Type      string            `json:"type,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	CreatedAt time.Time         `json:"created_at"`
	// Exact is the whole event in gob, where it holds text that JSON would change.
	Exact []byte `json:"exact,omitempty"`
	// First is how the connector's own attempt failed.
	First firstFailure `json:"first"`
}

// park makes the object of an event.
func park(e *ConnectorEvent, f *engine.Failure) (*parkedEvent, error) {
	o := &parkedEvent{
		ID: e.ID, ForeignID: e.ForeignID, Type: e.Type, Headers: e.Headers, CreatedAt: e.CreatedAt,
		First: firstFailure{Error: f.Text, Stack: f.Stack, Permanent: f.Permanent, After: f.After},
	}
	valid := utf8.ValidString(e.ID) && utf8.ValidString(e.ForeignID) && utf8.ValidString(e.Type)
	for k, v := range e.Headers {
		valid = valid && utf8.ValidString(k) && utf8.ValidString(v)
	}
	if valid {
		return o, nil
	}
	var exact bytes.Buffer
	if err := gob.NewEncoder(&exact).Encode(e); err != nil {
		return nil, err
	}
	o.Exact = exact.Bytes()
	return o, nil
}

// event is the event as it came.
func (o *parkedEvent) event() (e ConnectorEvent, err error) {
	if len(o.Exact) > 0 {
		if err := gob.NewDecoder(bytes.NewReader(o.Exact)).Decode(&e); err != nil {
			return e, fmt.Errorf("decode the parked event: %w", err)
		}
		return e, nil
	}
	return ConnectorEvent{ID: o.ID, ForeignID: o.ForeignID, Type: o.Type, Headers: o.Headers, CreatedAt: o.CreatedAt}, nil
}

type firstFailure struct {
	Error     string        `json:"error"`
	Stack     string        `json:"stack,omitempty"`
	Permanent bool          `json:"permanent,omitempty"`
	After     time.Duration `json:"after,omitempty"`
}

// parkStatus is where a parked event is. The numbers are stored and never change.
type parkStatus int

const (
	eventParked  parkStatus = 1
	eventHandled parkStatus = 2
)

// String returns the status's name.
func (s parkStatus) String() string {
	switch s {
	case eventParked:
		return "Parked"
	case eventHandled:
		return "Handled"
	default:
		return "Unknown"
	}
}

// parking keeps the failed events of one connector, as runs of a workflow of their own.
type parking struct {
	connector string
	w         *Workflow[parkedEvent, parkStatus]
}

// newParking builds the workflow of the parked events on the outer workflow's backend, with its settings and the connector's options.
func newParking(workflow string, c *connector, on Backend, outer buildOptions, opts options) (*parking, error) {
	b := NewBuilder[parkedEvent, parkStatus](parkingName(workflow, c.name))
	b.AddStep(eventParked, func(ctx context.Context, r *Run[parkedEvent, parkStatus]) (parkStatus, error) {
		o := r.Object
		if r.Meta.Version == 1 && r.Attempt() == 1 {
			return 0, pastFailure{o.First} // this attempt was made before the event was parked, and is counted here
		}
		e, err := o.event()
		if err != nil {
			return 0, Permanent(err)
		}
		if err := c.fn(ctx, &e); err != nil {
			return 0, err
		}
		return eventHandled, nil
	}, eventHandled)
	opts.lag = -1 // the event was old enough before
	b.steps[eventParked].opts = opts
	w, err := b.BuildOn(on, innerOptions(outer))
	if err != nil {
		return nil, err
	}
	return &parking{connector: c.name, w: w}, nil
}

// pastFailure is the first failure as an error that says of itself what the original said.
type pastFailure struct{ firstFailure }

func (f pastFailure) Error() string { return f.firstFailure.Error }

func (f pastFailure) Unwrap() (said []error) {
	if f.Stack != "" {
		said = append(said, &PanicError{Value: f.firstFailure.Error, Stack: f.Stack})
	}
	if f.After > 0 {
		said = append(said, RetryAfter(errFirst, f.After))
	}
	if f.Permanent {
		said = append(said, Permanent(errFirst))
	}
	return said
}

var errFirst = errors.New("the connector's own attempt failed")

// runID is the run that an event is parked as: the same whenever it comes again, so that it is parked once. An event without an id is another one
// each time.
func (p *parking) runID(e *ConnectorEvent) string {
	if e.ID == "" {
		return id.New(p.w.clock.Now())
	}
	h := sha256.New()
	for _, part := range []string{p.w.name, e.ForeignID, e.ID} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return "event-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// foreignID names the event to people. No two events have the same, so that they do not stand in each other's way.
func (p *parking) foreignID(e *ConnectorEvent, runID string) string {
	name := e.ForeignID + "/" + e.ID
	if e.ID == "" || backend.ValidateID("foreign id", name, backend.MaxIDBytes) != nil {
		return runID
	}
	return name
}

// store parks an event, unless it is parked or was handled already.
func (p *parking) store(ctx context.Context, a *arrival) error {
	e, f := &a.event, a.failure
	o, err := park(e, f)
	if err != nil {
		return fmt.Errorf("%w: encode the event: %w", errUnfit, err)
	}
	object, err := p.w.encodeObject(o)
	if err != nil {
		return fmt.Errorf("%w: encode the event: %w", errUnfit, err)
	}
	rec := machine.Start(Record{
		WorkflowName: p.w.name, ForeignID: p.foreignID(e, a.runID), RunID: a.runID, Status: int(eventParked), Object: object,
		Meta: Meta{StatusDescription: eventParked.String(), TraceOrigin: "connector " + p.connector},
	}, p.w.graph, p.w.clock.Now())
	if err := backend.ValidateRecord(rec); err != nil {
		return err
	}
	err = p.w.flow.Trigger(ctx, engine.Start{Record: rec})
	if !errors.Is(err, ErrVersionConflict) && !errors.Is(err, ErrWorkflowInProgress) {
		return err
	}
	there, lerr := p.w.flow.Engine().Backend().Lookup(ctx, a.runID)
	if lerr != nil {
		return errors.Join(err, lerr)
	}
	if there.RunState.Finished() {
		p.w.log.Error(ctx, &Error{Op: "connector " + p.connector, Workflow: p.w.name, RunID: a.runID,
			Err: errors.New("an event that was parked and has ended came again and failed: " + f.Text), Hint: "it is not parked again"})
	}
	return nil
}

// ParkedEvent is an event of a connector that failed and is not done yet.
type ParkedEvent struct {
	// Connector is the connector's name.
	Connector string
	// Event is as it came.
	Event ConnectorEvent
	// RunID is its run of the workflow "<workflow>#connector:<name>", which operators pause, resume and cancel like any other.
	RunID string
	// Attempts counts the failed attempts kept, at most 100.
	Attempts int
	// LastError is the last one's text.
	LastError string
	// State is RunStatePaused when no further attempt is made until somebody asks for it; otherwise the event is tried again by itself.
	State RunState
	// ParkedAt is when it failed for the first time.
	ParkedAt time.Time
}

// parkedPage is how many parked events are read at once.
const parkedPage = 200

// ParkedEvents goes through the events of all connectors that failed and are not done yet, oldest first in each connector. It reads the store
// page by page: what is parked or done meanwhile may or may not be shown. It ends with the first error, which matches
// backend.ErrUnsupported on classic parts, where nothing is parked.
func (w *Workflow[Type, Status]) ParkedEvents(ctx context.Context) iter.Seq2[ParkedEvent, error] {
	return func(yield func(ParkedEvent, error) bool) {
		for _, c := range w.connectors {
			if c.parking == nil {
				yield(ParkedEvent{}, &Error{Op: "list parked events", Workflow: w.name, Err: backend.ErrUnsupported, Hint: "classic parts have no place to park"})
				return
			}
			for rec, err := range c.parking.runs(ctx, RunStateInitiated, RunStateRunning, RunStatePaused) {
				var e ParkedEvent
				if err == nil {
					e, err = c.parking.describe(ctx, rec)
				}
				if err != nil {
					yield(ParkedEvent{}, &Error{Op: "list parked events", Workflow: w.name, Err: err})
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// RetryEvent has a parked event tried again that the engine, or an operator, has paused: with fresh attempts, as resuming its run does. It returns
// [ErrRecordNotFound] where no such event is parked, and [ErrInvalidTransition] where it is about to be tried again anyway.
func (w *Workflow[Type, Status]) RetryEvent(ctx context.Context, connector, eventID string) error {
	fail := func(err error) error {
		return &Error{Op: "retry event of connector " + connector, Workflow: w.name, Err: err}
	}
	for _, c := range w.connectors {
		if c.name != connector {
			continue
		}
		if c.parking == nil {
			return fail(backend.ErrUnsupported)
		}
		var found []string // streams may give one id to events of several foreign ids
		for rec, err := range c.parking.runs(ctx, RunStateInitiated, RunStateRunning, RunStatePaused) {
			if err != nil {
				return fail(err)
			}
			var o parkedEvent
			if err := Unmarshal(rec.Object, &o); err != nil {
				continue // not ours to mend; it is listed with its error
			}
			if e, err := o.event(); err == nil && e.ID == eventID {
				found = append(found, rec.RunID)
			}
		}
		var errs []error
		for _, runID := range found {
			errs = append(errs, c.parking.w.RunStateController(runID).Resume(ctx))
		}
		if len(found) > 0 {
			return errors.Join(errs...)
		}
	}
	return fail(fmt.Errorf("%w: no event %s is parked", ErrRecordNotFound, backend.Quote(eventID)))
}

// runs goes through the runs in those states.
func (p *parking) runs(ctx context.Context, states ...RunState) iter.Seq2[*Record, error] {
	on, filter := p.w.flow.Engine().Backend(), FilterByRunState(states...)
	finder, _ := on.(backend.Finder)
	return func(yield func(*Record, error) bool) {
		for mark := int64(0); ; {
			var page []*Record
			var err error
			if finder != nil {
				var found []backend.Found
				found, err = finder.Find(ctx, backend.Query{WorkflowName: p.w.name, After: mark, Limit: parkedPage, Filters: []RecordFilter{filter}})
				for _, f := range found {
					page, mark = append(page, f.Record), f.Key
				}
			} else {
				var recs []Record
				recs, err = on.List(ctx, p.w.name, mark, parkedPage, OrderTypeAscending, filter)
				for i := range recs {
					page = append(page, &recs[i])
				}
				mark += int64(len(recs))
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, rec := range page {
				if !yield(rec, nil) {
					return
				}
			}
			if len(page) < parkedPage {
				return
			}
		}
	}
}

// describe adds to a run what its attempts say.
func (p *parking) describe(ctx context.Context, rec *Record) (ParkedEvent, error) {
	var o parkedEvent
	if err := Unmarshal(rec.Object, &o); err != nil {
		return ParkedEvent{}, fmt.Errorf("decode parked event of run %s: %w", rec.RunID, err)
	}
	event, err := o.event()
	if err != nil {
		return ParkedEvent{}, fmt.Errorf("run %s: %w", rec.RunID, err)
	}
	e := ParkedEvent{
		Connector: p.connector, Event: event, RunID: rec.RunID, Attempts: 1, LastError: o.First.Error, State: rec.RunState, ParkedAt: rec.CreatedAt,
	}
	attempts, err := p.w.flow.Engine().Backend().Attempts(ctx, rec.RunID, keptAttempts)
	if err != nil {
		return ParkedEvent{}, err
	}
	attempts = slices.DeleteFunc(attempts, func(a backend.Attempt) bool { return a.Number == 0 }) // an operator's orders
	if n := len(attempts); n > 0 {
		e.Attempts, e.LastError = n, attempts[n-1].Error
	}
	return e, nil
}

// keptAttempts is how many failed attempts a store keeps of a run.
const keptAttempts = 100

// errUnfit says that an event cannot be stored.
var errUnfit = errors.New("the event cannot be stored")
