package workflow_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

type (
	typed = workflow.TypedRecord[object, status]
	hook  = workflow.RunStateChangeHookFunc[object, status]
)

// follower is a workflow whose runs wait in A for a callback.
func follower() *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status]("follower")
	b.AddCallback(statusA, goes(statusEnd), statusEnd)
	return b
}

// same takes the foreign id over, with a note of where it came from.
func same(r *typed) (string, *object) {
	return r.ForeignID, &object{Note: "after " + r.Status.String(), Count: r.Object.Count}
}

// runsOf returns the runs of a workflow, oldest first.
func runsOf(t testing.TB, w *flow, filters ...workflow.RecordFilter) (all []workflow.RunView[object, status]) {
	t.Helper()
	for r, err := range w.AllRuns(ctxFor(t), workflow.Where(filters...)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// TestTriggerHook: one run for each version, with the value made of it, also when the hook fails after it has triggered, and when the process
// ends in between.
func TestTriggerHook(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		target := build(t, on, follower())
		connect := workflow.TriggerHook(target, same, workflow.WithRunTimeout[object, status](time.Hour))
		var broken atomic.Bool
		var told atomic.Int64
		broken.Store(true)
		make := func() *flow {
			b := three("source")
			b.OnStatus(statusB, func(ctx context.Context, r *typed) error {
				told.Add(1)
				if err := connect(ctx, r); err != nil {
					return err
				}
				if broken.Load() {
					return workflow.RetryAfter(errTest, time.Minute) // as if the process died before this was stored
				}
				return nil
			})
			return build(t, on, b)
		}
		source := make()
		trigger(t, source, "f")
		pass(3 * time.Minute)
		if told.Load() < 3 {
			t.Fatalf("the hook was told %d times", told.Load())
		}
		source.Stop()
		source = make()
		if err := target.Callback(ctxFor(t), "f", statusA, nil); err != nil { // the run ends: the foreign id is free
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		broken.Store(false)
		pass(2 * time.Minute)
		runs := runsOf(t, target)
		if len(runs) != 1 {
			t.Fatalf("%d runs were started, want 1", len(runs))
		}
		first, err := runs[0].Object()
		if err != nil || first.Note != "after B" || first.Count != 1 || runs[0].ForeignID != "f" || runs[0].Meta.Deadline.IsZero() {
			t.Errorf("the run of %q has object %+v, deadline %v, %v", runs[0].ForeignID, first, runs[0].Meta.Deadline, err)
		}
		trigger(t, source, "f") // another run of the source is another start
		pass(time.Second)
		if n := len(runsOf(t, target)); n != 2 {
			t.Errorf("after a second run: %d runs, want 2", n)
		}
		noneHeld(t, source)
	})
}

func noneHeld(t testing.TB, w *flow) {
	t.Helper()
	for d, err := range w.Held(ctxFor(t)) {
		t.Errorf("held: %+v, %v", d, err)
	}
}

// TestTriggerHookTwoVersions: a run that enters the status again starts another run.
func TestTriggerHookTwoVersions(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		target := build(t, on, three("target"))
		b := workflow.NewBuilder[object, status]("source")
		b.AddCallback(statusA, goes(statusB), statusB)
		b.AddStep(statusB, step(statusA), statusA)
		b.OnStatus(statusB, workflow.TriggerHook(target, same))
		w := build(t, on, b)
		trigger(t, w, "f")
		for range 2 {
			synctest.Wait()
			if err := w.Callback(ctxFor(t), "f", statusA, nil); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := len(runsOf(t, target, workflow.FilterByRunState(workflow.RunStateCompleted))); n != 2 {
			t.Errorf("%d runs, want one for each visit", n)
		}
	})
}

// TestTriggerHookWaitsForTheRunInTheWay: it is tried again, held in the end, and starts its run when somebody asks for it.
func TestTriggerHookWaitsForTheRunInTheWay(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		target := build(t, on, follower())
		b := three("source")
		b.OnComplete(workflow.TriggerHook(target, same))
		source := build(t, on, b)
		trigger(t, target, "soon")
		trigger(t, target, "long")
		trigger(t, source, "soon")
		long := trigger(t, source, "long")
		pass(time.Second)
		if err := target.Callback(ctxFor(t), "soon", statusA, nil); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if n := len(runsOf(t, target, workflow.FilterByForeignID("soon"))); n != 2 {
			t.Errorf("the run in the way has ended: %d runs of its foreign id, want 2", n)
		}
		if n := len(runsOf(t, target, workflow.FilterByForeignID("long"))); n != 1 {
			t.Errorf("the run in the way has not ended: %d runs of its foreign id, want 1", n)
		}
		var held []backend.Delivery
		for d, err := range source.Held(ctxFor(t)) {
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, d)
		}
		if len(held) != 1 || held[0].RunID != long || held[0].Attempts != 10 {
			t.Fatalf("held: %+v", held)
		}
		why := ""
		for item, err := range source.History(ctxFor(t), long) {
			if err != nil {
				t.Fatal(err)
			}
			why += item.Error
		}
		if !strings.Contains(why, "in progress") {
			t.Errorf("the history says %q", why)
		}
		if err := target.Callback(ctxFor(t), "long", statusA, nil); err != nil {
			t.Fatal(err)
		}
		if err := source.Operator("ada").RetryNow(ctxFor(t), long, "the old one has ended"); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if n := len(runsOf(t, target, workflow.FilterByForeignID("long"))); n != 2 {
			t.Errorf("retried: %d runs, want 2", n)
		}
		noneHeld(t, source)
	})
}

// TestTriggerHookSkipsAndGivesUp: an empty foreign id starts nothing; what cannot be mended is held after one attempt.
func TestTriggerHookSkipsAndGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		target := build(t, on, follower())
		b := three("source")
		b.OnComplete(workflow.TriggerHook(target, func(r *typed) (string, *object) {
			switch r.ForeignID {
			case "none":
				return "", nil
			case "empty":
				return "empty", nil
			}
			return strings.Repeat("x", 1001), nil
		}))
		source := build(t, on, b)
		trigger(t, source, "none")
		trigger(t, source, "empty")
		bad := trigger(t, source, "bad")
		pass(time.Second)
		if runs := runsOf(t, target); len(runs) != 1 || runs[0].ForeignID != "empty" || string(runs[0].Record.Object) != `{"Count":0,"Note":""}` {
			t.Errorf("runs: %+v", runs)
		}
		held, err := on.Held(ctxFor(t), bad)
		if err != nil || len(held) != 1 || held[0].State != backend.DeliveryHeld || held[0].Attempts != 1 {
			t.Errorf("a foreign id that is too long: %+v, %v", held, err)
		}
	})
}

func TestNilHooks(t *testing.T) {
	for what, add := range map[string]func(b *workflow.Builder[object, status], nothing hook){
		"OnPause":          func(b *workflow.Builder[object, status], nothing hook) { b.OnPause(nothing) },
		"OnCancel":         func(b *workflow.Builder[object, status], nothing hook) { b.OnCancel(nothing) },
		"OnComplete":       func(b *workflow.Builder[object, status], nothing hook) { b.OnComplete(nothing) },
		"OnAnyStatus":      func(b *workflow.Builder[object, status], nothing hook) { b.OnAnyStatus(nothing) },
		"OnStatus":         func(b *workflow.Builder[object, status], nothing hook) { b.OnStatus(statusB, nothing) },
		"OnRunStateChange": func(b *workflow.Builder[object, status], nothing hook) { b.OnRunStateChange(nothing) },
		"OnEnginePause":    func(b *workflow.Builder[object, status], nothing hook) { b.OnEnginePause(nothing) },
	} {
		b := three("nil")
		add(b, workflow.TriggerHook[object, status, object, status](nil, same))
		if _, err := b.BuildOn(newStore(t)); err == nil || !strings.Contains(err.Error(), what+": the function is nil") {
			t.Errorf("%s: BuildOn: %v", what, err)
		}
	}
	if workflow.TriggerHook[object, status](workflow.API[object, status](&flow{}), nil) != nil {
		t.Error("without a function there is a hook")
	}
}
