package workflowtest_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/workflowtest"
)

// envFailing names the test that a copy of this program runs, and that has to fail.
const envFailing = "STILLWATER_FAILING"

// failing are tests that fail, and what they have to say.
func failing() map[string]struct {
	test func(t *workflowtest.T)
	want []string
} {
	return map[string]struct {
		test func(t *workflowtest.T)
		want []string
	}{
		"a goroutine is left over": {func(t *workflowtest.T) {
			go func() { <-make(chan struct{}) }()
		}, []string{"blocked goroutines remain", "failing_test.go"}},
		"a workflow is not stopped": {func(t *workflowtest.T) {
			w, err := orders().BuildOn(t.Backend())
			if err != nil {
				t.Fatal(err)
			}
			w.Run(context.Background())
		}, []string{"blocked goroutines remain"}},
		"a handler ignores its end": {func(t *workflowtest.T) {
			b := workflow.NewBuilder[order, status]("deaf")
			b.AddStep(placed, func(context.Context, *run) (status, error) { <-make(chan struct{}); return paid, nil }, paid)
			workflowtest.Trigger(t, workflowtest.Start(t, b), "order-1")
			t.Settle()
		}, []string{"workflow: attempt step", "handler ignores its context", "blocked goroutines remain"}},
		"the store has lost a version": {func(t *workflowtest.T) {
			store := memory.New()
			t.Use(func() (workflow.Backend, error) { return forgetful{store}, nil })
			w := workflowtest.Start(t, orders())
			id := workflowtest.Trigger(t, w, "order-1")
			t.Advance(time.Hour)
			workflowtest.RequireStatus(t, w, id, expired)
		}, []string{"--- FAIL", "broken invariant I2"}},
		"the test fails in the middle": {func(t *workflowtest.T) {
			w := workflowtest.Start(t, orders())
			id := workflowtest.Trigger(t, w, "order-1")
			workflowtest.RequireStatus(t, w, id, paid)
			panic("it goes on after a failure")
		}, []string{"--- FAIL", "the run is in status Placed, want Paid.", "waiting: timeout:0 (timer), due +1h0m0s"}},
		"the workflow cannot be built": {func(t *workflowtest.T) {
			workflowtest.Start(t, workflow.NewBuilder[order, status]("empty"))
		}, []string{"--- FAIL", "Start:", "at least one step"}},
		"the backend cannot be opened": {func(t *workflowtest.T) {
			t.Use(func() (workflow.Backend, error) { return nil, errGateway })
		}, []string{"--- FAIL", "Use: gateway is down"}},
		"time goes back": {func(t *workflowtest.T) { t.Advance(-time.Second) }, []string{"--- FAIL", "Advance(-1s): time does not go back"}},
	}
}

// forgetful is a store whose history lacks the newest version of every run.
type forgetful struct{ backend.Backend }

func (f forgetful) History(ctx context.Context, runID string, after uint, limit int) ([]backend.Entry, error) {
	entries, err := f.Backend.History(ctx, runID, after, limit)
	return entries[:max(len(entries)-1, 0)], err
}

// TestWhatHasToFailFails runs each failing test in a process of its own and reads what it says.
func TestWhatHasToFailFails(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range failing() {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(program, "-test.run=^TestFailing$", "-test.timeout=1m")
			cmd.Env = append(os.Environ(), envFailing+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Errorf("it passed:\n%s", out)
			}
			wantParts(t, string(out), c.want...)
		})
	}
}

// TestFailing is one of the failing tests, in the process that TestWhatHasToFailFails starts; elsewhere it has nothing to do.
func TestFailing(t *testing.T) {
	name := os.Getenv(envFailing)
	if name == "" {
		return
	}
	workflowtest.Run(t, failing()[name].test)
}
