package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// operatorPatience bounds the waits of these tests.
const operatorPatience = 20 * time.Second

// openTwice opens a file as two processes do: one for a worker, one for an operator.
func openTwice(t *testing.T) (worker, other *sqlite.Backend) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "operator.db")
	var opened [2]*sqlite.Backend
	for i := range opened {
		b, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if i == 0 {
				adaptertest.Check(t, b)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		opened[i] = b
	}
	return opened[0], opened[1]
}

func quiet() workflow.BuildOption { return workflow.WithLogger(silentLog{}) }

type silentLog struct{}

func (silentLog) Debug(context.Context, string, map[string]string) {}
func (silentLog) Error(context.Context, error)                     {}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), operatorPatience)
	t.Cleanup(cancel)
	return ctx
}

func heldSoon(t *testing.T, on backend.Backend, runID string, ok func(d backend.Delivery) bool) {
	t.Helper()
	for ctx := within(t); ; {
		held, err := on.Held(ctx, runID)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range held {
			if ok(d) {
				return
			}
		}
		<-time.After(2 * time.Millisecond)
	}
}

// TestAnOperatorInAnotherProcess acts on the runs of a worker, and knows nothing of its workflow.
func TestAnOperatorInAnotherProcess(t *testing.T) {
	worker, other := openTwice(t)
	var broken atomic.Bool
	broken.Store(true)
	ended := make(chan error, 1)
	b := workflow.NewBuilder[parcel, parcelStatus]("operated")
	b.AddStep(parcelReceived, func(ctx context.Context, r *workflow.Run[parcel, parcelStatus]) (parcelStatus, error) {
		switch {
		case r.Object.Key == "hangs":
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return 0, ctx.Err()
		case broken.Load():
			return 0, workflow.RetryAfter(errScales, 1000*time.Hour)
		}
		return parcelDone, nil
	}, parcelWeighed, parcelDone)
	b.AddTimeout(parcelWeighed, workflow.DurationTimerFunc[parcel, parcelStatus](10*time.Millisecond),
		func(context.Context, *workflow.Run[parcel, parcelStatus], time.Time) (parcelStatus, error) {
			return parcelDone, nil
		}, parcelDone)
	w, err := b.BuildOn(worker, quiet())
	if err != nil {
		t.Fatal(err)
	}
	w.Run(t.Context())
	defer w.Stop()
	op := workflow.NewOperator(other, workflow.WithActor("ada"))
	trigger := func(key string) string {
		id, err := w.Trigger(within(t), key, workflow.WithInitialValue[parcel, parcelStatus](&parcel{Key: key}))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	await := func(id string) {
		t.Helper()
		if _, err := w.Await(within(t), "", id, parcelDone); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	retried, forced, hanging := trigger("retried"), trigger("forced"), trigger("hangs")
	for _, id := range []string{retried, forced} {
		heldSoon(t, other, id, func(d backend.Delivery) bool { return d.State == backend.DeliveryBackingOff })
	}
	why, err := op.Waiting(within(t), retried)
	if err != nil || why.Kind != workflow.WaitsForRetry {
		t.Errorf("it waits for %v, %v", why, err)
	}
	must(op.ForceStatus(within(t), forced, int(parcelWeighed), "weighed by hand"))
	await(forced) // by the timer that the worker has set
	broken.Store(false)
	must(op.RetryNow(within(t), retried, "the scales are mended")) // makes no version
	await(retried)
	must(op.Pause(within(t), hanging, "look first"))
	if cause := <-ended; !errors.Is(cause, workflow.ErrSuperseded) {
		t.Errorf("the step's context ended with %v", cause)
	}
	must(op.Cancel(within(t), hanging, "not wanted"))

	var actors []string
	for item, err := range op.History(within(t), hanging) {
		must(err)
		actors = append(actors, item.Actor+":"+item.Reason)
	}
	if got := fmt.Sprint(actors); got != "[: ada:look first ada:not wanted]" {
		t.Errorf("the history says %s", got)
	}
	counts, err := op.Counts(within(t), "operated")
	must(err)
	if got := fmt.Sprint(counts); got != "[{1 Received Cancelled 1} {4 Done Completed 2}]" {
		t.Errorf("counts: %s", got)
	}
	page, err := op.Runs(within(t), workflow.InWorkflow("operated"), workflow.Where(workflow.FilterByReason("not wanted")))
	if err != nil || len(page.Runs) != 1 || page.Runs[0].RunID != hanging {
		t.Errorf("listed: %+v, %v", page, err)
	}
	must(op.Erase(within(t), hanging))
	if _, err := w.AwaitEnd(within(t), "", hanging); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("the erased run: %v", err)
	}
}

// TestOperatorsOfTwoProcessesMakeOneVersionPerAction: nothing is lost and nothing comes twice, while nobody works on the run (G2).
func TestOperatorsOfTwoProcessesMakeOneVersionPerAction(t *testing.T) {
	worker, other := openTwice(t)
	b := workflow.NewBuilder[parcel, parcelStatus]("contended")
	b.AddCallback(parcelReceived, func(context.Context, *workflow.Run[parcel, parcelStatus], io.Reader) (parcelStatus, error) {
		return parcelDone, nil
	}, parcelDone)
	w, err := b.BuildOn(worker, quiet())
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.Trigger(within(t), "parcel")
	if err != nil {
		t.Fatal(err)
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	for i, op := range []*workflow.Operator{w.Operator("one").Operator, workflow.NewOperator(other).As("two"), w.Operator("three").Operator, workflow.NewOperator(other).As("four")} {
		wg.Go(func() {
			for n := range 25 {
				var err error
				switch (i + n) % 3 {
				case 0:
					err = op.Pause(within(t), id, "wait")
				case 1:
					err = op.Resume(within(t), id, "go on")
				default:
					err = op.SetDeadline(within(t), id, time.Now().Add(time.Hour), "an hour more")
				}
				switch {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, workflow.ErrInvalidTransition):
					t.Errorf("operator %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	rec, err := other.Lookup(within(t), id)
	if err != nil {
		t.Fatal(err)
	}
	if want := uint(done.Load()) + 1; rec.Meta.Version != want {
		t.Errorf("version %d after %d actions", rec.Meta.Version, want-1)
	}
	if err := w.Operator("last").Cancel(within(t), id, "done"); err != nil {
		t.Fatal(err)
	}
}
