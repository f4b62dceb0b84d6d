package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/backend"
)

// Group B: runs that held up others, and retries gone wrong.

// One failing run held up all others of its status for ever, with default options.
func TestField13OneFailingRunHoldsUpNobody(t *testing.T) {
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		b := workflow.NewBuilder[object, status]("head")
		b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
			if r.Object.Note == poisoned {
				return 0, errTest
			}
			return statusEnd, nil
		}, statusEnd)
		var w *flow
		if onClassic {
			w = classic(t, b, workflow.DisablePauseRetry())
		} else {
			w = build(t, newStore(t), b, workflow.DisablePauseRetry())
		}
		bad := trigger(t, w, "bad", poison())
		ids := triggerAll(t, w, 5)
		pass(50 * time.Millisecond)
		allIn(t, w.Backend(), ids, statusEnd, backend.RunStateCompleted)
		pass(2 * time.Hour)
		byEngine(t, w.Backend(), bad)
		if n := len(failedAttempts(t, w.Backend(), bad)); n != 10 {
			t.Errorf("%d failed attempts by default, want 10", n)
		}
	})
}

// The limit of attempts did not count an undeclared status, an object that cannot be read, what the store refuses, or a timer function: such a run was
// tried for ever, and held up the rest.
func TestField14TheLimitCountsEveryFailure(t *testing.T) {
	bubble(t, func(t *testing.T, base *memory.Backend) {
		const limit = 3
		refused := errors.New("value too long for the column")
		on := &tapped{Backend: base, commit: func(batch []*backend.Change, do func() error) error {
			var bad *backend.Change
			rest := batch[:0:0]
			for _, c := range batch {
				if c.Record != nil && c.Record.ForeignID == "refused" && c.Record.RunState == backend.RunStateCompleted {
					bad = c
					continue
				}
				rest = append(rest, c)
			}
			if bad == nil {
				return do()
			}
			bad.Err = refused
			return base.Commit(context.Background(), rest)
		}}
		var calls noted
		b := workflow.NewBuilder[object, status]("poison")
		b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
			calls.add(r.ForeignID)
			switch r.ForeignID {
			case "undeclared":
				return statusOther, nil
			case "timer":
				return statusB, nil
			}
			return statusEnd, nil
		}, statusEnd, statusB)
		b.AddTimeout(statusB, func(context.Context, *run, time.Time) (time.Time, error) {
			calls.add("timer function")
			return time.Time{}, errTest
		}, timeoutTo(statusEnd), statusEnd)
		w := build(t, on, b, workflow.WithDefaultOptions(workflow.PauseAfterErrCount(limit)), workflow.DisablePauseRetry())
		now := time.Now()
		unreadable := &backend.Change{Cause: backend.CauseTrigger, Record: &backend.Record{
			WorkflowName: "poison", ForeignID: "unreadable", RunID: "unreadable", RunState: backend.RunStateInitiated, Status: int(statusA),
			Object: []byte(`{"Count":"many"}`), CreatedAt: now, UpdatedAt: now, Meta: backend.Meta{Version: 1, Visit: 1},
		}}
		must(t, base.Commit(ctxFor(t), []*backend.Change{unreadable}))
		bad := []string{"unreadable", trigger(t, w, "undeclared"), trigger(t, w, "refused"), trigger(t, w, "timer")}
		ids := triggerAll(t, w, 5)
		pass(50 * time.Millisecond)
		allIn(t, base, ids, statusEnd, backend.RunStateCompleted)
		pass(time.Hour)
		for _, id := range bad {
			rec := byEngine(t, base, id)
			if n := calls.count(rec.ForeignID); n > limit {
				t.Errorf("the step of %s was called %d times", rec.ForeignID, n)
			}
			if n := len(failedAttempts(t, base, id)); n == 0 || n > limit {
				t.Errorf("%d failed attempts are kept of %s", n, rec.ForeignID)
			}
		}
		if n := calls.count("timer function"); n == 0 || n > limit+1 { // once at the transition, then in its own delivery
			t.Errorf("the timer function was called %d times", n)
		}
		if n := calls.count("undeclared"); n != limit {
			t.Errorf("the step with an undeclared status was called %d times, want %d", n, limit)
		}
	})
}

// Errors were counted by their text, in memory: a text with a number in it never reached the limit, a restart forgot, a success did not clear, and the
// counts were never dropped.
func TestField15AttemptsAreCountedPerRunInTheStore(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var calls noted
		var number atomic.Int64
		mk := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("counted")
			fails := func(times int, to status) workflow.ConsumerFunc[object, status] {
				return func(_ context.Context, r *run) (status, error) {
					if n := calls.add(fmt.Sprint(r.ForeignID, r.Status)); r.Object.Note == poisoned || n <= times {
						return 0, fmt.Errorf("request %d: %w", number.Add(1), errTest)
					}
					return to, nil
				}
			}
			b.AddStep(statusA, fails(2, statusB), statusB)
			b.AddStep(statusB, fails(2, statusEnd), statusEnd)
			return b
		}
		opts := []workflow.BuildOption{workflow.WithDefaultOptions(workflow.PauseAfterErrCount(3), workflow.ErrBackOff(time.Hour), workflow.MaxBackOff(24*time.Hour)), workflow.WithoutJitter(), workflow.DisablePauseRetry()}
		w := build(t, on, mk(), opts...)
		bad := trigger(t, w, "bad", poison())
		twice := trigger(t, w, "twice") // fails twice in each of two statuses: a success clears
		pass(90 * time.Minute)
		if n := calls.count(fmt.Sprint("bad", statusA)); n != 2 {
			t.Errorf("%d attempts in 90 minutes, want 2", n)
		}
		w.Stop()
		w = build(t, on, mk(), opts...)
		pass(24 * time.Hour)
		if rec := byEngine(t, on, bad); !strings.Contains(rec.Meta.RunStateReason, "3 attempts") {
			t.Errorf("the reason is %q", rec.Meta.RunStateReason)
		}
		if n := calls.count(fmt.Sprint("bad", statusA)); n != 3 {
			t.Errorf("%d attempts across a restart, want 3", n)
		}
		allIn(t, on, []string{twice}, statusEnd, backend.RunStateCompleted)
		if held, _ := on.Held(ctxFor(t), twice); len(held) > 0 {
			t.Errorf("counts are left of a run that ended: %+v", held)
		}
		must(t, w.RunStateController(bad).Resume(ctxFor(t))) // fresh attempts
		pass(24 * time.Hour)
		byEngine(t, on, bad)
		if n := calls.count(fmt.Sprint("bad", statusA)); n != 6 {
			t.Errorf("%d attempts after a resume, want 3 more", n-3)
		}
	})
}

// Hooks, deletions and connectors had no limit at all, so that one failure held up those of all other runs; one whose run was gone failed for ever.
func TestField16HooksDeletionsAndConnectorsGiveUpAlone(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var hooks, deletions, events noted
		b := workflow.NewBuilder[object, status]("hooked")
		b.AddStep(statusA, step(statusEnd), statusEnd)
		b.OnComplete(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
			hooks.add(r.ForeignID)
			if r.Object.Note == poisoned {
				return errTest
			}
			return nil
		})
		b.AddConnector("in", memstreamer.NewConnector(outsideEvents(5, 5)), func(_ context.Context, _ api, e *outside) error {
			events.add(e.ID)
			if e.ID == "event-1" {
				return errTest
			}
			return nil
		})
		w := build(t, on, b, workflow.WithDefaultOptions(workflow.PauseAfterErrCount(2)), workflow.DisablePauseRetry(),
			workflow.WithCustomDelete(func(o *object) error {
				deletions.add(o.Note)
				if o.Note == poisoned {
					return errTest
				}
				return nil
			}))
		bad := trigger(t, w, "bad", poison())
		ids := triggerAll(t, w, 5)
		synctest.Wait()
		for i := range ids {
			if n := hooks.count(name(i)); n != 1 {
				t.Errorf("the hook of run %d was called %d times", i, n)
			}
		}
		for _, id := range append([]string{bad}, ids...) {
			must(t, w.RunStateController(id).DeleteData(ctxFor(t), "asked for"))
		}
		synctest.Wait()
		allIn(t, on, ids, statusEnd, backend.RunStateDataDeleted)
		pass(24 * time.Hour)
		for what, n := range map[string]int{"hook": hooks.count("bad"), "deletion": deletions.count(poisoned), "connector": events.count("event-1")} {
			if n != 2 {
				t.Errorf("the bad %s was called %d times, want 2", what, n)
			}
		}
		if n := events.keys(); n != 5 {
			t.Errorf("%d of 5 outside events arrived", n)
		}
		if e := parkedEvents(t, w); len(e) != 1 || e[0].State != backend.RunStatePaused {
			t.Errorf("parked are %+v", e)
		}
		var held []string
		for d, err := range w.Held(ctxFor(t)) {
			must(t, err)
			held = append(held, string(d.Receiver))
		}
		if len(held) != 2 {
			t.Errorf("given up are %v, want the hook and the deletion", held)
		}
	})
	each(t, map[string]bool{"erased by this process": false, "erased by another": true}, func(t *testing.T, another bool) {
		on, worker, other := twoPeers(t)
		var hooks, deletions noted
		log := &quietLog{}
		b := three("erased")
		b.OnComplete(func(context.Context, *workflow.TypedRecord[object, status]) error { hooks.add(""); return errTest })
		w := build(t, worker, b, workflow.WithLogger(log), workflow.WithDefaultOptions(workflow.PauseAfterErrCount(-1), workflow.ErrBackOff(time.Hour)), workflow.WithoutJitter(),
			workflow.WithCustomDelete(func(*object) error { deletions.add(""); return errTest }))
		hooked, deleted := trigger(t, w, "hooked"), trigger(t, w, "deleted")
		synctest.Wait()
		must(t, w.RunStateController(deleted).DeleteData(ctxFor(t), "asked for"))
		pass(time.Minute)
		op := w.Operator("ada").Operator
		if another {
			op = workflow.NewOperator(other)
		}
		for _, id := range []string{hooked, deleted} {
			must(t, op.Erase(ctxFor(t), id))
		}
		pass(1000 * time.Hour)
		if h, d := hooks.count(""), deletions.count(""); h != 2 || d != 1 || log.count("") > 0 { // the hook once for each run
			t.Errorf("hooks were called %d times, deletions %d times, of runs that were erased: %v", h, d, log.errs)
		}
		if dues, err := on.Due(ctxFor(t), "erased", backend.DueMark{}, 10); err != nil || len(dues) > 0 {
			t.Errorf("left behind: %+v, %v", dues, err)
		}
	})
}

// The wait between attempts was always the same: not growing, not spread, not bounded, for all runs of a status together, whatever the error was.
func TestField17BackOffGrowsIsSpreadAndEnds(t *testing.T) {
	waits := func(at []time.Time) (d []time.Duration) {
		for i := 1; i < len(at); i++ {
			d = append(d, at[i].Sub(at[i-1]))
		}
		return d
	}
	failing := func(calls *noted) *workflow.Builder[object, status] {
		b := workflow.NewBuilder[object, status]("backoff")
		b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
			if n := calls.add(r.ForeignID); n != r.Attempt() {
				return 0, fmt.Errorf("call %d is attempt %d", n, r.Attempt())
			}
			switch r.ForeignID {
			case "permanent":
				return 0, workflow.Permanent(errTest)
			case "later":
				return 0, workflow.RetryAfter(errTest, 7*time.Hour)
			}
			return 0, errTest
		}, statusEnd)
		return b
	}
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var calls noted
		w := build(t, on, failing(&calls), workflow.DisablePauseRetry(), workflow.WithoutJitter(),
			workflow.WithDefaultOptions(workflow.ErrBackOff(time.Second), workflow.MaxBackOff(10*time.Second), workflow.PauseAfterErrCount(7)))
		id, permanent := trigger(t, w, "grows"), trigger(t, w, "permanent")
		trigger(t, w, "later")
		limited := trigger(t, w, "limited", workflow.WithRunTimeout[object, status](5*time.Second))
		pass(48 * time.Hour)
		const s = time.Second
		if got, want := waits(calls.of("grows")), []time.Duration{s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("waits were %v, want %v", got, want)
		}
		byEngine(t, on, id)
		byEngine(t, on, permanent)
		if n := calls.count("permanent"); n != 1 {
			t.Errorf("what cannot be mended was tried %d times", n)
		}
		if got := waits(calls.of("later")); len(got) != 6 || got[0] != 7*time.Hour {
			t.Errorf("waits that were asked for are %v", got)
		}
		if n := calls.count("limited"); n != 3 { // at 0, 1 and 3 seconds
			t.Errorf("a run with five seconds to live was tried %d times", n)
		}
		allIn(t, on, []string{limited}, statusA, backend.RunStateCancelled)
	})
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var calls noted
		w := build(t, on, failing(&calls), workflow.WithDefaultOptions(workflow.ErrBackOff(time.Minute)))
		triggerAll(t, w, 50)
		pass(time.Minute)
		second := make(map[time.Duration]bool)
		for i := range 50 {
			at := calls.of(name(i))
			if len(at) < 2 {
				t.Fatalf("run %d was tried %d times in the first minute", i, len(at))
			}
			second[at[1].Sub(at[0])] = true
		}
		if len(second) < 45 {
			t.Errorf("50 runs that failed together came back at %d different times", len(second))
		}
	})
}

// Options that set one property put the others to zero: the back-off, so that a step spun, and the polling frequency, so that the timeouts did.
func TestField18OptionsKeepWhatTheyDoNotSet(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var calls noted
		fail := func(_ context.Context, r *run) (status, error) { calls.add(r.Status.String()); return 0, errTest }
		b := workflow.NewBuilder[object, status]("options")
		b.AddStep(statusA, fail, statusEnd)
		s := b.AddStep(statusB, fail, statusEnd)
		s.WithOptions(workflow.ErrBackOff(time.Hour), workflow.ParallelCount(2))
		s.WithOptions(workflow.PauseAfterErrCount(3))
		w := build(t, on, b, workflow.WithoutJitter(), workflow.DisablePauseRetry(),
			workflow.WithDefaultOptions(workflow.PauseAfterErrCount(100)), workflow.WithDefaultOptions(workflow.MaxBackOff(time.Minute)))
		trigger(t, w, "a")
		id := trigger(t, w, "b", workflow.WithStartingPoint[object](statusB))
		pass(time.Second - time.Millisecond)
		if n := calls.count("A"); n != 1 {
			t.Errorf("%d attempts in the first second with a default back-off of one", n)
		}
		pass(24 * time.Hour)
		if n := calls.count("A"); n != 100 {
			t.Errorf("%d attempts, want the 100 of the first default options", n)
		}
		if at := calls.of("B"); len(at) != 3 || at[1].Sub(at[0]) != time.Minute { // an hour, bounded by the default's minute
			t.Errorf("attempts of the step with options of its own: %v", at)
		}
		byEngine(t, on, id)
	})
	inTime(t, func(t *testing.T) { // on parts that have to be polled
		store := &countingStore{RecordStore: &ownStore{}}
		timeouts := &countingTimeouts{TimeoutStore: memtimeoutstore.New()}
		b := workflow.NewBuilder[object, status]("polled")
		b.AddTimeout(statusA, hourly(), timeoutTo(statusEnd), statusEnd)
		w := classicOn(t, newOwnStream(), store, &ownRoles{}, b, workflow.WithTimeoutStore(timeouts), workflow.WithDefaultOptions(workflow.PauseAfterErrCount(3)))
		trigger(t, w, "f")
		pass(10 * time.Second)
		if n := store.calls.Load(); n > 200 { // the outbox is looked at four times a second
			t.Errorf("the store was asked %d times in ten seconds with nothing to do", n)
		}
		if n := timeouts.calls.Load(); n > 50 {
			t.Errorf("the timeouts were asked for %d times in ten seconds with nothing to do", n)
		}
	})
}

// countingStore counts the calls of a classic store that look for work.
type countingStore struct {
	workflow.RecordStore
	calls atomic.Int64
}

func (s *countingStore) ListOutboxEvents(ctx context.Context, workflowName string, limit int64) ([]workflow.OutboxEvent, error) {
	s.calls.Add(1)
	return s.RecordStore.ListOutboxEvents(ctx, workflowName, limit)
}

func (s *countingStore) List(ctx context.Context, workflowName string, offset int64, limit int, order workflow.OrderType, filters ...workflow.RecordFilter) ([]workflow.Record, error) {
	s.calls.Add(1)
	return s.RecordStore.List(ctx, workflowName, offset, limit, order, filters...)
}

// countingTimeouts counts the listings of a timeout store.
type countingTimeouts struct {
	workflow.TimeoutStore
	calls atomic.Int64
}

func (s *countingTimeouts) List(ctx context.Context, workflowName string) ([]workflow.TimeoutRecord, error) {
	s.calls.Add(1)
	return s.TimeoutStore.List(ctx, workflowName)
}

func (s *countingTimeouts) ListValid(ctx context.Context, workflowName string, status int, now time.Time) ([]workflow.TimeoutRecord, error) {
	s.calls.Add(1)
	return s.TimeoutStore.ListValid(ctx, workflowName, status, now)
}

// brokenRoles is a scheduler that fails until it is mended.
type brokenRoles struct {
	ownRoles
	calls  atomic.Int64
	mended atomic.Bool
}

func (s *brokenRoles) Await(ctx context.Context, role string) (context.Context, context.CancelFunc, error) {
	s.calls.Add(1)
	if !s.mended.Load() {
		return nil, nil, errTest
	}
	return s.ownRoles.Await(ctx, role)
}

// A scheduler of roles that failed was asked again at once, without an end.
func TestField19AFailingSchedulerIsNotHammered(t *testing.T) {
	inTime(t, func(t *testing.T) {
		roles, log, store := &brokenRoles{}, &quietLog{}, memrecordstore.New()
		from := newStream(outsideEvents(1, 1))
		b := three("no roles")
		b.AddConnector("in", from, func(context.Context, api, *outside) error { return nil })
		w := classicOn(t, memstreamer.New(), store, roles, b, workflow.WithLogger(log))
		id := trigger(t, w, "f")
		pass(10 * time.Second)
		if n := roles.calls.Load(); n < 20 || n > 300 { // six roles, each after growing waits
			t.Errorf("the scheduler was asked %d times in ten seconds", n)
		}
		if log.count(errTest.Error()) == 0 {
			t.Error("nothing was reported")
		}
		roles.mended.Store(true)
		pass(time.Minute)
		allIn(t, store, []string{id}, statusEnd, backend.RunStateCompleted)
		if got := from.ackedIDs(); len(got) != 1 {
			t.Error("the connector did not start")
		}
	})
	bubble(t, func(t *testing.T, base *memory.Backend) { // where roles are the backend's
		on := adaptertest.NewFaulty(base, 1)
		on.Set(adaptertest.MethodJoin, adaptertest.Fault{Before: 1})
		from := newStream(outsideEvents(1, 1))
		b := fed("no roles", from, func(context.Context, api, *outside) error { return nil })
		w, err := b.BuildOn(on, workflow.WithLogger(&quietLog{}))
		must(t, err)
		t.Cleanup(w.Stop)
		w.Run(t.Context())
		pass(10 * time.Second)
		if n := on.Injected(adaptertest.MethodJoin); n == 0 || n > 50 {
			t.Errorf("the backend was asked %d times in ten seconds", n)
		}
		on.Heal()
		w.Run(t.Context())
		id := trigger(t, w, "f")
		pass(time.Minute)
		allIn(t, base, []string{id}, statusEnd, backend.RunStateCompleted)
		if got := from.ackedIDs(); len(got) != 1 {
			t.Error("the connector did not start")
		}
	})
}

// User code that said "context canceled" was called again at once, without an end and without a word.
func TestField20CanceledFromUserCodeIsAFailedAttempt(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var calls noted
		canceled := fmt.Errorf("query: %w", context.Canceled)
		b := workflow.NewBuilder[object, status]("canceled")
		b.AddStep(statusA, func(context.Context, *run) (status, error) { calls.add("step"); return 0, canceled }, statusEnd)
		b.AddStep(statusB, step(statusEnd), statusEnd)
		b.AddTimeout(statusC, workflow.DurationTimerFunc[object, status](time.Nanosecond), func(context.Context, *run, time.Time) (status, error) {
			calls.add("timeout")
			return 0, canceled
		}, statusEnd)
		b.OnComplete(func(context.Context, *workflow.TypedRecord[object, status]) error { calls.add("hook"); return canceled })
		b.AddConnector("in", memstreamer.NewConnector(outsideEvents(1, 1)), func(context.Context, api, *outside) error { calls.add("connector"); return canceled })
		log := &quietLog{}
		w := build(t, on, b, workflow.WithLogger(log), workflow.WithoutJitter(), workflow.DisablePauseRetry())
		first := trigger(t, w, "step")
		second := trigger(t, w, "hook", workflow.WithStartingPoint[object](statusB))
		third := trigger(t, w, "timeout", workflow.WithStartingPoint[object](statusC))
		pass(700 * time.Millisecond)
		for _, what := range []string{"step", "timeout", "hook", "connector"} {
			if n := calls.count(what); n != 1 {
				t.Errorf("the %s was called %d times in 0.7 seconds, want once with a back-off of a second", what, n)
			}
		}
		pass(24 * time.Hour)
		for _, what := range []string{"step", "timeout", "hook", "connector"} {
			if n := calls.count(what); n != 10 {
				t.Errorf("the %s was called %d times, want the 10 of the default", what, n)
			}
		}
		for _, id := range []string{first, second, third} {
			if a := failedAttempts(t, on, id); len(a) != 10 || !strings.Contains(a[0].Error, "context canceled") {
				t.Errorf("%d attempts are kept: %+v", len(a), a)
			}
		}
		byEngine(t, on, first)
		byEngine(t, on, third)
		if log.count("give up step \"canceled\"") == 0 {
			t.Errorf("nothing was reported: %v", log.errs)
		}
	})
}

// A status was worked on one run at a time: a slow step made all others wait.
func TestField21RunsOfAStatusAreWorkedOnTogether(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		b := workflow.NewBuilder[object, status]("slow")
		b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
			d := 300 * time.Millisecond
			if r.Object.Note == poisoned {
				d = 5 * time.Minute
			}
			return statusEnd, waitFor(ctx, d)
		}, statusEnd)
		w := build(t, on, b)
		slow := trigger(t, w, "slow", poison())
		ids := triggerAll(t, w, 10)
		pass(300 * time.Millisecond)
		allIn(t, on, ids, statusEnd, backend.RunStateCompleted)
		pass(5 * time.Minute)
		allIn(t, on, []string{slow}, statusEnd, backend.RunStateCompleted)
		if n := len(failedAttempts(t, on, slow)); n > 0 {
			t.Errorf("the slow step failed %d times", n)
		}
	})
}

// A lag was waited out before it was known whose event it was, one after the other; the waiting for a pause's end held ended runs too.
func TestField22ALagDelaysEachEventByItself(t *testing.T) {
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		var calls noted
		b := workflow.NewBuilder[object, status]("lag")
		b.AddStep(statusA, func(_ context.Context, r *run) (status, error) { calls.add(r.ForeignID); return statusB, nil }, statusB).
			WithOptions(workflow.ConsumeLag(time.Minute), workflow.ParallelCount(3))
		b.AddStep(statusB, func(_ context.Context, r *run) (status, error) {
			if r.Object.Note == poisoned {
				return 0, workflow.Permanent(errTest)
			}
			return statusEnd, nil
		}, statusEnd)
		var w *flow
		if onClassic { // a stream that reads ahead
			w = classic(t, b, workflow.DisablePauseRetry())
		} else {
			w = build(t, newStore(t), b, workflow.DisablePauseRetry())
		}
		begin := time.Now()
		ids := triggerAll(t, w, 16)
		pass(time.Minute)
		for i := range ids {
			if at := calls.of(name(i)); len(at) != 1 || at[0].Sub(begin) != time.Minute {
				t.Errorf("run %d was taken at %v, want one minute after %v", i, at, begin)
			}
		}
		allIn(t, w.Backend(), ids, statusEnd, backend.RunStateCompleted)
	})
	bubble(t, func(t *testing.T, on *memory.Backend) { // what waits for its resume keeps nothing else waiting
		var hooks noted
		b := workflow.NewBuilder[object, status]("paused")
		b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
			if r.Object.Note == poisoned {
				return 0, workflow.Permanent(errTest)
			}
			return statusEnd, nil
		}, statusEnd)
		b.OnComplete(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
			hooks.add(r.ForeignID)
			return nil
		})
		w := build(t, on, b)
		trigger(t, w, "bad", poison())
		ids := triggerAll(t, w, 5)
		synctest.Wait()
		if hooks.keys() != 5 {
			t.Errorf("%d of 5 ended runs were told of beside a paused one", hooks.keys())
		}
		for _, id := range ids {
			if held, err := on.Held(ctxFor(t), id); err != nil || len(held) > 0 {
				t.Errorf("an ended run is held: %+v, %v", held, err)
			}
		}
	})
}

// A row of the outbox that could not be read or sent held up all others, and each failure sent the batch again from its beginning.
func TestField23APoisonedOutboxRowHoldsUpNobody(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := &ownStore{}
		store.outbox = append(store.outbox, workflow.OutboxEvent{ID: "garbage", WorkflowName: "outbox", Data: []byte{0xff, 0xff, 0xff}})
		var bad atomic.Pointer[string]
		var tries noted
		stream := &sentStream{EventStreamer: memstreamer.New(), refuse: func(runID string) error {
			if p := bad.Load(); p != nil && *p == runID && tries.add("bad") < 5 {
				return errTest
			}
			return nil
		}}
		mk := func() *workflow.Builder[object, status] { return three("outbox") }
		client := mk().Build(memstreamer.New(), store, &ownRoles{}, workflow.WithLogger(&quietLog{}))
		ids := triggerAll(t, client, 10)
		bad.Store(&ids[2])
		log := &quietLog{}
		classicOn(t, stream, store, &ownRoles{}, mk(), workflow.WithLogger(log))
		pass(2 * time.Second)
		for i, id := range ids {
			if i != 2 {
				allIn(t, store, []string{id}, statusEnd, backend.RunStateCompleted)
			}
		}
		pass(10 * time.Minute)
		allIn(t, store, ids, statusEnd, backend.RunStateCompleted)
		sent := make(map[string]int)
		for _, id := range stream.all() {
			sent[id]++
		}
		for _, id := range ids {
			if sent[id] != 4 { // one per version
				t.Errorf("%d events of run %s were sent, want 4", sent[id], id)
			}
		}
		if log.count("garbage") == 0 {
			t.Errorf("the row that cannot be read was not reported: %v", log.errs)
		}
	})
}

// A timeout whose run could not be read, or was gone, held up all timeouts of its status.
func TestField24OneTimeoutWithoutARunHoldsUpNoOther(t *testing.T) {
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		b := workflow.NewBuilder[object, status]("timeouts")
		b.AddTimeout(statusA, hourly(), timeoutTo(statusEnd), statusEnd)
		var w *flow
		var broken atomic.Pointer[string]
		if onClassic {
			timeouts := memtimeoutstore.New()
			must(t, timeouts.Create(ctxFor(t), "timeouts", "gone", "a run that is gone", int(statusA), time.Now()))
			w = classicOn(t, memstreamer.New(), memrecordstore.New(), memrolescheduler.New(), b, workflow.WithTimeoutStore(timeouts))
		} else {
			base := newStore(t)
			w = build(t, &tapped{Backend: base, lookup: func(id string, do func() (*backend.Record, error)) (*backend.Record, error) {
				if p := broken.Load(); p != nil && *p == id {
					return nil, errShaky
				}
				return do()
			}}, b)
		}
		ids := triggerAll(t, w, 6)
		if !onClassic {
			w.Stop() // so that the runs have to be read
			broken.Store(&ids[0])
			again := workflow.NewBuilder[object, status]("timeouts")
			again.AddTimeout(statusA, hourly(), timeoutTo(statusEnd), statusEnd)
			w = build(t, w.Backend(), again)
			ids = ids[1:]
		}
		pass(time.Hour)
		allIn(t, w.Backend(), ids, statusEnd, backend.RunStateCompleted)
		broken.Store(nil)
	})
}
