package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

type approval struct{ By string }

var (
	approve = workflow.NewSignal[approval]("approve")
	remark  = workflow.NewSignal[string]("remark")
)

// signalFlow waits in A for a callback, accepts approvals in B and remarks in B and C, and keeps what it was told.
func signalFlow(on string) *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status](on)
	b.AddCallback(statusA, func(context.Context, *run, reader) (status, error) { return statusB, nil }, statusB)
	workflow.AddSignal(b, statusB, approve, func(_ context.Context, r *run, a approval) (status, error) {
		r.Object.Trail = append(r.Object.Trail, "approved by "+a.By)
		return statusC, nil
	}, statusC)
	say := func(_ context.Context, r *run, text string) (status, error) {
		r.Object.Trail = append(r.Object.Trail, text)
		if text == "end" {
			return statusEnd, nil
		}
		if text == "pass" {
			return r.Skip()
		}
		return r.SaveAndRepeat()
	}
	workflow.AddSignal(b, statusB, remark, say, statusEnd)
	workflow.AddSignal(b, statusC, remark, say, statusEnd)
	return b
}

func send[P any](t testing.TB, s workflow.Signal[P], w *flow, foreignID string, p P, want workflow.SignalState, opts ...workflow.SignalOption) workflow.Receipt {
	t.Helper()
	r, err := s.Send(ctxFor(t), w, foreignID, p, opts...)
	if (err != nil) != (want == workflow.SignalTooLate) || r.State != want {
		t.Fatalf("signal %v to %s: %v, %v, want %v", p, foreignID, r.State, err, want)
	}
	return r
}

func trail(t testing.TB, on backend.Backend, runID string) []string {
	t.Helper()
	var o object
	if err := workflow.Unmarshal(lookup(t, on, runID).Object, &o); err != nil {
		t.Fatal(err)
	}
	return o.Trail
}

func TestSignals(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, signalFlow("signals"))
		id := trigger(t, w, "f")
		if r := send(t, approve, w, "f", approval{"ada"}, workflow.SignalQueued, workflow.WithSignalID("1")); r.RunID != id || r.Status != int(statusA) {
			t.Errorf("the receipt of an early one is %+v", r)
		}
		send(t, approve, w, "f", approval{"eve"}, workflow.SignalDuplicate, workflow.WithSignalID("1"))
		send(t, remark, w, "f", "first", workflow.SignalQueued)
		pass(time.Hour)
		if got := trail(t, on, id); len(got) > 0 {
			t.Errorf("in a status that accepts none: %q", got)
		}
		if err := w.Callback(ctxFor(t), "f", statusA, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got, want := trail(t, on, id), []string{"approved by ada", "first"}; !slices.Equal(got, want) {
			t.Errorf("early signals led to %q, want %q", got, want)
		}
		if r := send(t, remark, w, "f", "second", workflow.SignalApplied, workflow.WithSender("bob")); r.Status != int(statusC) || r.Version != 5 {
			t.Errorf("the receipt of an applied one is %+v", r)
		}
		send(t, approve, w, "f", approval{"eve"}, workflow.SignalDuplicate, workflow.WithSignalID("1"))
		send(t, approve, w, "f", approval{"late"}, workflow.SignalQueued)
		send(t, remark, w, "f", "end", workflow.SignalQueued) // behind one that waits, it waits its turn
		synctest.Wait()
		rec := lookup(t, on, id)
		if rec.RunState != backend.RunStateCompleted {
			t.Fatalf("the run is %v in status %d", rec.RunState, rec.Status)
		}
		r, err := remark.Send(ctxFor(t), w, "f", "too late")
		if r.State != workflow.SignalTooLate || !errors.Is(err, workflow.ErrRunFinished) {
			t.Errorf("after the end: %v, %v", r.State, err)
		}
		send(t, approve, w, "f", approval{"eve"}, workflow.SignalDuplicate, workflow.WithSignalID("1"))
		history, err := on.History(ctxFor(t), id, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		var actors []string
		for _, e := range history {
			if e.Cause == backend.CauseSignal {
				actors = append(actors, e.Actor)
			}
		}
		if want := []string{"", "", "bob", ""}; !slices.Equal(actors, want) {
			t.Errorf("the history names senders %q, want %q", actors, want)
		}
	})
}

func TestSignalsThatNobodyTakes(t *testing.T) {
	on := newStore(t)
	w := build(t, on, signalFlow("nobody"))
	if _, err := approve.Send(ctxFor(t), w, "f", approval{}); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("without a run: %v, want ErrRecordNotFound", err)
	}
	id := trigger(t, w, "f")
	for what, c := range map[string]struct {
		name string
		body string
		opts []workflow.SignalOption
		want error
	}{
		"unknown":  {name: "other", want: workflow.ErrUnknownSignal},
		"payload":  {name: "approve", body: `{"By": 7}`, want: workflow.ErrPayload},
		"too big":  {name: "remark", body: `"` + strings.Repeat("x", workflow.MaxPayloadBytes) + `"`, want: workflow.ErrTooLarge},
		"long id":  {name: "remark", opts: []workflow.SignalOption{workflow.WithSignalID(strings.Repeat("x", 1001))}, want: workflow.ErrInvalidID},
		"bad id":   {name: "remark", opts: []workflow.SignalOption{workflow.WithSignalID("a\x00b")}, want: workflow.ErrInvalidID},
		"long who": {name: "remark", opts: []workflow.SignalOption{workflow.WithSender(strings.Repeat("x", 1001))}, want: workflow.ErrTooLarge},
	} {
		if _, err := w.SignalRun(ctxFor(t), id, c.name, []byte(c.body), c.opts...); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	other := build(t, on, signalFlow("another"))
	if _, err := approve.SendToRun(ctxFor(t), other, id, approval{}); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("a run of another workflow: %v, want ErrRecordNotFound", err)
	}
	for range 1000 {
		send(t, remark, w, "f", "x", workflow.SignalQueued)
	}
	if _, err := remark.Send(ctxFor(t), w, "f", "x"); !errors.Is(err, workflow.ErrTooManySignals) {
		t.Errorf("the 1,001st that waits: %v, want ErrTooManySignals", err)
	}
}

// TestSignalsMeetPausesAndRestarts: what was queued is durable, keeps its order, and is handled once.
func TestSignalsMeetPausesAndRestarts(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		client, err := signalFlow("restarts").BuildOn(on, workflow.WithLogger(&quietLog{})) // it never runs
		if err != nil {
			t.Fatal(err)
		}
		id := trigger(t, client, "f")
		w := build(t, on, signalFlow("restarts"))
		synctest.Wait()
		if err := w.Callback(ctxFor(t), "f", statusA, nil); err != nil {
			t.Fatal(err)
		}
		if err := w.RunStateController(id).Pause(ctxFor(t), "wait"); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range 20 {
			text := fmt.Sprint("remark ", i)
			want = append(want, text)
			send(t, remark, client, "f", text, workflow.SignalQueued)
			if i == 10 {
				w.Stop()
				w = build(t, on, signalFlow("restarts"))
			}
		}
		pass(time.Hour)
		if got := trail(t, on, id); len(got) > 0 {
			t.Errorf("a paused run took %q", got)
		}
		if err := client.RunStateController(id).Resume(ctxFor(t)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := trail(t, on, id); !slices.Equal(got, want) {
			t.Errorf("after the resume: %q, want %q", got, want)
		}
	})
}

// TestASignalIsHandledLikeAStep: tried again by the engine, and at last a reason to pause the run, which gives it back with the resume.
func TestASignalIsHandledLikeAStep(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		b := workflow.NewBuilder[object, status]("like a step")
		works := false
		workflow.AddSignal(b, statusA, remark, func(_ context.Context, r *run, text string) (status, error) {
			r.Object.Trail = append(r.Object.Trail, text)
			if text == "panic" && !works {
				panic("no")
			}
			if !works {
				return 0, errTest
			}
			return statusA, nil
		}, statusA).WithOptions(workflow.PauseAfterErrCount(4), workflow.ErrBackOff(time.Minute))
		w := build(t, on, b, workflow.DisablePauseRetry())
		id := trigger(t, w, "f")
		begin := time.Now()
		send(t, remark, w, "f", "panic", workflow.SignalQueued)
		send(t, remark, w, "f", "next", workflow.SignalQueued)
		pass(10 * time.Minute)
		rec := lookup(t, on, id)
		if rec.RunState != backend.RunStatePaused || rec.Meta.PausedBy != backend.PausedByEngine || !strings.Contains(rec.Meta.RunStateReason, "panic") {
			t.Fatalf("the run is %v, %q", rec.RunState, rec.Meta.RunStateReason)
		}
		if attempts, err := on.Attempts(ctxFor(t), id, 10); err != nil || len(attempts) != 4 || attempts[3].Number != 4 || attempts[0].Stack == "" {
			t.Errorf("the history has %+v, %v", attempts, err)
		}
		if begin.Equal(rec.UpdatedAt) {
			t.Error("there was no wait between the attempts")
		}
		works = true
		if err := w.RunStateController(id).Resume(ctxFor(t)); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if got := trail(t, on, id); !slices.Equal(got, []string{"panic", "next"}) {
			t.Errorf("after the resume: %q", got)
		}
	})
}

// TestASignalThatLeavesTheRunAsItIs: the next one does not wait for a version that never comes.
func TestASignalThatLeavesTheRunAsItIs(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, signalFlow("pass"))
		id := trigger(t, w, "f")
		for _, text := range []string{"pass", "pass", "last"} {
			send(t, remark, w, "f", text, workflow.SignalQueued, workflow.WithSignalID(text+fmt.Sprint(time.Now().UnixNano())))
			pass(time.Millisecond)
		}
		if err := w.Callback(ctxFor(t), "f", statusA, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := trail(t, on, id); !slices.Equal(got, []string{"last"}) {
			t.Errorf("the trail is %q", got)
		}
		send(t, remark, w, "f", "pass", workflow.SignalApplied, workflow.WithSignalID("p"))
		send(t, remark, w, "f", "pass", workflow.SignalDuplicate, workflow.WithSignalID("p"))
		if held, err := on.Held(ctxFor(t), id); err != nil || len(held) > 0 {
			t.Errorf("something is left: %+v, %v", held, err)
		}
	})
}

// TestRacingSignals: many senders, one run that moves meanwhile, a store that loses answers: each id takes effect exactly once.
func TestRacingSignals(t *testing.T) {
	inner := newStore(t)
	on := adaptertest.NewFaulty(inner, 3)
	b := workflow.NewBuilder[object, status]("racing signals")
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) { return statusB, nil }, statusB)
	workflow.AddSignal(b, statusB, remark, func(_ context.Context, r *run, text string) (status, error) {
		r.Object.Trail = append(r.Object.Trail, text)
		return statusA, nil // away and back again: some come early
	}, statusA)
	w := build(t, on, b)
	id := trigger(t, w, "f")
	on.Set(adaptertest.MethodCommit, adaptertest.Fault{Before: 0.05, After: 0.05})
	const senders, each = 8, 25
	var unknown atomic.Int64
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				text := fmt.Sprintf("%d/%d", s, i)
				for { // as a client does: again with the same id until it is told
					_, err := remark.Send(ctxFor(t), w, "f", text, workflow.WithSignalID(text))
					if err == nil {
						break
					}
					if unknown.Add(1) > 10000 {
						t.Errorf("%s: %v", text, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	on.Heal()
	awaitRecord(t, inner, id, func(rec *backend.Record) bool {
		var o object
		return workflow.Unmarshal(rec.Object, &o) == nil && len(o.Trail) >= senders*each
	})
	got := trail(t, inner, id)
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != senders*each || len(got) != n {
		t.Errorf("%d signals, %d of them once, want %d", len(got), n, senders*each)
	}
}

func TestSignalMisuse(t *testing.T) {
	other := workflow.NewSignal[int]("approve")
	handle := func(context.Context, *run, approval) (status, error) { return statusEnd, nil }
	b := workflow.NewBuilder[object, status]("misuse")
	workflow.AddSignal(b, statusA, approve, handle, statusEnd)
	workflow.AddSignal(b, statusA, approve, handle, statusEnd)
	workflow.AddSignal(b, statusB, other, func(context.Context, *run, int) (status, error) { return statusEnd, nil }, statusEnd)
	workflow.AddSignal(b, statusC, workflow.Signal[int]{}, nil, statusEnd).WithOptions(workflow.ParallelCount(2), workflow.ConsumeLag(time.Second))
	_, err := b.BuildOn(newStore(t))
	for _, part := range []string{"accepts the signal already", "has payload workflow_test.approval elsewhere, here int", "signal name is empty", "the function is nil",
		`AddSignal(C, ""): a parallel count is for steps`, `AddSignal(C, ""): a consume lag is for steps`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("BuildOn says %v, not %q", err, part)
		}
	}
}

// TestASignalOutlivesTheEnd: one that still waits when its run ends is handled when an operator brings the run back.
func TestASignalOutlivesTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, signalFlow("brought back"))
		id := trigger(t, w, "f")
		send(t, remark, w, "f", "kept", workflow.SignalQueued)
		op := w.Operator("ada")
		must(t, op.Cancel(ctxFor(t), id, "a mistake"))
		synctest.Wait()
		must(t, op.ForceStatus(ctxFor(t), id, statusB, "undone", nil))
		synctest.Wait()
		if got := trail(t, on, id); !slices.Equal(got, []string{"kept"}) {
			t.Errorf("after the run came back: %q", got)
		}
	})
}

// TestAPausedRunKeepsItsSignals: nothing is handled before the resume.
func TestAPausedRunKeepsItsSignals(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, signalFlow("paused"))
		id := trigger(t, w, "f", workflow.WithStartingPoint[object](statusB))
		op := w.Operator("ada")
		must(t, op.Pause(ctxFor(t), id, "wait"))
		send(t, remark, w, "f", "kept", workflow.SignalQueued)
		pass(time.Hour)
		if got := trail(t, on, id); len(got) > 0 {
			t.Errorf("while it was paused: %q", got)
		}
		must(t, op.Resume(ctxFor(t), id, ""))
		synctest.Wait()
		if got := trail(t, on, id); !slices.Equal(got, []string{"kept"}) {
			t.Errorf("after the resume: %q", got)
		}
	})
}
