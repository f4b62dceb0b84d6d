package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// One test for each ground rule that a program moving over relies on, each on our classic parts and on somebody's own.

func TestMigratedProgramGoesFromTriggerToCompletion(t *testing.T) {
	eachParts(t, func(t *testing.T, parts classicParts) {
		l := newLoans(parts)
		for i := range 5 {
			l.feed = append(l.feed, workflow.ConnectorEvent{
				ID: fmt.Sprint(i), ForeignID: fmt.Sprint("web-", i), Headers: map[string]string{"customer": "web"}, CreatedAt: time.Now(),
			})
		}
		l.broken["flaky"] = 1
		w := l.start(t)

		runs := map[string]string{}
		for i := range 30 {
			foreignID := fmt.Sprint("shop-", i)
			runs[foreignID] = apply(t, w, foreignID, "ann")
		}
		runs["flaky"] = apply(t, w, "flaky", "flaky")
		if _, err := w.Trigger(ctxFor(t), "flaky"); !errors.Is(err, workflow.ErrWorkflowInProgress) {
			t.Errorf("a second run of one foreign id: %v", err)
		}
		rejected := apply(t, w, "bad", "bad")
		for i := range 5 {
			foreignID := fmt.Sprint("web-", i)
			workflow.WaitFor(t, w, foreignID, func(r *loanRun) (bool, error) { return r.Status == loanWaitsForSignature, nil })
			runs[foreignID] = reached(t, w, foreignID, "", loanWaitsForSignature).RunID
		}
		for foreignID, runID := range runs {
			workflow.TriggerCallbackOn(t, w, foreignID, runID, loanWaitsForSignature, signature{By: "s-" + foreignID})
		}
		for foreignID, runID := range runs {
			r := reached(t, w, foreignID, runID, loanPaidOut)
			if r.Object.Signed != "s-"+foreignID || r.Object.Score != 700 || !slices.Equal(r.Object.Trail, asked(foreignID)) {
				t.Errorf("%s: %+v", foreignID, *r.Object)
			}
			rec, err := parts.store.Lookup(ctxFor(t), runID)
			if err != nil || rec.RunState != workflow.RunStateCompleted || rec.Meta.StatusDescription != "Paid Out" {
				t.Errorf("%s: %+v, %v", foreignID, rec, err)
			}
		}
		for foreignID, runID := range runs { // a status that was passed before the call
			if r := reached(t, w, foreignID, runID, loanScored); r.Object.Score != 700 || r.Object.Signed != "" {
				t.Errorf("%s when it was scored: %+v", foreignID, *r.Object)
			}
		}
		reached(t, w, "bad", rejected, loanRejected)
		told(t, l.completed, append(slices.Collect(maps.Values(runs)), rejected)...)
		if l.timesScored("flaky") != 2 || l.errors.total() != 1 {
			t.Errorf("scored %d times, %d errors counted", l.timesScored("flaky"), l.errors.total())
		}
		for name, s := range w.States() {
			if s != workflow.StateRunning {
				t.Errorf("process %s is %v", name, s)
			}
		}
	})
}

func TestMigratedRunsPauseCancelAndResume(t *testing.T) {
	eachParts(t, func(t *testing.T, parts classicParts) {
		l := newLoans(parts)
		l.broken["broken"] = 2
		w := l.start(t)
		ctx := ctxFor(t)
		byEngine, byStep, gone := apply(t, w, "a", "broken"), apply(t, w, "b", "odd"), apply(t, w, "c", "gone")
		told(t, l.paused, byEngine, byStep)
		told(t, l.cancelled, gone)
		for runID, want := range map[string]string{byEngine: errTest.Error(), byStep: "somebody has to look"} {
			rec, err := parts.store.Lookup(ctx, runID)
			if err != nil || rec.RunState != workflow.RunStatePaused || !strings.Contains(rec.Meta.RunStateReason, want) {
				t.Errorf("paused run: %+v, %v, want the reason %q", rec, err, want)
			}
		}
		if n := l.timesScored("broken"); n != 2 {
			t.Errorf("%d attempts before the pause, want 2", n)
		}
		if err := l.control(t, byEngine).Resume(ctx); err != nil {
			t.Fatalf("Resume: %v", err)
		}
		reached(t, w, "a", byEngine, loanWaitsForSignature)
		if err := l.control(t, byStep).Cancel(ctx, "no"); err != nil {
			t.Fatalf("Cancel: %v", err)
		}
		told(t, l.cancelled, byStep)
		if err := l.control(t, byStep).DeleteData(ctx, "asked by letter"); err != nil {
			t.Fatalf("DeleteData: %v", err)
		}
		workflow.WaitFor(t, w, "b", func(r *loanRun) (bool, error) {
			return r.RunState == workflow.RunStateDataDeleted && r.Object.Customer == "", nil
		})
	})
}

func TestMigratedFakeClockSteppedByAnHourFiresWhatBecameDue(t *testing.T) {
	eachParts(t, func(t *testing.T, parts classicParts) {
		clock := newFakeClock()
		l := newLoans(parts)
		l.clock = clock
		w := l.start(t)
		entered := clock.Now()
		runs := map[string]string{}
		for i := range 3 {
			foreignID := fmt.Sprint("f-", i)
			runs[foreignID] = apply(t, w, foreignID, "ann")
			workflow.AwaitTimeoutInsert(t, w, foreignID, runs[foreignID], loanWaitsForSignature)
		}
		clock.step(59 * time.Minute) // not yet
		signed := apply(t, w, "signed", "bob")
		workflow.TriggerCallbackOn(t, w, "signed", signed, loanWaitsForSignature, signature{By: "bob"})
		reached(t, w, "signed", signed, loanPaidOut)

		clock.step(time.Hour)
		for foreignID := range runs {
			want := loan{Customer: "ann", Score: 700, Trail: append(asked(foreignID), "expired")}
			workflow.Require(t, w, foreignID, loanExpired, want)
		}
		told(t, l.completed, slices.Collect(maps.Values(runs))...)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.ended) != 3 {
			t.Errorf("%d timeouts fired, want 3: a run that left the status has none", len(l.ended))
		}
		for _, at := range l.ended {
			if at.Sub(entered) != time.Hour+59*time.Minute {
				t.Errorf("fired %v after the status was entered", at.Sub(entered))
			}
		}
	})
}

func TestMigratedZeroWithoutAnErrorSkips(t *testing.T) {
	eachParts(t, func(t *testing.T, parts classicParts) {
		l := newLoans(parts)
		w := l.start(t)
		runID := apply(t, w, "f", "later")
		workflow.WaitFor(t, w, "f", func(*loanRun) (bool, error) { return l.timesScored("later") == 1, nil })
		other := apply(t, w, "g", "ann") // goes the same way, behind it
		reached(t, w, "g", other, loanWaitsForSignature)
		rec, err := parts.store.Lookup(ctxFor(t), runID)
		if err != nil || rec.Status != int(loanApplied) || rec.RunState.Finished() || rec.RunState.Stopped() || rec.Meta.Version != 1 {
			t.Errorf("a skipped run: %+v, %v", rec, err)
		}
		if err := w.Callback(ctxFor(t), "g", loanWaitsForSignature, strings.NewReader(`{"By":""}`)); err != nil {
			t.Errorf("a callback that skips: %v", err)
		}
		if err := w.Callback(ctxFor(t), "f", loanApplied, nil); err != nil {
			t.Errorf("Callback: %v", err)
		}
		reached(t, w, "f", runID, loanRejected)
		if n := l.timesScored("later"); n != 1 {
			t.Errorf("the step was called %d times for one version", n)
		}
		if r := reached(t, w, "g", other, loanWaitsForSignature); r.Object.Signed != "" {
			t.Errorf("a skipped callback stored %+v", *r.Object)
		}
	})
}

func TestMigratedHelpersAcceptATest(t *testing.T) {
	l := newLoans(ownParts())
	w := l.start(t)
	var tb testing.TB = t
	runID := apply(t, w, "f", "ann")
	workflow.AwaitTimeoutInsert[loan, loanStatus](tb, w, "f", runID, loanWaitsForSignature)
	workflow.TriggerCallbackOn[loan, loanStatus](tb, w, "f", runID, loanWaitsForSignature, signature{By: "ann"})
	workflow.Require[loan, loanStatus](tb, w, "f", loanPaidOut, loan{Customer: "ann", Score: 700, Signed: "ann", Trail: asked("f")})
	workflow.WaitFor[loan, loanStatus](tb, w, "f", func(r *loanRun) (bool, error) { return r.RunState == workflow.RunStateCompleted, nil })

	// A step is called without a workflow.
	var calls []string
	note := func(what string) func(context.Context) error {
		return func(context.Context) error {
			calls = append(calls, what)
			return nil
		}
	}
	r := workflow.NewTestingRun[loan, loanStatus](t, workflow.Record{ForeignID: "f"}, loan{Customer: "odd"},
		workflow.WithPauseFn(note("pause")), workflow.WithCancelFn(note("cancel")), workflow.WithResumeFn(note("resume")),
		workflow.WithDeleteDataFn(note("delete")), workflow.WithSaveAndRepeatFn(note("save")))
	for _, customer := range []string{"odd", "gone"} {
		r.Object.Customer = customer
		if to, err := l.score(context.Background(), r); to != 0 || err != nil {
			t.Errorf("score: %v, %v", to, err)
		}
	}
	if to, err := l.ask(context.Background(), r); to != 0 || err != nil {
		t.Errorf("ask: %v, %v", to, err)
	}
	if !slices.Equal(calls, []string{"pause", "cancel", "save"}) {
		t.Errorf("called %q", calls)
	}
}

func TestMigratedNamesKeepTheirForm(t *testing.T) {
	l := newLoans(ownParts())
	w := l.start(t)
	runID := apply(t, w, "f", "ann")
	workflow.TriggerCallbackOn(t, w, "f", runID, loanWaitsForSignature, signature{By: "ann"})
	told(t, l.completed, runID)
	workflow.WaitFor(t, w, "f", func(*loanRun) (bool, error) {
		for _, s := range w.States() {
			if s != workflow.StateRunning {
				return false, nil
			}
		}
		return true, nil
	})
	same := func(what string, got []string, want ...string) {
		t.Helper()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", what, got, want)
		}
	}
	stream := l.parts.streamer.(*ownStream)
	stream.mu.Lock()
	defer stream.mu.Unlock()
	same("topics sent to", slices.Collect(maps.Keys(stream.topics)),
		"personal_loans-1", "personal_loans-2", "personal_loans-3", "personal_loans-4", "personal_loans-run-state-change")
	same("topics received", slices.Collect(maps.Keys(stream.names)),
		"personal_loans-1", "personal_loans-2", "personal_loans-3", "personal_loans-4", "personal_loans-run-state-change", "personal_loans-delete")
	shards := []string{"personal_loans-1-consumer-1-of-3", "personal_loans-1-consumer-2-of-3", "personal_loans-1-consumer-3-of-3"}
	same("receivers of a sharded topic", stream.names["personal_loans-1"], shards...)
	same("roles", l.parts.roles.(*ownRoles).names(), append(shards, "personal_loans-2-consumer-1-of-1", "personal_loans-3-timeout-auto-inserter-consumer", "personal_loans-4-consumer-1-of-1",
		"personal_loans-outbox-consumer", "personal_loans-delete-consumer", "personal_loans-run-state-change-hook-consumer", "web_site-connector-to-personal_loans-consumer-1-of-1")...)
	same("processes", slices.Collect(maps.Keys(w.States())),
		"applied-consumer-1-of-3", "applied-consumer-2-of-3", "applied-consumer-3-of-3", "scored-consumer-1-of-1", "signed-consumer-1-of-1",
		"outbox-consumer", "delete-consumer", "paused-records-retry-consumer", "web_site-connector-to-personal_loans-consumer-1-of-1",
		"waits_for_signature-timeout-consumer", "waits_for_signature-timeout-auto-inserter-consumer",
		"paused-run-state-change-hook-consumer", "cancelled-run-state-change-hook-consumer", "completed-run-state-change-hook-consumer")

	first := stream.topics["personal_loans-1"][0]
	want := map[workflow.Header]string{
		"workflow_name": "personal loans", "foreign_id": "f", "run_id": runID, "topic": "personal_loans-1", "run_state": "1", "record_version": "1",
	}
	if !maps.Equal(first.Headers, want) || first.Type != 1 || first.ForeignID != runID {
		t.Errorf("event %+v, want the headers %v", first, want)
	}
	last := stream.topics["personal_loans-run-state-change"][0]
	if last.Headers[workflow.HeaderRunState] != "5" || last.Type != int(loanPaidOut) {
		t.Errorf("event %+v", last)
	}
}

// What was under way when a process ended goes on in the next one, on the same parts.
func TestMigratedUnfinishedRunsGoOnAfterARestart(t *testing.T) {
	eachParts(t, func(t *testing.T, parts classicParts) {
		clock := newFakeClock()
		first := newLoans(parts)
		first.clock = clock
		first.broken["flaky"] = 1 // the second attempt waits on the clock, which stands still: it is in memory only
		ctx, die := context.WithCancel(context.Background())
		w := first.build()
		w.Run(ctx)
		t.Cleanup(die)
		runs := map[string]string{}
		for _, foreignID := range []string{"signs", "expires"} {
			runs[foreignID] = apply(t, w, foreignID, foreignID)
			workflow.AwaitTimeoutInsert(t, w, foreignID, runs[foreignID], loanWaitsForSignature)
		}
		runs["flaky"] = apply(t, w, "flaky", "flaky")
		workflow.WaitFor(t, w, "flaky", func(*loanRun) (bool, error) { return first.errors.total() == 1, nil })
		first.mu.Lock()
		first.gate = make(chan struct{}) // nobody opens it: the step ends with its context
		first.mu.Unlock()
		runs["working"] = apply(t, w, "working", "working")
		workflow.WaitFor(t, w, "working", func(*loanRun) (bool, error) { return first.timesScored("working") == 1, nil })
		die()
		w.Stop()
		runs["between"] = apply(t, w, "between", "between") // while nobody works

		second := newLoans(parts)
		second.clock = clock
		w = second.start(t)
		for _, foreignID := range []string{"flaky", "working", "between"} {
			reached(t, w, foreignID, runs[foreignID], loanWaitsForSignature)
		}
		for _, foreignID := range []string{"flaky", "working", "between", "signs"} {
			workflow.TriggerCallbackOn(t, w, foreignID, runs[foreignID], loanWaitsForSignature, signature{By: "ann"})
			reached(t, w, foreignID, runs[foreignID], loanPaidOut)
			told(t, second.completed, runs[foreignID])
		}
		clock.step(time.Hour)
		reached(t, w, "expires", runs["expires"], loanExpired)
		if n := second.timesScored("signs") + second.timesScored("expires"); n != 0 {
			t.Errorf("steps that were done were called %d times again", n)
		}
	})
}

// The store's own relay takes the place of the workflow's, pauses by the engine end after an hour of the clock, and deletion is the program's.
func TestMigratedBuildOptionsOfTheWorkflow(t *testing.T) {
	clock := newFakeClock()
	streamer := memstreamer.New(memstreamer.WithClock(clock))
	store := memrecordstore.New(memrecordstore.WithOutbox(t.Context(), streamer, &quietLog{}), memrecordstore.WithClock(clock))
	broken := true
	b := workflow.NewBuilder[loan, loanStatus]("options")
	b.AddStep(loanApplied, func(context.Context, *loanRun) (loanStatus, error) {
		if broken {
			return 0, errTest
		}
		return loanRejected, nil
	}, loanRejected)
	paused := make(chan string, 1)
	b.OnPause(hookTo(paused))
	w := b.Build(streamer, store, memrolescheduler.New(), workflow.WithoutOutbox(), workflow.WithClock(clock), workflow.WithLogger(&quietLog{}),
		workflow.WithDefaultOptions(workflow.PauseAfterErrCount(1)), workflow.WithPauseRetry(time.Hour),
		workflow.WithCustomDelete(func(l *loan) error {
			l.Customer = "customer of " + l.Signed
			return nil
		}))
	w.Run(t.Context())
	t.Cleanup(w.Stop)
	runID, err := w.Trigger(t.Context(), "f", workflow.WithInitialValue[loan, loanStatus](&loan{Customer: "ann", Signed: "bank"}))
	if err != nil {
		t.Fatal(err)
	}
	told(t, paused, runID)
	broken = false // the step is called again only when the clock moves
	clock.step(time.Hour)
	reached(t, w, "f", runID, loanRejected)
	rec, err := store.Lookup(t.Context(), runID)
	if err != nil {
		t.Fatal(err)
	}
	if err := workflow.NewRunStateController(store.Store, rec).DeleteData(t.Context(), "asked"); err != nil {
		t.Fatal(err)
	}
	workflow.WaitFor(t, w, "f", func(r *loanRun) (bool, error) {
		return r.RunState == workflow.RunStateDataDeleted && r.Object.Customer == "customer of bank", nil
	})
	var states []string
	for _, snapshot := range store.Snapshots("options", "f", runID) {
		states = append(states, fmt.Sprint(snapshot.Meta.Version, " ", snapshot.RunState))
	}
	want := []string{"1 Initiated", "2 Paused", "3 Running", "4 Completed", "5 RequestedDataDeleted", "6 DataDeleted"}
	if !slices.Equal(states, want) {
		t.Errorf("snapshots %q, want %q", states, want)
	}
}

func TestMigratedCallbackAndTriggerWorkBeforeRun(t *testing.T) {
	eachParts(t, func(t *testing.T, parts classicParts) {
		client := newLoans(parts).build() // a program that only triggers
		runID := apply(t, client, "f", "ann")
		started, err := client.Trigger(ctxFor(t), "g", workflow.WithStartingPoint[loan, loanStatus](loanWaitsForSignature))
		if err != nil {
			t.Fatalf("Trigger: %v", err)
		}
		if err := client.Callback(ctxFor(t), "g", loanWaitsForSignature, strings.NewReader(`{"By":"client"}`)); err != nil {
			t.Fatalf("Callback: %v", err)
		}
		for name, s := range client.States() {
			if s != workflow.StateShutdown {
				t.Errorf("process %s is %v", name, s)
			}
		}
		w := newLoans(parts).start(t)
		reached(t, w, "f", runID, loanWaitsForSignature)
		if r := reached(t, client, "g", started, loanPaidOut); r.Object.Signed != "client" {
			t.Errorf("%+v", *r.Object)
		}
	})
}

// misused has three mistakes.
func misused() *workflow.Builder[loan, loanStatus] {
	b := workflow.NewBuilder[loan, loanStatus]("misused")
	step := func(context.Context, *loanRun) (loanStatus, error) { return loanScored, nil }
	b.AddStep(loanApplied, step, loanScored)
	b.AddStep(loanApplied, step, loanScored)
	b.AddStep(loanSigned, nil, loanPaidOut)
	b.AddTimeout(loanScored, workflow.DurationTimerFunc[loan, loanStatus](time.Hour), func(context.Context, *loanRun, time.Time) (loanStatus, error) {
		return loanExpired, nil
	}, loanExpired).WithOptions(workflow.ParallelCount(3))
	return b
}

func TestMigratedBuildPanicsOnMisuseAndBuildOnReturnsAllProblems(t *testing.T) {
	good := func() *workflow.Builder[loan, loanStatus] { return newLoans(ownParts()).builder() }
	p := ownParts()
	for what, build := range map[string]func(){
		"three mistakes":      func() { misused().Build(p.streamer, p.store, p.roles, workflow.WithTimeoutStore(p.timeouts)) },
		"no timeout store":    func() { good().Build(p.streamer, p.store, p.roles) },
		"no streamer":         func() { good().Build(nil, p.store, p.roles, workflow.WithTimeoutStore(p.timeouts)) },
		"no store":            func() { good().Build(p.streamer, nil, p.roles, workflow.WithTimeoutStore(p.timeouts)) },
		"no scheduler":        func() { good().Build(p.streamer, p.store, nil, workflow.WithTimeoutStore(p.timeouts)) },
		"nothing to do":       func() { workflow.NewBuilder[loan, loanStatus]("empty").Build(p.streamer, p.store, p.roles) },
		"a name of no length": func() { workflow.NewBuilder[loan, loanStatus]("").Build(p.streamer, p.store, p.roles) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: Build did not panic", what)
				}
			}()
			build()
		}()
	}
	store := memory.New()
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	w, err := misused().BuildOn(store)
	if w != nil || err == nil {
		t.Fatalf("BuildOn: %v, %v", w, err)
	}
	for _, want := range []string{"step already", "function is nil", "parallel count"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not tell of %q", err, want)
		}
	}
}

// hangingRoles gives no role, and hangingStore no answer, until ctx ends.
type (
	hangingRoles struct{}
	hangingStore struct{ *memStore }
	memStore     = memrecordstore.Store
)

func (hangingRoles) Await(ctx context.Context, _ string) (context.Context, context.CancelFunc, error) {
	<-ctx.Done()
	return nil, nil, ctx.Err()
}

func (hangingStore) List(ctx context.Context, _ string, _ int64, _ int, _ workflow.OrderType, _ ...workflow.RecordFilter) ([]workflow.Record, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestMigratedRunReturnsAtOnce(t *testing.T) {
	for what, parts := range map[string]classicParts{
		"no role is free":        {memstreamer.New(), memrecordstore.New(), hangingRoles{}, &ownTimeouts{}},
		"the store is not there": {memstreamer.New(), hangingStore{memrecordstore.New()}, memrolescheduler.New(), &ownTimeouts{}},
	} {
		t.Run(what, func(t *testing.T) {
			w := newLoans(parts).build()
			w.Run(context.Background()) // the test hangs if it waits
			w.Run(context.Background()) // and a second call does nothing
			apply(t, w, "f", "ann")
			for name, s := range w.States() {
				if s == workflow.StateShutdown {
					t.Errorf("process %s is %v", name, s)
				}
			}
			w.Stop()
			for name, s := range w.States() {
				if s != workflow.StateShutdown {
					t.Errorf("process %s is %v", name, s)
				}
			}
		})
	}
}
