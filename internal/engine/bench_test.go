package engine

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/graph"
	"github.com/stillwater-go/workflow/internal/machine"
)

// BenchmarkStep measures what the engine and the memory backend need for a step whose code does nothing and whose object nobody decodes. An operation
// is one step; a hundredth of it is a run's start. Many runs keep the engine full; a lone one shows the way of a single delivery.
func BenchmarkStep(b *testing.B) {
	for _, runs := range []int{1, 256} {
		b.Run(fmt.Sprintf("runs=%d", runs), func(b *testing.B) { benchSteps(b, runs) })
	}
}

// stepsOfOne is how many steps a run has: fewer than the versions of which the backend keeps the objects.
const stepsOfOne = 100

func benchSteps(b *testing.B, runs int) {
	b.ReportAllocs()
	var started, done atomic.Int64
	last := int64(b.N - runs) // from here on every run ends with its next step
	ended := make(chan struct{}, runs)
	spec := circle(func(_ context.Context, a *Attempt) (machine.Answer, error) {
		answer := machine.Answer{Status: 3 - a.Record.Status, Object: a.Record.Object}
		if done.Add(1) > last || a.Record.Meta.Version >= stepsOfOne {
			answer.Status = 3
			ended <- struct{}{}
		}
		return answer, nil
	})
	f := NewFlow(memory.New(), spec)
	if err := f.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
	object := make([]byte, 600)
	var group sync.WaitGroup
	b.ResetTimer()
	cpu := cpuTime(b)
	for range min(runs, b.N) {
		group.Go(func() {
			for first := true; first || done.Load() <= last; first = false {
				id := "run-" + strconv.FormatInt(started.Add(1), 10)
				rec := machine.Start(backend.Record{WorkflowName: spec.Name, ForeignID: id, RunID: id, Status: 1, Object: object}, spec.Graph, time.Now())
				if err := f.Trigger(context.Background(), Start{Record: rec}); err != nil {
					b.Error(err)
					return
				}
				<-ended
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(done.Load()), "cpu-ns/op")
	f.Stop()
}

// circle is a workflow whose runs go from 1 to 2 and back, until they go to 3.
func circle(run func(ctx context.Context, a *Attempt) (machine.Answer, error)) *Spec {
	g := graph.New()
	for _, edge := range [][2]int{{1, 2}, {2, 1}, {1, 3}, {2, 3}} {
		g.AddEdge(edge[0], edge[1], graph.Step)
	}
	spec := specOf("circle", run)
	spec.Graph, spec.Steps = g, map[int]*Handler{1: {Run: run}, 2: {Run: run}}
	return spec
}

// still is a flow that holds one role and works on nothing: what is pushed into the role stays until it is taken.
func still(b *testing.B) *role {
	b.Helper()
	f := NewFlow(memory.New(), specOf("still", goOn))
	f.due = newDues(f)
	f.engine.workers = maxWorkers // none is started
	return newRole(f, 0, 1, 0)
}

// BenchmarkWindow measures an event's way through a role: received, ready, taken by a worker, finished, and passed by the cursor. The window
// always has so many events in it; every other one is finished before the one ahead of it.
func BenchmarkWindow(b *testing.B) {
	for _, n := range []int{2, 512} {
		b.Run(fmt.Sprintf("inside=%d", n), func(b *testing.B) {
			r := still(b)
			e := r.engine
			entries := make([]backend.Entry, n)
			for i := range entries {
				entries[i] = backend.Entry{Current: true, Record: &backend.Record{RunID: strconv.Itoa(i), WorkflowName: "still", RunState: backend.RunStateRunning, Status: 1}}
			}
			pos, version := int64(0), uint(0)
			tasks := make([]*task, 0, n)
			b.ReportAllocs()
			for b.Loop() {
				if len(tasks) == 0 {
					version++
				}
				at := &entries[len(tasks)]
				pos++
				at.Pos, at.Record.Meta.Version = pos, version
				e.mu.Lock()
				r.receive(at)
				e.mu.Unlock()
				t := e.nextTask(false)
				if t == nil {
					b.Fatal("nothing is ready")
				}
				r.running = 0 // slots are not what is measured
				if tasks = append(tasks, t); len(tasks) < n {
					continue
				}
				e.mu.Lock()
				for i := range n {
					e.finish(tasks[i^1])
				}
				if low := r.low(); low != pos {
					b.Fatalf("the cursor is at %d, not at %d", low, pos)
				}
				r.running = 0
				e.mu.Unlock()
				tasks = tasks[:0]
			}
		})
	}
}

// BenchmarkLane measures an event of a hook that stands behind others of its run, and moves on.
func BenchmarkLane(b *testing.B) {
	for _, n := range []int{1, 32} {
		b.Run(fmt.Sprintf("inside=%d", n), func(b *testing.B) {
			r := still(b)
			version := uint(0)
			enlane := func() {
				version++
				r.enlane(&task{role: r, kind: kindHook, key: backend.DeliveryKey{RunID: "run", Receiver: "hook:Paused", Version: version}})
			}
			r.engine.mu.Lock()
			defer r.engine.mu.Unlock()
			for range n - 1 {
				enlane()
			}
			b.ReportAllocs()
			for b.Loop() {
				enlane()
				t := r.pop()
				if t == nil {
					b.Fatal("the lane has no head that is ready")
				}
				t.phase.Store(phaseGone)
				r.unlane(t)
			}
		})
	}
}

// BenchmarkFifo measures a push and a pop in a queue that is as long as it says.
func BenchmarkFifo(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("inside=%d", n), func(b *testing.B) {
			var q fifo[*task]
			t := new(task)
			for range n - 1 {
				q.push(t)
			}
			b.ReportAllocs()
			for b.Loop() {
				q.push(t)
				if q.pop() == nil {
					b.Fatal("lost")
				}
			}
		})
	}
}

// BenchmarkDues measures a due row that comes and goes, and one that comes and falls due, with so many others in memory.
func BenchmarkDues(b *testing.B) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	row := func(i int) backend.Delivery {
		return backend.Delivery{WorkflowName: "still", DeliveryKey: backend.DeliveryKey{RunID: strconv.Itoa(i), Receiver: "timeout:0", Version: 1},
			State: backend.DeliveryTimer, Due: begin.Add(time.Duration(i*7919%10000+1) * time.Minute)}
	}
	for _, n := range []int{10, maxDue - 1} {
		filled := func(b *testing.B) *dues {
			u := still(b).flow.due
			u.complete = true
			for i := range n {
				u.add(row(i), nil)
			}
			b.ReportAllocs()
			return u
		}
		b.Run(fmt.Sprintf("inside=%d/forget", n), func(b *testing.B) {
			u, d := filled(b), row(n)
			for b.Loop() {
				u.add(d, nil)
				u.forget(d.DeliveryKey)
			}
			if len(u.items) != n {
				b.Fatalf("%d rows in memory, want %d", len(u.items), n)
			}
		})
		b.Run(fmt.Sprintf("inside=%d/fire", n), func(b *testing.B) {
			u, d := filled(b), row(n)
			d.Due = begin
			for b.Loop() {
				u.add(d, nil)
				u.fire(begin)
			}
			if len(u.items) != n {
				b.Fatalf("%d rows in memory, want %d", len(u.items), n)
			}
		})
	}
}
