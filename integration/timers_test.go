package integration

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/workflowtest"
)

const (
	timersWait = time.Hour // of every timer, by a clock that is moved by hand
	// timersGoal is how long 100,000 timers that come due at the same time may take on a file; it is held against the measured time where
	// so many are asked for.
	timersGoal  = 30 * time.Second
	timersAsked = 100_000
	everydayDue = 4_500 // more than are kept in memory
)

// timed is a workflow whose runs wait for a timer, all for the same time.
type timed struct {
	clock *workflowtest.Clock
	due   time.Time
	fired atomic.Int64
	early atomic.Int64
	all   chan struct{} // closed when the last one has fired
	flow  *workflow.Workflow[benchObject, benchStatus]
	runs  []string
}

func newTimed(tb testing.TB, on backend.Backend, n int) *timed {
	tb.Helper()
	begin := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	x := &timed{clock: workflowtest.NewClock(begin), due: begin.Add(timersWait), all: make(chan struct{})}
	b := workflow.NewBuilder[benchObject, benchStatus]("timed")
	b.AddTimeout(1, workflow.DurationTimerFunc[benchObject, benchStatus](timersWait),
		func(_ context.Context, r *workflow.Run[benchObject, benchStatus], now time.Time) (benchStatus, error) {
			if now.Before(x.due) {
				x.early.Add(1)
			}
			if x.fired.Add(1) == int64(n) {
				close(x.all)
			}
			r.Object.Count++
			return 2, nil
		}, 2)
	var err error
	if x.flow, err = b.BuildOn(on, workflow.WithClock(x.clock), quiet()); err != nil {
		tb.Fatal(err)
	}
	x.flow.Run(context.Background())
	tb.Cleanup(x.flow.Stop)
	for len(x.runs) < n {
		starts := make([]workflow.Start[benchObject, benchStatus], min(5000, n-len(x.runs)))
		for i := range starts {
			starts[i].ForeignID = strconv.Itoa(n) + "-" + strconv.Itoa(len(x.runs)+i)
		}
		started, err := x.flow.TriggerMany(context.Background(), starts...)
		if err != nil {
			tb.Fatal(err)
		}
		for _, s := range started {
			x.runs = append(x.runs, s.RunID)
		}
	}
	return x
}

// drain lets the time of the timers come and returns how long it took until the last run had ended.
func (x *timed) drain(tb testing.TB) time.Duration {
	tb.Helper()
	x.clock.Set(x.due.Add(-time.Millisecond))
	x.clock.AwaitDue(tb, time.Millisecond)
	if n := x.fired.Load(); n != 0 {
		tb.Fatalf("%d timers before their time", n)
	}
	began := time.Now()
	x.clock.Set(x.due)
	<-x.all
	for { // the effects of the last ones may yet be on their way to the disk
		moving, err := x.flow.Operator("").Counts(context.Background(), "timed", workflow.FilterByRunState(workflow.RunStateInitiated))
		if err != nil {
			tb.Fatal(err)
		}
		if len(moving) == 0 {
			return time.Since(began)
		}
		<-time.After(time.Millisecond)
	}
}

// TestTimersDueAtOnce: very many timers of one moment all take effect, once, and none before its time. (G9)
func TestTimersDueAtOnce(t *testing.T) {
	n := number(t, envTimers, everydayDue)
	on, err := sqlite.Open(filepath.Join(t.TempDir(), "timers.db"))
	if err != nil {
		t.Fatal(err)
	}
	x := newTimed(t, on, n)
	t.Cleanup(func() { // after the workflow's end
		adaptertest.Check(t, on)
		if err := on.Close(); err != nil {
			t.Error(err)
		}
	})
	took := x.drain(t)
	t.Logf("%d timers of one moment took %v", n, took)
	if n >= timersAsked && took > timersGoal*time.Duration(n/timersAsked) {
		t.Errorf("the goal for %d is %v", timersAsked, timersGoal)
	}
	x.flow.Stop()
	if fired := x.fired.Load(); fired != int64(n) || x.early.Load() != 0 {
		t.Errorf("%d timers, %d calls, %d of them early", n, fired, x.early.Load())
	}
	for _, id := range x.runs[:100] {
		if rec, err := on.Lookup(t.Context(), id); err != nil || rec.Meta.Version != 2 || rec.RunState != backend.RunStateCompleted {
			t.Errorf("run %s: %+v, %v", id, rec, err)
		}
	}
}

// BenchmarkTimersDue lets b.N timers of one moment come due, and reports how many took effect per second, and what one cost. Setting them is not measured.
func BenchmarkTimersDue(b *testing.B) {
	run := func(b *testing.B, on backend.Backend) {
		x := newTimed(b, on, b.N)
		b.ResetTimer()
		cpu := processCPU()
		took := x.drain(b)
		b.StopTimer()
		b.ReportMetric(float64(b.N)/took.Seconds(), "timers/s")
		b.ReportMetric(float64((processCPU()-cpu).Microseconds())/float64(b.N), "µs-CPU/timer")
	}
	b.Run("memory", func(b *testing.B) { run(b, memory.New()) })
	b.Run("sqlite", func(b *testing.B) { run(b, openBench(b)) })
}

// BenchmarkTimerLateness has one timer at a time come due on a machine that is idle otherwise, and reports how long after its time the
// workflow's code was called.
func BenchmarkTimerLateness(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchLateness(b, memory.New()) })
	b.Run("sqlite", func(b *testing.B) { benchLateness(b, openBench(b)) })
}

func benchLateness(b *testing.B, on backend.Backend) {
	late := make(chan time.Duration, 1)
	builder := workflow.NewBuilder[benchObject, benchStatus]("late")
	builder.AddTimeout(1, workflow.DurationTimerFunc[benchObject, benchStatus](25*time.Millisecond),
		func(_ context.Context, r *workflow.Run[benchObject, benchStatus], _ time.Time) (benchStatus, error) {
			late <- time.Since(r.CreatedAt.Add(25 * time.Millisecond))
			return 2, nil
		}, 2)
	w, err := builder.BuildOn(on, quiet())
	if err != nil {
		b.Fatal(err)
	}
	w.Run(context.Background())
	b.Cleanup(w.Stop)
	took := make([]time.Duration, b.N)
	for i := range took {
		if _, err := w.Trigger(context.Background(), strconv.Itoa(b.N)+"-"+strconv.Itoa(i)); err != nil {
			b.Fatal(err)
		}
		if took[i] = <-late; took[i] < 0 {
			b.Fatalf("a timer %v early", -took[i])
		}
	}
	report(b, "late", took)
}

// report reports the distribution of what was measured, in microseconds.
func report(b *testing.B, what string, took []time.Duration) {
	slices.Sort(took)
	for name, d := range map[string]time.Duration{"p50": took[len(took)/2], "p99": took[len(took)*99/100], "max": took[len(took)-1]} {
		b.ReportMetric(float64(d.Microseconds()), "µs-"+what+"-"+name)
	}
}
