package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// filterFrom is a filter that fails so many times, and says yes afterwards.
func filterFrom(fails *atomic.Int64) scheduleOption {
	return workflow.WithScheduleFilter[object, status](func(context.Context) (bool, error) {
		if fails.Add(-1) >= 0 {
			return false, errTest
		}
		return true, nil
	})
}

// TestAFailingFilterLosesNoSlot: the predecessor went on to the next slot after a failure of the moment. The slot fires although it is old by
// then, also where missed slots are skipped, and however long the filter fails.
func TestAFailingFilterLosesNoSlot(t *testing.T) {
	for what, c := range map[string]struct {
		fails int64
		pause bool
	}{"for a moment": {2, false}, "for minutes": {9, false}, "until it is paused": {10, true}} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T, on *memory.Backend) {
				begin := time.Now()
				var fails atomic.Int64
				fails.Store(c.fails)
				w := build(t, on, three("filter"), workflow.WithDefaultOptions(workflow.ErrBackOff(time.Minute)))
				schedule(t, w, "f", "@daily", filterFrom(&fails), missed(workflow.SkipMissed))
				pass(24*time.Hour + 59*time.Minute)
				i := scheduleOf(t, w, "f")
				if c.pause {
					if i.State != backend.RunStatePaused || i.PausedBy != backend.PausedByEngine || !strings.Contains(i.Reason, errTest.Error()) {
						t.Errorf("after the last attempt: %+v", i)
					}
					wantTimes(t, "paused", startedAt(t, on, "filter", "f", begin))
					pass(time.Hour) // it is resumed an hour after the pause, as every run
				}
				runs := startedRuns(t, on, "filter", "f")
				if len(runs) != 1 || !strings.HasSuffix(runs[0].Meta.TraceOrigin, "2000-01-02T00:00:00Z") {
					t.Fatalf("the slot's runs: %+v", runs)
				}
				attempts, err := on.Attempts(ctxFor(t), i.RunID, 100)
				if err != nil || len(attempts) != int(c.fails) {
					t.Errorf("its history has %d failed attempts, %v", len(attempts), err)
				}
				pass(24 * time.Hour)
				if n := len(startedRuns(t, on, "filter", "f")); n != 2 {
					t.Errorf("%d runs after the next slot", n)
				}
			})
		})
	}
}

func TestUserCodeOfSchedules(t *testing.T) {
	for what, c := range map[string]struct {
		opt      scheduleOption
		attempts int
		want     string
	}{
		"panic": {workflow.WithScheduleFilter[object, status](func(context.Context) (bool, error) { panic("no filter today") }), 2, "no filter today"},
		"hang": {workflow.WithSlotFilter[object, status](func(ctx context.Context, _ time.Time) (bool, error) {
			<-ctx.Done()
			return false, ctx.Err()
		}), 2, workflow.ErrAttemptDeadline.Error()},
		"value": {workflow.WithScheduleValueFunc[object, status](func(context.Context, time.Time) (*object, error) { return nil, errTest }), 2, errTest.Error()},
		"too large": {workflow.WithScheduleValueFunc[object, status](func(context.Context, time.Time) (*object, error) {
			return &object{Note: strings.Repeat("x", 3<<20)}, nil
		}), 1, workflow.ErrTooLarge.Error()},
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T, on *memory.Backend) {
				w := build(t, on, three("code"), workflow.WithDefaultOptions(workflow.PauseAfterErrCount(2), workflow.AttemptDeadline(time.Minute)))
				schedule(t, w, "bad", "@daily", c.opt)
				schedule(t, w, "good", "@daily")
				pass(24*time.Hour + 10*time.Minute)
				i := scheduleOf(t, w, "bad")
				if i.State != backend.RunStatePaused || i.PausedBy != backend.PausedByEngine {
					t.Errorf("it is %+v", i)
				}
				attempts, err := on.Attempts(ctxFor(t), i.RunID, 100)
				if err != nil || len(attempts) != c.attempts || !strings.Contains(attempts[0].Error, c.want) {
					t.Errorf("failed attempts: %+v, %v; want %q", attempts, err, c.want)
				}
				if n := len(startedRuns(t, on, "code", "good")); n != 1 {
					t.Errorf("the other schedule has %d runs", n)
				}
			})
		})
	}
}

// TestASlotNeedsItsCode: a program that lacks the filter does not fire, says so, and leaves the slot to one that has it.
func TestASlotNeedsItsCode(t *testing.T) {
	for _, paused := range []bool{false, true} {
		t.Run(fmt.Sprint("paused ", paused), func(t *testing.T) {
			bubble(t, func(t *testing.T, on *memory.Backend) {
				var none atomic.Int64
				value := workflow.WithScheduleValueFunc[object, status](func(context.Context, time.Time) (*object, error) { return &object{}, nil })
				quick := workflow.WithDefaultOptions(workflow.PauseAfterErrCount(5), workflow.ErrBackOff(time.Hour), workflow.MaxBackOff(time.Hour))
				w := build(t, on, three("needs"), quick)
				schedule(t, w, "filter", "@daily", filterFrom(&none))
				schedule(t, w, "value", "@daily", value)
				w.Stop()
				w = build(t, on, three("needs"), quick, workflow.DisablePauseRetry()) // knows neither
				pass(24*time.Hour + time.Second)
				if paused {
					pass(6 * time.Hour)
				}
				for _, id := range []string{"filter", "value"} {
					i := scheduleOf(t, w, id)
					says := i.LastError
					if paused {
						says = i.Reason
					}
					if (i.State == backend.RunStatePaused) != paused || !strings.Contains(says, workflow.ErrScheduleCode.Error()+": its "+id) {
						t.Errorf("%s: %+v", id, i)
					}
					if n := len(startedRuns(t, on, "needs", id)); n != 0 {
						t.Errorf("%s: fired %d times without its code", id, n)
					}
				}
				if _, err := w.TriggerSchedule(ctxFor(t), "value"); !errors.Is(err, workflow.ErrScheduleCode) {
					t.Errorf("TriggerSchedule without the value function: %v", err)
				}
				schedule(t, w, "filter", "@daily", filterFrom(&none))
				schedule(t, w, "value", "@daily", value)
				synctest.Wait()
				for _, id := range []string{"filter", "value"} {
					if n := len(startedRuns(t, on, "needs", id)); n != 1 {
						t.Errorf("%s: %d runs when the code is there again; the schedule is %+v", id, n, scheduleOf(t, w, id))
					}
				}
			})
		})
	}
}

// TestScheduleOnAFailingStore: whatever commits and reads fail, are answered late or done twice, every slot has one run.
func TestScheduleOnAFailingStore(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, on *memory.Backend) {
				begin := time.Now()
				faulty := adaptertest.NewFaulty(on, seed)
				var asked slots
				w := build(t, faulty, three("faulty"), workflow.WithDefaultOptions(workflow.PauseAfterErrCount(-1)))
				ids := []string{"a", "b", "c", "d"}
				for _, id := range ids {
					schedule(t, w, id, "@hourly", asked.asking(), missed(workflow.FireAll(100)))
				}
				for _, m := range []adaptertest.Method{adaptertest.MethodCommit, adaptertest.MethodLatest, adaptertest.MethodLookup,
					adaptertest.MethodHeld, adaptertest.MethodDue, adaptertest.MethodReadLog} {
					faulty.Set(m, adaptertest.Fault{Before: 0.2, After: 0.2, Twice: 0.1})
				}
				pass(24*time.Hour - time.Minute)
				faulty.Heal()
				pass(time.Hour)
				for _, id := range ids {
					seen := make(map[string]int)
					for _, rec := range startedRuns(t, on, "faulty", id) {
						seen[rec.Meta.TraceOrigin]++
					}
					for h := 1; h <= 24; h++ {
						slot := "schedule " + id + " " + begin.Add(time.Duration(h)*time.Hour).UTC().Format(time.RFC3339)
						if seen[slot] != 1 {
							t.Errorf("%s has %d runs", slot, seen[slot])
						}
					}
					if len(seen) != 24 {
						t.Errorf("%s: runs of %d slots", id, len(seen))
					}
				}
				if faulty.Injected(adaptertest.MethodCommit) < 20 {
					t.Errorf("only %d commits were broken", faulty.Injected(adaptertest.MethodCommit))
				}
			})
		})
	}
}

// dying is a backend whose process dies: it takes a number of commits, and no more.
type dying struct {
	*tapped
	slot backend.Slot
	left atomic.Int64
}

func (d *dying) Slot() *backend.Slot { return &d.slot }

var errDead = errors.New("the process is dead")

func newDying(on backend.Backend, commits int64) *dying {
	d := &dying{tapped: &tapped{Backend: on}}
	d.left.Store(commits)
	d.commit = func(batch []*backend.Change, do func() error) error {
		if d.left.Add(-1) < 0 {
			return refuse(batch, errDead)
		}
		return do()
	}
	return d
}

// TestScheduleAfterACrashAnywhere: the process dies after each number of commits; the next one goes on. No slot is lost, none fires twice.
func TestScheduleAfterACrashAnywhere(t *testing.T) {
	for commits := range int64(14) {
		t.Run(fmt.Sprint("after ", commits, " commits"), func(t *testing.T) {
			bubble(t, func(t *testing.T, on *memory.Backend) {
				dies := newDying(on, commits)
				var asked slots
				w, err := three("crash").BuildOn(dies, workflow.WithLogger(&quietLog{}), workflow.WithStopTimeout(time.Second))
				if err != nil {
					t.Fatal(err)
				}
				first := w.Schedule("f", "@hourly", asked.asking(), overlap(workflow.OverlapWait))
				if (first == nil) != (commits > 0) {
					t.Errorf("with %d commits Schedule says %v", commits, first)
				}
				w.Run(context.Background())
				pass(2*time.Hour + time.Second)
				w.Stop()
				w = build(t, on, three("crash"))
				schedule(t, w, "f", "@hourly", asked.asking(), overlap(workflow.OverlapWait))
				pass(time.Hour + time.Minute)
				seen := make(map[string]int)
				for _, rec := range startedRuns(t, on, "crash", "f") {
					seen[rec.Meta.TraceOrigin]++
				}
				slots := []string{"03"}
				if first == nil {
					slots = []string{"01", "02", "03"}
				}
				if seen["schedule f 2000-01-01T01:00:00Z"] == 0 && commits < 2 { // with the one after it, it was missed: one run for both
					slots = slices.DeleteFunc(slots, func(h string) bool { return h == "01" })
				}
				for _, h := range slots {
					if slot := "schedule f 2000-01-01T" + h + ":00:00Z"; seen[slot] != 1 {
						t.Errorf("%s has %d runs: %v", slot, seen[slot], seen)
					}
				}
				if len(seen) != len(slots) {
					t.Errorf("runs of %v", seen)
				}
			})
		})
	}
}

// TestScheduleFiresOnceWhenRolesMove: two processes take turns; who has the role again does not fire from what it remembers.
func TestScheduleFiresOnceWhenRolesMove(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		var flows []*flow
		for range 2 {
			w := build(t, on, three("moves"))
			schedule(t, w, "f", "@hourly")
			flows = append(flows, w)
		}
		var want []time.Duration
		for h := 1; h <= 6; h++ {
			pass(time.Hour)
			want = append(want, time.Duration(h)*time.Hour)
			flows[0].Stop() // the other one has the role now
			w := build(t, on, three("moves"))
			schedule(t, w, "f", "@hourly")
			flows = append(flows[1:], w)
			synctest.Wait()
		}
		wantTimes(t, "the runs", startedAt(t, on, "moves", "f", begin), want...)
	})
}

// TestAClockThatIsMovedBack: a slot is never early, whatever the clock does.
func TestAClockThatIsMovedBack(t *testing.T) {
	on, clock := newStore(t), newFakeClock() // 2026-11-23 12:00:00 UTC
	w := build(t, on, three("back"), workflow.WithClock(clock))
	schedule(t, w, "f", "@hourly")
	id := scheduleOf(t, w, "f").RunID
	eventually(t, "the schedule waits on the clock", func() bool { clock.awaitWaiter(t); return true })
	clock.step(time.Hour)
	awaitRecord(t, on, id, func(rec *backend.Record) bool { return rec.Meta.Version == 2 })
	clock.step(-30 * time.Minute)
	clock.step(20 * time.Minute)
	if i := scheduleOf(t, w, "f"); i.Fired != 1 || !i.Next.Equal(time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", i)
	}
	clock.step(70 * time.Minute)
	awaitRecord(t, on, id, func(rec *backend.Record) bool { return rec.Meta.Version == 3 })
	if n := len(startedRuns(t, on, "back", "f")); n != 2 {
		t.Errorf("%d runs", n)
	}
}
