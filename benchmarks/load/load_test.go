package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

func TestObjectHasItsSize(t *testing.T) {
	o := load.NewObject()
	if n := len(o.JSON()); n != load.ObjectBytes {
		t.Errorf("the object has %d bytes, want %d", n, load.ObjectBytes)
	}
	if o.Check() == nil {
		t.Error("an object that has been through no step passes")
	}
	o.Count = load.Steps
	if err := o.Check(); err != nil {
		t.Error(err)
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{nil, 50, 0}, {hundred[:1], 99, 1}, {hundred[:2], 50, 1}, {hundred[:3], 50, 2}, {hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100}, {hundred, 0, 1},
	} {
		if got := load.Percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile %d of %d values is %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

// serve gives a program a job and returns the outcome.
func serve(t *testing.T, job load.Job, tasks map[string]load.Task) *load.Outcome {
	t.Helper()
	in, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := load.Serve(t.Context(), bytes.NewReader(in), &out, tasks); err != nil {
		t.Fatal(err)
	}
	o := &load.Outcome{}
	if err := json.Unmarshal(out.Bytes(), o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestJobThatFailsIsAnOutcome(t *testing.T) {
	tasks := map[string]load.Task{
		"fails":   func(context.Context, load.Job) (*load.Outcome, error) { return nil, errors.New("no disk") },
		"panics":  func(context.Context, load.Job) (*load.Outcome, error) { panic("no memory") },
		"nothing": func(context.Context, load.Job) (*load.Outcome, error) { return nil, nil },
	}
	for name, want := range map[string]string{"fails": "no disk", "panics": "no memory", "nothing": "no outcome", "unknown": `no engine "unknown"`} {
		if o := serve(t, load.Job{Engine: name}, tasks); o.Engine != name || !strings.Contains(o.Failed, want) {
			t.Errorf("%s: engine %q failed with %q, want %q", name, o.Engine, o.Failed, want)
		}
	}
}

func TestNoJob(t *testing.T) {
	if err := load.Serve(t.Context(), strings.NewReader("no job"), &bytes.Buffer{}, nil); err == nil {
		t.Error("what is no job was served")
	}
}

func TestScenarios(t *testing.T) {
	var runs, atOnce, most, closed atomic.Int64
	open := func(context.Context, load.Job) (*load.Engine, error) {
		return &load.Engine{InFlight: 4, Settings: map[string]string{"durable": "no"},
			Run: func(ctx context.Context, _ string) error {
				now := atOnce.Add(1)
				defer atOnce.Add(-1)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				runs.Add(1)
				<-time.After(100 * time.Microsecond)
				return ctx.Err()
			},
			Close: func() error { closed.Add(1); return nil }}, nil
	}
	job := load.Job{Engine: "e", Warmup: 10 * time.Millisecond, Load: 50 * time.Millisecond, Lone: 10 * time.Millisecond, Idle: 20 * time.Millisecond}
	o := serve(t, job, map[string]load.Task{"e": load.Measure(open)})
	if o.Failed != "" || o.Runs == 0 || o.Runs > runs.Load() || o.Seconds < 0.05 || o.InFlight != 4 || most.Load() != 4 || closed.Load() != 1 {
		t.Errorf("%+v; %d runs, %d at once, closed %d times", o, runs.Load(), most.Load(), closed.Load())
	}
	if o.Lone == nil || o.Lone.N < 25 || o.Lone.P50 < 0.1 || o.Lone.P99 < o.Lone.P50 {
		t.Errorf("lone runs: %+v", o.Lone)
	}
	if o.Idle == nil || o.Idle.Queries != -1 || o.Idle.Seconds < 0.02 {
		t.Errorf("idle: %+v", o.Idle)
	}
	job.InFlight, job.Idle = 2, 0
	most.Store(0)
	if o := serve(t, job, map[string]load.Task{"e": load.Measure(open)}); o.InFlight != 2 || most.Load() != 2 || o.Idle != nil {
		t.Errorf("%d in flight, %d at once, idle %v; 2 were asked for and no idle time", o.InFlight, most.Load(), o.Idle)
	}
}

// A run that fails ends the measurement at once, and the engine is closed.
func TestRunThatFails(t *testing.T) {
	var closed atomic.Int64
	open := func(context.Context, load.Job) (*load.Engine, error) {
		return &load.Engine{InFlight: 3, Run: func(context.Context, string) error { return errors.New("lost") },
			Close: func() error { closed.Add(1); return nil }}, nil
	}
	o := serve(t, load.Job{Engine: "e", Warmup: time.Hour, Load: time.Hour}, map[string]load.Task{"e": load.Measure(open)})
	if !strings.Contains(o.Failed, "lost") || closed.Load() != 1 {
		t.Errorf("failed with %q, closed %d times", o.Failed, closed.Load())
	}
}
