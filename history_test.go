package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// TestHistoryTellsEverythingInOrder: versions and failed attempts, who and why, how long, and what a panic left.
func TestHistoryTellsEverythingInOrder(t *testing.T) {
	on, clock := newStore(t), newFakeClock()
	b := workflow.NewBuilder[object, status]("history")
	b.AddCallback(statusA, goes(statusB), statusB)
	b.AddStep(statusB, func(_ context.Context, r *run) (status, error) {
		if r.Attempt() == 1 && r.Meta.Version == 2 {
			panic("no stock")
		}
		if r.Meta.Version == 2 {
			return 0, workflow.Permanent(errTest)
		}
		return statusEnd, nil
	}, statusEnd).WithOptions(workflow.ErrBackOff(time.Nanosecond))
	w := build(t, on, b, workflow.WithClock(clock))
	id := trigger(t, w, "f", workflow.WithInitialValue[object, status](&object{Note: "first"}))
	clock.step(time.Hour)
	must(t, w.Callback(ctxFor(t), "f", statusA, nil))
	eventually(t, "it is paused", func() bool {
		clock.step(time.Second)
		rec, _ := on.Lookup(ctxFor(t), id)
		return rec.RunState == workflow.RunStatePaused
	})
	must(t, w.Operator("ada").Resume(ctxFor(t), id, "stock is back"))
	await(t, w, id, statusEnd)
	var got []string
	for item, err := range w.History(ctxFor(t), id) {
		must(t, err)
		got = append(got, fmt.Sprintf("v%d %v>%v #%d %v %s", item.Version, item.FromStatus, item.ToStatus, item.Attempt, item.Cause, item.Actor))
		switch {
		case item.Version == 1:
			if o, err := item.Object(); err != nil || o.Note != "first" {
				t.Errorf("the object of version 1: %+v, %v", o, err)
			}
		case item.Version == 2 && item.Attempt == 0 && item.Took != time.Hour:
			t.Errorf("it was in A for %v, want an hour", item.Took)
		case item.Attempt == 1 && (!strings.Contains(item.Error, "no stock") || !strings.Contains(item.Stack, "history_test.go") || item.Receiver != backend.ReceiverStep):
			t.Errorf("the panic: %+v", item)
		case item.Version == 3 && !strings.Contains(item.Reason, "gave up after 2 attempts"):
			t.Errorf("the pause: %q", item.Reason)
		case item.Actor == "ada" && item.Reason != "stock is back":
			t.Errorf("the resume: %q", item.Reason)
		}
	}
	want := []string{
		"v1 None>A #0 trigger ", "v2 A>B #0 callback ", "v2 B>B #1 unknown ", "v2 B>B #2 unknown ", "v3 B>B #0 engine ", "v4 B>B #0 operator ada", "v5 B>End #0 step ",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, err := range w.History(ctxFor(t), "nobody") {
		if !errors.Is(err, workflow.ErrRecordNotFound) {
			t.Errorf("of no run: %v", err)
		}
	}
	for range w.History(ctxFor(t), id) {
		break // whoever has seen enough stops
	}
}

func TestALongHistoryIsReadInPages(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("long")
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		if r.Object.Count++; r.Object.Count < 600 {
			return r.SaveAndRepeat()
		}
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	await(t, w, id, statusEnd)
	n := uint(0)
	for item, err := range w.History(ctxFor(t), id) {
		must(t, err)
		if n++; item.Version != n {
			t.Fatalf("version %d follows %d", item.Version, n-1)
		}
	}
	if n != 601 {
		t.Errorf("%d versions, want 601", n)
	}
}

// TestWaitingSaysWhy goes through the reasons for which a run stands still (G12).
func TestWaitingSaysWhy(t *testing.T) {
	on, clock := newStore(t), newFakeClock()
	b := timed("why")
	var broken atomic.Bool
	broken.Store(true)
	open := make(chan struct{})
	b.AddStep(statusOther, func(ctx context.Context, r *run) (status, error) {
		switch r.Object.Note {
		case "slow":
			<-open
		case "permanent":
			return 0, workflow.Permanent(errTest)
		case "fails":
			return 0, workflow.RetryAfter(errTest, time.Hour)
		}
		return statusEnd, nil
	}, statusEnd)
	b.OnCancel(func(context.Context, *workflow.TypedRecord[object, status]) error { return workflow.Permanent(errTest) })
	w := build(t, on, b, workflow.WithClock(clock))
	op := w.Operator("ada")
	untyped := workflow.NewOperator(on, workflow.WithOperatorClock(clock))
	start := func(note string, s status) string {
		return trigger(t, w, note, workflow.WithInitialValue[object, status](&object{Note: note}), workflow.WithStartingPoint[object, status](s))
	}
	check := func(id string, kind workflow.WaitKind, words ...string) workflow.Waiting {
		t.Helper()
		why, err := w.Waiting(ctxFor(t), id)
		must(t, err)
		if why.Kind != kind {
			t.Errorf("kind %d, want %d: %v", why.Kind, kind, why)
		}
		for _, word := range words {
			if !strings.Contains(why.String(), word) {
				t.Errorf("%q does not say %q", why, word)
			}
		}
		return why
	}
	in := func(d time.Duration) string { return clock.Now().Add(d).Format(time.RFC3339) }

	id := start("waits", statusA)
	check(id, workflow.WaitsForOutside, "status A (1)", "callback", in(24*time.Hour))
	if why, err := untyped.Waiting(ctxFor(t), id); err != nil || why.Kind != workflow.WaitsForTime || !strings.Contains(why.String(), in(24*time.Hour)) {
		t.Errorf("without the code: %v, %v", why, err)
	}
	must(t, op.ForceStatus(ctxFor(t), id, statusB, "", nil))
	check(id, workflow.WaitsForTime, "status B (2)", in(time.Hour))
	must(t, op.ForceStatus(ctxFor(t), id, statusC, "", nil))
	check(id, workflow.WaitsForOutside, "status C (3)", "callback")
	if why, err := untyped.Waiting(ctxFor(t), id); err != nil || why.Kind != workflow.WaitsUnknown || !strings.Contains(why.String(), "status C (3)") {
		t.Errorf("without the code: %v, %v", why, err)
	}
	must(t, op.Pause(ctxFor(t), id, "audit"))
	if why := check(id, workflow.WaitsForResume, "paused", "by the operator", "by ada: audit"); why.Actor != "ada" || !why.Until.IsZero() {
		t.Errorf("%+v", why)
	}
	must(t, op.Cancel(ctxFor(t), id, "not wanted"))
	heldIn(t, on, id, backend.DeliveryHeld)
	if why := check(id, workflow.HasEnded, "Cancelled", "by ada: not wanted", "1 given up", errTest.Error()); len(why.GivenUp) != 1 {
		t.Errorf("%+v", why)
	}

	id = start("fails", statusOther)
	heldIn(t, on, id, backend.DeliveryBackingOff)
	check(id, workflow.WaitsForRetry, "attempt 1 of step failed", errTest.Error(), in(time.Hour))
	id = start("permanent", statusOther)
	awaitRecord(t, on, id, paused)
	check(id, workflow.WaitsForResume, "by the engine", "gave up after 1 attempt", "resumed at "+in(time.Hour))
	id = start("slow", statusOther)
	heldIn(t, on, id, backend.DeliveryClaimed)
	check(id, workflow.WaitsForAttempt, "attempt 1 of step")
	close(open)
	await(t, w, id, statusEnd)
	check(id, workflow.HasEnded, "Completed", "status End")

	id = start("lost", statusC)
	must(t, untyped.ForceStatus(ctxFor(t), id, 77, ""))
	awaitRecord(t, on, id, paused) // this program has no such status
	check(id, workflow.WaitsForResume, "by the engine", "no status 77")
	w.Stop()
	id = start("nobody works", statusC)
	must(t, untyped.ForceStatus(ctxFor(t), id, 77, ""))
	check(id, workflow.WaitsForCode, "77")
	if _, err := w.Waiting(ctxFor(t), "nobody"); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("no run: %v", err)
	}
}

// TestHeldListsWhatWasGivenUp: with and without a backend that lists it, and a retry empties the list.
func TestHeldListsWhatWasGivenUp(t *testing.T) {
	for _, by := range []string{"list", "reading"} {
		t.Run("by "+by, func(t *testing.T) {
			var on backend.Backend = newStore(t)
			if by == "reading" {
				on = &tapped{Backend: on}
			}
			var broken atomic.Bool
			broken.Store(true)
			b := three("held")
			b.OnComplete(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
				if broken.Load() {
					return workflow.Permanent(errTest)
				}
				return nil
			})
			w := build(t, on, b)
			ids := make(map[string]bool)
			for i := range 5 {
				id := trigger(t, w, name(i))
				heldIn(t, on, id, backend.DeliveryHeld)
				ids[id] = true
			}
			n := 0
			for d, err := range w.Held(ctxFor(t)) {
				must(t, err)
				if n++; !ids[d.RunID] || d.Receiver != "hook:Completed" || d.Attempts != 1 || !strings.Contains(d.LastError, errTest.Error()) {
					t.Errorf("held: %+v", d)
				}
			}
			if n != 5 {
				t.Errorf("%d are held, want 5", n)
			}
			broken.Store(false)
			bulk, err := w.Operator("ada").RetryAll(ctxFor(t), "mended", nil)
			if err != nil || bulk.Done != 5 {
				t.Errorf("%+v, %v", bulk, err)
			}
			eventually(t, "none is left", func() bool {
				for range w.Held(ctxFor(t)) {
					return false
				}
				return true
			})
		})
	}
}
