package workflow_test

import (
	"context"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// TestALaterStartKeepsItsTime: whatever happens to a run before its start, as long as it stays in its first visit it begins at its time, once.
func TestALaterStartKeepsItsTime(t *testing.T) {
	ping := workflow.NewSignal[string]("ping")
	type rig struct {
		t    *testing.T
		on   *memory.Backend
		id   string
		make func() *flow
		w    *flow
	}
	do := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	signal := func(r *rig) {
		_, err := ping.SendToRun(ctxFor(r.t), r.w, r.id, "hello")
		do(r.t, err)
	}
	extend := func(r *rig) {
		do(r.t, r.w.Operator("tester").SetDeadline(ctxFor(r.t), r.id, time.Now().Add(1000*time.Hour), "more time"))
	}
	pause := func(r *rig) { do(r.t, r.w.RunStateController(r.id).Pause(ctxFor(r.t), "wait")) }
	resume := func(r *rig) { do(r.t, r.w.RunStateController(r.id).Resume(ctxFor(r.t))) }
	restart := func(r *rig) { r.w.Stop(); r.w = r.make() }
	minute := func(r *rig) { pass(time.Minute) }
	for name, acts := range map[string][]func(r *rig){
		"nothing":                   {},
		"paused a while":            {minute, pause, minute, resume},
		"paused at once":            {pause, minute, resume},
		"paused twice":              {minute, pause, minute, resume, minute, pause, minute, resume},
		"paused over a restart":     {minute, pause, minute, restart, minute, resume},
		"a signal":                  {minute, signal},
		"two signals":               {minute, signal, minute, signal},
		"a signal at once":          {signal, signal},
		"a signal after a pause":    {minute, pause, minute, resume, minute, signal},
		"a deadline":                {minute, extend},
		"two deadlines":             {minute, extend, minute, extend},
		"a deadline over a restart": {minute, extend, restart},
		"a deadline, paused":        {pause, extend, minute, resume},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, on *memory.Backend) {
				begin := time.Now()
				var started []time.Duration
				r := &rig{t: t, on: on}
				r.make = func() *flow {
					b := workflow.NewBuilder[object, status]("later")
					b.AddStep(statusA, func(context.Context, *run) (status, error) {
						started = append(started, time.Since(begin))
						return statusEnd, nil
					}, statusEnd)
					workflow.AddSignal(b, statusA, ping, func(context.Context, *run, string) (status, error) { return 0, nil })
					return build(t, on, b)
				}
				r.w = r.make()
				r.id = trigger(t, r.w, "f", workflow.WithStartAfter[object, status](time.Hour))
				for _, act := range acts {
					act(r)
				}
				pass(2 * time.Hour)
				if len(started) != 1 || started[0] != time.Hour {
					t.Errorf("its step ran after %v, want once, after an hour", started)
				}
				if rec := lookup(t, on, r.id); rec.RunState != backend.RunStateCompleted {
					t.Errorf("the run is %v", rec.RunState)
				}
				if rows, err := on.Held(ctxFor(t), r.id); err != nil {
					t.Error(err)
				} else {
					for _, d := range rows {
						if d.Receiver == backend.ReceiverStep {
							t.Errorf("a row is left: %+v", d)
						}
					}
				}
			})
		})
	}
}

// TestALaterStartIsForItsVisit: a callback that takes the run on before its start has begun it.
func TestALaterStartIsForItsVisit(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		make := func() *workflow.Builder[object, status] {
			b := three("later")
			b.AddCallback(statusA, goes(statusB), statusB)
			return b
		}
		w := build(t, on, make())
		id := trigger(t, w, "f", workflow.WithStartAfter[object, status](time.Hour))
		pass(time.Minute)
		w.Stop()
		if err := w.Callback(ctxFor(t), "f", statusA, nil); err != nil {
			t.Fatal(err)
		}
		build(t, on, make())
		pass(time.Minute)
		if rec := lookup(t, on, id); rec.RunState != backend.RunStateCompleted {
			t.Errorf("taken on before its start, the run is %v in status %d", rec.RunState, rec.Status)
		}
	})
}

// TestARenameKeepsALaterStart: neither the new name of its status nor a pause for the lack of one begins a run early.
func TestARenameKeepsALaterStart(t *testing.T) {
	for _, pausedFirst := range []bool{false, true} {
		bubble(t, func(t *testing.T, on *memory.Backend) {
			begin := time.Now()
			var started []time.Duration
			first := workflow.NewBuilder[object, status]("renaming")
			first.AddStep(statusOther, step(statusEnd), statusEnd)
			w := build(t, on, first)
			id := trigger(t, w, "f", workflow.WithStartAfter[object, status](time.Hour))
			pass(time.Minute)
			w.Stop()
			second := func() *workflow.Builder[object, status] {
				b := workflow.NewBuilder[object, status]("renaming")
				b.AddStep(statusA, func(context.Context, *run) (status, error) {
					started = append(started, time.Since(begin))
					return statusEnd, nil
				}, statusEnd)
				return b
			}
			if pausedFirst {
				w = build(t, on, second())
				pass(time.Minute)
				if rec := lookup(t, on, id); rec.RunState != backend.RunStatePaused {
					t.Errorf("without its status the run is %v", rec.RunState)
				}
				w.Stop()
			}
			b := second()
			b.RenameStatus(int(statusOther), statusA)
			build(t, on, b)
			pass(2 * time.Hour)
			if len(started) != 1 || started[0] != time.Hour {
				t.Errorf("paused before %v: its step ran after %v, want once, after an hour", pausedFirst, started)
			}
			if rows, err := on.Held(ctxFor(t), id); err != nil || len(rows) > 0 {
				t.Errorf("left: %+v, %v", rows, err)
			}
		})
	}
}
