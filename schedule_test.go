package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the tests name zones, whatever the machine knows

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

type (
	scheduleOption = workflow.ScheduleOption[object, status]
)

func missed(p workflow.MissedPolicy) scheduleOption {
	return workflow.WithMissedSlots[object, status](p)
}

func overlap(p workflow.OverlapPolicy) scheduleOption {
	return workflow.WithOverlap[object, status](p)
}

func schedule(t testing.TB, w *flow, foreignID, spec string, opts ...scheduleOption) {
	t.Helper()
	if err := w.Schedule(foreignID, spec, opts...); err != nil {
		t.Fatalf("Schedule(%q, %q): %v", foreignID, spec, err)
	}
}

func scheduleOf(t testing.TB, w *flow, id string) workflow.ScheduleInfo {
	t.Helper()
	i, err := w.LookupSchedule(ctxFor(t), id)
	if err != nil {
		t.Fatalf("LookupSchedule(%q): %v", id, err)
	}
	return i
}

// runsOf returns the runs of a foreign id, oldest first.
func startedRuns(t testing.TB, on backend.Backend, name, foreignID string) []backend.Record {
	t.Helper()
	all, err := on.List(ctxFor(t), name, 0, 1000, backend.OrderTypeAscending, backend.FilterByForeignID(foreignID))
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	return all
}

// startedAt returns when the runs of a foreign id were made, as hours and minutes after the moment.
func startedAt(t testing.TB, on backend.Backend, name, foreignID string, since time.Time) (after []time.Duration) {
	t.Helper()
	for _, rec := range startedRuns(t, on, name, foreignID) {
		after = append(after, rec.CreatedAt.Sub(since))
	}
	return after
}

func wantTimes(t testing.TB, what string, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: started after %v, want %v", what, got, want)
	}
}

// slots are what a filter or value function was asked about.
type slots struct {
	mu  sync.Mutex
	all []time.Time
}

func (s *slots) add(slot time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, slot)
}

func (s *slots) take() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// asking is a filter that says yes and keeps the slots.
func (s *slots) asking() scheduleOption {
	return workflow.WithSlotFilter[object, status](func(_ context.Context, slot time.Time) (bool, error) {
		s.add(slot)
		return true, nil
	})
}

// waiting is a workflow whose runs wait in their first status for a callback.
func waiting(name string) *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status](name)
	b.AddCallback(statusA, func(context.Context, *run, reader) (status, error) { return statusEnd, nil }, statusEnd)
	return b
}

func finish(t testing.TB, w *flow, foreignID string) {
	t.Helper()
	if err := w.Callback(ctxFor(t), foreignID, statusA, nil); err != nil {
		t.Fatalf("Callback: %v", err)
	}
}

func TestScheduleFiresAtItsSlots(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now() // 2000-01-01 00:00:00 UTC
		w := build(t, on, three("slots"))
		schedule(t, w, "f", "0 * * * *", workflow.WithScheduleInitialValue[object, status](&object{Note: "hourly"}))
		i := scheduleOf(t, w, "f")
		if i.ForeignID != "f" || i.Spec != "0 * * * *" || i.Zone != "UTC" || !i.Next.Equal(begin.Add(time.Hour)) || !i.Last.IsZero() {
			t.Errorf("the stored schedule is %+v", i)
		}
		pass(time.Hour - time.Second)
		wantTimes(t, "a second before", startedAt(t, on, "slots", "f", begin))
		pass(3*time.Hour + time.Second)
		wantTimes(t, "after four hours", startedAt(t, on, "slots", "f", begin), time.Hour, 2*time.Hour, 3*time.Hour, 4*time.Hour)
		for _, rec := range startedRuns(t, on, "slots", "f") {
			if rec.RunState != backend.RunStateCompleted || !strings.Contains(string(rec.Object), "hourly") {
				t.Errorf("run %s is %v with %s", rec.RunID, rec.RunState, rec.Object)
			}
			if !strings.HasPrefix(rec.Meta.TraceOrigin, "schedule f 2000-01-01T0") {
				t.Errorf("its origin is %q", rec.Meta.TraceOrigin)
			}
		}
		i = scheduleOf(t, w, "f")
		last := startedRuns(t, on, "slots", "f")[3]
		if i.Fired != 4 || i.Skipped != 0 || i.LastRunID != last.RunID || i.LastResult != workflow.SlotFired || !i.Last.Equal(begin.Add(4*time.Hour)) ||
			!i.Next.Equal(begin.Add(5*time.Hour)) {
			t.Errorf("after four slots: %+v", i)
		}
		entries, err := on.History(ctxFor(t), i.RunID, 0, 100)
		if err != nil || len(entries) != 5 {
			t.Errorf("its history has %d versions, %v; want one and one for each slot", len(entries), err)
		}
	})
}

func TestBadSchedules(t *testing.T) {
	on := newStore(t)
	w := build(t, on, three("bad"))
	fixed := time.FixedZone("Mine", 3600)
	impostor := time.FixedZone("Europe/London", 5*3600)
	for what, c := range map[string]struct {
		foreignID, spec string
		opt             scheduleOption
		want            error
	}{
		"spec":              {"f", "61 * * * *", nil, workflow.ErrScheduleSpec},
		"no slot":           {"f", "0 0 30 2 *", nil, workflow.ErrScheduleSpec},
		"zone in the spec":  {"f", "CRON_TZ=Europe/Nowhere 0 0 * * *", nil, workflow.ErrScheduleSpec},
		"local zone":        {"f", "@daily", workflow.WithScheduleZone[object, status](time.Local), workflow.ErrScheduleZone},
		"fixed zone":        {"f", "@daily", workflow.WithScheduleZone[object, status](fixed), workflow.ErrScheduleZone},
		"zone in disguise":  {"f", "@daily", workflow.WithScheduleZone[object, status](impostor), workflow.ErrScheduleZone},
		"foreign id":        {"", "@daily", nil, workflow.ErrInvalidID},
		"id":                {"f", "@daily", workflow.WithScheduleID[object, status](""), workflow.ErrInvalidID},
		"starting point":    {"f", "@daily", workflow.WithScheduleStartingPoint[object](statusOther), workflow.ErrUnknownStatus},
		"value":             {"f", "@daily", workflow.WithScheduleInitialValue[object, status](&object{Note: strings.Repeat("x", 3<<20)}), workflow.ErrTooLarge},
		"missed, none":      {"f", "@daily", missed(workflow.FireAll(0)), workflow.ErrUnsupported},
		"missed, too many":  {"f", "@daily", missed(workflow.FireAll(workflow.MaxMissedSlots + 1)), workflow.ErrUnsupported},
		"overlap":           {"f", "@daily", overlap(7), workflow.ErrUnsupported},
		"nil filter":        {"f", "@daily", workflow.WithScheduleFilter[object, status](nil), nil},
		"nil slot filter":   {"f", "@daily", workflow.WithSlotFilter[object, status](nil), nil},
		"nil value funtion": {"f", "@daily", workflow.WithScheduleValueFunc[object, status](nil), nil},
	} {
		var opts []scheduleOption
		if c.opt != nil {
			opts = append(opts, c.opt)
		}
		err := w.Schedule(c.foreignID, c.spec, opts...)
		if err == nil || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	if all, err := w.Schedules(ctxFor(t)); err != nil || len(all) > 0 {
		t.Errorf("of the bad ones %+v were stored, %v", all, err)
	}
	schedule(t, w, "f", "@daily")
	err := w.Schedule("f", "@hourly")
	if !errors.Is(err, workflow.ErrScheduleExists) || !strings.Contains(err.Error(), "WithScheduleID") {
		t.Errorf("another spec under the same id: %v", err)
	}
	schedule(t, w, "f", "@hourly", workflow.WithScheduleID[object, status]("f by the hour"))
	schedule(t, w, "f", "@daily")
	if all, err := w.Schedules(ctxFor(t)); err != nil || len(all) != 2 {
		t.Errorf("schedules: %+v, %v", all, err)
	}
	long := build(t, on, three(strings.Repeat("n", backend.MaxNameBytes)))
	if err := long.Schedule("f", "@daily"); !errors.Is(err, workflow.ErrInvalidID) {
		t.Errorf("a name that leaves no room: %v, want ErrInvalidID", err)
	}
	if _, err := long.Schedules(ctxFor(t)); !errors.Is(err, workflow.ErrInvalidID) {
		t.Errorf("its schedules: %v, want ErrInvalidID", err)
	}
}

// TestScheduleBeforeAndWithoutRun: one program stores, another, which runs already and has never seen a schedule, fires.
func TestScheduleBeforeAndWithoutRun(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		client, err := three("apart").BuildOn(on, workflow.WithLogger(&quietLog{}))
		if err != nil {
			t.Fatal(err)
		}
		schedule(t, client, "before", "@hourly")
		build(t, on, three("apart"))
		synctest.Wait()
		schedule(t, client, "after", "@hourly")
		pass(time.Hour)
		wantTimes(t, "stored before", startedAt(t, on, "apart", "before", begin), time.Hour)
		wantTimes(t, "stored after", startedAt(t, on, "apart", "after", begin), time.Hour)

		client2, err := three("fresh").BuildOn(on, workflow.WithLogger(&quietLog{}))
		if err != nil {
			t.Fatal(err)
		}
		build(t, on, three("fresh"))
		synctest.Wait()
		schedule(t, client2, "first", "@hourly")
		pass(time.Hour)
		wantTimes(t, "the first ever", startedAt(t, on, "fresh", "first", begin), 2*time.Hour)
	})
}

// TestMissedSlots: nobody runs for three days.
func TestMissedSlots(t *testing.T) {
	day := 24 * time.Hour
	for what, c := range map[string]struct {
		spec string
		opts []scheduleOption
		// asked are the slots that the filter is asked about when the program is back, after three days and ten minutes, and up to an hour later.
		asked []time.Duration
	}{
		"default": {"@hourly", nil, []time.Duration{3 * day, 3*day + time.Hour}},
		"once":    {"@hourly", []scheduleOption{missed(workflow.FireOnce)}, []time.Duration{3 * day, 3*day + time.Hour}},
		"skip":    {"@hourly", []scheduleOption{missed(workflow.SkipMissed)}, []time.Duration{3*day + time.Hour}},
		"all":     {"@daily", []scheduleOption{missed(workflow.FireAll(100))}, []time.Duration{day, 2 * day, 3 * day}},
		"two":     {"@daily", []scheduleOption{missed(workflow.FireAll(2))}, []time.Duration{2 * day, 3 * day}},
		"dense":   {"@every 1s", []scheduleOption{missed(workflow.SkipMissed)}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T, on *memory.Backend) {
				begin := time.Now()
				var asked slots
				w := build(t, on, three("missed"))
				schedule(t, w, "f", c.spec, append(c.opts, asked.asking())...)
				w.Stop()
				asked.take()
				pass(3*day + 10*time.Minute)
				w = build(t, on, three("missed"))
				schedule(t, w, "f", c.spec, append(c.opts, asked.asking())...)
				synctest.Wait()
				if what == "dense" { // a minute's grace, and not a slot of the three days
					all := asked.take()
					if len(all) != 61 || all[0].Sub(begin) != 3*day+9*time.Minute {
						t.Errorf("asked about %d slots from %v", len(all), all[0].Sub(begin))
					}
					if i := scheduleOf(t, w, "f"); i.Fired+i.Skipped != 10000+61 { // missed ones are counted that far at a time
						t.Errorf("%d were fired, %d skipped", i.Fired, i.Skipped)
					}
					return
				}
				pass(time.Hour)
				var after []time.Duration
				for _, slot := range asked.take() {
					after = append(after, slot.Sub(begin))
				}
				wantTimes(t, "asked about", after, c.asked...)
				if n := len(startedRuns(t, on, "missed", "f")); n != len(c.asked) {
					t.Errorf("%d runs, want %d", n, len(c.asked))
				}
				if i := scheduleOf(t, w, "f"); i.Fired != int64(len(c.asked)) {
					t.Errorf("fired %d, skipped %d", i.Fired, i.Skipped)
				}
			})
		})
	}
}

func TestOverlap(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		w := build(t, on, waiting("overlap"))
		schedule(t, w, "skip", "@hourly")
		schedule(t, w, "wait", "@hourly", overlap(workflow.OverlapWait))
		schedule(t, w, "cancel", "@hourly", overlap(workflow.OverlapCancel))
		pass(2*time.Hour + 30*time.Minute)
		wantTimes(t, "skip", startedAt(t, on, "overlap", "skip", begin), time.Hour)
		wantTimes(t, "wait", startedAt(t, on, "overlap", "wait", begin), time.Hour)
		wantTimes(t, "cancel", startedAt(t, on, "overlap", "cancel", begin), time.Hour, 2*time.Hour)
		first := startedRuns(t, on, "overlap", "cancel")[0]
		if first.RunState != backend.RunStateCancelled || !strings.Contains(first.Meta.RunStateReason, `schedule "cancel"`) {
			t.Errorf("the run in the way is %v, %q", first.RunState, first.Meta.RunStateReason)
		}
		if i := scheduleOf(t, w, "skip"); i.LastResult != workflow.SlotOverlapped || i.Fired != 1 || i.Skipped != 1 {
			t.Errorf("skip: %+v", i)
		}
		i := scheduleOf(t, w, "wait")
		if i.Attempts != 0 || i.State != backend.RunStateRunning || !i.Next.Equal(begin.Add(2*time.Hour)) {
			t.Errorf("to wait is no failure: %+v", i)
		}
		if entries, err := on.History(ctxFor(t), i.RunID, 0, 1000); err != nil || len(entries) != 2 {
			t.Errorf("to wait made %d versions, %v", len(entries)-2, err)
		}
		finish(t, w, "wait")
		pass(time.Minute)
		runs := startedRuns(t, on, "overlap", "wait")
		if len(runs) != 2 || !strings.HasSuffix(runs[1].Meta.TraceOrigin, "T02:00:00Z") {
			t.Errorf("after the end of the one before: %d runs, %+v", len(runs), runs)
		}
		pass(4 * time.Hour) // four more slots pass: one of them is fired, and no more
		finish(t, w, "wait")
		pass(time.Minute)
		runs = startedRuns(t, on, "overlap", "wait")
		if len(runs) != 3 || !strings.HasSuffix(runs[2].Meta.TraceOrigin, "T03:00:00Z") {
			t.Errorf("%d runs, the last of %q", len(runs), runs[len(runs)-1].Meta.TraceOrigin)
		}
	})
}

// TestFireAllWaits: the runs of slots that were missed go one after the other.
func TestFireAllWaits(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, waiting("all"))
		schedule(t, w, "f", "@daily", missed(workflow.FireAll(3)))
		w.Stop()
		pass(5*24*time.Hour + time.Hour)
		w = build(t, on, waiting("all"))
		for n := range 3 {
			pass(2 * time.Minute)
			runs := startedRuns(t, on, "all", "f")
			if want := fmt.Sprintf("2000-01-%02dT", 4+n); len(runs) != n+1 || !strings.Contains(runs[n].Meta.TraceOrigin, want) {
				t.Fatalf("%d runs, the last of %q; want that of %s", len(runs), runs[len(runs)-1].Meta.TraceOrigin, want)
			}
			finish(t, w, "f")
		}
		if i := scheduleOf(t, w, "f"); i.Overlap != workflow.OverlapWait || i.Fired != 3 || i.Skipped != 2 {
			t.Errorf("%+v", i)
		}
	})
}

func TestScheduleFilters(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		w := build(t, on, three("filters"))
		var yes atomic.Bool
		schedule(t, w, "f", "@hourly", workflow.WithScheduleFilter[object, status](func(context.Context) (bool, error) { return yes.Load(), nil }),
			workflow.WithScheduleValueFunc[object, status](func(_ context.Context, slot time.Time) (*object, error) {
				return &object{Note: slot.Format(time.Kitchen)}, nil
			}), workflow.WithScheduleStartingPoint[object](statusB))
		even := workflow.WithSlotFilter[object, status](func(_ context.Context, slot time.Time) (bool, error) { return slot.Hour()%2 == 0, nil })
		schedule(t, w, "even", "@hourly", even)
		pass(time.Hour)
		if i := scheduleOf(t, w, "f"); i.LastResult != workflow.SlotFiltered || i.Skipped != 1 || !i.NeedsCode {
			t.Errorf("%+v", i)
		}
		yes.Store(true)
		pass(time.Hour)
		wantTimes(t, "a filter", startedAt(t, on, "filters", "f", begin), 2*time.Hour)
		if rec := startedRuns(t, on, "filters", "f")[0]; !strings.Contains(string(rec.Object), `"2:00AM"`) || rec.Meta.Version != 3 {
			t.Errorf("the run is %s in version %d; want the slot's value, from the second status", rec.Object, rec.Meta.Version)
		}
		pass(2 * time.Hour)
		wantTimes(t, "a slot filter", startedAt(t, on, "filters", "even", begin), 2*time.Hour, 4*time.Hour)
	})
}
