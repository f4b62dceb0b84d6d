package machine_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/graph"
	"github.com/stillwater-go/workflow/internal/machine"
)

// tape hands out the bytes of a fuzz input, zeros when they are used up.
type tape []byte

func (b *tape) next(below int) int {
	if len(*b) == 0 {
		return 0
	}
	v := int((*b)[0]) % below
	*b = (*b)[1:]
	return v
}

// FuzzLife builds a graph and leads a run through moves, both from the input, and holds every version against the one before.
func FuzzLife(f *testing.F) {
	f.Add([]byte{3, 0, 1, 1, 2, 2, 2, 0, 0, 0, 1, 0, 0, 0, 2})
	f.Add([]byte{2, 0, 1, 1, 0, 0, 1, 0, 5, 1, 6, 0, 7, 0, 3, 1, 4, 0, 8, 9})
	f.Add([]byte{1, 0, 1, 0, 5, 2, 6, 2, 6, 1, 0, 1, 8, 9, 8})
	f.Add([]byte{1, 0, 1, 0, 1, 0, 7, 0, 1, 10, 3, 1, 0, 1, 11, 2, 0, 0, 5, 0, 1, 10, 1, 0, 1, 1, 8, 0, 0, 10, 2})
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 400 {
			return
		}
		b := tape(input)
		g := graph.New()
		g.AddNode(0)
		for range b.next(12) {
			g.AddEdge(b.next(6), b.next(6), graph.Step)
		}
		all := g.Statuses()
		at := created
		run := machine.Start(backend.Record{RunID: "r", Status: all[b.next(len(all))]}, g, at)
		if run.Meta.Version != 1 || run.Meta.Visit != 1 || (run.RunState == backend.RunStateCompleted) != g.Terminal(run.Status) {
			t.Fatalf("a run starts as %+v", run)
		}
		for len(b) > 0 {
			at = at.Add(time.Duration(b.next(3)) * time.Second)
			before := run.Clone()
			by := []backend.PausedBy{backend.PausedByNobody, backend.PausedByOperator, backend.PausedByEngine}[b.next(3)]
			move := b.next(13)
			moved, err := randomMove(&b, move, run, g, by, at)
			same(t, run, before)
			if err != nil && !errors.Is(err, machine.ErrInvalidTransition) {
				t.Fatalf("an error of another kind: %v", err)
			}
			if moved == nil {
				continue
			}
			if err != nil {
				t.Fatalf("both a record and the error %v", err)
			}
			switch move {
			case forceMove:
				holdsForced(t, run, moved, at)
			case extendMove:
				holdsExtended(t, run, moved, at)
			case completeMove:
				if !run.RunState.Moving() || !g.Terminal(run.Status) || moved.RunState != backend.RunStateCompleted || moved.Meta.Visit != run.Meta.Visit {
					t.Fatalf("%+v was completed to %+v", run, moved)
				}
			default:
				holds(t, g, run, moved, by, at)
			}
			run = moved
		}
	})
}

// The moves that follow rules of their own.
const (
	forceMove    = 10
	extendMove   = 11
	completeMove = 12
)

// randomMove tries one move of the input's choice.
func randomMove(b *tape, move int, run *backend.Record, g *graph.Graph, by backend.PausedBy, at time.Time) (*backend.Record, error) {
	switch move {
	case forceMove:
		o := machine.Override{Status: b.next(8), Reason: "forced", Description: "d"}
		if o.Terminal = b.next(2) == 1; b.next(2) == 1 {
			o.Object = []byte{}
		}
		return machine.Force(run, o, at)
	case completeMove:
		return machine.Complete(run, g, at)
	case extendMove:
		deadline := time.Time{}
		if d := b.next(4); d > 0 {
			deadline = at.Add(time.Duration(d-2) * time.Second)
		}
		return machine.Extend(run, deadline, "extended", at)
	case 5:
		return machine.Pause(run, by, "paused", at)
	case 6:
		return machine.Resume(run, by, "", at)
	case 7:
		return machine.Cancel(run, "cancelled", at)
	case 8:
		return machine.RequestDelete(run, "delete", at)
	case 9:
		return machine.DeleteData(run, nil, at)
	default:
		verb := machine.Verb(b.next(6)) // one of them unknown
		return machine.Advance(run, g, machine.Answer{Verb: verb, Status: b.next(8), Object: []byte("o")}, at)
	}
}

// holds checks what is true of every move, whichever it was.
func holds(t *testing.T, g *graph.Graph, from, to *backend.Record, by backend.PausedBy, at time.Time) {
	t.Helper()
	if to.Meta.Version != from.Meta.Version+1 {
		t.Fatalf("version %d follows %d", to.Meta.Version, from.Meta.Version)
	}
	if to.RunID != from.RunID || !to.CreatedAt.Equal(from.CreatedAt) || !to.UpdatedAt.Equal(at) {
		t.Fatalf("the run became another: %+v, then %+v", from, to)
	}
	if to.Status != from.Status && !g.Declared(from.Status, to.Status) {
		t.Fatalf("status %d follows %d, which was not declared", to.Status, from.Status)
	}
	if !to.Meta.Deadline.Equal(from.Meta.Deadline) {
		t.Fatalf("the deadline %v became %v", from.Meta.Deadline, to.Meta.Deadline)
	}
	if !to.RunState.Valid() || to.RunState == backend.RunStateInitiated {
		t.Fatalf("%v follows %v", to.RunState, from.RunState)
	}
	switch to.Meta.Visit {
	case from.Meta.Visit:
		if to.Status != from.Status {
			t.Fatal("another status, the same visit")
		}
	case to.Meta.Version:
		if !g.Declared(from.Status, to.Status) || !from.RunState.Moving() || to.RunState.Stopped() {
			t.Fatalf("a new visit without entering a status: %+v, then %+v", from, to)
		}
	default:
		t.Fatalf("visit %d in version %d", to.Meta.Visit, to.Meta.Version)
	}
	if from.RunState.Finished() && (!to.RunState.Finished() || to.Status != from.Status) {
		t.Fatalf("%v became %v: it had ended", from.RunState, to.RunState)
	}
	if from.RunState.Finished() && to.RunState != backend.RunStateRequestedDataDeleted && to.RunState != backend.RunStateDataDeleted {
		t.Fatalf("%v became %v: an ended run can only be deleted", from.RunState, to.RunState)
	}
	if (to.RunState == backend.RunStateCompleted) != (from.RunState.Moving() && to.Meta.Visit == to.Meta.Version && g.Terminal(to.Status)) {
		t.Fatalf("completed without entering an end, or an end without completion: %+v, then %+v", from, to)
	}
	if (to.RunState == backend.RunStatePaused) != (to.Meta.PausedBy != backend.PausedByNobody) {
		t.Fatalf("%v, paused by %v", to.RunState, to.Meta.PausedBy)
	}
	if from.Meta.PausedBy == backend.PausedByOperator && to.RunState.Moving() && by == backend.PausedByEngine {
		t.Fatal("the engine resumed what the operator had paused")
	}
	if from.RunState == backend.RunStatePaused && to.RunState.Moving() && to.Status != from.Status {
		t.Fatal("a resume moved the run")
	}
}

// holdsForced checks what is true of every override.
func holdsForced(t *testing.T, from, to *backend.Record, at time.Time) {
	t.Helper()
	if to.Meta.Version != from.Meta.Version+1 || to.Meta.Visit != to.Meta.Version || !to.UpdatedAt.Equal(at) {
		t.Fatalf("an override is a new version and a new visit: %+v, then %+v", from, to)
	}
	if to.RunState != backend.RunStateRunning && to.RunState != backend.RunStateCompleted || to.Meta.PausedBy != backend.PausedByNobody {
		t.Fatalf("an override left the run %v, paused by %v", to.RunState, to.Meta.PausedBy)
	}
	if from.RunState == backend.RunStateDataDeleted || from.RunState == backend.RunStateRequestedDataDeleted {
		t.Fatalf("a run came back although it was %v", from.RunState)
	}
	if to.RunID != from.RunID || !to.CreatedAt.Equal(from.CreatedAt) || to.Meta.RunStateReason != "forced" {
		t.Fatalf("the run became another: %+v, then %+v", from, to)
	}
	if gone := !to.Meta.Deadline.Equal(from.Meta.Deadline); gone && !from.RunState.Finished() {
		t.Fatalf("the deadline %v was lost", from.Meta.Deadline)
	}
}

// holdsExtended checks that a new deadline changes nothing else.
func holdsExtended(t *testing.T, from, to *backend.Record, at time.Time) {
	t.Helper()
	if from.RunState.Finished() {
		t.Fatalf("%v has a deadline", from.RunState)
	}
	want := from.Clone()
	want.Meta.Version++
	want.UpdatedAt, want.Meta.Deadline = at, to.Meta.Deadline
	if from.RunState != backend.RunStatePaused {
		want.Meta.RunStateReason = "extended"
	}
	same(t, to, want)
}

// FuzzRetry holds the waits of a policy between zero and its maximum, and its spans to growing.
func FuzzRetry(f *testing.F) {
	f.Add(int64(0), int64(0), 0, 1, uint16(0), false)
	f.Add(int64(time.Second), int64(time.Minute), -1, 70, uint16(math.MaxUint16), false)
	f.Add(int64(time.Second), int64(math.MaxInt64), -1, 40, uint16(1), false)
	f.Add(int64(math.MaxInt64), int64(1), 3, 2, uint16(9), true)
	f.Fuzz(func(t *testing.T, backOff, maxBackOff int64, maxAttempts, attempts int, chance uint16, permanent bool) {
		attempts %= 10_000
		p := machine.Policy{BackOff: time.Duration(backOff), MaxBackOff: time.Duration(maxBackOff), MaxAttempts: maxAttempts}
		d := machine.Retry(p, machine.Failure{Attempts: attempts, Permanent: permanent}, float64(chance)/(math.MaxUint16+1))
		p = p.WithDefaults()
		if p.BackOff <= 0 || p.MaxBackOff <= 0 || p.MaxAttempts == 0 {
			t.Fatalf("WithDefaults left %+v", p)
		}
		span, longer := machine.Span(p, attempts), machine.Span(p, attempts+1)
		if span <= 0 || span > p.MaxBackOff || span < min(p.BackOff, p.MaxBackOff) || longer < span {
			t.Fatalf("%+v: span %v after %d attempts, then %v", p, span, attempts, longer)
		}
		if last := p.MaxAttempts > 0 && attempts >= p.MaxAttempts; d.GiveUp != (permanent || last) {
			t.Fatalf("%+v: after %d attempts (permanent: %v) gives up: %v", p, attempts, permanent, d.GiveUp)
		}
		if d.Wait < 0 || d.Wait > span || d.GiveUp && d.Wait != 0 {
			t.Fatalf("%+v: waits %v of at most %v, gives up: %v", p, d.Wait, span, d.GiveUp)
		}
	})
}

// FuzzTimer holds that a timer is never early and never further than any clock of ours reaches.
func FuzzTimer(f *testing.F) {
	f.Add(int64(0), int64(0))
	f.Add(int64(-1), int64(1))
	f.Add(int64(1)<<62, int64(-1))
	f.Fuzz(func(t *testing.T, seconds, nanos int64) {
		at := time.Unix(seconds, nanos)
		due, set, err := machine.Timer(at, now)
		switch {
		case err != nil:
			if set || !errors.Is(err, machine.ErrAbsurdTime) || at.Before(now.AddDate(190, 0, 0)) {
				t.Fatalf("Timer(%v) = %v, %v, %v", at, due, set, err)
			}
		case at.IsZero():
			if set {
				t.Fatal("the zero time set a timer")
			}
		case !set || due.Before(at) || due.Before(now) || due.After(now) && !due.Equal(at) || due.After(now.AddDate(201, 0, 0)):
			t.Fatalf("Timer(%v) = %v, %v", at, due, set)
		}
	})
}
