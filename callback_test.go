package workflow_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// TestCallbackSaysWhatBecameOfIt: no payload is lost without a word.
func TestCallbackSaysWhatBecameOfIt(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("words")
	b.AddCallback(statusA, func(_ context.Context, r *run, payload io.Reader) (status, error) {
		body, err := io.ReadAll(payload)
		r.Object.Note = string(body)
		return statusB, err
	}, statusB)
	b.AddCallback(statusB, func(context.Context, *run, io.Reader) (status, error) { return statusEnd, nil }, statusEnd)
	w := build(t, on, b)
	call := func(s status) error { return w.Callback(ctxFor(t), "f", s, strings.NewReader("payload")) }
	if err := call(statusA); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("without a run: %v, want ErrRecordNotFound", err)
	}
	id := trigger(t, w, "f")
	if err := call(statusOther); !errors.Is(err, workflow.ErrNoCallback) {
		t.Errorf("a status without a callback: %v, want ErrNoCallback", err)
	}
	var ce *workflow.CallbackError
	if err := call(statusB); !errors.Is(err, workflow.ErrNotInStatus) || !errors.As(err, &ce) || ce.Status != int(statusA) || ce.RunID != id {
		t.Errorf("too early: %v, want where the run is", err)
	}
	if err := call(statusA); err != nil {
		t.Errorf("applied: %v", err)
	}
	if r := await(t, w, id, statusB); r.Object.Note != "payload" {
		t.Errorf("the payload was %q", r.Object.Note)
	}
	c := w.RunStateController(id)
	if err := c.Pause(ctxFor(t), "wait"); err != nil {
		t.Fatal(err)
	}
	if err := call(statusB); !errors.Is(err, workflow.ErrRunPaused) {
		t.Errorf("paused: %v, want ErrRunPaused", err)
	}
	if err := c.Cancel(ctxFor(t), "enough"); err != nil {
		t.Fatal(err)
	}
	if err := call(statusB); !errors.Is(err, workflow.ErrRunFinished) {
		t.Errorf("finished: %v, want ErrRunFinished", err)
	}
}

// TestConcurrentCallbacks: exactly one wins a stay in a status, also where the run comes back to it, and the others are told.
func TestConcurrentCallbacks(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("rivals")
	var calls atomic.Int64
	b.AddCallback(statusA, func(_ context.Context, r *run, _ io.Reader) (status, error) {
		calls.Add(1)
		r.Object.Count++
		return statusA, nil // back again: a new stay
	}, statusA, statusEnd)
	w := build(t, on, b)
	const rivals, rounds = 8, 25
	id := trigger(t, w, "f")
	for round := range rounds {
		var wg sync.WaitGroup
		var won, told atomic.Int64
		begin := make(chan struct{})
		for range rivals {
			wg.Go(func() {
				<-begin
				switch err := w.Callback(ctxFor(t), "f", statusA, nil); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, workflow.ErrNotInStatus) && errors.Is(err, workflow.ErrVersionConflict):
					told.Add(1)
				default:
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		close(begin)
		wg.Wait()
		rec := lookup(t, on, id)
		if won.Load()+told.Load() != rivals || won.Load() < 1 {
			t.Fatalf("round %d: %d won, %d were told", round, won.Load(), told.Load())
		}
		if got := int64(rec.Meta.Version) - 1; got > calls.Load() {
			t.Fatalf("%d versions of %d calls", got, calls.Load())
		}
	}
	// Each version is one callback that was reported as applied: the object counts them.
	rec := lookup(t, on, id)
	var o object
	if err := workflow.Unmarshal(rec.Object, &o); err != nil || o.Count != int(rec.Meta.Version)-1 {
		t.Errorf("%d callbacks counted, %d versions after the first, %v", o.Count, rec.Meta.Version-1, err)
	}
}

// TestACallbackIsTriedAgain: a failure of the moment never reaches the caller; one that lasts does, with its own error, and is in the
// run's history; neither harms the run.
func TestACallbackIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		fails, calls := 2, 0
		b := workflow.NewBuilder[object, status]("again")
		b.AddCallback(statusA, func(_ context.Context, r *run, payload io.Reader) (status, error) {
			body, err := io.ReadAll(payload)
			if calls++; string(body) != "payload" || err != nil {
				t.Errorf("call %d got %q, %v", calls, body, err)
			}
			if r.Attempt() != calls {
				t.Errorf("call %d has attempt %d", calls, r.Attempt())
			}
			r.Object.Count++
			if calls <= fails {
				return 0, errTest
			}
			return statusEnd, nil
		}, statusEnd)
		w := build(t, on, b)
		id := trigger(t, w, "f")
		if err := w.Callback(ctxFor(t), "f", statusA, strings.NewReader("payload")); err != nil {
			t.Errorf("after two failures: %v", err)
		}
		if r := await(t, w, id, statusEnd); r.Object.Count != 1 {
			t.Errorf("a failed attempt left its marks: %d", r.Object.Count)
		}
		id = trigger(t, w, "f")
		fails, calls = 100, 0
		err := w.Callback(ctxFor(t), "f", statusA, strings.NewReader("payload"))
		if !errors.Is(err, errTest) || calls != 3 {
			t.Errorf("%v after %d calls, want the callback's own error after 3", err, calls)
		}
		synctest.Wait()
		attempts, err := on.Attempts(ctxFor(t), id, 10)
		if err != nil || len(attempts) != 3 || attempts[2].Number != 3 || attempts[2].Receiver != "callback" || !strings.Contains(attempts[2].Error, errTest.Error()) {
			t.Errorf("the history has %+v, %v", attempts, err)
		}
		if rec := lookup(t, on, id); !rec.RunState.Moving() || rec.Meta.Version != 1 {
			t.Errorf("the run is %v in version %d", rec.RunState, rec.Meta.Version)
		}
		calls = 0
		fails = 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := w.Callback(ctx, "f", statusA, strings.NewReader("payload")); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestBadCallbacks(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		b := workflow.NewBuilder[object, status]("bad")
		var do func(ctx context.Context) (status, error)
		b.AddCallback(statusA, func(ctx context.Context, _ *run, _ io.Reader) (status, error) { return do(ctx) }, statusEnd)
		b.CallbackOptions(statusA, workflow.AttemptDeadline(time.Minute), workflow.PauseAfterErrCount(2), workflow.ErrBackOff(time.Second))
		w := build(t, on, b)
		id := trigger(t, w, "f")
		release := make(chan struct{})
		defer close(release)
		calls := 0
		for what, fn := range map[string]func(ctx context.Context) (status, error){
			"panic":      func(context.Context) (status, error) { panic("no") },
			"undeclared": func(context.Context) (status, error) { return statusOther, nil },
			"hang":       func(ctx context.Context) (status, error) { <-ctx.Done(); return 0, ctx.Err() },
			"deaf":       func(context.Context) (status, error) { <-release; return statusEnd, nil },
			"permanent":  func(context.Context) (status, error) { return 0, workflow.Permanent(errTest) },
		} {
			calls = 0
			do = func(ctx context.Context) (status, error) { calls++; return fn(ctx) }
			err := w.Callback(ctxLong(t), "f", statusA, nil)
			var pe *workflow.PanicError
			ok := map[string]bool{
				"panic": errors.As(err, &pe) && calls == 2, "undeclared": errors.Is(err, workflow.ErrInvalidTransition) && calls == 1,
				"hang": errors.Is(err, workflow.ErrAttemptDeadline) && calls == 2, "deaf": errors.Is(err, workflow.ErrAttemptDeadline) && calls == 2,
				"permanent": errors.Is(err, errTest) && calls == 1,
			}[what]
			if !ok {
				t.Errorf("%s: %v after %d calls", what, err, calls)
			}
		}
		if rec := lookup(t, on, id); rec.Meta.Version != 1 {
			t.Errorf("a failed callback made version %d", rec.Meta.Version)
		}
	})
}

// ctxLong is for virtual time.
func ctxLong(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
	t.Cleanup(cancel)
	return ctx
}

// slowReader never ends.
type slowReader struct{ wait <-chan struct{} }

func (r slowReader) Read([]byte) (int, error) { <-r.wait; return 0, io.EOF }

func TestPayloadLimits(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		b := workflow.NewBuilder[object, status]("limits")
		b.AddCallback(statusA, func(context.Context, *run, io.Reader) (status, error) { return statusEnd, nil }, statusEnd)
		w := build(t, on, b)
		id := trigger(t, w, "f")
		release := make(chan struct{})
		defer close(release)
		begin := time.Now()
		if err := w.Callback(ctxLong(t), "f", statusA, slowReader{release}); !errors.Is(err, workflow.ErrPayloadTimeout) || time.Since(begin) != 10*time.Second {
			t.Errorf("a reader that never ends: %v after %v", err, time.Since(begin))
		}
		big := strings.NewReader(strings.Repeat("x", workflow.MaxPayloadBytes+1))
		if err := w.Callback(ctxFor(t), "f", statusA, big); !errors.Is(err, workflow.ErrTooLarge) {
			t.Errorf("a large payload: %v, want ErrTooLarge", err)
		}
		if err := w.Callback(ctxFor(t), "f", statusA, io.MultiReader(strings.NewReader("half"), errReader{})); !errors.Is(err, errTest) {
			t.Errorf("a broken reader: %v, want its error", err)
		}
		if rec := lookup(t, on, id); rec.Meta.Version != 1 {
			t.Errorf("version %d", rec.Meta.Version)
		}
		exact := strings.NewReader(strings.Repeat("x", workflow.MaxPayloadBytes))
		if err := w.Callback(ctxFor(t), "f", statusA, exact); err != nil {
			t.Errorf("a payload of just the limit: %v", err)
		}
		if rec := lookup(t, on, id); rec.RunState != backend.RunStateCompleted {
			t.Errorf("the run is %v", rec.RunState)
		}
	})
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errTest }
