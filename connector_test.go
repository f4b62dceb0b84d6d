package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

// places are the two kinds of parts that a workflow can be built on.
func places(t *testing.T, test func(t *testing.T, place func(t testing.TB, b *workflow.Builder[object, status], opts ...workflow.BuildOption) *flow)) {
	t.Run("backend", func(t *testing.T) {
		on := newStore(t)
		test(t, func(t testing.TB, b *workflow.Builder[object, status], opts ...workflow.BuildOption) *flow {
			return build(t, on, b, opts...)
		})
	})
	t.Run("classic", func(t *testing.T) {
		streamer, store, scheduler := memstreamer.New(), memrecordstore.New(), memrolescheduler.New()
		test(t, func(t testing.TB, b *workflow.Builder[object, status], opts ...workflow.BuildOption) *flow {
			w := b.Build(streamer, store, scheduler, append([]workflow.BuildOption{workflow.WithLogger(&quietLog{})}, opts...)...)
			w.Run(context.Background())
			t.Cleanup(w.Stop)
			return w
		})
	})
}

// TestShardedConnectorsDropNothing: whatever the number of shards, every event reaches the function once, in order per foreign id.
func TestShardedConnectorsDropNothing(t *testing.T) {
	places(t, func(t *testing.T, place func(testing.TB, *workflow.Builder[object, status], ...workflow.BuildOption) *flow) {
		for _, shards := range []int{1, 2, 3, 5, 5000} {
			for _, keys := range []int{400, 40} {
				events := outsideEvents(400, keys)
				from, calls := newStream(events), newTally()
				b := fed("sharded", from, func(ctx context.Context, api api, e *outside) error {
					return calls.work(e, func() error {
						_, err := api.Trigger(ctx, e.ID+fmt.Sprint("/", shards, "/", keys))
						return err
					})
				}, workflow.ParallelCount(shards))
				w := place(t, b)
				from.allAcked(t, len(events))
				w.Stop()
				want := newTally()
				for i := range events {
					_ = want.work(&events[i], func() error { return nil })
				}
				if got := fmt.Sprint(calls.calls); got != fmt.Sprint(want.calls) {
					t.Errorf("%d shards: %d of %d events, each once: %s", shards, len(calls.calls), len(events), got)
				}
				if fmt.Sprint(calls.order) != fmt.Sprint(want.order) || calls.wrong != nil {
					t.Errorf("%d shards: out of order: %v", shards, calls.wrong)
				}
				if len(from.names) != 1 || !from.names["in-connector-to-sharded-consumer-1-of-1"] {
					t.Errorf("%d shards: the cursors are %v: their name must never change", shards, from.names)
				}
			}
		}
	})
}

// TestConnectorsWorkInParallel: n foreign ids at once, and no more.
func TestConnectorsWorkInParallel(t *testing.T) {
	const n = 3
	entered, open := make(chan string, 100), make(chan struct{})
	var now, most atomic.Int32
	b := fed("parallel", newStream(outsideEvents(60, 60)), func(_ context.Context, _ api, e *outside) error {
		if c := now.Add(1); c > most.Load() {
			most.Store(c)
		}
		defer now.Add(-1)
		entered <- e.ID
		<-open
		return nil
	}, workflow.ParallelCount(n))
	build(t, newStore(t), b)
	for range n {
		receive(t, entered)
	}
	close(open)
	for range 60 - n {
		receive(t, entered)
	}
	if most.Load() != n {
		t.Errorf("%d at once, want %d", most.Load(), n)
	}
}

// TestConnectorsStartByDefault: without any option, and with a parallel count by default only.
func TestConnectorsStartByDefault(t *testing.T) {
	places(t, func(t *testing.T, place func(testing.TB, *workflow.Builder[object, status], ...workflow.BuildOption) *flow) {
		for i, opts := range [][]workflow.BuildOption{nil, {workflow.WithDefaultOptions(workflow.ParallelCount(2))}} {
			from := newStream(outsideEvents(3, 3))
			seen := make(chan string, 10)
			name := fmt.Sprint("default ", i)
			w := place(t, fed(name, from, func(_ context.Context, _ api, e *outside) error { seen <- e.ID; return nil }), opts...)
			for range 3 {
				receive(t, seen)
			}
			from.allAcked(t, 3)
			p := process("default_" + fmt.Sprint(i))
			if got := w.States()[p]; got != workflow.StateRunning {
				t.Errorf("the connector is %v, want Running: %v", got, w.States())
			}
			w.Stop()
			if got := w.States()[p]; got != workflow.StateShutdown {
				t.Errorf("the connector is %v after Stop, want Shutdown", got)
			}
		}
	})
}

// TestOnePoisonEventAmongAThousand: the others are done, the bad one is parked with its reason, and goes on when it is asked for.
func TestOnePoisonEventAmongAThousand(t *testing.T) {
	const n, poison = 1000, "event-137"
	on, from, calls := newStore(t), newStream(outsideEvents(n, 100)), newTally()
	var healed atomic.Bool
	b := fed("poison", from, func(_ context.Context, _ api, e *outside) error {
		return calls.work(e, func() error {
			if e.ID == poison && !healed.Load() {
				return errTest
			}
			return nil
		})
	}, append(quickRetry(4), workflow.ParallelCount(4))...)
	w := build(t, on, b)
	from.allAcked(t, n)
	if calls.events() != n {
		t.Errorf("%d of %d events reached the function", calls.events(), n)
	}
	e := parkedAs(t, w, workflow.RunStatePaused)
	if got := calls.of(poison); got != 4 || e.Attempts != 4 {
		t.Errorf("tried %d times, %d failures are kept, want 4", got, e.Attempts)
	}
	want := outsideEvents(n, 100)[137]
	if e.Connector != "in" || fmt.Sprint(e.Event) != fmt.Sprint(want) || e.LastError != errTest.Error() {
		t.Errorf("parked: %+v", e)
	}
	rec, err := on.Lookup(ctxFor(t), e.RunID)
	if err != nil || rec.WorkflowName != "poison#connector:in" || rec.Meta.PausedBy != workflow.PausedByEngine ||
		rec.Meta.RunStateReason != "gave up after 4 attempts: gateway says no" {
		t.Errorf("its run is %+v, %v", rec, err)
	}
	if err := w.RetryEvent(ctxFor(t), "in", "event-1"); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("retry of an event that is not parked: %v", err)
	}
	if err := w.RetryEvent(ctxFor(t), "out", poison); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("retry at a connector that is not there: %v", err)
	}
	healed.Store(true)
	if err := w.RetryEvent(ctxFor(t), "in", poison); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is parked", func() bool { return len(parkedEvents(t, w)) == 0 })
	if got := calls.of(poison); got != 5 {
		t.Errorf("tried %d times, want 5", got)
	}
}

// TestWhatAParkedEventKeeps: what the first failure said of itself counts, and the event comes back byte by byte.
func TestWhatAParkedEventKeeps(t *testing.T) {
	event := outside{ID: "e\xff", ForeignID: "f\x00", Type: "\xfe", Headers: map[string]string{"\xfd": "\xfc"}, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
	for what, c := range map[string]struct {
		fail     func() error
		attempts int
		text     string
		stack    bool
	}{
		"permanent":       {func() error { return workflow.Permanent(errTest) }, 1, "gateway says no", false},
		"permanent panic": {func() error { panic(workflow.Permanent(errTest)) }, 2, "panic: gateway says no", true},
		"plain":           {func() error { return errTest }, 2, "gateway says no", false},
		"canceled":        {func() error { return context.Canceled }, 2, "context canceled", false},
		"deadline":        {func() error { return fmt.Errorf("http: %w", context.DeadlineExceeded) }, 2, "http: context deadline exceeded", false},
		"nil pointer":     {func() error { var e *nilError; return e }, 2, "a *workflow_test.nilError whose text cannot be read", false},
	} {
		t.Run(what, func(t *testing.T) {
			on, from := newStore(t), newStream([]outside{event})
			var healed atomic.Bool
			seen := make(chan outside, 1)
			b := fed("kept", from, func(_ context.Context, _ api, e *outside) error {
				if healed.Load() {
					seen <- *e
					return nil
				}
				e.Headers["\xfd"] = "changed"
				return c.fail()
			}, quickRetry(2)...)
			w := build(t, on, b)
			e := parkedAs(t, w, workflow.RunStatePaused)
			if e.Attempts != c.attempts || e.LastError != c.text {
				t.Errorf("%d attempts, %q, want %d, %q", e.Attempts, e.LastError, c.attempts, c.text)
			}
			attempts, err := on.Attempts(ctxFor(t), e.RunID, 10)
			if err != nil || len(attempts) == 0 || (attempts[0].Stack != "") != c.stack || attempts[0].Error != c.text {
				t.Errorf("the first attempt is kept as %+v, %v", attempts, err)
			}
			healed.Store(true)
			if err := w.RetryEvent(ctxFor(t), "in", event.ID); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, seen); fmt.Sprintf("%q", fmt.Sprint(got)) != fmt.Sprintf("%q", fmt.Sprint(event)) {
				t.Errorf("it came back as %q, want %q", fmt.Sprint(got), fmt.Sprint(event))
			}
		})
	}
}

// TestAParkedEventWaitsAsAsked: RetryAfter of the connector's own attempt is kept, by the workflow's clock, and over a restart.
func TestAParkedEventWaitsAsAsked(t *testing.T) {
	on, clock, from := newStore(t), newFakeClock(), newStream(outsideEvents(1, 1))
	calls := make(chan bool, 10)
	var healed atomic.Bool
	make := func() *workflow.Builder[object, status] {
		return fed("later", from, func(context.Context, api, *outside) error {
			calls <- true
			if healed.Load() {
				return nil
			}
			return workflow.RetryAfter(errTest, time.Hour)
		})
	}
	w := build(t, on, make(), workflow.WithClock(clock))
	receive(t, calls)
	from.allAcked(t, 1)
	e := parkedAs(t, w, workflow.RunStateInitiated)
	if d := heldIn(t, on, e.RunID, backend.DeliveryBackingOff); !d.Due.Equal(clock.Now().Add(time.Hour)) || d.Attempts != 1 {
		t.Errorf("it waits as %+v", d)
	}
	if err := w.RetryEvent(ctxFor(t), "in", "event-0"); !errors.Is(err, workflow.ErrInvalidTransition) {
		t.Errorf("retry of an event that is tried again anyway: %v", err)
	}
	w.Stop()
	healed.Store(true)
	clock.step(time.Hour)
	w = build(t, on, make(), workflow.WithClock(clock))
	receive(t, calls)
	eventually(t, "nothing is parked", func() bool { return len(parkedEvents(t, w)) == 0 })
}

// TestACrashBetweenEffectAndAck: the event comes again, and the effect is there once.
func TestACrashBetweenEffectAndAck(t *testing.T) {
	places(t, func(t *testing.T, place func(testing.TB, *workflow.Builder[object, status], ...workflow.BuildOption) *flow) {
		from := newStream(outsideEvents(5, 5))
		var crashed atomic.Bool
		done, refused := make(chan string, 10), make(chan bool, 10)
		builder := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("crash")
			b.AddCallback(statusA, func(context.Context, *run, io.Reader) (status, error) { return statusEnd, nil }, statusEnd) // its runs stay unfinished
			b.AddConnector("in", from, func(ctx context.Context, api api, e *outside) error {
				_, err := api.Trigger(ctx, e.ForeignID)
				if errors.Is(err, workflow.ErrWorkflowInProgress) {
					refused <- true
					return nil
				}
				done <- e.ID
				if !crashed.Load() {
					<-ctx.Done()
					return ctx.Err()
				}
				return err
			})
			return b
		}
		w := place(t, builder(), workflow.WithStopTimeout(time.Millisecond))
		receive(t, done)
		w.Stop()
		if got := from.ackedIDs(); len(got) != 0 {
			t.Errorf("acknowledged before its end: %v", got)
		}
		crashed.Store(true)
		place(t, builder())
		receive(t, refused)
		from.allAcked(t, 5)
		if n := len(done); n != 4 {
			t.Errorf("%d more effects, want 4", n)
		}
	})
}

// TestACrashBetweenParkingAndAck: the event comes again and fails again, and is parked once.
func TestACrashBetweenParkingAndAck(t *testing.T) {
	on, from := newStore(t), newStream(outsideEvents(1, 1))
	var healed atomic.Bool
	var tries atomic.Int32
	from.ack = func(_ outside, do func() error) error {
		if tries.Add(1) <= 2 {
			return errShaky
		}
		return do()
	}
	calls := make(chan bool, 100)
	b := fed("parked twice", from, func(context.Context, api, *outside) error {
		calls <- true
		if healed.Load() {
			return nil
		}
		return errTest
	}, append(quickRetry(-1), workflow.ErrBackOff(time.Millisecond), workflow.MaxBackOff(time.Millisecond))...)
	w := build(t, on, b)
	from.allAcked(t, 1)
	if all := parkedEvents(t, w); len(all) != 1 {
		t.Errorf("parked %d times", len(all))
	}
	healed.Store(true)
	eventually(t, "nothing is parked", func() bool { return len(parkedEvents(t, w)) == 0 })
	recs, err := on.List(ctxFor(t), "parked twice#connector:in", 0, 10, workflow.OrderTypeAscending)
	if err != nil || len(recs) != 1 || recs[0].RunState != workflow.RunStateCompleted {
		t.Errorf("its runs are %+v, %v", recs, err)
	}
}

// TestEventsThatLookAlikeAreNotOne: one id for two foreign ids, and no id at all.
func TestEventsThatLookAlikeAreNotOne(t *testing.T) {
	events := []outside{{ID: "1", ForeignID: "a"}, {ID: "1", ForeignID: "b"}, {ForeignID: "a"}, {ForeignID: "a"}, {ID: "1", ForeignID: "c"}}
	on, from := newStore(t), newStream(events)
	var healed atomic.Bool
	b := fed("alike", from, func(context.Context, api, *outside) error {
		if healed.Load() {
			return nil
		}
		return errTest
	}, quickRetry(1)...)
	w := build(t, on, b)
	eventually(t, "all are parked", func() bool {
		all := parkedEvents(t, w)
		for _, e := range all {
			if e.State != workflow.RunStatePaused {
				return false
			}
		}
		return len(all) == len(events)
	})
	healed.Store(true)
	if err := w.RetryEvent(ctxFor(t), "in", "1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two wait", func() bool { return len(parkedEvents(t, w)) == 2 })
	if err := w.RetryEvent(ctxFor(t), "in", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "none waits", func() bool { return len(parkedEvents(t, w)) == 0 })
}

// TestAConnectorOnAFaultyStore: commits fail, or are stored without an answer, or are made twice. Every event is done.
func TestAConnectorOnAFaultyStore(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		base := newStore(t)
		on := adaptertest.NewFaulty(base, seed)
		const n = 80
		from, calls := newStream(outsideEvents(n, 50)), newTally()
		b := fed("faulty", from, func(ctx context.Context, api api, e *outside) error {
			if calls.of(e.ID) == 0 && e.ID[len(e.ID)-1] == '7' {
				return calls.work(e, func() error { return errTest })
			}
			_, err := api.Trigger(ctx, e.ID)
			if errors.Is(err, workflow.ErrWorkflowInProgress) {
				err = nil // it was stored, and the answer was lost
			}
			if err == nil {
				_ = calls.work(e, func() error { return nil })
			}
			return err
		}, append(quickRetry(-1), workflow.ParallelCount(8))...)
		w := build(t, on, b)
		on.Set(adaptertest.MethodCommit, adaptertest.Fault{Before: 0.2, After: 0.2, Twice: 0.2})
		on.Set(adaptertest.MethodLookup, adaptertest.Fault{Before: 0.3})
		on.Set(adaptertest.MethodJoin, adaptertest.Fault{Before: 0.3})
		from.allAcked(t, n)
		on.Heal()
		eventually(t, "nothing is parked", func() bool { return len(parkedEvents(t, w)) == 0 })
		for i := range n {
			if _, err := base.Latest(ctxFor(t), "faulty", fmt.Sprint("event-", i)); err != nil {
				t.Errorf("seed %d: event %d has no run: %v", seed, i, err)
			}
		}
		w.Stop()
	}
}

// TestAConnectorStartsOnAStoreThatFailsAtFirst: what stands in the way of its role and of its parking is tried again.
func TestAConnectorStartsOnAStoreThatFailsAtFirst(t *testing.T) {
	base := newStore(t)
	on := &joins{Backend: base}
	on.join = func(name string, do func() (func(), error)) (func(), error) {
		if name != "late" && on.tries.Add(1) <= 6 {
			return nil, errShaky
		}
		return do()
	}
	from := newStream(outsideEvents(2, 1))
	var first atomic.Bool
	b := fed("late", from, func(context.Context, api, *outside) error {
		if first.CompareAndSwap(false, true) {
			return errTest
		}
		return nil
	}, quickRetry(-1)...)
	log := &quietLog{}
	w := build(t, on, b, workflow.WithLogger(log))
	from.allAcked(t, 2)
	eventually(t, "nothing is parked", func() bool { return len(parkedEvents(t, w)) == 0 })
}

// joins is a backend whose Join a test can break.
type joins struct {
	backend.Backend
	tries atomic.Int32
	join  func(name string, do func() (func(), error)) (func(), error)
}

func (b *joins) Join(ctx context.Context, name string, buckets int, granted func(backend.Grant)) (func(), error) {
	return b.join(name, func() (func(), error) { return b.Backend.Join(ctx, name, buckets, granted) })
}

// TestAnEventTooLargeToParkIsKept: it is tried again in memory, and acknowledged after its success.
func TestAnEventTooLargeToParkIsKept(t *testing.T) {
	events := outsideEvents(2, 2)
	events[0].Headers["big"] = string(make([]byte, backend.MaxObjectBytes))
	on, from, log := memory.New(), newStream(events), &quietLog{}
	defer on.Close()
	var failures atomic.Int32
	other := make(chan bool, 1)
	b := fed("large", from, func(_ context.Context, _ api, e *outside) error {
		if e.ID == "event-1" {
			other <- true
			return nil
		}
		if failures.Add(1) < 4 {
			return errTest
		}
		<-other
		return nil
	}, quickRetry(2)...)
	w := build(t, on, b, workflow.WithLogger(log))
	from.allAcked(t, 2)
	w.Stop()
	if got := log.ofConnectors(); len(got) != 1 || !errors.Is(got[0], workflow.ErrTooLarge) {
		t.Errorf("reported: %v", got)
	}
}
