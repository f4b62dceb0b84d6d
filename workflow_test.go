package workflow_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

func TestRunGoesThroughItsSteps(t *testing.T) {
	on := newStore(t)
	w := build(t, on, three("three"))
	id := trigger(t, w, "f", workflow.WithInitialValue[object, status](&object{Note: "hello"}))
	r := await(t, w, id, statusEnd)
	if r.Object.Count != 3 || r.Object.Note != "hello" {
		t.Errorf("object = %+v, want three steps counted and the note kept", *r.Object)
	}
	if r.RunState != workflow.RunStateCompleted || r.Meta.Version != 4 || r.Status != statusEnd || r.Meta.StatusDescription != "End" {
		t.Errorf("run = %v version %d status %v %q", r.RunState, r.Meta.Version, r.Status, r.Meta.StatusDescription)
	}
	entries, err := on.History(ctxFor(t), id, 0, 10)
	if err != nil || len(entries) != 4 {
		t.Fatalf("History = %d entries, %v; want 4", len(entries), err)
	}
	for i, want := range []backend.Cause{backend.CauseTrigger, backend.CauseStep, backend.CauseStep, backend.CauseStep} {
		if entries[i].Cause != want {
			t.Errorf("version %d was caused by %v, want %v", i+1, entries[i].Cause, want)
		}
	}
}

func TestManyRunsAtOnceEachInOrder(t *testing.T) {
	const runs = 500
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("ordered")
	var mu sync.Mutex
	seen := make(map[string][]uint)
	note := func(to status) workflow.ConsumerFunc[object, status] {
		return func(_ context.Context, r *run) (status, error) {
			mu.Lock()
			seen[r.RunID] = append(seen[r.RunID], r.Meta.Version)
			mu.Unlock()
			r.Object.Count++
			return to, nil
		}
	}
	b.AddStep(statusA, note(statusB), statusB)
	b.AddStep(statusB, note(statusC), statusC)
	b.AddStep(statusC, note(statusEnd), statusEnd)
	w := build(t, on, b)
	ids := make([]string, runs)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := g; i < runs; i += 16 {
				id, err := w.Trigger(context.Background(), name(i))
				if err != nil {
					t.Errorf("Trigger: %v", err)
				}
				ids[i] = id
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if got := await(t, w, id, statusEnd).Object.Count; got != 3 {
			t.Errorf("run %s counted %d steps, want 3", id, got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for id, versions := range seen {
		if len(versions) != 3 || versions[0] != 1 || versions[1] != 2 || versions[2] != 3 {
			t.Errorf("run %s was worked on at versions %v, want 1 2 3", id, versions)
		}
	}
}

func TestBacklogBiggerThanTheWindow(t *testing.T) {
	const runs = 20000 // more than all roles' windows together
	on := newStore(t)
	client, err := three("backlog").BuildOn(on)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := g; i < runs; i += 8 {
				if _, err := client.Trigger(context.Background(), name(i)); err != nil {
					t.Errorf("Trigger: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	w := build(t, on, three("backlog"))
	for _, i := range []int{0, 1, runs / 2, runs - 1} {
		if _, err := w.Await(ctxFor(t), name(i), "", statusEnd); err != nil {
			t.Fatal(err)
		}
	}
	for i := range runs {
		if _, err := w.Await(ctxFor(t), name(i), "", statusEnd); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTriggerErrors(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("waits")
	b.AddCallback(statusA, toEnd(), statusEnd)
	w := build(t, on, b)
	first := trigger(t, w, "f")
	_, err := w.Trigger(ctxFor(t), "f")
	var busy *workflow.InProgressError
	if !errors.Is(err, workflow.ErrWorkflowInProgress) || !errors.As(err, &busy) || busy.RunID != first {
		t.Errorf("second Trigger: %v, want ErrWorkflowInProgress naming %s", err, first)
	}
	for what, id := range map[string]string{"NUL": "a\x00b", "invalid UTF-8": "a\xffb", "empty": "", "long": strings.Repeat("x", 1001)} {
		if _, err := w.Trigger(ctxFor(t), id); !errors.Is(err, workflow.ErrInvalidID) {
			t.Errorf("Trigger with %s id: %v, want ErrInvalidID", what, err)
		}
	}
	if _, err := w.Trigger(ctxFor(t), "g", workflow.WithStartingPoint[object](statusOther)); !errors.Is(err, workflow.ErrUnknownStatus) {
		t.Errorf("Trigger in a foreign status: %v, want ErrUnknownStatus", err)
	}
	big := &object{Note: strings.Repeat("x", backend.MaxObjectBytes)}
	if _, err := w.Trigger(ctxFor(t), "g", workflow.WithInitialValue[object, status](big)); !errors.Is(err, workflow.ErrTooLarge) {
		t.Errorf("Trigger with a huge object: %v, want ErrTooLarge", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.Trigger(ended, "h"); !errors.Is(err, context.Canceled) {
		t.Errorf("Trigger with an ended context: %v", err)
	}
	if _, err := on.Latest(ctxFor(t), "waits", "h"); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("a refused trigger left a run: %v", err)
	}
}

func TestRacingTriggersMakeOneRun(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("one")
	b.AddCallback(statusA, toEnd(), statusEnd)
	w := build(t, on, b)
	var won sync.Map
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			id, err := w.Trigger(context.Background(), "same")
			if err == nil {
				won.Store(id, true)
			} else if !errors.Is(err, workflow.ErrWorkflowInProgress) {
				t.Errorf("Trigger: %v", err)
			}
		})
	}
	wg.Wait()
	n := 0
	won.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d triggers of 16 won, want 1", n)
	}
}

func TestTriggerAndAwaitFromAProcessWithoutConsumers(t *testing.T) {
	on := newStore(t)
	client, err := three("both").BuildOn(on)
	if err != nil {
		t.Fatal(err)
	}
	id := trigger(t, client, "f")
	got := make(chan error, 1)
	go func() {
		_, err := client.Await(ctxFor(t), "f", id, statusEnd)
		got <- err
	}()
	build(t, on, three("both"))
	if err := <-got; err != nil {
		t.Errorf("Await of a client: %v", err)
	}
}

func TestStartingPointAndStartInATerminalStatus(t *testing.T) {
	on := newStore(t)
	w := build(t, on, three("points"))
	if got := await(t, w, trigger(t, w, "f", workflow.WithStartingPoint[object](statusC)), statusEnd); got.Object.Count != 1 {
		t.Errorf("a run from C counted %d steps, want 1", got.Object.Count)
	}
	id := trigger(t, w, "g", workflow.WithStartingPoint[object](statusEnd))
	if rec, _ := on.Lookup(ctxFor(t), id); rec.RunState != workflow.RunStateCompleted {
		t.Errorf("a run started in a terminal status is %v", rec.RunState)
	}
	trigger(t, w, "g") // the foreign id is free again
}

func TestBuildOnJoinsEveryProblem(t *testing.T) {
	b := workflow.NewBuilder[object, status]("")
	b.AddStep(statusA, nil, statusB)
	b.AddStep(statusA, step(statusB), statusB)
	b.AddStep(statusC, step(statusC))
	_, err := b.BuildOn(newStore(t))
	if !errors.Is(err, workflow.ErrInvalidID) {
		t.Errorf("the empty name is not reported: %v", err)
	}
	for _, want := range []string{"nil", "already", "at least one destination"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not speak of %q", err, want)
		}
	}
}

func TestGraphProblemsAreErrorsOfBuildOn(t *testing.T) {
	stuck := workflow.NewBuilder[object, status]("stuck")
	stuck.AddStep(statusA, step(statusB), statusB)
	stuck.AddStep(statusB, step(statusC), statusC)
	stuck.AddStep(statusC, step(statusB), statusB)
	if _, err := stuck.BuildOn(newStore(t)); !errors.Is(err, workflow.ErrGraph) {
		t.Errorf("a group without a way out: %v, want ErrGraph", err)
	}
	loop := workflow.NewBuilder[object, status]("loop")
	loop.AddStep(statusA, step(statusB), statusB, statusEnd)
	loop.AddStep(statusB, step(statusA), statusA)
	if _, err := loop.BuildOn(newStore(t)); err != nil {
		t.Errorf("a return to the start is legal, got %v", err)
	}
}

// toEnd is a callback that leads to the end.
func toEnd() workflow.CallbackFunc[object, status] {
	return func(_ context.Context, r *run, _ io.Reader) (status, error) {
		r.Object.Count++
		return statusEnd, nil
	}
}
