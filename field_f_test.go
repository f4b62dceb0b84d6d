package workflow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/jlog"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/webui"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/cron"
)

// Group F: the model, the API and operations.

// Paused runs were resumed after an hour by default, whoever had paused them: a legal hold too.
func TestField48NoHumansPauseIsUndone(t *testing.T) {
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		var calls noted
		b := workflow.NewBuilder[object, status]("hold")
		b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
			switch calls.add(r.ForeignID); r.ForeignID {
			case "by its step":
				return r.Pause(ctx, "legal hold")
			case "by the engine":
				if calls.count(r.ForeignID) == 1 {
					return 0, workflow.Permanent(errTest)
				}
			}
			return statusEnd, nil
		}, statusEnd)
		b.AddCallback(statusB, goes(statusEnd), statusEnd)
		var w *flow
		if onClassic {
			w = classic(t, b)
		} else {
			w = build(t, newStore(t), b)
		}
		byStep, failed := trigger(t, w, "by its step"), trigger(t, w, "by the engine")
		byHand := trigger(t, w, "by hand", workflow.WithStartingPoint[object](statusB))
		must(t, w.RunStateController(byHand).Pause(ctxFor(t), "legal hold"))
		pass(30 * time.Minute)
		byEngine(t, w.Backend(), failed)
		pass(1000 * time.Hour)
		for _, id := range []string{byStep, byHand} {
			if rec := lookup(t, w.Backend(), id); rec.RunState != backend.RunStatePaused || rec.Meta.RunStateReason != "legal hold" || rec.Meta.PausedBy != backend.PausedByOperator {
				t.Errorf("run %s is %v, %q, by %v", rec.ForeignID, rec.RunState, rec.Meta.RunStateReason, rec.Meta.PausedBy)
			}
		}
		allIn(t, w.Backend(), []string{failed}, statusEnd, backend.RunStateCompleted)
		if calls.count("by its step") != 1 {
			t.Errorf("the step of a paused run was called %d times", calls.count("by its step"))
		}
	})
}

// A run that nobody had worked on yet could neither be cancelled nor paused.
func TestField49AFreshRunCanBePausedAndCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var calls noted
		mk := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("fresh")
			b.AddStep(statusA, func(_ context.Context, r *run) (status, error) { calls.add(r.ForeignID); return statusEnd, nil }, statusEnd)
			b.AddCallback(statusB, goes(statusEnd), statusEnd)
			return b
		}
		client, err := mk().BuildOn(on, workflow.WithLogger(&quietLog{})) // nobody works yet
		must(t, err)
		inB := workflow.WithStartingPoint[object](statusB)
		cancelled, held, waits := trigger(t, client, "cancelled"), trigger(t, client, "held"), trigger(t, client, "waits", inB)
		must(t, client.RunStateController(cancelled).Cancel(ctxFor(t), "no"))
		must(t, client.RunStateController(held).Pause(ctxFor(t), "look"))
		w := build(t, on, mk())
		pass(time.Minute)
		allIn(t, on, []string{cancelled}, statusA, backend.RunStateCancelled)
		allIn(t, on, []string{held}, statusA, backend.RunStatePaused)
		if calls.total() != 0 {
			t.Errorf("steps ran of runs that were stopped before: %v", calls.at)
		}
		why, err := w.Waiting(ctxFor(t), waits)
		if err != nil || why.Kind != workflow.WaitsForOutside {
			t.Errorf("a run that waits for a callback: %v, %v", why, err)
		}
		must(t, w.RunStateController(waits).Cancel(ctxFor(t), "no"))
		allIn(t, on, []string{waits}, statusB, backend.RunStateCancelled)
	})
}

// A pause or cancel did not reach the step that was running: its context went on.
func TestField50APauseEndsTheRunningStep(t *testing.T) {
	each(t, map[string]func(op *workflow.Operator, id string) error{
		"pause":  func(op *workflow.Operator, id string) error { return op.Pause(context.Background(), id, "look") },
		"cancel": func(op *workflow.Operator, id string) error { return op.Cancel(context.Background(), id, "no") },
	}, func(t *testing.T, stop func(op *workflow.Operator, id string) error) {
		on, worker, other := twoPeers(t)
		g := newGate()
		b := workflow.NewBuilder[object, status]("reached")
		b.AddStep(statusA, g.step(statusEnd), statusEnd)
		w := build(t, worker, b)
		ids := triggerAll(t, w, 2)
		synctest.Wait()
		for i, op := range []*workflow.Operator{w.Operator("ada").Operator, workflow.NewOperator(other)} {
			begin := time.Now()
			must(t, stop(op, ids[i]))
			if cause := <-g.causes; !errors.Is(cause, workflow.ErrSuperseded) {
				t.Errorf("the step's context ended with %v", cause)
			}
			if took := time.Since(begin); took > time.Second {
				t.Errorf("it took %v to reach the step", took)
			}
		}
		pass(time.Minute)
		for _, id := range ids {
			if rec := lookup(t, on, id); rec.Meta.Version != 2 || len(failedAttempts(t, on, id)) > 0 {
				t.Errorf("the run is in version %d, with failed attempts %+v", rec.Meta.Version, failedAttempts(t, on, id))
			}
		}
	})
}

// A workflow that comes back to its first status could not be built, nor one with a status of number zero; one whose step leads nowhere could.
func TestField51GraphsThatAreLegalAreBuilt(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		back := workflow.NewBuilder[object, status]("back")
		back.AddStep(statusA, step(statusB), statusB)
		back.AddStep(statusB, func(_ context.Context, r *run) (status, error) {
			if r.Object.Count++; r.Object.Count < 5 {
				return statusA, nil
			}
			return statusEnd, nil
		}, statusA, statusEnd)
		self := workflow.NewBuilder[object, status]("self")
		self.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
			if r.Object.Count++; r.Object.Count < 3 {
				return statusA, nil
			}
			return statusEnd, nil
		}, statusA, statusEnd)
		zero := workflow.NewBuilder[object, status]("zero")
		zero.AddStep(statusNone, step(statusEnd), statusEnd)
		for b, versions := range map[*workflow.Builder[object, status]]uint{back: 7, self: 4, zero: 2} {
			w := build(t, on, b)
			id := trigger(t, w, "f")
			pass(time.Minute)
			allIn(t, on, []string{id}, statusEnd, backend.RunStateCompleted)
			if rec := lookup(t, on, id); rec.Meta.Version != versions {
				t.Errorf("workflow %s ended in version %d, want %d", w.Name(), rec.Meta.Version, versions)
			}
		}
		nowhere := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("nowhere")
			b.AddStep(statusA, step(statusB))
			return b
		}
		if _, err := nowhere().BuildOn(on); err == nil || !strings.Contains(err.Error(), "at least one destination") {
			t.Errorf("a step that leads nowhere: %v", err)
		}
		defer func() {
			if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "at least one destination") {
				t.Errorf("Build of a step that leads nowhere panicked with %v", p)
			}
		}()
		nowhere().Build(memstreamer.New(), memrecordstore.New(), memrolescheduler.New())
	})
}

// Schedules knew integers and stars alone, and their zone was whatever the time before happened to carry.
func TestField52SchedulesSpeakCron(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	must(t, err)
	from := time.Date(2026, 3, 27, 16, 55, 30, 0, time.UTC) // a Friday, two days before the clocks change in Berlin
	for spec, want := range map[string]string{
		"*/5 * * * *":                        "2026-03-27 17:00",
		"0,30 * * * *":                       "2026-03-27 17:00",
		"15 1-5 * * *":                       "2026-03-28 01:15",
		"0 9 * * MON":                        "2026-03-30 09:00",
		"0 9 * * mon-wed/2":                  "2026-03-30 09:00",
		"0 0 1 JAN,jul *":                    "2026-07-01 00:00",
		"@daily":                             "2026-03-28 00:00",
		"CRON_TZ=Europe/Berlin 0 9 * * MON":  "2026-03-30 07:00",
		"CRON_TZ=America/New_York 0 9 * * *": "2026-03-28 13:00",
	} {
		s, err := cron.Parse(spec, time.UTC)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		for _, zone := range []*time.Location{time.UTC, berlin, time.FixedZone("", -9*3600)} { // what the time before carries does not matter
			if got, ok := s.Next(from.In(zone)); !ok || got.UTC().Format("2006-01-02 15:04") != want {
				t.Errorf("%s after %v: %v, %v, want %s UTC", spec, from.In(zone), got, ok, want)
			}
		}
	}
	for _, spec := range []string{"", "* * * *", "61 * * * *", "*/0 * * * *", "5-1 * * * *", "0 0 * * FUN", "CRON_TZ=Nowhere 0 0 * * *"} {
		if _, err := cron.Parse(spec, nil); !errors.Is(err, cron.ErrSpec) {
			t.Errorf("%q: %v, want ErrSpec", spec, err)
		}
	}
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		w := build(t, on, three("speaks"))
		schedule(t, w, "f", "CRON_TZ=America/New_York 0 20,21 * * SAT", workflow.WithScheduleID[object, status]("weekly"))
		must(t, w.PauseSchedule(ctxFor(t), "weekly", "no weekends"))
		w.Stop()
		w = build(t, on, three("speaks")) // another process, which does not ask for the schedule
		all, err := w.Schedules(ctxFor(t))
		if err != nil || len(all) != 1 || all[0].State != backend.RunStatePaused || all[0].Reason != "no weekends" {
			t.Errorf("listed: %+v, %v", all, err)
		}
		must(t, w.ResumeSchedule(ctxFor(t), "weekly"))
		schedule(t, w, "f", "CRON_TZ=America/New_York 0 20,21 * * SAT", workflow.WithScheduleID[object, status]("weekly"))
		pass(48 * time.Hour) // from midnight UTC on a Saturday: 20:00 in New York is 01:00 UTC on Sunday
		wantTimes(t, "by the clock of New York", startedAt(t, on, "speaks", "f", begin), 25*time.Hour, 26*time.Hour)
	})
}

// A process could only trigger when it worked on the runs as well, and whether it did was read without a lock.
func TestField53AProcessMayOnlyTrigger(t *testing.T) {
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		store, stream, roles := memrecordstore.New(), memstreamer.New(), memrolescheduler.New()
		_, worker, other := twoPeers(t)
		mk := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("client")
			b.AddCallback(statusA, goes(statusB), statusB)
			b.AddStep(statusB, step(statusEnd), statusEnd)
			return b
		}
		var client *flow
		if onClassic {
			client = mk().Build(stream, store, roles, workflow.WithLogger(&quietLog{}))
		} else {
			var err error
			client, err = mk().BuildOn(other, workflow.WithLogger(&quietLog{}))
			must(t, err)
		}
		id, stopped := trigger(t, client, "f"), trigger(t, client, "stopped")
		if onClassic {
			classicOn(t, stream, store, roles, mk())
		} else {
			build(t, worker, mk())
		}
		must(t, client.Callback(ctxFor(t), "f", statusA, nil))
		must(t, client.RunStateController(stopped).Cancel(ctxFor(t), "no"))
		await(t, client, id, statusEnd)
		if rec := lookup(t, client.Backend(), stopped); rec.RunState != backend.RunStateCancelled {
			t.Errorf("the run is %v", rec.RunState)
		}
		for p, s := range client.States() {
			if s != workflow.StateShutdown {
				t.Errorf("process %s of a client is %v", p, s)
			}
		}
	})
	bubble(t, func(t *testing.T, on *memory.Backend) { // all at once: it is the race detector that looks here
		w, err := three("racing").BuildOn(on, workflow.WithLogger(&quietLog{}))
		must(t, err)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { w.Run(context.Background()) })
			wg.Go(func() { trigger(t, w, name(i)) })
			wg.Go(func() { w.States() })
			wg.Go(func() { _ = w.Health() })
		}
		wg.Wait()
		w.Stop()
	})
}

// Nothing could be deleted: objects were overwritten, by a program that knew their type, and timeouts and events stayed for ever.
func TestField54RunsAreErased(t *testing.T) {
	const secret = "4111-1111"
	bubble(t, func(t *testing.T, on *memory.Backend) {
		mk := func(opts ...workflow.BuildOption) *flow {
			b := workflow.NewBuilder[object, status]("deleted")
			b.AddCallback(statusA, func(_ context.Context, r *run, _ reader) (status, error) { r.Object.Count++; return statusB, nil }, statusB)
			b.AddTimeout(statusB, hourly(), timeoutTo(statusEnd), statusEnd)
			return build(t, on, b, opts...)
		}
		w := mk(workflow.WithRetention(30 * 24 * time.Hour))
		initial := workflow.WithInitialValue[object, status](&object{Note: secret})
		var ids []string
		for i := range 3 {
			id := trigger(t, w, name(i), initial)
			must(t, w.Callback(ctxFor(t), name(i), statusA, nil))
			ids = append(ids, id)
		}
		op := workflow.NewOperator(on, workflow.WithActor("ada")) // knows no type
		if err := op.Erase(ctxFor(t), ids[0]); !errors.Is(err, workflow.ErrUnfinished) {
			t.Errorf("erasing a run that is under way: %v", err)
		}
		must(t, op.Cancel(ctxFor(t), ids[0], "asked for"))
		must(t, op.Erase(ctxFor(t), ids[0]))
		nothingOf(t, on, "deleted", name(0), ids[0])
		must(t, op.Cancel(ctxFor(t), ids[1], "asked for"))
		must(t, op.DeleteData(ctxFor(t), ids[1], "asked for"))
		pass(time.Second)
		allIn(t, on, []string{ids[1]}, statusB, backend.RunStateDataDeleted)
		entries, err := on.History(ctxFor(t), ids[1], 0, 100)
		if err != nil || len(entries) != 5 {
			t.Errorf("the history has %d entries, %v", len(entries), err)
		}
		for _, en := range entries {
			if bytes.Contains(en.Record.Object, []byte(secret)) {
				t.Errorf("version %d still has the data", en.Record.Meta.Version)
			}
		}
		if held, err := on.Held(ctxFor(t), ids[1]); err != nil || len(held) > 0 {
			t.Errorf("its timer is left: %+v, %v", held, err)
		}
		pass(2 * time.Hour) // the third is through
		pass(29 * 24 * time.Hour)
		allIn(t, on, ids[2:], statusEnd, backend.RunStateCompleted)
		pass(2 * 24 * time.Hour)
		for i := range ids {
			nothingOf(t, on, "deleted", name(i), ids[i])
		}
	})
}

// nothingOf fails the test unless nothing is left of a run.
func nothingOf(t *testing.T, on *memory.Backend, workflowName, foreignID, runID string) {
	t.Helper()
	if _, err := on.Lookup(ctxFor(t), runID); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("run %s: %v", runID, err)
	}
	if _, err := on.Latest(ctxFor(t), workflowName, foreignID); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("foreign id %s: %v", foreignID, err)
	}
	entries, err := on.History(ctxFor(t), runID, 0, 10)
	held, herr := on.Held(ctxFor(t), runID)
	if err != nil || herr != nil || len(entries)+len(held) > 0 {
		t.Errorf("%d versions and %d deliveries are left, %v, %v", len(entries), len(held), err, herr)
	}
	log, err := on.ReadLog(ctxFor(t), 0, 1000)
	must(t, err)
	for _, en := range log {
		if en.Record.RunID == runID {
			t.Errorf("version %d is left in the log", en.Record.Meta.Version)
		}
	}
}

// The time of an update was the database's, whatever clock the workflow had. (For the store in a file, see the integration module.)
func TestField55TimesAreTheClocks(t *testing.T) {
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		clock := newFakeClock()
		var w *flow
		if onClassic {
			w = classic(t, timedOnce(), workflow.WithClock(clock))
		} else {
			w = build(t, newStore(t), timedOnce(), workflow.WithClock(clock))
		}
		created := clock.Now()
		id := trigger(t, w, "f")
		synctest.Wait()
		clock.step(42 * time.Minute)
		must(t, w.Callback(ctxFor(t), "f", statusA, nil))
		pass(time.Second)
		rec := lookup(t, w.Backend(), id)
		if !rec.CreatedAt.Equal(created) || !rec.UpdatedAt.Equal(created.Add(42*time.Minute)) {
			t.Errorf("created at %v and updated at %v by a clock that showed %v, and 42 minutes later", rec.CreatedAt, rec.UpdatedAt, created)
		}
	})
}

// timedOnce is a workflow that waits for one callback.
func timedOnce() *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status]("clocked")
	b.AddCallback(statusA, goes(statusEnd), statusEnd)
	return b
}

// Objects were JSON and nothing else, of any size and of no version; a run in a status that a new program lacked lay there without a word.
func TestField56ObjectsHaveCodecsLimitsAndVersions(t *testing.T) {
	const secret = "4111-1111"
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, three("encrypted"), workflow.WithCodec(&xor{name: "xor", key: 0x5a}), workflow.WithMaxObjectBytes(1000))
		id := trigger(t, w, "f", workflow.WithInitialValue[object, status](&object{Note: secret}))
		pass(time.Minute)
		if r := await(t, w, id, statusEnd); r.Object.Note != secret || r.Object.Count != 3 {
			t.Errorf("the object is %+v", r.Object)
		}
		if bytes.Contains(stored(t, on, id), []byte(secret)) {
			t.Error("the stored object can be read")
		}
		if _, err := w.Trigger(ctxFor(t), "g", workflow.WithInitialValue[object, status](&object{Note: strings.Repeat("x", 1000)})); !errors.Is(err, workflow.ErrTooLarge) {
			t.Errorf("an object over its limit: %v", err)
		}
		w.Stop()
		w = build(t, on, three("encrypted"))
		if _, err := w.Await(ctxFor(t), "f", "", statusEnd); !errors.Is(err, workflow.ErrUnknownCodec) {
			t.Errorf("without the codec: %v", err)
		}
		now := time.Now()
		old := &backend.Change{Cause: backend.CauseTrigger, Record: &backend.Record{
			WorkflowName: "encrypted", ForeignID: "old", RunID: "old", RunState: backend.RunStateInitiated, Status: int(statusA),
			Object: []byte(`{"Remark":"kept"}`), CreatedAt: now, UpdatedAt: now, Meta: backend.Meta{Version: 1, Visit: 1},
		}}
		must(t, on.Commit(ctxFor(t), []*backend.Change{old}))
		w.Stop()
		w = build(t, on, three("encrypted"), workflow.WithObjectVersion(1, map[uint]workflow.ObjectUpgrade{
			0: func(in json.RawMessage) (json.RawMessage, error) {
				return bytes.ReplaceAll(in, []byte(`"Remark"`), []byte(`"Note"`)), nil
			},
		}))
		pass(time.Minute)
		if r := await(t, w, "old", statusEnd); r.Object.Note != "kept" || r.Object.Count != 3 {
			t.Errorf("an object of an older version became %+v", r.Object)
		}
	})
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, oldProgram())
		id := trigger(t, w, "f")
		synctest.Wait()
		w.Stop()
		var alarm noted
		b, log := newProgram(), &quietLog{}
		b.OnEnginePause(func(_ context.Context, r *workflow.TypedRecord[object, status]) error { alarm.add(r.RunID); return nil })
		w = build(t, on, b, workflow.WithLogger(log))
		synctest.Wait()
		if rec := byEngine(t, on, id); !strings.Contains(rec.Meta.RunStateReason, "Other") {
			t.Errorf("the reason is %q", rec.Meta.RunStateReason)
		}
		if orphans, err := w.Orphans(ctxFor(t)); err != nil || len(orphans) != 1 || alarm.count(id) != 1 || log.count("Other") == 0 {
			t.Errorf("orphans %+v, %v; the hook was told %d times; logged were %v", orphans, err, alarm.count(id), log.errs)
		}
	})
}

// A step could not commit together with the user's own rows. (With SQL, see the integration module.)
func TestField57AStepCommitsWithTheUsersOwnWork(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var ledger noted
		b := workflow.NewBuilder[object, status]("tx")
		b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
			first := r.Attempt() == 1
			return statusEnd, r.Transact(func(ctx context.Context) error {
				if _, bounded := ctx.Deadline(); !bounded {
					return errors.New("no deadline")
				}
				if rec, err := on.Lookup(ctx, r.RunID); err != nil || rec.Meta.Version != 1 {
					return fmt.Errorf("the run is in version %d inside of its commit, %w", rec.Meta.Version, err)
				}
				if first {
					return errTest
				}
				ledger.add(r.ForeignID)
				return nil
			})
		}, statusEnd)
		w := build(t, on, b)
		id := trigger(t, w, "f")
		synctest.Wait()
		if rec := lookup(t, on, id); rec.Meta.Version != 1 || ledger.total() != 0 {
			t.Errorf("after a transaction that failed the run is in version %d, the ledger has %d lines", rec.Meta.Version, ledger.total())
		}
		pass(time.Hour)
		allIn(t, on, []string{id}, statusEnd, backend.RunStateCompleted)
		if ledger.count("f") != 1 || ledger.total() != 1 {
			t.Errorf("the ledger has %d lines, want one", ledger.total())
		}
		if a := failedAttempts(t, on, id); len(a) != 1 || !strings.Contains(a[0].Error, errTest.Error()) {
			t.Errorf("failed attempts: %+v", a)
		}
	})
}

// A package registered its metrics for the whole process, so that it could not be had twice; a logger got a text that matched no error and named no run.
func TestField58ErrorsKeepWhatTheyAreAndNamesAreOnesOwn(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		log := &quietLog{}
		var lines bytes.Buffer
		var mu sync.Mutex
		fails := func(context.Context, *run) (status, error) {
			return 0, workflow.Permanent(fmt.Errorf("charge: %w", errTest))
		}
		for i, logger := range []workflow.Logger{log, jlog.NewWithHandler(slog.NewJSONHandler(writerFunc(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return lines.Write(p)
		}), nil))} {
			b := workflow.NewBuilder[object, status]("logged") // the same name twice: nothing is registered anywhere
			b.AddStep(statusA, fails, statusEnd)
			w := build(t, newStore(t), b, workflow.WithLogger(logger))
			id := trigger(t, w, "f")
			pass(time.Minute)
			byEngine(t, w.Backend(), id)
			if i == 1 {
				mu.Lock()
				var line map[string]any
				if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line["run_id"] != id || line["workflow"] != "logged" {
					t.Errorf("the line is %s, %v", &lines, err)
				}
				mu.Unlock()
				continue
			}
			log.mu.Lock()
			var e *workflow.Error
			if len(log.errs) != 1 || !errors.Is(log.errs[0], errTest) || errors.Is(log.errs[0], errShaky) || !errors.As(log.errs[0], &e) || e.RunID != id || e.Workflow != "logged" || e.Op == "" {
				t.Errorf("the logger was told %v", log.errs)
			}
			log.mu.Unlock()
			if err := w.Health(); err != nil {
				t.Errorf("one bad run makes the workflow ill: %v", err)
			}
		}
		log.errs = nil
		evil := workflow.NewBuilder[object, status]("evil")
		evil.AddStep(statusA, func(context.Context, *run) (status, error) { return 0, evilIs{} }, statusEnd).WithOptions(workflow.PauseAfterErrCount(1))
		w := build(t, on, evil, workflow.WithLogger(log))
		trigger(t, w, "f")
		synctest.Wait()
		if len(log.errs) != 1 || errors.Is(log.errs[0], errTest) || errors.As(log.errs[0], new(*workflow.PanicError)) { // asking it must not panic
			t.Errorf("the logger was told %v", log.errs)
		}
		if _, pattern := http.DefaultServeMux.Handler(&http.Request{Method: "GET", URL: &url.URL{Path: "/metrics"}, Host: "localhost"}); pattern != "" {
			t.Errorf("%s is registered for the whole process", pattern)
		}
	})
}

// writerFunc is a function that is written to.
type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

// The web front let everybody change everything, from anywhere and without a reason; and no history was kept.
func TestField59TheWebFrontGuardsItsChangesAndHistoryIsKept(t *testing.T) {
	store := memrecordstore.New()
	must(t, store.Store(ctxFor(t), version("front", "r", 1, "")))
	yes := func(*http.Request, string, string) error { return nil }
	if code := update(webui.UpdateHandlerFunc(store), "pause", 1, "look"); code != http.StatusForbidden {
		t.Errorf("without anybody to ask: %d", code)
	}
	var asked atomic.Int32
	no := webui.UpdateHandlerFuncWith(store, func(_ *http.Request, action, runID string) error {
		if asked.Add(1); action != "pause" || runID != "r" {
			t.Errorf("asked for %s of %s", action, runID)
		}
		return errTest
	})
	if code := update(no, "pause", 1, "look"); code != http.StatusForbidden || asked.Load() != 1 {
		t.Errorf("refused by the authorizer, who was asked %d times: %d", asked.Load(), code)
	}
	front := webui.UpdateHandlerFuncWith(store, yes)
	for what, c := range map[string]struct {
		version uint
		reason  string
		headers []string
		want    int
	}{
		"from another site": {1, "look", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"as a form":         {1, "look", []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		"blank reason":      {1, " \t", nil, http.StatusBadRequest},
		"another version":   {7, "look", nil, http.StatusConflict},
	} {
		if code := update(front, "pause", c.version, c.reason, c.headers...); code != c.want {
			t.Errorf("%s: %d, want %d", what, code, c.want)
		}
	}
	if code := update(front, "pause", 1, "look"); code != http.StatusOK {
		t.Errorf("a good request: %d", code)
	}
	if rec, err := store.Lookup(ctxFor(t), "r"); err != nil || rec.Meta.Version != 2 || rec.Meta.RunStateReason != "look" || rec.RunState != workflow.RunStatePaused {
		t.Errorf("the run is %+v, %v", rec, err)
	}
	bubble(t, func(t *testing.T, on *memory.Backend) {
		b := workflow.NewBuilder[object, status]("history")
		b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
			if r.Attempt() == 1 {
				return 0, errTest
			}
			return statusB, nil
		}, statusB)
		b.AddCallback(statusB, goes(statusEnd), statusEnd)
		w := build(t, on, b, workflow.WithoutJitter())
		id := trigger(t, w, "f")
		pass(time.Minute)
		op := w.Operator("ada")
		must(t, op.Pause(ctxFor(t), id, "look"))
		must(t, op.As("bob").Resume(ctxFor(t), id, "fine"))
		must(t, w.Callback(ctxFor(t), "f", statusB, nil))
		var got []string
		for item, err := range w.History(ctxFor(t), id) {
			must(t, err)
			got = append(got, fmt.Sprintf("%d %v %d %s %s %v", item.Version, item.Cause, item.Attempt, item.Actor, item.Reason, item.Took))
		}
		want := []string{
			"1 trigger 0   0s", "1 unknown 1   0s", "2 step 0   1s", "3 operator 0 ada look 0s", "4 operator 0 bob fine 0s", "5 callback 0   59s",
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the history is\n%q, want\n%q", got, want)
		}
	})
}

// A listing with the newest first showed the oldest page, backwards; and the store kept its callers' pointers.
func TestField60TheNewestComeFirstAndNothingIsShared(t *testing.T) {
	for what, store := range map[string]workflow.RecordStore{"record store": memrecordstore.New(), "backend": newStore(t).RecordStore()} {
		for i := range 10 {
			rec := version("listed", fmt.Sprint("run-", i), 1, "mine")
			rec.ForeignID = fmt.Sprint(i)
			must(t, store.Store(ctxFor(t), rec))
			rec.Object[2], rec.RunState = 'X', workflow.RunStateCancelled // the caller goes on with its own
		}
		for offset, want := range map[int64]string{0: "9 8 7", 3: "6 5 4", 8: "1 0"} {
			recs, err := store.List(ctxFor(t), "listed", offset, 3, workflow.OrderTypeDescending)
			must(t, err)
			var got []string
			for _, r := range recs {
				got = append(got, r.ForeignID)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: the newest first, from %d: %v, want %s", what, offset, got, want)
			}
		}
		for range 2 {
			rec, err := store.Lookup(ctxFor(t), "run-3")
			if err != nil || string(rec.Object) != `{"Note":"mine"}` || rec.RunState != workflow.RunStateRunning {
				t.Errorf("%s: the store holds %s, %v, %v", what, rec.Object, rec.RunState, err)
			}
			rec = rec.Clone()
			rec.Object[2] = 'Y'
		}
	}
}

// Two callbacks of a status shared one reader: the second found it empty.
func TestField61EveryCallbackReadsThePayload(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var heard noted
		b := workflow.NewBuilder[object, status]("readers")
		for i := range 3 {
			b.AddCallback(statusA, func(_ context.Context, r *run, body reader) (status, error) {
				text, err := io.ReadAll(body)
				if n := heard.add(fmt.Sprint(i, " ", string(text))); i == 1 && n == 1 {
					return 0, errTest // its second attempt has to read it too
				}
				if i == 2 {
					return statusEnd, err
				}
				return r.Skip()
			}, statusEnd)
		}
		w := build(t, on, b)
		id := trigger(t, w, "f")
		must(t, w.Callback(ctxFor(t), "f", statusA, strings.NewReader("payload")))
		for i, want := range []int{1, 2, 1} {
			if n := heard.count(fmt.Sprint(i, " payload")); n != want {
				t.Errorf("callback %d read the payload %d times, want %d: %v", i, n, want, heard.at)
			}
		}
		allIn(t, on, []string{id}, statusEnd, backend.RunStateCompleted)
	})
}

// The test kit waited without an end and in a loop, one of its options did nothing; an event without a version was passed over; and an id with a comma
// in it could not be filtered by. (What is linked into programs, see the integration module.)
func TestField62TheTestKitEndsAndFiltersTakeAnyID(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, timed("kit"))
		trigger(t, w, "f")
		for what, wait := range map[string]func(tb workflow.TB){
			"Require":             func(tb workflow.TB) { workflow.Require(tb, w, "f", statusC, object{}) },
			"Require of no run":   func(tb workflow.TB) { workflow.Require(tb, w, "nobody", statusC, object{}) },
			"TriggerCallbackOn":   func(tb workflow.TB) { workflow.TriggerCallbackOn(tb, w, "f", "", statusC, "x") },
			"AwaitTimeoutInsert":  func(tb workflow.TB) { workflow.AwaitTimeoutInsert(tb, w, "f", "", statusB) },
			"WaitFor":             func(tb workflow.TB) { workflow.WaitFor(tb, w, "f", func(*run) (bool, error) { return false, nil }) },
			"WaitFor with no run": func(tb workflow.TB) { workflow.WaitFor(tb, w, "nobody", func(*run) (bool, error) { return true, nil }) },
		} {
			begin := time.Now()
			if failure(wait) == "" || time.Since(begin) != 30*time.Second {
				t.Errorf("%s for what never comes failed with %q after %v", what, failure(wait), time.Since(begin))
			}
		}
	})
	var repeated bool
	r := workflow.NewTestingRun[object, status](t, workflow.Record{}, object{}, workflow.WithSaveAndRepeatFn(func(context.Context) error { repeated = true; return errTest }))
	if _, err := r.SaveAndRepeat(); !repeated || !errors.Is(err, errTest) {
		t.Errorf("SaveAndRepeat of a testing run: %v, %v", repeated, err)
	}
	inTime(t, func(t *testing.T) { // an event of before there were versions
		store := &ownStore{}
		now := time.Now()
		must(t, store.Store(ctxFor(t), &workflow.Record{WorkflowName: "kit", ForeignID: "f", RunID: "old", RunState: workflow.RunStateRunning, Status: int(statusA),
			Object: []byte(`{}`), CreatedAt: now, UpdatedAt: now}))
		classicOn(t, newOwnStream(), store, &ownRoles{}, three("kit"))
		pass(time.Minute)
		allIn(t, store, []string{"old"}, statusEnd, backend.RunStateCompleted)
	})
	store := memrecordstore.New()
	for _, id := range []string{"a", "b", "a,b", "c"} {
		rec := version("filters", "run "+id, 1, "")
		rec.ForeignID = id
		must(t, store.Store(ctxFor(t), rec))
	}
	for want, ids := range map[string][]string{"[run a,b]": {"a,b"}, "[run a,b run c]": {"a,b", "c"}, "[run a run b]": {"a", "b"}} {
		recs, err := store.List(ctxFor(t), "filters", 0, 10, workflow.OrderTypeAscending, workflow.FilterByForeignID(ids...))
		must(t, err)
		var got []string
		for _, r := range recs {
			got = append(got, r.RunID)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("by foreign ids %q: %v, want %s", ids, got, want)
		}
		if f := workflow.MakeFilter(workflow.FilterByForeignID(ids...)).ByForeignID(); fmt.Sprint(f.MultiValues()) != fmt.Sprint(ids) {
			t.Errorf("the filter's values are %q, want %q", f.MultiValues(), ids)
		}
	}
}
