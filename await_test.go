package workflow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
)

func TestAwaitSeesWhatWasReachedOrPassedBefore(t *testing.T) {
	on := newStore(t)
	w := build(t, on, three("passed"))
	id := trigger(t, w, "f")
	await(t, w, id, statusEnd)
	for s, version := range map[status]uint{statusA: 1, statusB: 2, statusC: 3, statusEnd: 4} {
		r := await(t, w, id, s)
		if r.Meta.Version != version || r.Status != s || r.Object.Count != int(version)-1 {
			t.Errorf("Await(%v) = version %d status %v count %d, want the version that entered it", s, r.Meta.Version, r.Status, r.Object.Count)
		}
	}
	if r, err := w.Await(ctxFor(t), "f", "", statusEnd); err != nil || r.RunID != id {
		t.Errorf("Await of the newest run: %v %v", r, err)
	}
}

func TestAwaitReturnsTheFirstEntry(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("loop")
	b.AddStep(statusA, step(statusB), statusB)
	b.AddStep(statusB, func(_ context.Context, r *run) (status, error) {
		r.Object.Count++
		if r.Object.Count < 9 {
			return statusA, nil
		}
		return statusEnd, nil
	}, statusA, statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	await(t, w, id, statusEnd)
	if r := await(t, w, id, statusB); r.Meta.Version != 2 {
		t.Errorf("Await = version %d, want the first entry, 2", r.Meta.Version)
	}
}

func TestAwaitErrors(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("ends")
	b.AddCallback(statusA, toEnd(), statusEnd, statusB)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	if _, err := w.Await(ctxFor(t), "f", id, statusOther); !errors.Is(err, workflow.ErrUnknownStatus) {
		t.Errorf("a foreign status: %v", err)
	}
	if _, err := w.Await(ctxFor(t), "f", "nobody", statusEnd); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("no run: %v", err)
	}
	short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := w.Await(short, "f", id, statusEnd); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an ended context: %v", err)
	}
	got := make(chan error, 2)
	for _, s := range []status{statusB, statusEnd} {
		go func() {
			_, err := w.Await(ctxFor(t), "f", id, s)
			got <- err
		}()
	}
	if err := w.RunStateController(id).Cancel(ctxFor(t), "not wanted"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := receive(t, got)
		var ae *workflow.AwaitError
		if !errors.Is(err, workflow.ErrRunEnded) || !errors.As(err, &ae) || ae.RunState != workflow.RunStateCancelled || ae.Reason != "not wanted" {
			t.Errorf("Await of a cancelled run: %v", err)
		}
	}
}

func TestAwaitLeavesNothingBehind(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("leak")
	b.AddCallback(statusA, toEnd(), statusEnd)
	client, err := b.BuildOn(on)
	if err != nil {
		t.Fatal(err)
	}
	id := trigger(t, client, "f")
	before := goroutines(t)
	for range 50 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if _, err := client.Await(ctx, "f", id, statusEnd); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Await: %v", err)
		}
		cancel()
	}
	awaitGoroutines(t, before)
}

func TestAwaitAnyReturnsTheFirst(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("any")
	b.AddCallback(statusA, goes(statusC), statusB, statusC)
	b.AddCallback(statusC, goes(statusB), statusB)
	b.AddCallback(statusB, goes(statusEnd), statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	got := make(chan *run, 1)
	go func() {
		r, err := w.AwaitAny(ctxFor(t), "f", "", statusB, statusC)
		if err != nil {
			t.Error(err)
		}
		got <- r
	}()
	must(t, w.Callback(ctxFor(t), "f", statusA, nil))
	if r := receive(t, got); r.Status != statusC || r.Meta.Version != 2 {
		t.Errorf("it came to %v in version %d, want C in 2", r.Status, r.Meta.Version)
	}
	for what, statuses := range map[string][]status{"none": nil, "a foreign one": {statusB, statusOther}} {
		if _, err := w.AwaitAny(ctxFor(t), "f", id, statuses...); !errors.Is(err, workflow.ErrUnknownStatus) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, w.Operator("").Cancel(ctxFor(t), id, "enough"))
	var ae *workflow.AwaitError
	if _, err := w.AwaitAny(ctxFor(t), "f", id, statusEnd, statusB); !errors.As(err, &ae) || ae.Want != int(statusEnd) || len(ae.Others) != 1 {
		t.Errorf("a run that ended otherwise: %v", err)
	}
}

func TestAwaitEndTakesAnyEnd(t *testing.T) {
	on := newStore(t)
	w := build(t, on, timed("end"))
	op := w.Operator("ada")
	for what, tt := range map[string]struct {
		end  func(id string) error
		want workflow.RunState
	}{
		"completed": {func(id string) error { return op.ForceStatus(ctxFor(t), id, statusEnd, "", nil) }, workflow.RunStateCompleted},
		"cancelled": {func(id string) error { return op.Cancel(ctxFor(t), id, "") }, workflow.RunStateCancelled},
	} {
		id := trigger(t, w, what)
		got := make(chan *run, 1)
		go func() {
			r, err := w.AwaitEnd(ctxFor(t), what, id)
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			got <- r
		}()
		must(t, tt.end(id))
		if r := receive(t, got); r.RunState != tt.want {
			t.Errorf("%s: the run is %v", what, r.RunState)
		}
		must(t, op.DeleteData(ctxFor(t), id, ""))
		awaitRecord(t, on, id, func(r *workflow.Record) bool { return r.RunState == workflow.RunStateDataDeleted })
		if r, err := w.AwaitEnd(ctxFor(t), what, ""); err != nil || r.RunState != workflow.RunStateDataDeleted {
			t.Errorf("%s, then deleted: %v", what, err)
		}
	}
}

// TestAwaitIsNotMisledByAnEndThatWasUndone: an operator brought the run back, so its end in the history is none.
func TestAwaitIsNotMisledByAnEndThatWasUndone(t *testing.T) {
	on := newStore(t)
	w := build(t, on, timed("undone"))
	op := w.Operator("ada")
	id := trigger(t, w, "f")
	must(t, op.Cancel(ctxFor(t), id, "by mistake"))
	must(t, op.ForceStatus(ctxFor(t), id, statusC, "back", nil))
	got := make(chan error, 2)
	go func() { _, err := w.Await(ctxFor(t), "f", id, statusEnd); got <- err }()
	go func() {
		r, err := w.AwaitEnd(ctxFor(t), "f", id)
		if err == nil && r.Status != statusEnd {
			t.Errorf("it ended in %v", r.Status)
		}
		got <- err
	}()
	must(t, w.Callback(ctxFor(t), "f", statusC, nil))
	for range 2 {
		must(t, receive(t, got))
	}
}

// TestAwaitOfAnErasedRunEnds: also where another process ended and erased it before this one read that it had ended.
func TestAwaitOfAnErasedRunEnds(t *testing.T) {
	_, worker, other := twoPeers(t)
	w := build(t, worker, timed("erased"))
	op := workflow.NewOperator(other)
	id := trigger(t, w, "f")
	must(t, op.Cancel(ctxFor(t), id, ""))
	must(t, op.Erase(ctxFor(t), id))
	for _, runID := range []string{id, ""} {
		if _, err := w.AwaitEnd(ctxFor(t), "f", runID); !errors.Is(err, workflow.ErrRecordNotFound) {
			t.Errorf("an erased run: %v", err)
		}
	}
}
