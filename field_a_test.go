package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/cron"
)

// Group A: work that silently stops or is lost.

// lateOnce is a delay that runs into a deadline, so many times.
func lateOnce(times int32) func(context.Context) error {
	var n atomic.Int32
	return func(context.Context) error {
		if n.Add(1) <= times {
			return fmt.Errorf("read tcp: %w", context.DeadlineExceeded)
		}
		return nil
	}
}

// A deadline error of the store ended a consumer for good, without a word.
func TestField01DeadlineErrorOfTheStoreEndsNoConsumer(t *testing.T) {
	methods := map[string]adaptertest.Method{}
	for _, m := range []adaptertest.Method{adaptertest.MethodReadLog, adaptertest.MethodLookup, adaptertest.MethodHeld, adaptertest.MethodDue, adaptertest.MethodHead,
		adaptertest.MethodLoadCursors, adaptertest.MethodSaveCursors, adaptertest.MethodCommit} {
		methods[string(m)] = m
	}
	each(t, methods, func(t *testing.T, m adaptertest.Method) {
		base := newStore(t)
		client, err := three("deadline").BuildOn(base) // another process triggers, so that this one reads
		must(t, err)
		ids := triggerAll(t, client, 5)
		on := adaptertest.NewFaulty(base, 1)
		on.Set(m, adaptertest.Fault{Delay: lateOnce(3)})
		log := &quietLog{}
		w, err := three("deadline").BuildOn(on, workflow.WithLogger(log))
		must(t, err)
		for w.Run(t.Context()); w.States()["a-consumer-1-of-1"] != workflow.StateRunning; w.Run(t.Context()) {
			pass(time.Second) // Run says that it could not start, and may be called again
		}
		t.Cleanup(w.Stop)
		pass(time.Minute)
		allIn(t, base, ids, statusEnd, backend.RunStateCompleted)
		for process, s := range w.States() {
			if s != workflow.StateRunning {
				t.Errorf("process %s is %v", process, s)
			}
		}
		if (m == adaptertest.MethodReadLog || m == adaptertest.MethodCommit) && log.count("deadline exceeded") == 0 {
			t.Errorf("nothing was reported of it: %v", log.errs)
		}
	})
	each(t, map[string]adaptertest.Method{"classic Lookup": adaptertest.MethodLookup, "classic Store": adaptertest.MethodStore, "classic List": adaptertest.MethodList,
		"classic ListOutboxEvents": adaptertest.MethodListOutboxEvents, "classic DeleteOutboxEvent": adaptertest.MethodDeleteOutboxEvent}, func(t *testing.T, m adaptertest.Method) {
		store := memrecordstore.New()
		faulty := adaptertest.NewFaultyRecordStore(store, 1)
		log := &quietLog{}
		w := classicOn(t, memstreamer.New(), faulty, memrolescheduler.New(), three("deadline"), workflow.WithLogger(log))
		client := three("deadline").Build(memstreamer.New(), store, memrolescheduler.New(), workflow.WithLogger(&quietLog{}))
		synctest.Wait()
		faulty.Set(m, adaptertest.Fault{Delay: lateOnce(1)})
		ids := triggerAll(t, client, 5)
		pass(time.Minute)
		allIn(t, store, ids, statusEnd, backend.RunStateCompleted)
		for process, s := range w.States() {
			if s != workflow.StateRunning {
				t.Errorf("process %s is %v", process, s)
			}
		}
	})
}

// A deadline error of user code (an HTTP client's, say) ended its consumer for good: a step's, a hook's, a connector's.
func TestField01DeadlineErrorOfUserCodeEndsNoConsumer(t *testing.T) {
	timeout := fmt.Errorf("Post %q: %w", "https://example.invalid", context.DeadlineExceeded)
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		var steps, hooks, events noted
		once := func(n *noted, key string) error {
			if n.add(key) == 1 {
				return timeout
			}
			return nil
		}
		b := workflow.NewBuilder[object, status]("deadline")
		b.AddStep(statusA, func(_ context.Context, r *run) (status, error) { return statusEnd, once(&steps, r.ForeignID) }, statusEnd)
		b.OnComplete(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
			return once(&hooks, r.ForeignID)
		})
		b.AddConnector("in", memstreamer.NewConnector(outsideEvents(5, 5)), func(_ context.Context, _ api, e *outside) error { return once(&events, e.ID) })
		var w *flow
		if onClassic {
			w = classic(t, b)
		} else {
			w = build(t, newStore(t), b)
		}
		triggerAll(t, w, 5)
		pass(time.Minute)
		for what, n := range map[string]*noted{"step": &steps, "hook": &hooks, "connector": &events} {
			if n.keys() != 5 || n.total() != 10 {
				t.Errorf("the %s was called %d times for %d of 5, want twice for each", what, n.total(), n.keys())
			}
		}
	})
}

// Sharded connectors lost every event whose hash was negative.
func TestField02ShardedConnectorsDropNothing(t *testing.T) {
	for _, shards := range []int{2, 3, 5} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			from, calls := newStream(outsideEvents(400, 400)), newTally()
			build(t, newStore(t), fed("sharded", from, func(_ context.Context, _ api, e *outside) error {
				return calls.work(e, func() error { return nil })
			}, workflow.ParallelCount(shards)))
			from.allAcked(t, 400)
			if calls.events() != 400 || calls.wrong != nil {
				t.Errorf("%d of 400 events arrived; %v", calls.events(), calls.wrong)
			}
		})
	}
}

// Connectors did not start where the parallel count was set by default only.
func TestField03ADefaultParallelCountStartsConnectors(t *testing.T) {
	inTime(t, func(t *testing.T) {
		from := newStream(outsideEvents(3, 3))
		w := build(t, newStore(t), fed("default", from, func(context.Context, api, *outside) error { return nil }),
			workflow.WithDefaultOptions(workflow.ParallelCount(4)))
		synctest.Wait()
		if got := from.ackedIDs(); len(got) != 3 {
			t.Errorf("%d of 3 events are through", len(got))
		}
		if s := w.States()[process("default")]; s != workflow.StateRunning {
			t.Errorf("the connector is %v", s)
		}
	})
}

// movingRoles is a scheduler that takes all roles away when told, as a group that rebalances does.
type movingRoles struct {
	ownRoles
	mu   sync.Mutex
	held []context.CancelFunc
}

func (s *movingRoles) Await(ctx context.Context, role string) (context.Context, context.CancelFunc, error) {
	ctx, release, err := s.ownRoles.Await(ctx, role)
	if err != nil {
		return nil, nil, err
	}
	ctx, lose := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, lose)
	return ctx, func() { lose(); release() }, nil
}

func (s *movingRoles) rebalance() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, lose := range s.held {
		lose()
	}
	s.held = nil
}

// A receiver blocked for ever after its second rebalance. Here the roles move away and back again and again.
func TestField04ReceiversOutliveRebalances(t *testing.T) {
	inTime(t, func(t *testing.T) {
		roles, store, stream := &movingRoles{}, memrecordstore.New(), &watchedStream{EventStreamer: newOwnStream()}
		from := newStream(outsideEvents(3, 3))
		w := classicOn(t, stream, store, roles, func() *workflow.Builder[object, status] {
			b := three("moving")
			b.AddConnector("in", from, func(context.Context, api, *outside) error { return nil })
			return b
		}())
		for round := range 5 {
			id := trigger(t, w, name(round))
			pass(time.Minute)
			allIn(t, store, []string{id}, statusEnd, backend.RunStateCompleted)
			roles.rebalance()
			pass(time.Minute)
		}
		if got := from.ackedIDs(); len(got) != 3 {
			t.Errorf("%d of 3 outside events are through", len(got))
		}
		w.Stop()
		if stream.made.Load() <= 5 || stream.open.Load() != 0 {
			t.Errorf("%d receivers were made, %d are left open", stream.made.Load(), stream.open.Load())
		}
	})
}

// watchedStream counts receivers, and lets a test answer in place of Recv.
type watchedStream struct {
	workflow.EventStreamer
	recv       func(ctx context.Context, topic string, n int32) (answered bool, err error) // n counts the calls
	open, made atomic.Int32
	calls      atomic.Int32
	names      sync.Map
}

type watchedReceiver struct {
	workflow.EventReceiver
	s     *watchedStream
	topic string
	once  sync.Once
}

func (s *watchedStream) NewReceiver(ctx context.Context, topic, name string, opts ...workflow.ReceiverOption) (workflow.EventReceiver, error) {
	r, err := s.EventStreamer.NewReceiver(ctx, topic, name, opts...)
	if err != nil {
		return nil, err
	}
	s.open.Add(1)
	s.made.Add(1)
	s.names.Store(name, true)
	return &watchedReceiver{EventReceiver: r, s: s, topic: topic}, nil
}

func (r *watchedReceiver) Recv(ctx context.Context) (*workflow.Event, workflow.Ack, error) {
	if r.s.recv != nil {
		if answered, err := r.s.recv(ctx, r.topic, r.s.calls.Add(1)); answered {
			return nil, nil, err
		}
	}
	return r.EventReceiver.Recv(ctx)
}

func (r *watchedReceiver) Close() error {
	r.once.Do(func() { r.s.open.Add(-1) })
	return r.EventReceiver.Close()
}

// A broker's closed channel gave a nil message, and that a panic that ended the process.
func TestField05ANilEventIsNoPanic(t *testing.T) {
	each(t, map[string]func() error{
		"nil and nil": func() error { return nil },
		"a panic":     func() error { panic("send on closed channel") },
	}, func(t *testing.T, bad func() error) {
		store := memrecordstore.New()
		stream := &watchedStream{EventStreamer: memstreamer.New(), recv: func(_ context.Context, topic string, n int32) (bool, error) {
			if n%3 == 1 && n < 30 { // each receiver meets it
				return true, bad()
			}
			return false, nil
		}}
		from := newStream(outsideEvents(5, 5))
		from.recv = func(_ context.Context, try int, do func() (*outside, workflow.Ack, error)) (*outside, workflow.Ack, error) {
			if try < 3 {
				return nil, nil, bad()
			}
			return do()
		}
		b := three("nil")
		b.AddConnector("in", from, func(context.Context, api, *outside) error { return nil })
		log := &quietLog{}
		w := classicOn(t, stream, store, memrolescheduler.New(), b, workflow.WithLogger(log))
		ids := triggerAll(t, w, 5)
		pass(10 * time.Minute)
		allIn(t, store, ids, statusEnd, backend.RunStateCompleted)
		if got := from.ackedIDs(); len(got) != 5 {
			t.Errorf("%d of 5 outside events are through", len(got))
		}
		if log.count("") == 0 {
			t.Error("nothing was reported")
		}
	})
}

// A receiver that got no partition waited past the end of its context, so that Stop hung; none was ever closed.
func TestField06StopEndsWhatNeverReceives(t *testing.T) {
	inTime(t, func(t *testing.T) {
		stream := &watchedStream{EventStreamer: memstreamer.New(), recv: func(ctx context.Context, _ string, n int32) (bool, error) {
			if n <= 20 {
				return true, errShaky // each of these is a reconnection
			}
			<-ctx.Done() // nothing is ever assigned
			return true, ctx.Err()
		}}
		from := newStream(nil)
		b := three("unassigned")
		b.AddConnector("in", from, func(context.Context, api, *outside) error { return nil })
		w := classicOn(t, stream, memrecordstore.New(), memrolescheduler.New(), b)
		pass(10 * time.Minute)
		before := time.Now()
		w.Stop()
		if took := time.Since(before); took > 0 {
			t.Errorf("Stop took %v with nothing in work", took)
		}
		if stream.open.Load() != 0 || from.open != 0 || from.mostOpen != 1 {
			t.Errorf("%d receivers and %d consumers were not closed; %d consumers at once", stream.open.Load(), from.open, from.mostOpen)
		}
	})
	inTime(t, func(t *testing.T) { // opening one hangs as well
		w := classicOn(t, hangingStream{}, memrecordstore.New(), memrolescheduler.New(), three("unopened"))
		pass(time.Minute)
		before := time.Now()
		w.Stop()
		if took := time.Since(before); took > 0 {
			t.Errorf("Stop took %v", took)
		}
	})
}

// hangingStream opens nothing before the context ends.
type hangingStream struct{ workflow.EventStreamer }

func (hangingStream) NewSender(ctx context.Context, _ string) (workflow.EventSender, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hangingStream) NewReceiver(ctx context.Context, _, _ string, _ ...workflow.ReceiverOption) (workflow.EventReceiver, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A panic of user code ended the process, whoever called it. Here each piece panics once, and goes on.
func TestField07APanicOfUserCodeHurtsNobodyElse(t *testing.T) {
	inTime(t, func(t *testing.T) {
		on := newStore(t)
		var met noted
		once := func(what string) {
			if met.add(what) == 1 {
				panic("broken " + what)
			}
		}
		b := workflow.NewBuilder[object, status]("panics")
		b.AddStep(statusA, func(context.Context, *run) (status, error) { once("step"); return statusB, nil }, statusB)
		b.AddCallback(statusB, func(context.Context, *run, reader) (status, error) { once("callback"); return statusC, nil }, statusC)
		workflow.AddSignal(b, statusC, remark, func(context.Context, *run, string) (status, error) { once("signal"); return statusOther, nil }, statusOther)
		b.AddTimeout(statusOther, func(_ context.Context, _ *run, now time.Time) (time.Time, error) {
			once("timer")
			return now.Add(time.Hour), nil
		}, func(context.Context, *run, time.Time) (status, error) { once("timeout"); return statusEnd, nil }, statusEnd)
		b.OnComplete(func(context.Context, *workflow.TypedRecord[object, status]) error { once("hook"); return nil })
		b.AddConnector("in", memstreamer.NewConnector(outsideEvents(1, 1)), func(context.Context, api, *outside) error { once("connector"); return nil })
		w := build(t, on, b, workflow.WithCustomDelete(func(*object) error { once("delete"); return nil }),
			workflow.WithRetention(1000*time.Hour), workflow.WithCleanUp(func(context.Context, *workflow.TypedRecord[object, status]) error { once("clean-up"); return nil }),
			workflow.WithLogger(panickingLog{}), workflow.WithErrorCounter(&counter{do: func() { panic("counter") }}))
		id := trigger(t, w, "f")
		pass(time.Minute)
		must(t, w.Callback(ctxFor(t), "f", statusB, nil))
		if err := w.Callback(ctxFor(t), "f", statusC, panickingReader{}); err == nil {
			t.Error("a callback without a function was applied")
		}
		send(t, remark, w, "f", "go", workflow.SignalQueued)
		pass(2 * time.Hour)
		allIn(t, on, []string{id}, statusEnd, backend.RunStateCompleted)
		attempts := failedAttempts(t, on, id)
		for _, a := range attempts {
			if !strings.Contains(a.Error, "panic: broken ") || a.Stack == "" {
				t.Errorf("an attempt of %s is kept as %q, with %d bytes of stack", a.Receiver, a.Error, len(a.Stack))
			}
		}
		if len(attempts) < 5 {
			t.Errorf("%d failed attempts are kept", len(attempts))
		}
		must(t, w.RunStateController(id).DeleteData(ctxFor(t), "asked for"))
		pass(2000 * time.Hour)
		for _, what := range []string{"step", "callback", "signal", "timer", "timeout", "hook", "connector", "delete", "clean-up"} {
			if met.count(what) < 2 {
				t.Errorf("the %s was called %d times: it did not go on after its panic", what, met.count(what))
			}
		}
	})
}

type panickingLog struct{}

func (panickingLog) Debug(context.Context, string, map[string]string) { panic("log") }
func (panickingLog) Error(context.Context, error)                     { panic("log") }

type panickingReader struct{}

func (panickingReader) Read([]byte) (int, error) { panic("reader") }

// A slot was lost where the store failed for a moment: the next try was for the slot after it.
func TestField08ASlotOutlivesAFailingStore(t *testing.T) {
	bubble(t, func(t *testing.T, base *memory.Backend) {
		on := adaptertest.NewFaulty(base, 1)
		begin := time.Now()
		w := build(t, on, three("slots"))
		schedule(t, w, "f", "0 * * * *")
		pass(59*time.Minute + 59*time.Second)
		for _, m := range []adaptertest.Method{adaptertest.MethodCommit, adaptertest.MethodLookup, adaptertest.MethodDue, adaptertest.MethodHeld, adaptertest.MethodReadLog} {
			on.Set(m, adaptertest.Fault{Before: 1})
		}
		pass(time.Minute)
		wantTimes(t, "while the store fails", startedAt(t, base, "slots", "f", begin))
		on.Heal()
		pass(time.Minute)
		runs := startedRuns(t, base, "slots", "f")
		if len(runs) != 1 || !strings.HasSuffix(runs[0].Meta.TraceOrigin, "2000-01-01T01:00:00Z") || runs[0].RunState != backend.RunStateCompleted {
			t.Errorf("the runs of the slot: %+v", runs)
		}
		pass(time.Hour)
		if runs := startedRuns(t, base, "slots", "f"); len(runs) != 2 {
			t.Errorf("%d runs after the next slot", len(runs))
		}
	})
}

// An instance that became leader again fired a schedule once more, by what it remembered. Here a slot is stored, and has one run.
func TestField09ALeaderThatComesBackStartsNothingTwice(t *testing.T) {
	bubble(t, func(t *testing.T, base *memory.Backend) {
		on := newLender(base)
		begin := time.Now()
		w := build(t, on, three("leaders"))
		schedule(t, w, "f", "0 * * * *")
		take := on.grant()
		pass(30 * time.Minute)
		take()
		pass(time.Minute)
		take = on.grant() // back before the slot
		pass(59 * time.Minute)
		wantTimes(t, "in its second time", startedAt(t, base, "leaders", "f", begin), time.Hour)
		take()
		pass(15 * time.Minute)
		defer on.grant()() // and once more after it, before the next
		pass(10 * time.Minute)
		wantTimes(t, "in its third time", startedAt(t, base, "leaders", "f", begin), time.Hour)
		pass(10 * time.Minute)
		wantTimes(t, "after the next slot", startedAt(t, base, "leaders", "f", begin), time.Hour, 2*time.Hour)
	})
}

// A callback that came early, for a stopped run or for another status was dropped, with a nil error.
func TestField10NoCallbackIsDroppedSilently(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, signalFlow("early"))
		call := func(foreignID string, s status) error {
			return w.Callback(ctxFor(t), foreignID, s, strings.NewReader("x"))
		}
		if err := call("nobody", statusA); !errors.Is(err, workflow.ErrRecordNotFound) {
			t.Errorf("without a run: %v", err)
		}
		id := trigger(t, w, "f")
		if err := call("f", statusB); !errors.Is(err, workflow.ErrNoCallback) {
			t.Errorf("of a status without a callback: %v", err)
		}
		must(t, w.RunStateController(id).Pause(ctxFor(t), "wait"))
		if err := call("f", statusA); !errors.Is(err, workflow.ErrRunPaused) || !errors.Is(err, workflow.ErrNotInStatus) {
			t.Errorf("of a paused run: %v", err)
		}
		must(t, w.RunStateController(id).Resume(ctxFor(t)))
		send(t, approve, w, "f", approval{"ada"}, workflow.SignalQueued) // early: it is kept
		pass(time.Hour)
		must(t, call("f", statusA))
		var at *workflow.CallbackError
		if err := call("f", statusA); !errors.As(err, &at) || at.RunID != id || at.Status == int(statusA) {
			t.Errorf("of a status that was left: %v", err)
		}
		pass(time.Second)
		if got := trail(t, on, id); len(got) != 1 || got[0] != "approved by ada" {
			t.Errorf("the early signal led to %q", got)
		}
		must(t, w.RunStateController(id).Cancel(ctxFor(t), "enough"))
		if err := call("f", statusA); !errors.Is(err, workflow.ErrRunFinished) {
			t.Errorf("of a cancelled run: %v", err)
		}
	})
}

// The search for a schedule's next slot ended a day short of a leap cycle.
func TestField11LeapDaysAreFound(t *testing.T) {
	s, err := cron.Parse("30 4 29 2 *", nil)
	must(t, err)
	at := time.Date(2096, 2, 1, 0, 0, 0, 0, time.UTC)
	for _, want := range []int{2096, 2104, 2108} { // 2100 is no leap year
		next, ok := s.Next(at)
		if !ok || !next.Equal(time.Date(want, 2, 29, 4, 30, 0, 0, time.UTC)) {
			t.Fatalf("after %v comes %v, %v, want the 29th of February %d", at, next, ok, want)
		}
		at = next
	}
	if next, ok := s.Next(time.Date(2024, 2, 29, 4, 30, 0, 0, time.UTC)); !ok || next.Year() != 2028 {
		t.Errorf("after the one of 2024 comes %v, %v", next, ok)
	}
}

// sentStream notes what is sent, in order.
type sentStream struct {
	workflow.EventStreamer
	refuse func(runID string) error // nil sends all
	mu     sync.Mutex
	sent   []string // run ids
}

type sentSender struct {
	workflow.EventSender
	s *sentStream
}

func (s *sentStream) NewSender(ctx context.Context, topic string) (workflow.EventSender, error) {
	inner, err := s.EventStreamer.NewSender(ctx, topic)
	return &sentSender{inner, s}, err
}

func (p *sentSender) Send(ctx context.Context, foreignID string, statusType int, headers map[workflow.Header]string) error {
	id := headers[workflow.HeaderRunID]
	if p.s.refuse != nil {
		if err := p.s.refuse(id); err != nil {
			return err
		}
	}
	if err := p.EventSender.Send(ctx, foreignID, statusType, headers); err != nil {
		return err
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.sent = append(p.s.sent, id)
	return nil
}

func (s *sentStream) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.sent...)
}

// One outbox was a stack, the other had no order: the newest events went out first, and under load the oldest never.
func TestField12TheOutboxIsSentInOrder(t *testing.T) {
	each(t, map[string]func() workflow.RecordStore{
		"ours": func() workflow.RecordStore { return memrecordstore.New() }, "a third party's": func() workflow.RecordStore { return &ownStore{} },
	}, func(t *testing.T, make func() workflow.RecordStore) {
		store, stream := make(), &sentStream{EventStreamer: memstreamer.New()}
		mk := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("ordered")
			b.AddCallback(statusA, func(context.Context, *run, io.Reader) (status, error) { return statusEnd, nil }, statusEnd)
			return b
		}
		client := mk().Build(memstreamer.New(), store, &ownRoles{}, workflow.WithLogger(&quietLog{}))
		ids := triggerAll(t, client, 100)
		waiting, err := store.ListOutboxEvents(ctxFor(t), "ordered", 10)
		must(t, err)
		for i, e := range waiting {
			if m, err := backend.ParseOutboxEventData(e.Data); err != nil || m.RunID != ids[i] {
				t.Errorf("event %d of the outbox is of run %s, %v, want %s", i, m.RunID, err, ids[i])
			}
		}
		classicOn(t, stream, store, &ownRoles{}, mk(), workflow.WithOutboxOptions(workflow.OutboxLookupLimit(3)))
		late := name(1000)
		pass(300 * time.Millisecond)
		ids = append(ids, trigger(t, client, late))
		pass(time.Minute)
		if got := stream.all(); fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("%d events were sent, in another order than %d were stored", len(got), len(ids))
		}
	})
}
