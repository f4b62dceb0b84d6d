package workflow_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// noHistory is a backend of which only the present version of a run can be read.
type noHistory struct{ backend.Backend }

func (b noHistory) History(ctx context.Context, runID string, after uint, limit int) ([]backend.Entry, error) {
	all, err := b.Backend.History(ctx, runID, after, 1000)
	if len(all) > 1 {
		all = all[len(all)-1:]
	}
	return all, err
}

// TestAwaitWithoutAHistory: where a status may have been passed unseen, Await says so instead of claiming that it was not reached, and
// does not wait for what cannot come any more.
func TestAwaitWithoutAHistory(t *testing.T) {
	on := noHistory{newStore(t)}
	b := workflow.NewBuilder[object, status]("no history")
	b.AddStep(statusA, step(statusB), statusB)
	b.AddStep(statusB, step(statusC), statusC)
	b.AddCallback(statusC, goes(statusEnd), statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	await(t, w, id, statusC)
	_, err := w.Await(ctxFor(t), "", id, statusB)
	var ae *workflow.AwaitError
	if !errors.As(err, &ae) || !ae.Unseen || ae.RunState.Finished() || !strings.Contains(err.Error(), "was not seen in") {
		t.Errorf("passed, and unreachable by now: %v", err)
	}
	if err := w.Callback(ctxFor(t), "f", statusC, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Await(ctxFor(t), "", id, statusA); !errors.As(err, &ae) || !ae.Unseen || !errors.Is(err, workflow.ErrRunEnded) {
		t.Errorf("after the end: %v", err)
	}
	if r, err := w.Await(ctxFor(t), "", id, statusEnd); err != nil || r.Status != statusEnd {
		t.Errorf("the present status: %v", err)
	}
}
