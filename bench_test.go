package workflow_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
)

// BenchmarkSteps runs three-step runs, many at once, and reports steps per second.
func BenchmarkSteps(b *testing.B) {
	on := memory.New()
	defer on.Close()
	steps(b, build(b, on, three("bench")))
}

// steps takes b.N runs through three steps; each caller triggers one and awaits its end.
func steps(b *testing.B, w *flow) {
	const callers = 512
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for i := g; i < b.N; i += callers {
				id, err := w.Trigger(context.Background(), strconv.Itoa(i), workflow.WithInitialValue[object, status](&object{Note: demoText}))
				if err == nil {
					_, err = w.Await(context.Background(), "", id, statusEnd)
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

// BenchmarkLoneRun measures a run that has no company.
func BenchmarkLoneRun(b *testing.B) {
	on := memory.New()
	defer on.Close()
	w := build(b, on, three("bench"))
	b.ReportAllocs()
	for i := range b.N {
		id, err := w.Trigger(context.Background(), strconv.Itoa(i))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Await(context.Background(), "", id, statusEnd); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAwaitFinished measures Await of a run that has ended, in a process that works on nothing.
func BenchmarkAwaitFinished(b *testing.B) {
	on := memory.New()
	defer on.Close()
	w := build(b, on, three("bench"))
	id := trigger(b, w, "f")
	await(b, w, id, statusEnd)
	w.Stop()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Await(context.Background(), "", id, statusEnd); err != nil {
			b.Fatal(err)
		}
	}
}

// demoText brings the object to the size of a small order.
var demoText = func() string {
	s := make([]byte, 500)
	for i := range s {
		s[i] = 'a' + byte(i%26)
	}
	return string(s)
}()
