package workflowtest

import (
	"context"
	"errors"
	"time"

	"github.com/stillwater-go/workflow"
)

// Patience is how long [Await] and [Trigger] wait; in a bubble it is virtual time.
const Patience = 30 * time.Second

// Trigger starts a run and returns its id, or fails the test.
func Trigger[Type any, Status workflow.StatusType](t workflow.TB, w *workflow.Workflow[Type, Status], foreignID string, opts ...workflow.TriggerOption[Type, Status]) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	id, err := w.Trigger(ctx, foreignID, opts...)
	if err != nil {
		t.Fatalf("Trigger(%q): %v", foreignID, err)
	}
	return id
}

// Await waits until the run has entered the status, and returns it as of that moment; see [workflow.Workflow.Await]. It is woken by the commit
// and does not poll. An empty run id means the newest run of the foreign id, which must have been triggered.
//
// It fails the test when the run has ended otherwise, or after [Patience], with the run's history, which says where it is instead.
func Await[Type any, Status workflow.StatusType](t workflow.TB, w *workflow.Workflow[Type, Status], foreignID, runID string, status Status) *workflow.Run[Type, Status] {
	t.Helper()
	return AwaitWithin(t, Patience, w, foreignID, runID, status)
}

// AwaitWithin is [Await] with another limit. In a bubble it lets that much time pass if need be.
func AwaitWithin[Type any, Status workflow.StatusType](t workflow.TB, limit time.Duration, w *workflow.Workflow[Type, Status], foreignID, runID string, status Status) *workflow.Run[Type, Status] {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	r, err := w.Await(ctx, foreignID, runID, status)
	if err == nil {
		return r
	}
	if runID == "" {
		if rec, lookErr := honest(w.Backend()).Latest(context.Background(), w.Name(), foreignID); lookErr == nil {
			runID = rec.RunID
		}
	}
	switch {
	case runID == "":
		t.Fatalf("Await: no run of foreign id %q: %v", foreignID, err)
	case errors.Is(err, context.DeadlineExceeded):
		t.Fatalf("Await: the run has not reached %v within %v.\n%s", status, limit, Describe(w, runID))
	default:
		t.Fatalf("Await: the run does not reach %v: %v\n%s", status, err, Describe(w, runID))
	}
	return nil
}
