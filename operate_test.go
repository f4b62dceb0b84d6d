package workflow_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// gate is a step that waits to be let through, and tells why its context ended.
type gate struct {
	entered chan string
	open    chan struct{}
	causes  chan error
}

func newGate() *gate {
	return &gate{entered: make(chan string, 100), open: make(chan struct{}), causes: make(chan error, 100)}
}

func (g *gate) step(to status) workflow.ConsumerFunc[object, status] {
	return func(ctx context.Context, r *run) (status, error) {
		select {
		case g.entered <- r.RunID:
		default: // nobody listens any more
		}
		select {
		case <-g.open:
			return to, nil
		case <-ctx.Done():
			g.causes <- context.Cause(ctx)
			return 0, ctx.Err()
		}
	}
}

func (g *gate) awaitEntered(t testing.TB) string {
	t.Helper()
	return receive(t, g.entered)
}

func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestPauseAndCancelReachTheRunningStep(t *testing.T) {
	for what, do := range map[string]func(workflow.RunStateController) error{
		"pause":  func(c workflow.RunStateController) error { return c.Pause(context.Background(), "look first") },
		"cancel": func(c workflow.RunStateController) error { return c.Cancel(context.Background(), "not wanted") },
	} {
		t.Run(what, func(t *testing.T) {
			on := newStore(t)
			g := newGate()
			b := workflow.NewBuilder[object, status]("reach")
			b.AddStep(statusA, g.step(statusEnd), statusEnd)
			w := build(t, on, b)
			id := trigger(t, w, "f")
			g.awaitEntered(t)
			if err := do(w.RunStateController(id)); err != nil {
				t.Fatal(err)
			}
			if cause := receive(t, g.causes); !errors.Is(cause, workflow.ErrSuperseded) {
				t.Errorf("the step's context ended with %v, want ErrSuperseded", cause)
			}
			rec, _ := on.Lookup(ctxFor(t), id)
			if rec.Meta.Version != 2 || rec.Meta.RunStateReason == "" {
				t.Errorf("record after %s: %+v", what, rec.Meta)
			}
			if attempts, _ := on.Attempts(ctxFor(t), id, 1); len(attempts) != 0 {
				t.Errorf("an interrupted attempt counts as failed: %+v", attempts)
			}
			if what == "cancel" {
				return
			}
			close(g.open)
			if err := w.RunStateController(id).Resume(context.Background()); err != nil {
				t.Fatal(err)
			}
			if r := await(t, w, id, statusEnd); r.Meta.Version != 4 {
				t.Errorf("version %d at the end, want 4", r.Meta.Version)
			}
		})
	}
}

func TestControllerRefusesWhatTheRulesForbid(t *testing.T) {
	on := newStore(t)
	w := build(t, on, three("rules"))
	id := trigger(t, w, "f")
	await(t, w, id, statusEnd)
	c := w.RunStateController(id)
	for what, err := range map[string]error{
		"pause": c.Pause(ctxFor(t), "x"), "cancel": c.Cancel(ctxFor(t), "x"), "resume": c.Resume(ctxFor(t)),
	} {
		if !errors.Is(err, workflow.ErrInvalidTransition) || !errors.Is(err, workflow.ErrRunFinished) {
			t.Errorf("%s of a finished run: %v", what, err)
		}
	}
	if err := w.RunStateController("nobody").Pause(ctxFor(t), "x"); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("pause of no run: %v", err)
	}
}

func TestDeleteDataScrubsTheObjectEverywhere(t *testing.T) {
	on := newStore(t)
	b := three("scrub")
	w := build(t, on, b, workflow.WithCustomDelete(func(o *object) error { o.Note = "gone"; return nil }))
	id := trigger(t, w, "f", workflow.WithInitialValue[object, status](&object{Note: "secret"}))
	await(t, w, id, statusEnd)
	if err := w.RunStateController(id).DeleteData(ctxFor(t), "asked for"); err != nil {
		t.Fatal(err)
	}
	rec := awaitRecord(t, on, id, func(r *backend.Record) bool { return r.RunState == workflow.RunStateDataDeleted })
	entries, _ := on.History(ctxFor(t), id, 0, 100)
	for _, en := range append(entries, backend.Entry{Record: rec}) {
		if bytes.Contains(en.Record.Object, []byte("secret")) {
			t.Errorf("version %d still holds the secret", en.Record.Meta.Version)
		}
	}
}

func TestRunVerbsInsideAStep(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("verbs")
	b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
		r.Object.Count++
		switch {
		case r.Object.Note == "skip":
			return r.Skip()
		case r.Object.Note == "cancel":
			return r.Cancel(ctx, "enough")
		case r.Object.Note == "pause":
			return r.Pause(ctx, "wait")
		case r.Object.Count < 5:
			return r.SaveAndRepeat()
		}
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b)
	start := func(note string) string {
		return trigger(t, w, note, workflow.WithInitialValue[object, status](&object{Note: note}))
	}
	r := await(t, w, start("repeat"), statusEnd)
	if r.Object.Count != 5 || r.Meta.Version != 6 {
		t.Errorf("count %d version %d, want 5 and 6", r.Object.Count, r.Meta.Version)
	}
	entries, _ := on.History(ctxFor(t), r.RunID, 0, 100)
	for _, en := range entries[:5] {
		if en.Record.Meta.Visit != 1 {
			t.Errorf("version %d is visit %d: a repeat stays in its visit", en.Record.Meta.Version, en.Record.Meta.Visit)
		}
	}
	if got := entries[5].Record.Meta.Visit; got != 6 {
		t.Errorf("the last visit is %d, want 6", got)
	}
	rec := awaitRecord(t, on, start("cancel"), func(r *backend.Record) bool { return r.RunState == workflow.RunStateCancelled })
	if !strings.Contains(string(rec.Object), `"Count":1`) || rec.Meta.RunStateReason != "enough" {
		t.Errorf("cancelled with %s, %q: the object and the reason count", rec.Object, rec.Meta.RunStateReason)
	}
	rec = awaitRecord(t, on, start("pause"), paused)
	if !strings.Contains(string(rec.Object), `"Count":1`) || rec.Meta.PausedBy != backend.PausedByOperator {
		t.Errorf("paused with %s by %v", rec.Object, rec.Meta.PausedBy)
	}
	skipped := start("skip")
	await(t, w, start("repeat"), statusEnd) // by now the skip is through
	if rec, _ := on.Lookup(ctxFor(t), skipped); rec.Meta.Version != 1 {
		t.Errorf("a skipped run has version %d", rec.Meta.Version)
	}
}

func TestARetainedRunIsOnlyAReader(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("retained")
	kept := make(chan *run, 1)
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) { kept <- r; return statusB, nil }, statusB)
	b.AddCallback(statusB, toEnd(), statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	await(t, w, id, statusB)
	r := receive(t, kept)
	if _, err := r.SaveAndRepeat(); !errors.Is(err, workflow.ErrInvalidTransition) {
		t.Errorf("SaveAndRepeat after the attempt: %v", err)
	}
	if err := r.Transact(func() {}); !errors.Is(err, workflow.ErrTxUnsupported) {
		t.Errorf("Transact after the attempt: %v", err)
	}
	if _, err := r.Pause(ctxFor(t), "from outside"); err != nil {
		t.Errorf("Pause after the attempt acts on the run as it is now: %v", err)
	}
	awaitRecord(t, on, id, paused)
}

func TestHooks(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("hooks")
	var mu sync.Mutex
	heard := make(map[string]int)
	done := make(chan string, 100)
	hook := func(what string) workflow.RunStateChangeHookFunc[object, status] {
		return func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
			mu.Lock()
			heard[what]++
			n := heard[what]
			mu.Unlock()
			if n == 1 {
				return errTest // told again
			}
			done <- what + " " + r.RunState.String() + " " + r.Status.String()
			return nil
		}
	}
	b.OnPause(hook("pause"))
	b.OnCancel(hook("cancel"))
	b.OnComplete(hook("complete"))
	b.AddCallback(statusA, toEnd(), statusEnd)
	w := build(t, on, b, workflow.WithDefaultOptions(quickRetry(5)...))
	one, two := trigger(t, w, "one"), trigger(t, w, "two")
	if err := w.RunStateController(one).Pause(ctxFor(t), ""); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, done); got != "pause Paused A" {
		t.Errorf("heard %q", got)
	}
	if err := w.RunStateController(one).Cancel(ctxFor(t), ""); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, done); got != "cancel Cancelled A" {
		t.Errorf("heard %q", got)
	}
	if err := w.Callback(ctxFor(t), "two", statusA, nil); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, done); got != "complete Completed End" {
		t.Errorf("heard %q", got)
	}
	_ = two
}

func TestAHookThatNeverWorksIsHeldAndBlocksNoRun(t *testing.T) {
	on := newStore(t)
	b := three("bad hook")
	b.OnComplete(func(context.Context, *workflow.TypedRecord[object, status]) error { panic("hook") })
	w := build(t, on, b, workflow.WithDefaultOptions(quickRetry(2)...))
	ids := make([]string, 20)
	for i := range ids {
		ids[i] = trigger(t, w, name(i))
		await(t, w, ids[i], statusEnd)
	}
	for _, id := range ids {
		for {
			held, err := on.Held(ctxFor(t), id)
			if err != nil {
				t.Fatal(err)
			}
			if len(held) == 1 && held[0].State == backend.DeliveryHeld && held[0].Attempts == 2 {
				break
			}
			<-time.After(time.Millisecond)
		}
		if rec, _ := on.Lookup(ctxFor(t), id); rec.RunState != workflow.RunStateCompleted {
			t.Errorf("run %s is %v", id, rec.RunState)
		}
	}
}

func TestCallbacks(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("calls")
	b.AddCallback(statusA, func(_ context.Context, r *run, payload io.Reader) (status, error) {
		body, err := io.ReadAll(payload)
		r.Object.Note = string(body)
		if r.Object.Note == "fail" {
			return 0, errTest
		}
		return statusB, err
	}, statusB)
	b.AddStep(statusB, step(statusEnd), statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	if err := w.Callback(ctxFor(t), "f", statusA, strings.NewReader("fail")); !errors.Is(err, errTest) {
		t.Errorf("a failing callback: %v", err)
	}
	if err := w.Callback(ctxFor(t), "f", statusA, strings.NewReader("paid")); err != nil {
		t.Fatal(err)
	}
	if r := await(t, w, id, statusEnd); r.Object.Note != "paid" {
		t.Errorf("note = %q", r.Object.Note)
	}
	var ce *workflow.CallbackError
	if err := w.Callback(ctxFor(t), "f", statusA, nil); !errors.Is(err, workflow.ErrNotInStatus) || !errors.Is(err, workflow.ErrRunFinished) || !errors.As(err, &ce) || ce.Status != int(statusEnd) {
		t.Errorf("a late callback: %v", err)
	}
	if err := w.Callback(ctxFor(t), "f", statusC, nil); !errors.Is(err, workflow.ErrNoCallback) {
		t.Errorf("a callback for nothing: %v", err)
	}
	if err := w.Callback(ctxFor(t), "nobody", statusA, nil); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("a callback for nobody: %v", err)
	}
	big := io.LimitReader(zeros{}, workflow.MaxPayloadBytes+1)
	if err := w.Callback(ctxFor(t), "f", statusA, big); !errors.Is(err, workflow.ErrTooLarge) {
		t.Errorf("a huge payload: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestTimeouts(t *testing.T) {
	on := newStore(t)
	clock := newFakeClock()
	b := workflow.NewBuilder[object, status]("timeouts")
	var fired atomic.Int32
	b.AddStep(statusA, step(statusB), statusB)
	b.AddTimeout(statusB, workflow.DurationTimerFunc[object, status](time.Hour), func(_ context.Context, r *run, _ time.Time) (status, error) {
		fired.Add(1)
		return statusEnd, nil
	}, statusEnd)
	b.AddTimeout(statusB, workflow.DurationTimerFunc[object, status](24*time.Hour), func(context.Context, *run, time.Time) (status, error) {
		fired.Add(100)
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b, workflow.WithClock(clock))
	id := trigger(t, w, "f")
	await(t, w, id, statusB)
	clock.awaitWaiter(t)
	if held, _ := on.Held(ctxFor(t), id); len(held) != 2 {
		t.Fatalf("timers = %+v, want two", held)
	}
	clock.step(time.Hour)
	await(t, w, id, statusEnd)
	if n := fired.Load(); n != 1 {
		t.Errorf("fired = %d, want the first alone", n)
	}
	if held, _ := on.Held(ctxFor(t), id); len(held) != 0 {
		t.Errorf("timers left behind: %+v", held)
	}
}
