package workflowtest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/workflowtest"
)

// TestTheSameTestHasTheSameHistory runs one test fifty times: several runs at once, with retries, a pause, an auto-resume, a timeout and a
// restart. Each run has the same versions, statuses, times and attempts every time.
func TestTheSameTestHasTheSameHistory(t *testing.T) {
	first := story(t)
	wantParts(t, first, // it shows what it is to show
		"attempt 1 of step on version 1 failed: gateway is down",
		"+30m0s       attempt 3 of step",
		"version 2: Paused in Placed, by engine, paused by the engine: gave up after 3 attempts",
		"version 3: Running",
		"+2h5m0s      version 5: Completed in Expired, by timeout",
	)
	for range 49 {
		if again := story(t); again != first {
			t.Fatalf("one time it went\n%s\nanother time\n%s", first, again)
		}
	}
}

// story is what became of the runs, without their ids.
func story(t *testing.T) (told string) {
	build := func() *builder {
		b := workflow.NewBuilder[order, status]("story")
		b.AddStep(placed, func(ctx context.Context, r *run) (status, error) {
			if r.CreatedAt.Add(time.Hour).After(time.Now()) && r.ForeignID != "order-1" {
				return 0, errGateway
			}
			<-time.After(time.Minute) // a run that works for a while
			r.Object.Tries = r.Attempt()
			return paid, nil
		}, paid).WithOptions(workflow.ErrBackOff(10*time.Minute), workflow.MaxBackOff(time.Hour), workflow.PauseAfterErrCount(3))
		b.AddTimeout(paid, workflow.DurationTimerFunc[order, status](34*time.Minute), func(context.Context, *run, time.Time) (status, error) {
			return expired, nil
		}, expired)
		return b
	}
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, build())
		var ids []string
		for i := range 5 {
			ids = append(ids, workflowtest.Trigger(t, w, fmt.Sprint("order-", i)))
		}
		t.Advance(45 * time.Minute)
		w = workflowtest.Restart(t, w, build())
		t.Advance(3 * time.Hour)
		for _, id := range ids {
			workflowtest.RequireStatus(t, w, id, expired)
			told += strings.ReplaceAll(workflowtest.Describe(w, id), id, "…") + "\n"
		}
	})
	return told
}
