package workflowtest

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/stillwater-go/workflow"
)

// Lookup returns the run as it is now, or fails the test. In a bubble, all that can be done now is done before.
func Lookup[Type any, Status workflow.StatusType](t workflow.TB, w *workflow.Workflow[Type, Status], runID string) *workflow.TypedRecord[Type, Status] {
	t.Helper()
	settle(t)
	rec, err := honest(w.Backend()).Lookup(context.Background(), runID)
	if err != nil {
		t.Fatalf("run %s: %v", runID, err)
	}
	return typed(t, w, rec)
}

// Newest returns the newest run of the foreign id as it is now, or fails the test. It finds runs that the test did not trigger itself.
func Newest[Type any, Status workflow.StatusType](t workflow.TB, w *workflow.Workflow[Type, Status], foreignID string) *workflow.TypedRecord[Type, Status] {
	t.Helper()
	settle(t)
	rec, err := honest(w.Backend()).Latest(context.Background(), w.Name(), foreignID)
	if err != nil {
		t.Fatalf("newest run of foreign id %q: %v", foreignID, err)
	}
	return typed(t, w, rec)
}

// RequireStatus fails the test unless the run is in the status now, whatever its run state.
func RequireStatus[Type any, Status workflow.StatusType](t workflow.TB, w *workflow.Workflow[Type, Status], runID string, want Status) {
	t.Helper()
	if got := Lookup(t, w, runID); got.Status != want {
		t.Fatalf("the run is in status %v, want %v.\n%s", got.Status, want, Describe(w, runID))
	}
}

// RequireState fails the test unless the run has the run state now.
func RequireState[Type any, Status workflow.StatusType](t workflow.TB, w *workflow.Workflow[Type, Status], runID string, want workflow.RunState) {
	t.Helper()
	if got := Lookup(t, w, runID); got.RunState != want {
		t.Fatalf("the run is %v, want %v.\n%s", got.RunState, want, Describe(w, runID))
	}
}

// RequirePaused fails the test unless the run is paused now, for a reason that contains the text. Meta.PausedBy of [Lookup] tells by whom.
func RequirePaused[Type any, Status workflow.StatusType](t workflow.TB, w *workflow.Workflow[Type, Status], runID, reason string) {
	t.Helper()
	got := Lookup(t, w, runID)
	if got.RunState != workflow.RunStatePaused {
		t.Fatalf("the run is %v, want it paused.\n%s", got.RunState, Describe(w, runID))
	}
	if !strings.Contains(got.Meta.RunStateReason, reason) {
		t.Fatalf("the run is paused for the reason %q, want one with %q.\n%s", got.Meta.RunStateReason, reason, Describe(w, runID))
	}
}

// RequireObject fails the test unless the run's object is the wanted one now. Objects are equal when they are encoded alike, or deeply equal.
func RequireObject[Type any, Status workflow.StatusType](t workflow.TB, w *workflow.Workflow[Type, Status], runID string, want Type) {
	t.Helper()
	rec := Lookup(t, w, runID)
	got, err := workflow.Marshal(rec.Object)
	if err != nil {
		t.Fatalf("encode the run's object: %v", err)
	}
	wanted, err := workflow.Marshal(&want)
	if err != nil {
		t.Fatalf("encode the wanted object: %v", err)
	}
	if !bytes.Equal(got, wanted) && !reflect.DeepEqual(*rec.Object, want) {
		t.Fatalf("the run's object is\n  %s\nwant\n  %s\n%s", got, wanted, Describe(w, runID))
	}
}

// RequireHistory fails the test unless these are the statuses that the run has entered so far, in order, the first included. Versions within
// one stay in a status, such as those of a pause, do not count again; coming back to a status does. It needs a store with history.
func RequireHistory[Type any, Status workflow.StatusType](t workflow.TB, w *workflow.Workflow[Type, Status], runID string, want ...Status) {
	t.Helper()
	Lookup(t, w, runID)
	entries, err := history(w.Backend(), runID)
	if err != nil {
		t.Fatalf("history of run %s: %v", runID, err)
	}
	var got []Status
	for i, e := range entries {
		visit := e.Record.Meta.Visit
		entered := visit == e.Record.Meta.Version || visit == 0 && e.Record.Status != e.From.Status
		if i == 0 || entered {
			got = append(got, Status(e.Record.Status))
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the run has gone through %v, want %v.\n%s", got, want, Describe(w, runID))
	}
}

// settle lets a test in a bubble do first what can be done now.
func settle(t workflow.TB) {
	if b, ok := t.(interface{ Settle() }); ok {
		b.Settle()
	}
}

func typed[Type any, Status workflow.StatusType](t workflow.TB, w *workflow.Workflow[Type, Status], rec *workflow.Record) *workflow.TypedRecord[Type, Status] {
	t.Helper()
	if rec.WorkflowName != w.Name() {
		t.Fatalf("run %s is of workflow %q, not of %q", rec.RunID, rec.WorkflowName, w.Name())
	}
	out := &workflow.TypedRecord[Type, Status]{Record: *rec.Clone(), Status: Status(rec.Status), Object: new(Type)}
	if err := workflow.Unmarshal(rec.Object, out.Object); err != nil {
		t.Fatalf("decode the object of run %s: %v", rec.RunID, err)
	}
	return out
}
