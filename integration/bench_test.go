package integration

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

type benchStatus int

func (s benchStatus) String() string { return "status " + strconv.Itoa(int(s)) }

type benchObject struct {
	Count int
	Text  string
}

// benchFlow builds and runs a workflow of three steps that count.
func benchFlow(b *testing.B, on backend.Backend) *workflow.Workflow[benchObject, benchStatus] {
	builder := workflow.NewBuilder[benchObject, benchStatus]("bench")
	for s := benchStatus(1); s <= 3; s++ {
		builder.AddStep(s, func(_ context.Context, r *workflow.Run[benchObject, benchStatus]) (benchStatus, error) {
			r.Object.Count++
			return s + 1, nil
		}, s+1)
	}
	w, err := builder.BuildOn(on)
	if err != nil {
		b.Fatal(err)
	}
	w.Run(context.Background())
	b.Cleanup(w.Stop)
	return w
}

func openBench(b *testing.B) *sqlite.Backend {
	on, err := sqlite.Open(filepath.Join(b.TempDir(), "bench.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = on.Close() })
	return on
}

// BenchmarkSteps runs three-step runs of a 500-byte object, many at once, and reports steps per second; on SQLite every commit is forced to
// the disk.
func BenchmarkSteps(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchSteps(b, memory.New()) })
	b.Run("sqlite", func(b *testing.B) { benchSteps(b, openBench(b)) })
}

// benchSteps keeps as many runs in flight as there are callers: each triggers one and awaits its end.
func benchSteps(b *testing.B, on backend.Backend) {
	const callers = 512
	w := benchFlow(b, on)
	initial := workflow.WithInitialValue[benchObject, benchStatus](&benchObject{Text: fmt.Sprintf("%500d", 1)})
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for i := g; i < b.N; i += callers {
				id, err := w.Trigger(context.Background(), strconv.Itoa(b.N)+"-"+strconv.Itoa(i), initial)
				if err == nil {
					_, err = w.Await(context.Background(), "", id, 4)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(3*float64(b.N)/b.Elapsed().Seconds(), "steps/s")
}

// BenchmarkLoneRun measures one run of three steps at a time, from the trigger to the end of Await, and beside it, in turn, four bare commits of
// another store of the same kind, so that the ratio is of one machine in one mood. In the same store they would be somebody else's commits,
// which an engine reads.
func BenchmarkLoneRun(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchLone(b, memory.New(), memory.New()) })
	b.Run("sqlite", func(b *testing.B) { benchLone(b, openBench(b), openBench(b)) })
}

func benchLone(b *testing.B, on, other backend.Backend) {
	w := benchFlow(b, on)
	var runs, commits []time.Duration
	for i := range b.N {
		start := time.Now()
		id, err := w.Trigger(context.Background(), strconv.Itoa(b.N)+"-"+strconv.Itoa(i))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Await(context.Background(), "", id, 4); err != nil {
			b.Fatal(err)
		}
		runs = append(runs, time.Since(start))
		commits = append(commits, fourCommits(b, other, strconv.Itoa(b.N)+"-"+strconv.Itoa(i)))
	}
	run, bare := median(runs), median(commits)
	b.ReportMetric(float64(run.Microseconds()), "µs/run(median)")
	b.ReportMetric(float64(bare.Microseconds()), "µs/4-commits(median)")
	b.ReportMetric(float64(run)/float64(bare), "ratio")
}

// fourCommits takes a run through the same versions without an engine.
func fourCommits(b *testing.B, on backend.Backend, id string) time.Duration {
	now := time.Now()
	rec := backend.Record{WorkflowName: "bare", ForeignID: id, RunID: "bare-" + id, Status: 1, RunState: backend.RunStateInitiated,
		Object: []byte(`{"Count":0,"Text":""}`), CreatedAt: now, UpdatedAt: now}
	start := time.Now()
	from := backend.Point{}
	for v := uint(1); v <= 4; v++ {
		next := rec
		next.Meta.Version, next.Meta.Visit, next.Status = v, v, int(v)
		if v > 1 {
			next.RunState = backend.RunStateRunning
		}
		if v == 4 {
			next.RunState = backend.RunStateCompleted
		}
		c := &backend.Change{Record: &next, From: from}
		if err := on.Commit(context.Background(), []*backend.Change{c}); err != nil || c.Err != nil {
			b.Fatal(err, c.Err)
		}
		from = backend.Point{RunState: next.RunState, Status: next.Status}
	}
	return time.Since(start)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
