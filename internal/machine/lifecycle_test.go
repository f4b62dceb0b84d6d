package machine_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

func TestPause(t *testing.T) {
	moving := []backend.RunState{backend.RunStateInitiated, backend.RunStateRunning}
	for _, by := range []backend.PausedBy{backend.PausedByOperator, backend.PausedByEngine} {
		t.Run(by.String(), func(t *testing.T) {
			eachState(t, moving, backend.RunStatePaused,
				func(rec *backend.Record) (*backend.Record, error) { return machine.Pause(rec, by, "why", now) },
				func(n *backend.Record) { n.Meta.PausedBy, n.Meta.RunStateReason = by, "why" })
		})
	}
	t.Run("by nobody", func(t *testing.T) {
		eachState(t, nil, backend.RunStatePaused,
			func(rec *backend.Record) (*backend.Record, error) {
				return machine.Pause(rec, backend.PausedByNobody, "why", now)
			}, nil)
	})
}

func TestResume(t *testing.T) {
	const nobody, operator, engine = backend.PausedByNobody, backend.PausedByOperator, backend.PausedByEngine
	for _, tt := range []struct {
		pausedBy, resumedBy backend.PausedBy
		legal               bool
	}{
		{operator, operator, true},
		{engine, operator, true},
		{nobody, operator, true}, // a store that did not keep who
		{engine, engine, true},
		{operator, engine, false},
		{nobody, engine, false}, // it might have been the operator
	} {
		t.Run("paused by "+tt.pausedBy.String()+", resumed by "+tt.resumedBy.String(), func(t *testing.T) {
			rec := record(backend.RunStatePaused, statusOpen)
			rec.Meta.PausedBy = tt.pausedBy
			before := rec.Clone()
			got, err := machine.Resume(rec, tt.resumedBy, "", now)
			same(t, rec, before)
			if !tt.legal {
				refused(t, got, err, rec, backend.Point{RunState: backend.RunStateRunning, Status: statusOpen})
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// The visit stays: timers that were set before the pause are still those of this visit.
			same(t, got, next(rec, func(n *backend.Record) { n.RunState = backend.RunStateRunning }))
		})
	}
	eachState(t, []backend.RunState{backend.RunStatePaused}, backend.RunStateRunning,
		func(rec *backend.Record) (*backend.Record, error) {
			return machine.Resume(rec, backend.PausedByOperator, "", now)
		},
		func(*backend.Record) {})
}

func TestCancel(t *testing.T) {
	unfinished := []backend.RunState{backend.RunStateInitiated, backend.RunStateRunning, backend.RunStatePaused}
	eachState(t, unfinished, backend.RunStateCancelled,
		func(rec *backend.Record) (*backend.Record, error) { return machine.Cancel(rec, "why", now) },
		func(n *backend.Record) { n.Meta.RunStateReason = "why" })
}

func TestRequestDelete(t *testing.T) {
	ended := []backend.RunState{backend.RunStateCompleted, backend.RunStateCancelled, backend.RunStateDataDeleted}
	eachState(t, ended, backend.RunStateRequestedDataDeleted,
		func(rec *backend.Record) (*backend.Record, error) { return machine.RequestDelete(rec, "why", now) },
		func(n *backend.Record) { n.Meta.RunStateReason = "why" })
}

func TestDeleteData(t *testing.T) {
	for name, object := range map[string][]byte{"scrubbed": []byte("{}"), "to nothing": nil} {
		t.Run(name, func(t *testing.T) {
			eachState(t, []backend.RunState{backend.RunStateRequestedDataDeleted}, backend.RunStateDataDeleted,
				func(rec *backend.Record) (*backend.Record, error) { return machine.DeleteData(rec, object, now) },
				func(n *backend.Record) { n.Object, n.Meta.RunStateReason = object, "before" })
		})
	}
}

func TestReasonsAreCut(t *testing.T) {
	long := strings.Repeat("é", backend.MaxTextBytes)
	for name, move := range map[string]func() (*backend.Record, error){
		"pause": func() (*backend.Record, error) {
			return machine.Pause(record(backend.RunStateRunning, statusOpen), backend.PausedByEngine, long, now)
		},
		"cancel": func() (*backend.Record, error) {
			return machine.Cancel(record(backend.RunStatePaused, statusOpen), long, now)
		},
		"delete": func() (*backend.Record, error) {
			return machine.RequestDelete(record(backend.RunStateCompleted, statusDone), long, now)
		},
		"answer": func() (*backend.Record, error) {
			return machine.Advance(record(backend.RunStateRunning, statusOpen), orders(), machine.Answer{Verb: machine.PauseRun, Reason: long}, now)
		},
	} {
		rec, err := move()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := len(rec.Meta.RunStateReason); n > backend.MaxTextBytes || n < backend.MaxTextBytes-8 {
			t.Errorf("%s: the reason has %d bytes, want it cut to about %d", name, n, backend.MaxTextBytes)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, state := range states() {
		at := machine.Stopped
		if state == backend.RunStateInitiated || state == backend.RunStateRunning {
			at = machine.Deliver
		}
		for version, want := range map[uint]machine.Verdict{
			0: machine.Superseded, 4: machine.Superseded, 5: at, 6: machine.Ahead, math.MaxUint: machine.Ahead,
		} {
			if got := machine.Judge(record(state, statusOpen), version); got != want {
				t.Errorf("%v at version 5, event of version %d: verdict %d, want %d", state, version, got, want)
			}
		}
	}
}

func TestTimerIsVoid(t *testing.T) {
	for _, state := range states() {
		for visit, void := range map[uint]bool{3: state.Finished(), 2: true, 4: true, 0: true} {
			if got := machine.TimerIsVoid(record(state, statusOpen), visit); got != void {
				t.Errorf("%v in visit 3, timer of visit %d: void %v, want %v", state, visit, got, void)
			}
		}
	}
	if machine.TimerIsVoid(record(backend.RunStatePaused, statusOpen), 3) {
		t.Error("a pause made the timer void")
	}
}

// What happens to a run decides what its timers are worth.
func TestTimersOfAVisitLiveAsLongAsTheVisit(t *testing.T) {
	rec := record(backend.RunStateRunning, statusOpen)
	const visit = 3
	step := func(name string, void bool, moved *backend.Record, err error) *backend.Record {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := machine.TimerIsVoid(moved, visit); got != void {
			t.Errorf("after %s the timer is void: %v, want %v", name, got, void)
		}
		return moved
	}
	saved, err := machine.Advance(rec, orders(), machine.Answer{Verb: machine.Repeat}, now)
	saved = step("a save", false, saved, err)
	paused, err := machine.Pause(saved, backend.PausedByEngine, "", now)
	paused = step("a pause", false, paused, err)
	resumed, err := machine.Resume(paused, backend.PausedByEngine, "", now)
	resumed = step("a resume", false, resumed, err)
	back, err := machine.Advance(resumed, orders(), machine.Answer{Status: statusOpen}, now)
	step("coming back to the same status", true, back, err)
	cancelled, err := machine.Cancel(resumed, "", now)
	step("a cancel", true, cancelled, err)
}

func TestTimer(t *testing.T) {
	const bound = 200 * 365 * 24 * time.Hour
	for _, tt := range []struct {
		name string
		at   time.Time
		due  time.Time
		set  bool
		err  error
	}{
		{"none", time.Time{}, time.Time{}, false, nil},
		{"now", now, now, true, nil},
		{"just past", now.Add(-1), now, true, nil},
		{"long past", time.Unix(-1<<40, 0), now, true, nil},
		{"soon", now.Add(1), now.Add(1), true, nil},
		{"last possible", now.Add(bound - 1), now.Add(bound - 1), true, nil},
		{"too far", now.Add(bound), time.Time{}, false, machine.ErrAbsurdTime},
		{"further than a duration", time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}, false, machine.ErrAbsurdTime},
		{"at the end of time", time.Unix(1<<62, 0), time.Time{}, false, machine.ErrAbsurdTime},
	} {
		t.Run(tt.name, func(t *testing.T) {
			due, set, err := machine.Timer(tt.at, now)
			if !due.Equal(tt.due) || set != tt.set || !errors.Is(err, tt.err) {
				t.Errorf("Timer = %v, %v, %v; want %v, %v, %v", due, set, err, tt.due, tt.set, tt.err)
			}
		})
	}
}
