package demo

import (
	"context"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// BenchmarkOrders takes orders as the demo has them through three steps that do next to nothing, many at once.
func BenchmarkOrders(b *testing.B) {
	on := func(b *testing.B, at backend.Backend) *workflow.Workflow[Order, Status] {
		b.Cleanup(func() { _ = at.Close() })
		w, err := orderSteps().BuildOn(at)
		if err != nil {
			b.Fatal(err)
		}
		return w
	}
	b.Run("memory", func(b *testing.B) { benchOrders(b, on(b, memory.New())) })
	b.Run("classic", func(b *testing.B) {
		benchOrders(b, orderSteps().Build(memstreamer.New(), memrecordstore.New(), memrolescheduler.New()))
	})
	b.Run("sqlite", func(b *testing.B) {
		at, err := sqlite.Open(filepath.Join(b.TempDir(), "orders.db"))
		if err != nil {
			b.Fatal(err)
		}
		benchOrders(b, on(b, at))
	})
}

func orderSteps() *workflow.Builder[Order, Status] {
	b := workflow.NewBuilder[Order, Status]("orders")
	for s := Status(1); s <= 3; s++ {
		b.AddStep(s, func(_ context.Context, r *workflow.Run[Order, Status]) (Status, error) {
			r.Object.Receipt = r.Object.ID
			return s + 1, nil
		}, s+1)
	}
	return b
}

// benchOrders keeps as many orders in flight as there are callers: each places one and awaits its end.
func benchOrders(b *testing.B, w *workflow.Workflow[Order, Status]) {
	const callers = 512
	w.Run(context.Background())
	b.Cleanup(w.Stop)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for i := g; i < b.N; i += callers {
				id, err := w.Trigger(context.Background(), strconv.Itoa(b.N)+"-"+strconv.Itoa(i), workflow.WithInitialValue[Order, Status](Generate(1, i)))
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
