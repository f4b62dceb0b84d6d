package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/webui"
	"github.com/stillwater-go/workflow/backend"
)

// Group C: updates that were lost, and writes to the wrong run.

// race calls fn n times at once and counts what came of it: nil, or an error that is want. Any other error fails the test.
func race(t *testing.T, n int, want error, fn func(i int) error) (won, refused int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := fn(i)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, want):
				refused++
			default:
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	return won, refused
}

// Racing triggers of one foreign id looked first and stored then, and made a run each.
func TestField25RacingTriggersMakeOneRun(t *testing.T) {
	slow := adaptertest.Fault{Delay: func(ctx context.Context) error { return waitFor(ctx, 2*time.Millisecond) }}
	each(t, map[string]func(t *testing.T) *flow{
		"backend": func(t *testing.T) *flow {
			on := adaptertest.NewFaulty(newStore(t), 1)
			for _, m := range []adaptertest.Method{adaptertest.MethodCommit, adaptertest.MethodLatest, adaptertest.MethodLookup} {
				on.Set(m, slow)
			}
			w, err := three("racing").BuildOn(on, workflow.WithLogger(&quietLog{}))
			must(t, err)
			return w
		},
		"classic": func(t *testing.T) *flow {
			store := adaptertest.NewFaultyRecordStore(memrecordstore.New(), 1)
			for _, m := range []adaptertest.Method{adaptertest.MethodStore, adaptertest.MethodLatest, adaptertest.MethodLookup} {
				store.Set(m, slow)
			}
			return three("racing").Build(memstreamer.New(), store, memrolescheduler.New(), workflow.WithLogger(&quietLog{}))
		},
	}, func(t *testing.T, make func(t *testing.T) *flow) {
		w := make(t)
		if won, refused := race(t, 16, workflow.ErrWorkflowInProgress, func(int) error {
			_, err := w.Trigger(ctxFor(t), "same")
			return err
		}); won != 1 || refused != 15 {
			t.Errorf("%d of 16 triggers made a run, %d were refused", won, refused)
		}
		runs, err := w.Backend().List(ctxFor(t), "racing", 0, 100, workflow.OrderTypeAscending)
		if err != nil || len(runs) != 1 {
			t.Errorf("there are %d runs, %v", len(runs), err)
		}
	})
	inTime(t, func(t *testing.T) { // the store itself refuses, whoever writes
		store := memrecordstore.New()
		if won, refused := race(t, 16, workflow.ErrWorkflowInProgress, func(i int) error {
			return store.Store(ctxFor(t), version("racing", fmt.Sprint("run-", i), 1, ""))
		}); won != 1 || refused != 15 {
			t.Errorf("%d of 16 stores made a run, %d were refused", won, refused)
		}
	})
}

// version makes a version of a run of the foreign id "same".
func version(workflowName, runID string, v uint, note string) *workflow.Record {
	at := time.Now()
	return &workflow.Record{
		WorkflowName: workflowName, ForeignID: "same", RunID: runID, RunState: workflow.RunStateRunning, Status: int(statusA),
		Object: []byte(fmt.Sprintf(`{"Note":%q}`, note)), CreatedAt: at, UpdatedAt: at, Meta: workflow.Meta{Version: v, Visit: 1},
	}
}

// A version was looked at, and the next one written over whatever was there by then.
func TestField26AnUpdateIsOneCompareAndSwap(t *testing.T) {
	each(t, map[string]func(on *memory.Backend, rec *workflow.Record) error{
		"commit": func(on *memory.Backend, rec *workflow.Record) error {
			c := &backend.Change{Record: rec, Cause: backend.CauseTrigger}
			if rec.Meta.Version > 1 {
				c.Cause, c.From = backend.CauseStep, backend.Point{RunState: rec.RunState, Status: rec.Status}
			}
			return errors.Join(on.Commit(context.Background(), []*backend.Change{c}), c.Err)
		},
		"store": func(on *memory.Backend, rec *workflow.Record) error {
			return on.RecordStore().Store(context.Background(), rec)
		},
	}, func(t *testing.T, write func(on *memory.Backend, rec *workflow.Record) error) {
		on := newStore(t)
		must(t, write(on, version("swap", "r", 1, "first")))
		for v := uint(2); v < 20; v++ {
			if won, refused := race(t, 16, workflow.ErrVersionConflict, func(i int) error {
				return write(on, version("swap", "r", v, fmt.Sprint("writer ", i)))
			}); won != 1 || refused != 15 {
				t.Fatalf("version %d was written by %d, %d were refused", v, won, refused)
			}
		}
		if err := write(on, version("swap", "r", 7, "late")); !errors.Is(err, workflow.ErrVersionConflict) {
			t.Errorf("an old version over a new one: %v", err)
		}
	})
}

// Pause, resume, cancel and delete wrote back the record that their caller had read before, over what had been stored meanwhile. The web front did so.
func TestField27AControllerNeverUndoesWhatCameBetween(t *testing.T) {
	verbs := map[string]func(c workflow.RunStateController) error{
		"pause":  func(c workflow.RunStateController) error { return c.Pause(context.Background(), "stale") },
		"cancel": func(c workflow.RunStateController) error { return c.Cancel(context.Background(), "stale") },
		"resume": func(c workflow.RunStateController) error { return c.Resume(context.Background()) },
		"delete": func(c workflow.RunStateController) error { return c.DeleteData(context.Background(), "stale") },
	}
	states := map[string]workflow.RunState{"resume": workflow.RunStatePaused, "delete": workflow.RunStateCompleted}
	for what, do := range verbs {
		store := memrecordstore.New()
		old := version("stale", "r", 1, "first")
		if s, ok := states[what]; ok {
			old.RunState = s
		}
		must(t, store.Store(ctxFor(t), old))
		now := old.Clone()
		now.Status, now.Object, now.Meta.Version = int(statusB), []byte(`{"Note":"second"}`), 2
		if what == "delete" {
			now.RunState, now.Status = workflow.RunStateRequestedDataDeleted, old.Status
		}
		must(t, store.Store(ctxFor(t), now))
		if err := do(workflow.NewRunStateController(store.Store, old)); !errors.Is(err, workflow.ErrVersionConflict) {
			t.Errorf("%s of a record that is out of date: %v", what, err)
		}
		front := webui.UpdateHandlerFuncWith(store, func(*http.Request, string, string) error { return nil })
		if code := update(front, what, 1, "stale"); code != http.StatusConflict {
			t.Errorf("%s by the web front, of a version that is out of date: %d", what, code)
		}
		if rec, err := store.Lookup(ctxFor(t), "r"); err != nil || rec.Meta.Version != 2 || string(rec.Object) != `{"Note":"second"}` || rec.Status != now.Status {
			t.Errorf("%s: the store holds %+v, %v", what, rec, err)
		}
	}
	bubble(t, func(t *testing.T, on *memory.Backend) { // the workflow's own controller works on the run as it is
		g := newGate()
		b := workflow.NewBuilder[object, status]("current")
		b.AddCallback(statusA, func(_ context.Context, r *run, _ reader) (status, error) {
			r.Object.Note = "second"
			return statusB, nil
		}, statusB)
		b.AddStep(statusB, g.step(statusEnd), statusEnd)
		w := build(t, on, b)
		id := trigger(t, w, "f")
		c := w.RunStateController(id)
		must(t, w.Callback(ctxFor(t), "f", statusA, nil))
		must(t, c.Pause(ctxFor(t), "look"))
		if rec := lookup(t, on, id); rec.Meta.Version != 3 || rec.Status != int(statusB) || !strings.Contains(string(rec.Object), "second") {
			t.Errorf("the pause made version %d in status %d of %s", rec.Meta.Version, rec.Status, rec.Object)
		}
	})
}

// update asks a handler of the web front for a change, and returns its code.
func update(h http.HandlerFunc, action string, version uint, reason string, headers ...string) int {
	body, _ := json.Marshal(map[string]any{"run_id": "r", "action": action, "version": version, "reason": reason})
	r := httptest.NewRequest(http.MethodPost, "/update", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h(w, r)
	return w.Code
}

// What a step had changed was thrown away when it then paused or cancelled its run: among it, why.
func TestField28WhatAStepChangedBeforeAPauseIsStored(t *testing.T) {
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		b := workflow.NewBuilder[object, status]("why")
		b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
			r.Object.Note = "the card is stolen"
			if r.ForeignID == "cancel" {
				return r.Cancel(ctx, "fraud")
			}
			return r.Pause(ctx, "fraud")
		}, statusEnd)
		var w *flow
		if onClassic {
			w = classic(t, b)
		} else {
			w = build(t, newStore(t), b)
		}
		for what, want := range map[string]workflow.RunState{"pause": workflow.RunStatePaused, "cancel": workflow.RunStateCancelled} {
			id := trigger(t, w, what)
			pass(time.Second)
			rec := lookup(t, w.Backend(), id)
			var o object
			must(t, workflow.Unmarshal(rec.Object, &o))
			if rec.RunState != want || o.Note != "the card is stolen" || rec.Meta.RunStateReason != "fraud" {
				t.Errorf("after a %s the run is %v, %q, with %+v", what, rec.RunState, rec.Meta.RunStateReason, o)
			}
		}
	})
}

// A controller changed its own record before the store had taken it, so that after a failure the second try was refused.
func TestField29AControllerMayTryAgainAfterAStoreError(t *testing.T) {
	inTime(t, func(t *testing.T) {
		inner := memrecordstore.New()
		store := adaptertest.NewFaultyRecordStore(inner, 1)
		rec := version("again", "r", 1, "")
		must(t, inner.Store(ctxFor(t), rec))
		c := workflow.NewRunStateController(store.Store, rec)
		for i, do := range []func() error{
			func() error { return c.Pause(ctxFor(t), "look") }, func() error { return c.Resume(ctxFor(t)) },
			func() error { return c.Cancel(ctxFor(t), "enough") }, func() error { return c.DeleteData(ctxFor(t), "asked for") },
		} {
			store.Set(adaptertest.MethodStore, adaptertest.Fault{Before: 1})
			if err := do(); !errors.Is(err, adaptertest.ErrInjected) {
				t.Errorf("action %d on a store that fails: %v", i, err)
			}
			store.Heal()
			if err := do(); err != nil {
				t.Errorf("action %d, tried again: %v", i, err)
			}
		}
		if rec, err := inner.Lookup(ctxFor(t), "r"); err != nil || rec.Meta.Version != 5 || rec.RunState != workflow.RunStateRequestedDataDeleted {
			t.Errorf("after four actions the run is %+v, %v", rec, err)
		}
	})
	bubble(t, func(t *testing.T, base *memory.Backend) {
		on := adaptertest.NewFaulty(base, 1)
		w, err := timed("again").BuildOn(on, workflow.WithLogger(&quietLog{}))
		must(t, err)
		id := trigger(t, w, "f")
		c := w.RunStateController(id)
		on.Set(adaptertest.MethodCommit, adaptertest.Fault{Before: 1})
		if err := c.Pause(ctxFor(t), "look"); !errors.Is(err, adaptertest.ErrInjected) {
			t.Errorf("a pause on a store that fails: %v", err)
		}
		on.Heal()
		must(t, c.Pause(ctxFor(t), "look"))
		must(t, c.Resume(ctxFor(t)))
		if rec := lookup(t, base, id); rec.Meta.Version != 3 {
			t.Errorf("the run has version %d", rec.Meta.Version)
		}
	})
}

// Storing an old run again made it the latest of its foreign id: callbacks went to it, and a third run could be started beside the second.
func TestField30TouchingAnOldRunDoesNotMakeItTheLatest(t *testing.T) {
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		b := workflow.NewBuilder[object, status]("old")
		b.AddCallback(statusA, func(_ context.Context, r *run, _ reader) (status, error) {
			r.Object.Note = "called"
			return statusEnd, nil
		}, statusEnd)
		var w *flow
		var rs workflow.RecordStore
		if onClassic {
			store := memrecordstore.New()
			w, rs = classicOn(t, memstreamer.New(), store, memrolescheduler.New(), b), store
		} else {
			on := newStore(t)
			w, rs = build(t, on, b), on.RecordStore()
		}
		first := trigger(t, w, "f")
		must(t, w.Callback(ctxFor(t), "f", statusA, nil))
		second := trigger(t, w, "f")
		must(t, w.RunStateController(first).DeleteData(ctxFor(t), "asked for"))
		pass(time.Minute)
		allIn(t, w.Backend(), []string{first}, statusEnd, backend.RunStateDataDeleted)
		touched := lookup(t, w.Backend(), first).Clone() // by hand as well
		touched.Meta.Version, touched.UpdatedAt = 0, time.Now()
		must(t, rs.Store(ctxFor(t), touched))
		for _, latest := range []func(context.Context, string, string) (*workflow.Record, error){w.Backend().Latest, rs.Latest} {
			if rec, err := latest(ctxFor(t), "old", "f"); err != nil || rec.RunID != second {
				t.Errorf("the latest run is %+v, %v, want %s", rec, err, second)
			}
		}
		if _, err := w.Trigger(ctxFor(t), "f"); !errors.Is(err, workflow.ErrWorkflowInProgress) {
			t.Errorf("a third run beside the second: %v", err)
		}
		must(t, w.Callback(ctxFor(t), "f", statusA, nil))
		if rec := lookup(t, w.Backend(), second); rec.RunState != backend.RunStateCompleted || !strings.Contains(string(rec.Object), "called") {
			t.Errorf("the callback did not reach the second run: %v, %s", rec.RunState, rec.Object)
		}
	})
}

// Every error of a step closed its receiver and opened another one, and an event of a version that was passed counted as an error.
func TestField31AStepErrorKeepsTheReceiver(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store, inner := memrecordstore.New(), memstreamer.New()
		stream := &watchedStream{EventStreamer: inner}
		var calls noted
		b := workflow.NewBuilder[object, status]("errors")
		b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
			if calls.add(r.ForeignID) <= 5 {
				return 0, errTest
			}
			return statusB, nil
		}, statusB)
		b.AddStep(statusB, step(statusEnd), statusEnd)
		counted := &ownErrors{}
		w := classicOn(t, stream, store, memrolescheduler.New(), b, workflow.WithErrorCounter(counted))
		synctest.Wait()
		before := stream.made.Load()
		ids := triggerAll(t, w, 4)
		pass(time.Hour)
		allIn(t, store, ids, statusEnd, backend.RunStateCompleted)
		if made := stream.made.Load(); made != before {
			t.Errorf("20 errors made %d receivers beside the first %d", made-before, before)
		}
		if n := counted.total(); n != 20 {
			t.Errorf("%d errors were counted, want 20", n)
		}
		send, err := inner.NewSender(ctxFor(t), workflow.Topic("errors", int(statusA))) // the same events come again, late
		must(t, err)
		for i, id := range ids {
			must(t, send.Send(ctxFor(t), name(i), int(statusA), map[workflow.Header]string{
				workflow.HeaderRunID: id, workflow.HeaderForeignID: name(i), workflow.HeaderRecordVersion: "1", workflow.HeaderWorkflowName: "errors",
				workflow.HeaderTopic: workflow.Topic("errors", int(statusA)),
			}))
		}
		pass(time.Hour)
		if calls.total() != 24 || counted.total() != 20 || stream.made.Load() != before {
			t.Errorf("events of passed versions: %d calls, %d errors, %d receivers", calls.total(), counted.total(), stream.made.Load())
		}
	})
}

// Shards were cut by the number of the event, not by its run; and another number of shards read everything again from its beginning.
func TestField32AnotherParallelCountReplaysNothing(t *testing.T) {
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		var mu sync.Mutex
		seen := make(map[string][]uint)
		mk := func(parallel int) *workflow.Builder[object, status] {
			note := func(to status) workflow.ConsumerFunc[object, status] {
				return func(_ context.Context, r *run) (status, error) {
					mu.Lock()
					defer mu.Unlock()
					seen[r.RunID] = append(seen[r.RunID], r.Meta.Version)
					return to, nil
				}
			}
			b := workflow.NewBuilder[object, status]("shards")
			b.AddStep(statusA, note(statusB), statusB).WithOptions(workflow.ParallelCount(parallel))
			b.AddStep(statusB, note(statusC), statusC).WithOptions(workflow.ParallelCount(parallel))
			b.AddStep(statusC, note(statusEnd), statusEnd).WithOptions(workflow.ParallelCount(parallel))
			return b
		}
		store, stream, roles := memrecordstore.New(), newOwnStream(), &ownRoles{}
		var on *memory.Backend
		start := func(parallel int) *flow {
			if onClassic {
				return classicOn(t, stream, store, roles, mk(parallel))
			}
			if on == nil {
				on = newStore(t)
			}
			return build(t, on, mk(parallel))
		}
		var ids []string
		for round, parallel := range []int{1, 3, 7, 2} {
			w := start(parallel)
			for i := range 20 {
				ids = append(ids, trigger(t, w, fmt.Sprint(round, "/", i)))
			}
			pass(time.Minute)
			allIn(t, w.Backend(), ids, statusEnd, backend.RunStateCompleted)
			w.Stop()
		}
		for _, id := range ids {
			if fmt.Sprint(seen[id]) != "[1 2 3]" {
				t.Errorf("run %s was worked on at versions %v, want 1, 2 and 3", id, seen[id])
			}
		}
	})
}
