package workflow_test

import (
	"context"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// classic makes and runs a workflow on the classic in-memory triple.
func classic(t testing.TB, b *workflow.Builder[object, status], opts ...workflow.BuildOption) *flow {
	t.Helper()
	w := b.Build(memstreamer.New(), memrecordstore.New(), memrolescheduler.New(), append([]workflow.BuildOption{workflow.WithLogger(&quietLog{})}, opts...)...)
	w.Run(context.Background())
	t.Cleanup(w.Stop)
	return w
}

func TestClassicTriple(t *testing.T) {
	w := classic(t, three("classic"))
	ids := make([]string, 200)
	for i := range ids {
		ids[i] = trigger(t, w, name(i))
	}
	for _, id := range ids {
		if r := await(t, w, id, statusEnd); r.Object.Count != 3 || r.Meta.Version != 4 {
			t.Errorf("count %d version %d, want 3 and 4", r.Object.Count, r.Meta.Version)
		}
	}
	for name, s := range w.States() {
		if s != workflow.StateRunning {
			t.Errorf("process %s is %v, want running", name, s)
		}
	}
}

func TestClassicTripleRetriesAndPauses(t *testing.T) {
	b := workflow.NewBuilder[object, status]("classic retry")
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		if r.Object.Note == "bad" || r.Attempt() < 3 {
			return 0, errTest
		}
		return statusEnd, nil
	}, statusEnd).WithOptions(append(quickRetry(4), workflow.ParallelCount(3))...)
	paused := make(chan string, 1)
	b.OnPause(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
		paused <- r.RunID
		return nil
	})
	w := classic(t, b)
	bad := trigger(t, w, "bad", workflow.WithInitialValue[object, status](&object{Note: "bad"}))
	for i := range 50 {
		await(t, w, trigger(t, w, name(i)), statusEnd)
	}
	if got := receive(t, paused); got != bad {
		t.Errorf("paused %s, want %s", got, bad)
	}
}

func TestClassicTripleStopsWithoutALeak(t *testing.T) {
	before := goroutines(t)
	w := classic(t, three("leak"))
	await(t, w, trigger(t, w, "f"), statusEnd)
	w.Stop()
	awaitGoroutines(t, before)
}

func TestBuildPanicsOnMisuse(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Build took a step twice")
		}
	}()
	b := three("twice")
	b.AddStep(statusA, step(statusB), statusB)
	b.Build(memstreamer.New(), memrecordstore.New(), memrolescheduler.New())
}

// BenchmarkClassicTriple is BenchmarkSteps on the classic in-memory parts.
func BenchmarkClassicTriple(b *testing.B) { steps(b, classic(b, three("bench"))) }
