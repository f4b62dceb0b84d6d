package workflow_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

func TestPauseAndResumeSchedule(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		w := build(t, on, three("pause"))
		schedule(t, w, "f", "@hourly")
		pass(time.Hour)
		if err := w.PauseSchedule(ctxFor(t), "f", "holidays"); err != nil {
			t.Fatal(err)
		}
		if err := w.PauseSchedule(ctxFor(t), "f", "again"); !errors.Is(err, workflow.ErrInvalidTransition) {
			t.Errorf("paused twice: %v", err)
		}
		pass(3*time.Hour + 30*time.Minute)
		schedule(t, w, "f", "@hourly") // a restart of the program does not resume it
		pass(time.Hour)
		if i := scheduleOf(t, w, "f"); i.State != backend.RunStatePaused || i.PausedBy != backend.PausedByOperator || i.Reason != "holidays" {
			t.Errorf("%+v", i)
		}
		if err := w.ResumeSchedule(ctxFor(t), "f"); err != nil {
			t.Fatal(err)
		}
		if err := w.ResumeSchedule(ctxFor(t), "f"); !errors.Is(err, workflow.ErrInvalidTransition) {
			t.Errorf("resumed twice: %v", err)
		}
		if i := scheduleOf(t, w, "f"); !i.Next.Equal(begin.Add(6*time.Hour)) || i.Reason != "" {
			t.Errorf("%+v", i)
		}
		pass(time.Hour)
		wantTimes(t, "the slots of the pause are skipped", startedAt(t, on, "pause", "f", begin), time.Hour, 6*time.Hour)
		if err := w.PauseSchedule(ctxFor(t), "f", "a moment"); err != nil {
			t.Fatal(err)
		}
		if err := w.ResumeSchedule(ctxFor(t), "f"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		wantTimes(t, "no slot passed", startedAt(t, on, "pause", "f", begin), time.Hour, 6*time.Hour, 7*time.Hour)
		for what, err := range map[string]error{
			"pause": w.PauseSchedule(ctxFor(t), "nobody", ""), "resume": w.ResumeSchedule(ctxFor(t), "nobody"),
			"remove": w.RemoveSchedule(ctxFor(t), "nobody", ""),
		} {
			if !errors.Is(err, workflow.ErrRecordNotFound) {
				t.Errorf("%s what is not there: %v", what, err)
			}
		}
	})
}

func TestRemoveSchedule(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		w := build(t, on, three("remove"))
		schedule(t, w, "f", "@hourly")
		pass(time.Hour)
		if err := w.RemoveSchedule(ctxFor(t), "f", "enough"); err != nil {
			t.Fatal(err)
		}
		pass(3*time.Hour + 30*time.Minute)
		wantTimes(t, "removed", startedAt(t, on, "remove", "f", begin), time.Hour)
		if all, err := w.Schedules(ctxFor(t)); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
		if _, err := w.LookupSchedule(ctxFor(t), "f"); !errors.Is(err, workflow.ErrRecordNotFound) {
			t.Errorf("look up: %v", err)
		}
		schedule(t, w, "f", "30 * * * *") // it is forgotten: another spec is no conflict
		pass(time.Hour)
		wantTimes(t, "made anew", startedAt(t, on, "remove", "f", begin), time.Hour, 5*time.Hour+30*time.Minute)
	})
}

// TestChangedSchedules: what a new version of the program says counts, and nothing is lost by saying the same again.
func TestChangedSchedules(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		w := build(t, on, three("change"))
		schedule(t, w, "spec", "@hourly")
		schedule(t, w, "value", "@hourly", workflow.WithScheduleInitialValue[object, status](&object{Note: "old"}))
		schedule(t, w, "same", "@hourly")
		schedule(t, w, "paused", "@hourly")
		pass(time.Hour)
		if err := w.PauseSchedule(ctxFor(t), "paused", "stop"); err != nil {
			t.Fatal(err)
		}
		w.Stop()
		pass(2*time.Hour + 10*time.Minute) // the slots at two and three pass
		before := scheduleOf(t, w, "same")

		w, err := three("change").BuildOn(on, workflow.WithLogger(&quietLog{}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
		schedule(t, w, "spec", "45 * * * *")
		schedule(t, w, "value", "@hourly", workflow.WithScheduleInitialValue[object, status](&object{Note: "new"}))
		schedule(t, w, "same", "@hourly")
		schedule(t, w, "paused", "30 * * * *", overlap(workflow.OverlapCancel))
		w.Run(t.Context())
		pass(20 * time.Minute)
		wantTimes(t, "a new spec counts from now", startedAt(t, on, "change", "spec", begin), time.Hour)
		if i := scheduleOf(t, w, "paused"); i.Spec != "30 * * * *" || i.Overlap != workflow.OverlapCancel || i.State != backend.RunStatePaused || i.Reason != "stop" {
			t.Errorf("a paused schedule was changed to %+v", i)
		}
		if i := scheduleOf(t, w, "same"); i.Fired != before.Fired+1 || i.RunID != before.RunID {
			t.Errorf("%+v became %+v", before, i)
		}
		runs := startedRuns(t, on, "change", "value")
		if len(runs) != 2 || !strings.Contains(string(runs[0].Object), "old") || !strings.Contains(string(runs[1].Object), "new") {
			t.Errorf("a new value, and the missed slot: %+v", runs)
		}
		if err := w.ResumeSchedule(ctxFor(t), "paused"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		wantTimes(t, "the new spec", startedAt(t, on, "change", "spec", begin), time.Hour, 3*time.Hour+45*time.Minute)
		wantTimes(t, "resumed with the new spec", startedAt(t, on, "change", "paused", begin), time.Hour, 4*time.Hour+30*time.Minute)
	})
}

func TestTriggerSchedule(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		begin := time.Now()
		w := build(t, on, waiting("now"))
		schedule(t, w, "f", "@hourly", workflow.WithScheduleInitialValue[object, status](&object{Note: "value"}))
		pass(10 * time.Minute)
		id, err := w.TriggerSchedule(ctxFor(t), "f")
		if err != nil {
			t.Fatal(err)
		}
		if rec := lookup(t, on, id); rec.ForeignID != "f" || !strings.Contains(string(rec.Object), "value") {
			t.Errorf("the run is %+v", rec)
		}
		if _, err := w.TriggerSchedule(ctxFor(t), "f"); !errors.Is(err, workflow.ErrWorkflowInProgress) {
			t.Errorf("again: %v", err)
		}
		if _, err := w.TriggerSchedule(ctxFor(t), "nobody"); !errors.Is(err, workflow.ErrRecordNotFound) {
			t.Errorf("nobody's: %v", err)
		}
		finish(t, w, "f")
		pass(time.Hour)
		wantTimes(t, "the slot comes all the same", startedAt(t, on, "now", "f", begin), 10*time.Minute, time.Hour)
	})
}

// TestManySchedules: ten thousand are listed, and each fires at its slot.
func TestManySchedules(t *testing.T) {
	const many = 10000
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, three("many"))
		for n := range many {
			schedule(t, w, name(n), fmt.Sprintf("%d %d * * *", n%60, n/60%24))
		}
		all, err := w.Schedules(ctxFor(t))
		if err != nil || len(all) != many {
			t.Fatalf("%d schedules, %v", len(all), err)
		}
		for n, i := range all {
			if i.ID != name(n) {
				t.Fatalf("place %d has %s", n, i.ID)
			}
		}
		pass(24 * time.Hour)
		for i, err := range w.AllSchedules(ctxFor(t)) {
			if err != nil || i.Fired != 1 {
				t.Fatalf("%+v, %v", i, err)
			}
		}
	})
}

func TestSchedulesInStates(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w, err := three("states").BuildOn(on, workflow.WithLogger(&quietLog{}))
		if err != nil {
			t.Fatal(err)
		}
		schedule(t, w, "My Shop", "@daily")
		schedule(t, w, "My Shop", "@hourly", workflow.WithScheduleID[object, status]("second"))
		daily, hourly := "my_shop-scheduler-@daily", "my_shop-second-scheduler-@hourly"
		if s := w.States(); s[daily] != workflow.StateShutdown || s[hourly] != workflow.StateShutdown {
			t.Errorf("before Run: %v", s)
		}
		w.Run(t.Context())
		pass(time.Second)
		other := build(t, on, three("states"))
		schedule(t, other, "My Shop", "@daily")
		pass(time.Second)
		if s := w.States(); s[daily] != workflow.StateRunning || s[hourly] != workflow.StateRunning {
			t.Errorf("running: %v", s)
		}
		if s := other.States(); s[daily] != workflow.StateIdle {
			t.Errorf("the one that waits: %v", s)
		}
		w.Stop()
		pass(time.Second)
		if s := w.States(); s[daily] != workflow.StateShutdown {
			t.Errorf("stopped: %v", s)
		}
		if s := other.States(); s[daily] != workflow.StateRunning {
			t.Errorf("the next one: %v", s)
		}
	})
}

func TestPreviewSchedule(t *testing.T) {
	from := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		spec string
		zone *time.Location
		n    int
		want []string
	}{
		"UTC":          {"0 9 * * *", nil, 2, []string{"2026-03-29T09:00:00Z", "2026-03-30T09:00:00Z"}},
		"a zone":       {"30 2 * * *", berlin, 2, []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		"the spec's":   {"CRON_TZ=Asia/Tokyo 0 9 * * *", berlin, 1, []string{"2026-03-29T09:00:00+09:00"}},
		"every":        {"@every 5h", nil, 2, []string{"2026-03-28T15:00:00Z", "2026-03-28T20:00:00Z"}},
		"a leap day":   {"0 0 29 2 *", nil, 1, []string{"2028-02-29T00:00:00Z"}},
		"no slot":      {"0 0 30 2 *", nil, 5, nil},
		"none wanted":  {"@daily", nil, 0, nil},
		"fewer than 0": {"@daily", nil, -1, nil},
	} {
		slots, err := workflow.PreviewSchedule(c.spec, c.zone, from, c.n)
		var got []string
		for _, s := range slots {
			got = append(got, s.Format(time.RFC3339))
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", what, got, err, c.want)
		}
	}
	if slots, err := workflow.PreviewSchedule("* * * * *", nil, from, 1<<30); err != nil || len(slots) != workflow.MaxMissedSlots {
		t.Errorf("%d slots, %v", len(slots), err)
	}
	if _, err := workflow.PreviewSchedule("every day", nil, from, 1); !errors.Is(err, workflow.ErrScheduleSpec) {
		t.Errorf("a bad spec: %v", err)
	}
	if _, err := (workflow.ScheduleInfo{Spec: "@daily", Zone: "Nowhere"}).Preview(from, 1); !errors.Is(err, workflow.ErrScheduleZone) {
		t.Errorf("a bad zone: %v", err)
	}
}

// TestClocksThatChange: New York's spring and autumn of 2000, and a leap day.
func TestClocksThatChange(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		york, err := time.LoadLocation("America/New_York")
		if err != nil {
			t.Fatal(err)
		}
		zone := workflow.WithScheduleZone[object, status](york)
		w := build(t, on, three("clocks"))
		for id, spec := range map[string]string{
			"gap": "30 2 2 4 *", "twice": "30 1 29 10 *", "rhythm": "0 * 2 4 *", "leap": "0 12 29 2 *", "named": "CRON_TZ=Asia/Tokyo 0 9 1 2 *", "week": "0 0 * * sun",
		} {
			schedule(t, w, id, spec, zone)
		}
		if i := scheduleOf(t, w, "gap"); i.Zone != "America/New_York" || i.Next.Format(time.RFC3339) != "2000-04-02T03:00:00-04:00" {
			t.Errorf("%+v", i)
		} else if next, err := i.Preview(i.Next, 1); err != nil || next[0].Format(time.RFC3339) != "2001-04-02T02:30:00-04:00" {
			t.Errorf("preview: %v, %v", next, err)
		}
		pass(365 * 24 * time.Hour)
		for id, want := range map[string][]string{
			"gap":   {"2000-04-02T07:00:00Z"}, // the clock goes from 2 to 3
			"twice": {"2000-10-29T05:30:00Z"}, // the first of the two
			"leap":  {"2000-02-29T17:00:00Z"},
			"named": {"2000-02-01T00:00:00Z"},
		} {
			var got []string
			for _, rec := range startedRuns(t, on, "clocks", id) {
				got = append(got, rec.CreatedAt.UTC().Format(time.RFC3339))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: started at %v, want %v", id, got, want)
			}
		}
		if n := len(startedRuns(t, on, "clocks", "rhythm")); n != 23 {
			t.Errorf("the hours of a day that has 23: %d", n)
		}
		if n := len(startedRuns(t, on, "clocks", "week")); n != 52 {
			t.Errorf("the Sundays of 365 days from 1 January 2000 in New York: %d", n)
		}
	})
}

// onceOnly is a codec that makes other bytes of the same value each time, as those that encrypt do.
type onceOnly struct {
	xor
	n atomic.Uint32
}

func (c *onceOnly) Encode(b []byte) ([]byte, error) {
	sealed, err := c.xor.Encode(b)
	return append([]byte{byte(c.n.Add(1))}, sealed...), err
}

func (c *onceOnly) Decode(b []byte) ([]byte, error) { return c.xor.Decode(b[1:]) }

// TestSchedulesWithACodec: what the store has of a schedule says nothing of its value, and to say the same again changes nothing.
func TestSchedulesWithACodec(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		secret := func(note string) scheduleOption {
			return workflow.WithScheduleInitialValue[object, status](&object{Note: note})
		}
		start := func() *flow {
			return build(t, on, three("sealed"), workflow.WithCodec(&onceOnly{xor: xor{name: "once", key: 7}}))
		}
		w := start()
		schedule(t, w, "f", "@hourly", secret("secret"))
		pass(time.Hour)
		w.Stop()
		w = start()
		before := lookup(t, on, scheduleOf(t, w, "f").RunID)
		schedule(t, w, "f", "@hourly", secret("secret"))
		if now := lookup(t, on, before.RunID); now.Meta.Version != before.Meta.Version {
			t.Errorf("the same value made version %d of %d", now.Meta.Version, before.Meta.Version)
		}
		if strings.Contains(string(before.Object), "hourly") || strings.Contains(string(before.Object), "secret") {
			t.Errorf("the store has %s", before.Object)
		}
		if err := w.PauseSchedule(ctxFor(t), "f", "change"); err != nil {
			t.Fatal(err)
		}
		schedule(t, w, "f", "@hourly", secret("another"))
		if err := w.ResumeSchedule(ctxFor(t), "f"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		var notes []string
		for r, err := range w.AllRuns(ctxFor(t)) {
			if err != nil {
				t.Fatal(err)
			}
			o, err := r.Object()
			if err != nil {
				t.Fatal(err)
			}
			notes = append(notes, o.Note)
		}
		if !slices.Equal(notes, []string{"secret", "another"}) {
			t.Errorf("the runs have %q", notes)
		}
	})
}
