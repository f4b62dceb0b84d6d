package workflow_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/backend"
)

// waitsInOther is a program whose runs stay in a status that newProgram lacks.
func waitsInOther() *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status]("evolving")
	b.AddCallback(statusOther, goes(statusEnd), statusEnd)
	return b
}

// unfinishedOf counts the runs order-0 to order-n that have not ended.
func unfinishedOf(t testing.TB, latest func(ctx context.Context, workflowName, foreignID string) (*backend.Record, error), n int) (left int) {
	t.Helper()
	for i := range n {
		rec, err := latest(ctxFor(t), "evolving", name(i))
		if err != nil {
			t.Fatal(err)
		}
		if !rec.RunState.Finished() {
			left++
		}
	}
	return left
}

// TestAStatusIsRenamedOverAFailingStore: what fails at the start is done when the store heals, without another start.
func TestAStatusIsRenamedOverAFailingStore(t *testing.T) {
	for _, m := range []adaptertest.Method{adaptertest.MethodCommit, adaptertest.MethodFind, adaptertest.MethodCount, adaptertest.MethodHeld} {
		for _, fault := range []adaptertest.Fault{{Before: 1}, {After: 1}} {
			bubble(t, func(t *testing.T, on *memory.Backend) {
				w := build(t, on, waitsInOther())
				for i := range 250 {
					trigger(t, w, name(i))
				}
				w.Stop()
				renamed := newProgram()
				renamed.RenameStatus(int(statusOther), statusA)
				faulty := adaptertest.NewFaulty(on, 1)
				faulty.Set(m, fault)
				build(t, faulty, renamed)
				pass(10 * time.Second)
				faulty.Heal()
				pass(time.Minute)
				if left := unfinishedOf(t, on.Latest, 250); left > 0 {
					t.Errorf("%s, %+v: %d runs are left", m, fault, left)
				}
			})
		}
	}
}

// TestManyRunsAreRenamedOnClassicParts: a listing without keys moves up while the runs on it leave it.
func TestManyRunsAreRenamedOnClassicParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, streamer, roles, timeouts := memrecordstore.New(), memstreamer.New(), memrolescheduler.New(), memtimeoutstore.New()
		start := func(b *workflow.Builder[object, status]) *flow {
			w := b.Build(streamer, store, roles, workflow.WithTimeoutStore(timeouts), workflow.WithLogger(&quietLog{}))
			w.Run(context.Background())
			return w
		}
		w := start(waitsInOther())
		for i := range 350 {
			trigger(t, w, name(i))
		}
		synctest.Wait()
		w.Stop()
		w = start(newProgram()) // pauses them all
		pass(time.Minute)
		w.Stop()
		renamed := newProgram()
		renamed.RenameStatus(int(statusOther), statusA)
		w = start(renamed)
		pass(time.Minute)
		if left := unfinishedOf(t, store.Latest, 350); left > 0 {
			t.Errorf("%d runs are left", left)
		}
		w.Stop()
	})
}
