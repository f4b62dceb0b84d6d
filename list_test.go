package workflow_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// listed makes a store with 25 runs of a workflow that waits for a callback, every fifth paused, and one run of another workflow.
func listed(t *testing.T, by string) (w *flow, op *workflow.Operator, ids []string, clock *fakeClock) {
	t.Helper()
	var on backend.Backend = newStore(t)
	if by == "reading" {
		on = &tapped{Backend: on} // nothing but what every backend has
	}
	clock = newFakeClock()
	waits := func(name string) *flow {
		b := workflow.NewBuilder[object, status](name)
		b.AddCallback(statusA, goes(statusEnd), statusEnd, statusB)
		w, err := b.BuildOn(on, workflow.WithClock(clock), workflow.WithLogger(&quietLog{}))
		must(t, err)
		return w
	}
	w = waits("listed")
	op = workflow.NewOperator(on, workflow.WithActor("ada"), workflow.WithOperatorClock(clock))
	for i := range 25 {
		clock.step(time.Minute)
		id := trigger(t, w, fmt.Sprintf("customer,%d", i), workflow.WithInitialValue[object, status](&object{Count: i}))
		ids = append(ids, id)
		if i%5 == 0 {
			must(t, op.Pause(ctxFor(t), id, fmt.Sprintf("audit no. %d", i)))
		}
	}
	trigger(t, waits("another"), "customer,1")
	return w, op, ids, clock
}

func reversed(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[len(ids)-1-i] = id
	}
	return out
}

// every collects the run ids of all pages.
func every(t *testing.T, w *flow, opts ...workflow.ListOption) (ids []string) {
	t.Helper()
	for token := ""; ; {
		page, err := w.Runs(ctxFor(t), append([]workflow.ListOption{workflow.PageAfter(token)}, opts...)...)
		must(t, err)
		for _, r := range page.Runs {
			ids = append(ids, r.RunID)
		}
		if token = page.Next; token == "" {
			break
		}
	}
	var again []string
	for r, err := range w.AllRuns(ctxFor(t), opts...) {
		must(t, err)
		again = append(again, r.RunID)
	}
	if !reflect.DeepEqual(ids, again) {
		t.Errorf("pages hold %v, the iterator yields %v", ids, again)
	}
	return ids
}

func TestRunsAreListed(t *testing.T) {
	for _, by := range []string{"key", "reading"} {
		t.Run("by "+by, func(t *testing.T) {
			w, _, ids, _ := listed(t, by)
			pausedRuns := []string{ids[0], ids[5], ids[10], ids[15], ids[20]}
			base := newFakeClock().Now()
			for name, tt := range map[string]struct {
				opts []workflow.ListOption
				want []string
			}{
				"all":                     {nil, ids},
				"small pages":             {[]workflow.ListOption{workflow.PageSize(4)}, ids},
				"pages that just fit":     {[]workflow.ListOption{workflow.PageSize(5)}, ids},
				"newest first":            {[]workflow.ListOption{workflow.NewestFirst(), workflow.PageSize(7)}, reversed(ids)},
				"by run state":            {[]workflow.ListOption{workflow.Where(workflow.FilterByRunState(workflow.RunStatePaused)), workflow.PageSize(2)}, pausedRuns},
				"by reason":               {[]workflow.ListOption{workflow.Where(workflow.FilterByReason("no. 1"))}, []string{ids[10], ids[15]}},
				"by foreign ids (commas)": {[]workflow.ListOption{workflow.Where(workflow.FilterByForeignID("customer,3", "customer,7", "customer"))}, []string{ids[3], ids[7]}},
				"by status":               {[]workflow.ListOption{workflow.Where(workflow.FilterByStatus(statusB))}, nil},
				"by creation": {[]workflow.ListOption{workflow.Where(workflow.FilterByCreatedAtAfter(base.Add(3*time.Minute)), workflow.FilterByCreatedAtBefore(base.Add(6*time.Minute)))},
					[]string{ids[3], ids[4]}},
				"by change": {[]workflow.ListOption{workflow.Where(workflow.FilterByUpdatedAtAfter(base.Add(23 * time.Minute))), workflow.Where(workflow.FilterByUpdatedAtBefore(base.Add(25 * time.Minute)))},
					[]string{ids[23]}},
				"another workflow's": {[]workflow.ListOption{workflow.InWorkflow("another")}, ids}, // a workflow lists its own
			} {
				if got := every(t, w, tt.opts...); !reflect.DeepEqual(got, tt.want) {
					t.Errorf("%s: got %v, want %v", name, got, tt.want)
				}
			}
			page, err := w.Runs(ctxFor(t), workflow.PageSize(1), workflow.NewestFirst())
			must(t, err)
			if o, err := page.Runs[0].Object(); err != nil || o.Count != 24 || page.Runs[0].Status != statusA {
				t.Errorf("the newest run is %+v, %v", o, err)
			}
		})
	}
}

// TestAListingStaysRightWhileRunsComeAndGo: with keys, runs that are created or erased meanwhile make no run skipped or come twice.
func TestAListingStaysRightWhileRunsComeAndGo(t *testing.T) {
	w, op, ids, _ := listed(t, "key")
	page, err := w.Runs(ctxFor(t), workflow.PageSize(10), workflow.NewestFirst())
	must(t, err)
	trigger(t, w, "newer")
	for _, id := range ids[15:17] {
		must(t, op.Cancel(ctxFor(t), id, ""))
		must(t, op.Erase(ctxFor(t), id))
	}
	next, err := w.Runs(ctxFor(t), workflow.PageSize(10), workflow.NewestFirst(), workflow.PageAfter(page.Next))
	must(t, err)
	if got := next.Runs[0].RunID; got != ids[14] || len(next.Runs) != 10 {
		t.Errorf("the second page has %d runs and begins with %s, want %s", len(next.Runs), got, ids[14])
	}
}

func TestATokenOfAnotherListingIsRefused(t *testing.T) {
	w, op, _, _ := listed(t, "key")
	page, err := w.Runs(ctxFor(t), workflow.PageSize(1))
	must(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(page.Next)
	must(t, err)
	raw[5]++
	byReading, _, _, _ := listed(t, "reading")
	other, err := byReading.Runs(ctxFor(t), workflow.PageSize(1))
	must(t, err)
	list := func(token string, opts ...workflow.ListOption) error {
		_, err := w.Runs(ctxFor(t), append(opts, workflow.PageAfter(token))...)
		return err
	}
	_, ofAll := op.Runs(ctxFor(t), workflow.PageAfter(page.Next))
	for what, err := range map[string]error{
		"made up": list("next page"), "cut": list(page.Next[:10]), "changed": list(base64.RawURLEncoding.EncodeToString(raw)),
		"of the other order": list(page.Next, workflow.NewestFirst()), "of another store": list(other.Next), "of one workflow, for all": ofAll,
	} {
		if !errors.Is(err, workflow.ErrPageToken) {
			t.Errorf("a token %s: %v", what, err)
		}
	}
	if err := list(page.Next); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

func FuzzPageToken(f *testing.F) {
	f.Add("")
	f.Add("AQAAAAAAAAAAAQAAAAA")
	on := newStore(f)
	op := workflow.NewOperator(on)
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := op.Runs(context.Background(), workflow.PageAfter(token)); err != nil && !errors.Is(err, workflow.ErrPageToken) {
			t.Fatalf("token %q: %v", token, err)
		}
	})
}

func TestCounts(t *testing.T) {
	for _, by := range []string{"key", "reading"} {
		t.Run("by "+by, func(t *testing.T) {
			w, op, _, _ := listed(t, by)
			initiated := workflow.StatusCount{Status: int(statusA), Name: "A", RunState: workflow.RunStateInitiated, Runs: 20}
			pausedRuns := workflow.StatusCount{Status: int(statusA), Name: "A", RunState: workflow.RunStatePaused, Runs: 5}
			got, err := w.Counts(ctxFor(t))
			must(t, err)
			if want := []workflow.StatusCount{initiated, pausedRuns}; !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			got, err = op.Counts(ctxFor(t), "listed", workflow.FilterByRunState(workflow.RunStatePaused))
			must(t, err)
			if want := []workflow.StatusCount{pausedRuns}; !reflect.DeepEqual(got, want) {
				t.Errorf("paused, without the code: got %+v, want %+v", got, want)
			}
			got, err = op.Counts(ctxFor(t), "")
			must(t, err)
			if initiated.Runs++; !reflect.DeepEqual(got, []workflow.StatusCount{initiated, pausedRuns}) {
				t.Errorf("of all workflows: got %+v", got)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	for _, by := range []string{"key", "reading"} {
		t.Run("by "+by, func(t *testing.T) {
			w, op, _, _ := listed(t, by)
			var told, failed int
			progress := func(rec *workflow.Record, err error) {
				told++
				if err != nil {
					failed++
				}
			}
			bulk, err := op.CancelAll(ctxFor(t), "closing down", progress, workflow.InWorkflow("listed"), workflow.PageSize(4),
				workflow.Where(workflow.FilterByRunState(workflow.RunStatePaused, workflow.RunStateInitiated)))
			if err != nil || bulk != (workflow.Bulk{Done: 25}) || told != 25 || failed != 0 {
				t.Errorf("%+v, %v; told of %d, %d failed", bulk, err, told, failed)
			}
			for r, err := range w.AllRuns(ctxFor(t)) {
				must(t, err)
				if r.RunState != workflow.RunStateCancelled || r.Meta.RunStateReason != "closing down" {
					t.Errorf("run %s is %v: %q", r.RunID, r.RunState, r.Meta.RunStateReason)
				}
			}
			bulk, err = w.Operator("ada").PauseAll(ctxFor(t), "too late", nil)
			if !errors.Is(err, workflow.ErrRunFinished) || bulk != (workflow.Bulk{Failed: 25}) {
				t.Errorf("%+v, %v", bulk, err)
			}
			ctx, cancel := context.WithCancel(ctxFor(t))
			bulk, err = op.Each(ctx, func(context.Context, *workflow.Record) error { cancel(); return nil })
			if !errors.Is(err, context.Canceled) || bulk.Done != 1 {
				t.Errorf("stopped: %+v, %v", bulk, err)
			}
		})
	}
}
