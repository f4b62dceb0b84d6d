package machine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

func TestForce(t *testing.T) {
	var alive []backend.RunState // what is not deleted, nor about to be
	for _, s := range states() {
		if s >= backend.RunStateInitiated && s <= backend.RunStateCompleted {
			alive = append(alive, s)
		}
	}
	for name, o := range map[string]machine.Override{
		"another status":          {Status: statusDone, Description: "Done", Reason: "why"},
		"the same status":         {Status: statusOpen, Description: "Open", Reason: "why"},
		"a status of nobody":      {Status: 1 << 40},
		"with an object":          {Status: statusDone, Object: []byte(`{"n":2}`)},
		"with an empty object":    {Status: statusDone, Object: []byte{}},
		"where nothing leads out": {Status: statusDone, Terminal: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, state := range states() {
				rec := record(state, statusOpen)
				rec.Meta.Deadline = now.Add(time.Hour)
				before := rec.Clone()
				got, err := machine.Force(rec, o, now)
				same(t, rec, before)
				to := backend.RunStateRunning
				if o.Terminal {
					to = backend.RunStateCompleted
				}
				if !contains(alive, state) {
					refused(t, got, err, rec, backend.Point{RunState: to, Status: o.Status})
					continue
				}
				if err != nil {
					t.Fatalf("%v: %v", state, err)
				}
				same(t, got, next(rec, func(n *backend.Record) {
					n.RunState, n.Status = to, o.Status
					n.Meta.StatusDescription, n.Meta.RunStateReason = o.Description, o.Reason
					n.Meta.Visit = n.Meta.Version // also in the same status: a new stay
					if o.Object != nil {
						n.Object = o.Object
					}
					if state.Finished() {
						n.Meta.Deadline = time.Time{}
					}
				}))
			}
		})
	}
}

func TestForceMakesEveryTimerOfTheOldVisitVoid(t *testing.T) {
	rec := record(backend.RunStatePaused, statusOpen)
	got, err := machine.Force(rec, machine.Override{Status: statusOpen}, now)
	if err != nil {
		t.Fatal(err)
	}
	if !machine.TimerIsVoid(got, rec.Meta.Visit) {
		t.Error("a timer of the visit that was left still counts")
	}
}

func TestForceAndTheDeadline(t *testing.T) {
	for _, state := range []backend.RunState{
		backend.RunStateInitiated, backend.RunStateRunning, backend.RunStatePaused, backend.RunStateCancelled, backend.RunStateCompleted,
	} {
		for name, deadline := range map[string]time.Time{"none": {}, "to come": now.Add(1), "passed": now.Add(-1)} {
			rec := record(state, statusOpen)
			rec.Meta.Deadline = deadline
			got, err := machine.Force(rec, machine.Override{Status: statusOpen}, now)
			if err != nil {
				t.Fatalf("%v, %s: %v", state, name, err)
			}
			want := deadline
			if state.Finished() { // it was for the life that has ended
				want = time.Time{}
			}
			if !got.Meta.Deadline.Equal(want) {
				t.Errorf("%v, %s: the deadline is %v, want %v", state, name, got.Meta.Deadline, want)
			}
		}
	}
}

func TestExtend(t *testing.T) {
	unfinished := []backend.RunState{backend.RunStateInitiated, backend.RunStateRunning, backend.RunStatePaused}
	for name, deadline := range map[string]time.Time{"to a time": now.Add(time.Hour), "to the past": now.Add(-time.Hour), "to never": {}} {
		t.Run(name, func(t *testing.T) {
			for _, state := range states() {
				rec := record(state, statusOpen)
				rec.Meta.Deadline = now.Add(time.Minute)
				before := rec.Clone()
				got, err := machine.Extend(rec, deadline, "why", now)
				same(t, rec, before)
				if !contains(unfinished, state) {
					refused(t, got, err, rec, machine.At(rec))
					continue
				}
				if err != nil {
					t.Fatalf("%v: %v", state, err)
				}
				same(t, got, next(rec, func(n *backend.Record) {
					n.Meta.Deadline, n.Meta.RunStateReason = deadline, "why"
					if state == backend.RunStatePaused { // it stays paused, by whom and why it was
						n.Meta.PausedBy, n.Meta.RunStateReason = rec.Meta.PausedBy, rec.Meta.RunStateReason
					}
				}))
			}
		})
	}
}

func TestEdit(t *testing.T) {
	unfinished := []backend.RunState{backend.RunStateInitiated, backend.RunStateRunning, backend.RunStatePaused}
	for _, state := range states() {
		rec := record(state, statusOpen)
		rec.Meta.Deadline = now.Add(time.Minute)
		before := rec.Clone()
		got, err := machine.Edit(rec, []byte("other"), "why", now)
		same(t, rec, before)
		if !contains(unfinished, state) {
			refused(t, got, err, rec, machine.At(rec))
			continue
		}
		if err != nil {
			t.Fatalf("%v: %v", state, err)
		}
		same(t, got, next(rec, func(n *backend.Record) {
			n.Object, n.Meta.RunStateReason = []byte("other"), "why"
			if state == backend.RunStatePaused { // it stays paused, by whom and why it was
				n.Meta.PausedBy, n.Meta.RunStateReason = rec.Meta.PausedBy, rec.Meta.RunStateReason
			}
		}))
	}
}

func TestComplete(t *testing.T) {
	for _, status := range []int{statusDone, statusOpen, statusOther, 1 << 40} {
		for _, state := range states() {
			rec := record(state, status)
			before := rec.Clone()
			got, err := machine.Complete(rec, orders(), now)
			same(t, rec, before)
			if !state.Moving() || status != statusDone {
				refused(t, got, err, rec, backend.Point{RunState: backend.RunStateCompleted, Status: status})
				continue
			}
			if err != nil {
				t.Fatalf("%v: %v", state, err)
			}
			same(t, got, next(rec, func(n *backend.Record) {
				n.RunState, n.Meta.RunStateReason = backend.RunStateCompleted, rec.Meta.RunStateReason
			}))
		}
	}
}

func TestResumeKeepsItsReason(t *testing.T) {
	rec := record(backend.RunStatePaused, statusOpen)
	got, err := machine.Resume(rec, backend.PausedByOperator, "the bank is back", now)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, next(rec, func(n *backend.Record) {
		n.RunState, n.Meta.RunStateReason = backend.RunStateRunning, "the bank is back"
	}))
}

func TestTextsOfAnOverrideAreCut(t *testing.T) {
	long := strings.Repeat("é", backend.MaxTextBytes)
	forced, err := machine.Force(record(backend.RunStateRunning, statusOpen), machine.Override{Status: statusDone, Description: long, Reason: long}, now)
	if err != nil {
		t.Fatal(err)
	}
	extended, err := machine.Extend(record(backend.RunStateRunning, statusOpen), now, long, now)
	if err != nil {
		t.Fatal(err)
	}
	resumed, err := machine.Resume(record(backend.RunStatePaused, statusOpen), backend.PausedByOperator, long, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{
		"description": forced.Meta.StatusDescription, "reason of a force": forced.Meta.RunStateReason,
		"reason of a deadline": extended.Meta.RunStateReason, "reason of a resume": resumed.Meta.RunStateReason,
	} {
		if len(s) > backend.MaxTextBytes || len(s) < backend.MaxTextBytes-8 {
			t.Errorf("%s has %d bytes, want it cut to about %d", name, len(s), backend.MaxTextBytes)
		}
	}
}

func contains(states []backend.RunState, s backend.RunState) bool {
	for _, have := range states {
		if have == s {
			return true
		}
	}
	return false
}
