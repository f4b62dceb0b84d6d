package machine_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/graph"
	"github.com/stillwater-go/workflow/internal/machine"
)

// The statuses of the tests' workflow: new -> open -> done, new -> done, open may stay, and other is declared but not led to.
const (
	statusNew   = 0
	statusOpen  = 1
	statusDone  = 2
	statusOther = 3
)

func orders() *graph.Graph {
	g := graph.New()
	g.AddEdge(statusNew, statusOpen, graph.Step)
	g.AddEdge(statusNew, statusDone, graph.Step)
	g.AddEdge(statusOpen, statusOpen, graph.Callback)
	g.AddEdge(statusOpen, statusDone, graph.Step)
	g.AddEdge(statusOther, statusDone, graph.Step)
	return g
}

// every run state, the unknown one and one that no version of this library knows.
func states() []backend.RunState {
	return []backend.RunState{
		backend.RunStateUnknown, backend.RunStateInitiated, backend.RunStateRunning, backend.RunStatePaused, backend.RunStateCancelled,
		backend.RunStateCompleted, backend.RunStateDataDeleted, backend.RunStateRequestedDataDeleted, backend.RunState(99),
	}
}

var (
	created = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	updated = created.Add(time.Hour)
	now     = created.Add(2 * time.Hour)
)

// record is a run in a state, in the middle of its life.
func record(state backend.RunState, status int) *backend.Record {
	rec := &backend.Record{
		WorkflowName: "orders", ForeignID: "order-7", RunID: "run-1", RunState: state, Status: status,
		Object: []byte(`{"n":1}`), CreatedAt: created, UpdatedAt: updated,
		Meta: backend.Meta{RunStateReason: "before", StatusDescription: "Described", Version: 5, TraceOrigin: "main.go:1", Visit: 3},
	}
	if state == backend.RunStatePaused {
		rec.Meta.PausedBy = backend.PausedByOperator
	}
	return rec
}

// next is the record one version later, with the changes that every move makes.
func next(rec *backend.Record, change func(*backend.Record)) *backend.Record {
	n := rec.Clone()
	n.Meta.Version++
	n.Meta.RunStateReason = ""
	n.Meta.PausedBy = backend.PausedByNobody
	n.UpdatedAt = now
	change(n)
	return n
}

// same fails unless the record is what is wanted.
func same(t *testing.T, got, want *backend.Record) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// refused fails unless the move was forbidden, with the sentinels that the run's state asks for.
func refused(t *testing.T, got *backend.Record, err error, rec *backend.Record, to backend.Point) {
	t.Helper()
	if got != nil {
		t.Errorf("a forbidden move made a record: %+v", got)
	}
	var te *machine.TransitionError
	if !errors.As(err, &te) {
		t.Fatalf("error = %v (%T), want a TransitionError", err, err)
	}
	if te.From != machine.At(rec) || te.To != to || te.Why == "" {
		t.Errorf("error says %+v -> %+v because %q, want %+v -> %+v with a reason", te.From, te.To, te.Why, machine.At(rec), to)
	}
	if !errors.Is(err, machine.ErrInvalidTransition) {
		t.Error("error does not match ErrInvalidTransition")
	}
	if got, want := errors.Is(err, machine.ErrFinished), rec.RunState.Finished(); got != want {
		t.Errorf("matches ErrFinished: %v, want %v", got, want)
	}
	if got, want := errors.Is(err, machine.ErrPaused), rec.RunState == backend.RunStatePaused; got != want {
		t.Errorf("matches ErrPaused: %v, want %v", got, want)
	}
	if strings.Contains(err.Error(), string(rec.Object)) {
		t.Errorf("the error shows the object: %v", err)
	}
}

// eachState runs a move on a record of every run state: it must be taken in the states of legal and refused in the others,
// and never change what it was given.
func eachState(t *testing.T, legal []backend.RunState, to backend.RunState, move func(*backend.Record) (*backend.Record, error), change func(*backend.Record)) {
	t.Helper()
	for _, state := range states() {
		t.Run(state.String(), func(t *testing.T) {
			rec := record(state, statusOpen)
			before := rec.Clone()
			got, err := move(rec)
			same(t, rec, before)
			for _, ok := range legal {
				if ok == state {
					if err != nil {
						t.Fatalf("refused: %v", err)
					}
					same(t, got, next(rec, func(n *backend.Record) { n.RunState = to; change(n) }))
					return
				}
			}
			refused(t, got, err, rec, backend.Point{RunState: to, Status: statusOpen})
		})
	}
}

func TestAt(t *testing.T) {
	if got := machine.At(nil); got != (backend.Point{}) {
		t.Errorf("At(nil) = %+v, want the zero point", got)
	}
	if got, want := machine.At(record(backend.RunStatePaused, 7)), (backend.Point{RunState: backend.RunStatePaused, Status: 7}); got != want {
		t.Errorf("At = %+v, want %+v", got, want)
	}
}

func TestStart(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		want   backend.RunState
	}{
		{"in the first status", statusNew, backend.RunStateInitiated},
		{"in the middle", statusOpen, backend.RunStateInitiated},
		{"in a terminal status", statusDone, backend.RunStateCompleted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := record(backend.RunStatePaused, tt.status) // what is left over from elsewhere is overwritten
			before := rec.Clone()
			got := machine.Start(*rec, orders(), now)
			same(t, rec, before)
			want := rec.Clone()
			want.RunState = tt.want
			want.CreatedAt, want.UpdatedAt = now, now
			want.Meta.Version, want.Meta.Visit = 1, 1
			want.Meta.PausedBy, want.Meta.RunStateReason = backend.PausedByNobody, ""
			same(t, got, want)
		})
	}
}

func TestAdvanceProceeds(t *testing.T) {
	for _, tt := range []struct {
		name     string
		from, to int
		state    backend.RunState
		want     backend.RunState
	}{
		{"on", statusNew, statusOpen, backend.RunStateInitiated, backend.RunStateRunning},
		{"to the end", statusOpen, statusDone, backend.RunStateRunning, backend.RunStateCompleted},
		{"to the end at once", statusNew, statusDone, backend.RunStateInitiated, backend.RunStateCompleted},
		{"to the same status, which is a new visit", statusOpen, statusOpen, backend.RunStateRunning, backend.RunStateRunning},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := record(tt.state, tt.from)
			before := rec.Clone()
			got, err := machine.Advance(rec, orders(), machine.Answer{Verb: machine.Proceed, Status: tt.to, Description: "There", Object: []byte("new"), Reason: "ignored"}, now)
			if err != nil {
				t.Fatal(err)
			}
			same(t, rec, before)
			same(t, got, next(rec, func(n *backend.Record) {
				n.RunState, n.Status, n.Object = tt.want, tt.to, []byte("new")
				n.Meta.StatusDescription, n.Meta.Visit = "There", 6
			}))
		})
	}
}

func TestAdvanceRefusesWhatWasNotDeclared(t *testing.T) {
	for _, tt := range []struct {
		name     string
		from, to int
	}{
		{"backwards", statusOpen, statusNew},
		{"staying without an edge", statusNew, statusNew},
		{"out of the end", statusDone, statusOpen},
		{"to a status that others lead to", statusOther, statusOpen},
		{"to a status that nobody knows", statusOpen, 42},
		{"from a status that nobody knows", 42, statusDone},
		{"to zero, when zero is a status", statusOther, statusNew},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := record(backend.RunStateRunning, tt.from)
			got, err := machine.Advance(rec, orders(), machine.Answer{Verb: machine.Proceed, Status: tt.to}, now)
			refused(t, got, err, rec, backend.Point{RunState: backend.RunStateRunning, Status: tt.to})
		})
	}
}

// The other verbs stay where they are, whatever status the answer names.
func TestAdvanceVerbs(t *testing.T) {
	moving := []backend.RunState{backend.RunStateInitiated, backend.RunStateRunning}
	answer := machine.Answer{Status: statusDone, Description: "ignored", Object: []byte("new"), Reason: "because"}
	for _, tt := range []struct {
		name   string
		verb   machine.Verb
		to     backend.RunState
		change func(*backend.Record)
	}{
		{"repeat", machine.Repeat, backend.RunStateRunning, func(n *backend.Record) { n.Object = []byte("new") }},
		{"pause", machine.PauseRun, backend.RunStatePaused, func(n *backend.Record) {
			n.Object, n.Meta.PausedBy, n.Meta.RunStateReason = []byte("new"), backend.PausedByOperator, "because"
		}},
		{"cancel", machine.CancelRun, backend.RunStateCancelled, func(n *backend.Record) {
			n.Object, n.Meta.RunStateReason = []byte("new"), "because"
		}},
	} {
		for _, state := range moving {
			t.Run(tt.name+"/"+state.String(), func(t *testing.T) {
				rec := record(state, statusOpen)
				before := rec.Clone()
				a := answer
				a.Verb = tt.verb
				got, err := machine.Advance(rec, orders(), a, now)
				if err != nil {
					t.Fatal(err)
				}
				same(t, rec, before)
				same(t, got, next(rec, func(n *backend.Record) { n.RunState = tt.to; tt.change(n) }))
			})
		}
	}
	t.Run("skip", func(t *testing.T) {
		got, err := machine.Advance(record(backend.RunStateRunning, statusOpen), orders(), machine.Answer{Verb: machine.Skip, Object: []byte("new")}, now)
		if got != nil || err != nil {
			t.Errorf("got %+v, %v, want no change", got, err)
		}
	})
	for _, verb := range []machine.Verb{-1, machine.CancelRun + 1} {
		t.Run("unknown", func(t *testing.T) {
			rec := record(backend.RunStateRunning, statusNew)
			got, err := machine.Advance(rec, orders(), machine.Answer{Verb: verb, Status: statusOpen}, now)
			refused(t, got, err, rec, backend.Point{RunState: backend.RunStateRunning, Status: statusOpen})
		})
	}
}

func TestAdvanceLeavesAloneWhatDoesNotMove(t *testing.T) {
	for _, state := range states() {
		if state.Moving() {
			continue
		}
		for verb := machine.Proceed; verb <= machine.CancelRun; verb++ {
			rec := record(state, statusOpen)
			got, err := machine.Advance(rec, orders(), machine.Answer{Verb: verb, Status: statusDone}, now)
			refused(t, got, err, rec, backend.Point{RunState: backend.RunStateRunning, Status: statusDone})
		}
	}
}

func TestTransitionErrorSaysBothEnds(t *testing.T) {
	_, err := machine.Advance(record(backend.RunStateRunning, statusOpen), orders(), machine.Answer{Status: 42}, now)
	const want = "invalid transition: from status 1 (Running) to status 42 (Running): the status was not declared as a destination"
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}
