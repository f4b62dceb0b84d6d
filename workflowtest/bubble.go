package workflowtest

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// T is a test in a bubble: a *testing.T whose time is virtual, with a backend and the workflows that run on it. Use it from the test's own
// goroutine.
type T struct {
	*testing.T

	store   workflow.Backend // nil until somebody asks for it
	running []stopper        // oldest first
}

// stopper is a workflow of any type.
type stopper interface{ Stop() }

// Run runs a test in a bubble of testing/synctest. There the clock of package time begins at midnight UTC of 2000-01-01 and moves only while
// everything in the bubble waits; then it jumps to the next time at which something happens. Hours pass at once.
//
// When the test function has returned, or failed, the workflows are stopped, every invariant of the backend is checked
// ([adaptertest.Check]), and the backend is closed. A goroutine that is left over then fails the test. Cleanups run after that.
//
// As with synctest.Test, the test function must not call t.Run or t.Parallel, and what it uses must be made in it: channels, contexts and
// timers of the outside are not of the bubble. It must not wait for a network.
func Run(t *testing.T, test func(t *T)) {
	t.Helper()
	synctest.Test(t, func(inner *testing.T) {
		b := &T{T: inner}
		defer b.finish() // not a Cleanup: those of the test, such as that of TempDir, come later
		test(b)
	})
}

// Advance lets virtual time pass, and returns when all that became due is done. Whatever has to be done now is done before.
func (t *T) Advance(d time.Duration) {
	t.Helper()
	if d < 0 {
		t.Fatalf("Advance(%v): time does not go back", d)
	}
	<-time.After(d)
	synctest.Wait()
}

// Settle returns when all that can be done without time passing is done: every goroutine of the bubble waits. The Require functions do it
// by themselves.
func (t *T) Settle() { synctest.Wait() }

// Backend returns the backend that [Start] builds on. Unless [T.Use] was called it is one in memory, made at the first call. The test closes it.
func (t *T) Backend() workflow.Backend {
	if t.store == nil {
		t.store = memory.New()
	}
	return t.store
}

// Use makes the test run on the backend that open returns, such as a SQLite file or a [Faulty] store. It is opened in the bubble, and
// closed by the test.
//
// Where there is a backend already, the workflows on it are stopped, and it is checked and closed, before open is called. So a second Use that
// opens the same file shows what a new process finds.
func (t *T) Use(open func() (workflow.Backend, error)) {
	t.Helper()
	t.finish()
	store, err := open()
	if err != nil {
		t.Fatalf("Use: %v", err)
	}
	t.store = store
}

// finish stops what runs, the newest first, and checks and closes the backend.
func (t *T) finish() {
	t.Helper()
	for _, w := range slices.Backward(t.running) {
		w.Stop()
	}
	t.running = nil
	if t.store == nil {
		return
	}
	synctest.Wait() // what was told to end has ended
	adaptertest.Check(t, honest(t.store))
	if err := t.store.Close(); err != nil {
		t.Errorf("close the backend: %v", err)
	}
	t.store = nil
}

// honest is the backend behind all wrappers that may lie.
func honest(b workflow.Backend) workflow.Backend {
	for {
		w, ok := b.(interface{ Unwrap() backend.Backend })
		if !ok {
			return b
		}
		b = w.Unwrap()
	}
}

// Start builds the workflow on the test's backend and runs it until the test ends. It fails the test when the workflow cannot be built.
//
// Retries wait exactly as long as their policy allows ([workflow.WithoutJitter]), so that every run of the test has the same times, and what
// the workflow logs goes to the test's log. The options come after these two.
func Start[Type any, Status workflow.StatusType](t *T, b *workflow.Builder[Type, Status], opts ...workflow.BuildOption) *workflow.Workflow[Type, Status] {
	t.Helper()
	w, err := b.BuildOn(t.Backend(), append([]workflow.BuildOption{workflow.WithLogger(testLog{t.T}), workflow.WithoutJitter()}, opts...)...)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	w.Run(context.Background())
	t.running = append(t.running, w)
	return w
}

// Restart is a redeploy: it stops the workflow and starts the one of the builder on the same backend, where the runs go on. The builder may
// be that of another version of the program; it must be a new one.
func Restart[Type any, Status workflow.StatusType](t *T, w *workflow.Workflow[Type, Status], b *workflow.Builder[Type, Status], opts ...workflow.BuildOption) *workflow.Workflow[Type, Status] {
	t.Helper()
	w.Stop()
	t.running = slices.DeleteFunc(t.running, func(s stopper) bool { return s == stopper(w) })
	return Start(t, b, opts...)
}

// testLog is a Logger that writes to the test's log, which is shown when the test fails.
type testLog struct{ t *testing.T }

func (l testLog) Debug(_ context.Context, msg string, meta map[string]string) {
	l.t.Logf("workflow: %s %v", msg, meta)
}

func (l testLog) Error(_ context.Context, err error) { l.t.Logf("workflow: %v", err) }
