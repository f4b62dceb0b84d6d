package workflowtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/workflowtest"
)

// TestFailuresTellTheRunsHistory lets each function fail on one run, and looks for what the reader of the message needs.
func TestFailuresTellTheRunsHistory(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, flaky(100, workflow.ErrBackOff(time.Minute), workflow.PauseAfterErrCount(2)))
		id := workflowtest.Trigger(t, w, "order-1")
		t.Advance(30 * time.Second)
		backingOff := workflowtest.Describe(w, id)
		wantParts(t, backingOff, "run "+id, `of workflow "flaky", foreign id "order-1", is Initiated in Placed, version 1`, "triggered at 2000-01-01 00:00:00",
			"+0s", "version 1: Initiated in Placed, by trigger", "+0s", "attempt 1 of step on version 1 failed: gateway is down",
			"waiting: step (backing off), due +1m0s, after 1 failed attempts: gateway is down")
		t.Advance(10 * time.Minute)
		told := []string{"is Paused in Placed, version 2, paused by the engine: gave up after 2 attempts: gateway is down",
			"+1m0s", "attempt 2 of step on version 1 failed", "+1m0s", "version 2: Paused", "waiting: resume (timer), due +1h1m0s"}
		for what, c := range map[string]struct {
			fn   func(tb workflow.TB)
			want string
		}{
			"RequireStatus":  {func(tb workflow.TB) { workflowtest.RequireStatus(tb, w, id, shipped) }, "the run is in status Placed, want Shipped."},
			"RequireState":   {func(tb workflow.TB) { workflowtest.RequireState(tb, w, id, workflow.RunStateCompleted) }, "the run is Paused, want Completed."},
			"RequirePaused":  {func(tb workflow.TB) { workflowtest.RequirePaused(tb, w, id, "no stock") }, `want one with "no stock".`},
			"RequireHistory": {func(tb workflow.TB) { workflowtest.RequireHistory(tb, w, id, placed, paid) }, "the run has gone through [Placed], want [Placed Paid]."},
			"RequireObject":  {func(tb workflow.TB) { workflowtest.RequireObject(tb, w, id, order{Tries: 7}) }, `"Tries":7`},
			"Await":          {func(tb workflow.TB) { workflowtest.Await(tb, w, "order-1", id, shipped) }, "Await: the run has not reached Shipped within 30s."},
			"Await newest":   {func(tb workflow.TB) { workflowtest.AwaitWithin(tb, time.Second, w, "order-1", "", shipped) }, "within 1s."},
		} {
			t.Log(what)
			wantParts(t, failure(c.fn), append([]string{c.want}, told...)...)
		}
	})
}

func TestFailuresWithoutARun(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, orders())
		other := workflowtest.Start(t, flaky(0))
		id := workflowtest.Trigger(t, other, "order-1")
		wantParts(t, failure(func(tb workflow.TB) { workflowtest.Await(tb, w, "order-1", "", paid) }), `Await: no run of foreign id "order-1"`, "not found")
		wantParts(t, failure(func(tb workflow.TB) { workflowtest.Newest(tb, w, "order-1") }), `newest run of foreign id "order-1"`, "not found")
		wantParts(t, failure(func(tb workflow.TB) { workflowtest.RequireStatus(tb, w, "nobody", paid) }), "run nobody", "not found")
		wantParts(t, failure(func(tb workflow.TB) { workflowtest.RequireStatus(tb, w, id, paid) }), `is of workflow "flaky", not of "order"`)
		wantParts(t, failure(func(tb workflow.TB) { workflowtest.Trigger(tb, w, "") }), `Trigger("")`, "empty")
	})
}

// TestAwaitSaysHowTheRunEnded awaits what a cancelled run never reaches.
func TestAwaitSaysHowTheRunEnded(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		w := workflowtest.Start(t, orders())
		id := workflowtest.Trigger(t, w, "order-1")
		begin := time.Now()
		if err := w.RunStateController(id).Cancel(t.Context(), "customer left"); err != nil {
			t.Fatal(err)
		}
		wantParts(t, failure(func(tb workflow.TB) { workflowtest.Await(tb, w, "order-1", id, paid) }),
			"Await: the run does not reach Paid", "run ended otherwise", "is Cancelled in Placed", "by operator: customer left")
		if passed := time.Since(begin); passed != 0 {
			t.Errorf("it took %v to notice", passed)
		}
	})
}

// TestOutsideOfABubble uses the helpers with a real clock, as programs with servers do.
func TestOutsideOfABubble(t *testing.T) {
	store := memory.New()
	w, err := flaky(1, workflow.ErrBackOff(time.Nanosecond)).BuildOn(store, workflow.WithLogger(quiet{}), workflow.WithoutJitter())
	if err != nil {
		t.Fatal(err)
	}
	w.Run(context.Background())
	t.Cleanup(w.Stop)
	id := workflowtest.Trigger(t, w, "order-1")
	if r := workflowtest.Await(t, w, "order-1", "", shipped); r.RunID != id || r.Object.Tries != 2 {
		t.Errorf("Await returned %s with %+v", r.RunID, r.Object)
	}
	workflowtest.RequireHistory(t, w, id, placed, paid, shipped)
	workflowtest.RequireObject(t, w, id, order{Tries: 2})
}

// TestRequireHistoryCountsVisits goes back to where it was, and is paused and resumed meanwhile: versions that are no visit do not count.
func TestRequireHistoryCountsVisits(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		b := workflow.NewBuilder[order, status]("circle")
		b.AddStep(placed, func(_ context.Context, r *run) (status, error) {
			if r.Object.Tries++; r.Object.Tries == 2 {
				return r.SaveAndRepeat()
			}
			return paid, nil
		}, paid)
		b.AddTimeout(paid, workflow.DurationTimerFunc[order, status](time.Minute), func(_ context.Context, r *run, _ time.Time) (status, error) {
			if r.Object.Tries < 3 {
				return placed, nil
			}
			return shipped, nil
		}, placed, shipped)
		w := workflowtest.Start(t, b)
		id := workflowtest.Trigger(t, w, "order-1", workflow.WithStartingPoint[order, status](placed))
		t.Settle()
		c := w.RunStateController(id)
		if err := c.Pause(t.Context(), "wait"); err != nil {
			t.Fatal(err)
		}
		workflowtest.RequirePaused(t, w, id, "wait")
		if err := c.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Advance(time.Minute)
		t.Advance(time.Minute)
		workflowtest.RequireHistory(t, w, id, placed, paid, placed, paid, shipped)
	})
}

// TestALongStoryIsCut shows the newest events of a run that has gone round a thousand times.
func TestALongStoryIsCut(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		b := workflow.NewBuilder[order, status]("long")
		b.AddStep(placed, func(_ context.Context, r *run) (status, error) {
			if r.Object.Tries++; r.Object.Tries < 700 {
				return r.SaveAndRepeat()
			}
			return paid, nil
		}, paid)
		w := workflowtest.Start(t, b)
		id := workflowtest.Trigger(t, w, "order-1")
		workflowtest.RequireHistory(t, w, id, placed, paid)
		wantParts(t, workflowtest.Describe(w, id), "… 641 earlier events", "version 642", "version 701: Completed in Paid")
	})
}
