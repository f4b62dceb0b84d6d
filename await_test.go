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
