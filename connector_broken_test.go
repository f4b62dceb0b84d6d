package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

// TestABrokenConsumerIsReplaced: whatever its makers did to it, the connector connects again, reports the streak once, and loses nothing.
func TestABrokenConsumerIsReplaced(t *testing.T) {
	broken := func(fail func(ctx context.Context) (*outside, workflow.Ack, error)) func(*stream) {
		return func(s *stream) {
			s.recv = func(ctx context.Context, try int, do func() (*outside, workflow.Ack, error)) (*outside, workflow.Ack, error) {
				if try <= 4 {
					return fail(ctx)
				}
				return do()
			}
		}
	}
	for what, breakIt := range map[string]func(*stream){
		"constructor fails": func(s *stream) {
			s.make = firstTries(func() (workflow.ConnectorConsumer, error) { return nil, errShaky })
		},
		"constructor panics": func(s *stream) { s.make = firstTries(func() (workflow.ConnectorConsumer, error) { panic("make") }) },
		"constructor gives up": func(s *stream) {
			s.make = firstTries(func() (workflow.ConnectorConsumer, error) { runtime.Goexit(); return nil, nil })
		},
		"constructor says nothing": func(s *stream) { s.from = &forgetful{inner: s.from} },
		"receive fails":            broken(func(context.Context) (*outside, workflow.Ack, error) { return nil, nil, errShaky }),
		"receive runs out of time": broken(func(context.Context) (*outside, workflow.Ack, error) { return nil, nil, context.DeadlineExceeded }),
		"receive was cancelled":    broken(func(context.Context) (*outside, workflow.Ack, error) { return nil, nil, context.Canceled }),
		"receive panics":           broken(func(context.Context) (*outside, workflow.Ack, error) { panic("receive") }),
		"receive gives up":         broken(func(context.Context) (*outside, workflow.Ack, error) { runtime.Goexit(); return nil, nil, nil }),
		"closed":                   broken(func(context.Context) (*outside, workflow.Ack, error) { return nil, nil, backend.ErrClosed }),
		"no event":                 broken(func(context.Context) (*outside, workflow.Ack, error) { return nil, func() error { return nil }, nil }),
		"no acknowledgement":       broken(func(context.Context) (*outside, workflow.Ack, error) { return &outside{}, nil, nil }),
	} {
		t.Run(what, func(t *testing.T) {
			from, log := newStream(outsideEvents(20, 7)), &quietLog{}
			breakIt(from)
			b := fed("broken", from, func(context.Context, api, *outside) error { return nil }, quickRetry(1)...)
			w := build(t, newStore(t), b, workflow.WithLogger(log))
			from.allAcked(t, 20)
			if got := log.ofConnectors(); len(got) != 1 {
				t.Errorf("reported %d times: %v", len(got), got)
			}
			if err := w.Health(); err != nil {
				t.Errorf("health of a connector that receives again: %v", err)
			}
			if all := parkedEvents(t, w); len(all) != 0 {
				t.Errorf("parked: %+v", all)
			}
		})
	}
}

// firstTries fails the first four connections.
func firstTries(fail func() (workflow.ConnectorConsumer, error)) func(int) (workflow.ConnectorConsumer, error) {
	return func(try int) (workflow.ConnectorConsumer, error) {
		if try <= 4 {
			return fail()
		}
		return nil, nil
	}
}

// forgetful is a constructor that returns nothing at first.
type forgetful struct {
	inner workflow.ConnectorConstructor
	tries atomic.Int32
}

func (f *forgetful) Make(ctx context.Context, name string) (workflow.ConnectorConsumer, error) {
	if f.tries.Add(1) <= 4 {
		return nil, nil
	}
	return f.inner.Make(ctx, name)
}

// TestAConnectorThatCannotReceiveSaysSo: in Health, until it can again.
func TestAConnectorThatCannotReceiveSaysSo(t *testing.T) {
	from := newStream(outsideEvents(1, 1))
	var down atomic.Bool
	down.Store(true)
	from.make = func(int) (workflow.ConnectorConsumer, error) {
		if down.Load() {
			return nil, errShaky
		}
		return nil, nil
	}
	w := build(t, newStore(t), fed("down", from, func(context.Context, api, *outside) error { return nil }, quickRetry(1)...))
	eventually(t, "the workflow is not well", func() bool { return errors.Is(w.Health(), workflow.ErrConnectorFailing) })
	down.Store(false)
	from.allAcked(t, 1)
	if err := w.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
}

// TestAFailedAckBringsTheEventsAgain: nothing is acknowledged behind it on that connection.
func TestAFailedAckBringsTheEventsAgain(t *testing.T) {
	from := newStream(outsideEvents(50, 50))
	var failed atomic.Int32
	from.ack = func(e outside, do func() error) error {
		if e.ID == "event-20" && failed.Add(1) == 1 {
			panic("ack")
		}
		return do()
	}
	calls := newTally()
	b := fed("acks", from, func(_ context.Context, _ api, e *outside) error { return calls.work(e, func() error { return nil }) },
		append(quickRetry(1), workflow.ParallelCount(5))...)
	build(t, newStore(t), b)
	from.allAcked(t, 50)
	if calls.of("event-20") < 2 || calls.of("event-19") != 1 || calls.wrong != nil {
		t.Errorf("event 19 was worked on %d times, event 20 %d times; %v", calls.of("event-19"), calls.of("event-20"), calls.wrong)
	}
}

// TestUserCodeThatIsCancelledDoesNotSpin: on classic parts a failing event is tried again after its backoff, by the workflow's clock, once per wait.
func TestUserCodeThatIsCancelledDoesNotSpin(t *testing.T) {
	for what, fail := range map[string]error{
		"canceled": context.Canceled, "deadline": context.DeadlineExceeded, "plain": errTest, "permanent": workflow.Permanent(errTest),
	} {
		t.Run(what, func(t *testing.T) {
			clock, log, from := newFakeClock(), &quietLog{}, newStream(outsideEvents(3, 1))
			calls := make(chan string, 100)
			var healed atomic.Bool
			b := fed("spin", from, func(_ context.Context, _ api, e *outside) error {
				calls <- e.ID
				if e.ID == "event-0" && !healed.Load() {
					return fail
				}
				return nil
			}, workflow.ErrBackOff(time.Minute), workflow.MaxBackOff(time.Minute), workflow.PauseAfterErrCount(1))
			w := classic(t, b, workflow.WithClock(clock), workflow.WithLogger(log))
			for _, want := range []string{"event-0", "event-1", "event-2"} { // those behind it go on
				if got := receive(t, calls); got != want {
					t.Fatalf("%s was worked on, want %s", got, want)
				}
			}
			for range 5 {
				awaitWaiters(t, clock, 1)
				if n := len(calls); n != 0 {
					t.Fatalf("%d calls without a wait", n)
				}
				clock.step(time.Minute)
				receive(t, calls)
			}
			awaitWaiters(t, clock, 1)
			if got := from.ackedIDs(); len(got) != 0 {
				t.Errorf("acknowledged past the failing event: %v", got)
			}
			if got := log.ofConnectors(); len(got) != 1 {
				t.Errorf("the streak is reported %d times: %v", len(got), got)
			}
			for _, err := range w.ParkedEvents(ctxFor(t)) {
				if !errors.Is(err, backend.ErrUnsupported) {
					t.Errorf("parked events of classic parts: %v", err)
				}
			}
			if err := w.RetryEvent(ctxFor(t), "in", "event-0"); !errors.Is(err, backend.ErrUnsupported) {
				t.Errorf("retry on classic parts: %v", err)
			}
			healed.Store(true)
			clock.step(time.Minute)
			from.allAcked(t, 3)
		})
	}
}

// awaitWaiters waits until so many wait for the clock.
func awaitWaiters(t testing.TB, c *fakeClock, n int) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " wait for the clock"), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.waiters) == n
	})
}

// TestUnacknowledgedEventsAreBounded: behind an event that fails for ever in memory the connector receives 1,024 events and no more. (G11)
func TestUnacknowledgedEventsAreBounded(t *testing.T) {
	clock, from, calls := newFakeClock(), newStream(outsideEvents(3000, 300)), newTally()
	var healed atomic.Bool
	b := fed("bound", from, func(_ context.Context, _ api, e *outside) error {
		return calls.work(e, func() error {
			if e.ID == "event-0" && !healed.Load() {
				return errTest
			}
			return nil
		})
	}, workflow.ParallelCount(3))
	classic(t, b, workflow.WithClock(clock))
	eventually(t, "1,024 events were worked on", func() bool { return calls.events() == 1024 })
	awaitWaiters(t, clock, 1)
	from.mu.Lock()
	if from.received != 1024 || len(from.acked) != 0 {
		t.Errorf("received %d, acknowledged %d, want 1,024 and none", from.received, len(from.acked))
	}
	from.mu.Unlock()
	healed.Store(true)
	clock.step(time.Hour)
	from.allAcked(t, 3000)
}

// TestOneProcessConsumes: of two programs one has the connector's role; the other takes over where it was.
func TestOneProcessConsumes(t *testing.T) {
	places(t, func(t *testing.T, place func(testing.TB, *workflow.Builder[object, status], ...workflow.BuildOption) *flow) {
		from := newStream(outsideEvents(100, 10))
		var mu sync.Mutex
		got := map[string]int{}
		gate := make(chan bool, 1000)
		program := func() *flow {
			return place(t, fed("shared", from, func(ctx context.Context, _ api, e *outside) error {
				select {
				case <-gate:
				case <-ctx.Done():
					return ctx.Err()
				}
				mu.Lock()
				defer mu.Unlock()
				got[e.ID]++
				return nil
			}), workflow.WithStopTimeout(time.Millisecond))
		}
		state := func(w *flow) workflow.State { return w.States()[process("shared")] }
		first := program()
		eventually(t, "the first has the role", func() bool { return state(first) == workflow.StateRunning })
		second := program()
		for range 40 {
			gate <- true
		}
		from.allAcked(t, 40)
		if state(first) != workflow.StateRunning || state(second) != workflow.StateIdle {
			t.Errorf("first is %v, second is %v", state(first), state(second))
		}
		first.Stop()
		for range 60 {
			gate <- true
		}
		from.allAcked(t, 100)
		if state(second) != workflow.StateRunning {
			t.Errorf("second is %v", state(second))
		}
		if from.mostOpen != 1 {
			t.Errorf("%d consumers were open at once", from.mostOpen)
		}
		for id, n := range got {
			if n != 1 {
				t.Errorf("%s was worked on %d times", id, n)
			}
		}
	})
}

// TestALostRoleEndsTheConsumer: its calls end, nothing more is acknowledged, and the next holder gets what was not.
func TestALostRoleEndsTheConsumer(t *testing.T) {
	lent := &lentReader{Backend: newStore(t), granted: make(chan func(backend.Grant), 1)}
	from := newStream(outsideEvents(2, 2))
	entered, causes := make(chan string, 10), make(chan error, 10)
	var free atomic.Bool
	b := fed("lost", from, func(ctx context.Context, _ api, e *outside) error {
		entered <- e.ID
		if free.Load() {
			return nil
		}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return nil // it says that all is well, although it is too late for an acknowledgement
	})
	w := build(t, lent, b)
	grant := receive(t, lent.granted)
	lose := grantRole(grant)
	receive(t, entered)
	lose()
	if cause := receive(t, causes); cause == nil || errors.Is(cause, workflow.ErrStopping) {
		t.Errorf("the call ended because %v", cause)
	}
	eventually(t, "the connector waits for its role", func() bool { return w.States()[process("lost")] == workflow.StateIdle })
	if got := from.ackedIDs(); len(got) != 0 || from.open != 0 {
		t.Errorf("acknowledged after the loss: %v; %d consumers open", got, from.open)
	}
	free.Store(true)
	defer grantRole(grant)()
	from.allAcked(t, 2)
	if all := parkedEvents(t, w); len(all) != 0 {
		t.Errorf("a lost role counts as a failure: %+v", all)
	}
}

// lentReader is a backend on which the test grants the connector's role.
type lentReader struct {
	backend.Backend
	granted chan func(backend.Grant)
}

func (l *lentReader) Join(ctx context.Context, name string, buckets int, granted func(backend.Grant)) (func(), error) {
	if buckets == 1 {
		l.granted <- granted
		return func() {}, nil
	}
	return l.Backend.Join(ctx, name, buckets, granted)
}

func grantRole(granted func(backend.Grant)) (take func()) {
	ctx, cancel := context.WithCancel(context.Background())
	granted(backend.Grant{Buckets: []int{0}, Epoch: 1, Context: ctx})
	return cancel
}

// TestStopLetsAConnectorFinish: the call under way ends well and is acknowledged; what is in line is not started.
func TestStopLetsAConnectorFinish(t *testing.T) {
	from := newStream(outsideEvents(5, 5))
	entered, open := make(chan string, 10), make(chan struct{})
	b := fed("gentle", from, func(ctx context.Context, _ api, e *outside) error {
		entered <- e.ID
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	w := build(t, newStore(t), b)
	receive(t, entered)
	stopped := make(chan bool)
	go func() { w.Stop(); close(stopped) }()
	eventually(t, "the connector receives no more", func() bool {
		from.mu.Lock()
		defer from.mu.Unlock()
		return from.received == 5
	})
	<-time.After(20 * time.Millisecond) // Stop is under way
	close(open)
	receive(t, stopped)
	if got := from.ackedIDs(); len(got) != 1 || len(entered) != 0 {
		t.Errorf("acknowledged %v, %d more were started", got, len(entered))
	}
}

// TestStopIsBoundedWhateverAConsumerDoes: its calls hang, before and after the end of their context, even when they are told to close.
func TestStopIsBoundedWhateverAConsumerDoes(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	hang := func() error { <-release; return nil }
	for what, breakIt := range map[string]func(s *stream, hung func()){
		"make": func(s *stream, hung func()) {
			s.make = func(int) (workflow.ConnectorConsumer, error) { hung(); return nil, hang() }
		},
		"receive": func(s *stream, hung func()) {
			s.recv = func(context.Context, int, func() (*outside, workflow.Ack, error)) (*outside, workflow.Ack, error) {
				hung()
				return nil, nil, hang()
			}
		},
		"acknowledge": func(s *stream, hung func()) { s.ack = func(outside, func() error) error { hung(); return hang() } },
		"close":       func(s *stream, hung func()) { s.from = &stuckClosing{inner: s.from, hung: hung, release: release} },
	} {
		t.Run(what, func(t *testing.T) {
			from := newStream(outsideEvents(1, 1))
			reached := make(chan bool, 100)
			breakIt(from, func() { reached <- true })
			b := fed("hung", from, func(context.Context, api, *outside) error { return nil })
			w, err := b.BuildOn(newStore(t), workflow.WithLogger(&quietLog{}), workflow.WithStopTimeout(10*time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			w.Run(context.Background())
			if what != "close" {
				receive(t, reached)
			} else {
				from.allAcked(t, 1)
			}
			stopped := make(chan bool)
			go func() { w.Stop(); close(stopped) }()
			receive(t, stopped)
		})
	}
}

// stuckClosing is a connector whose consumers do not close.
type stuckClosing struct {
	inner   workflow.ConnectorConstructor
	hung    func()
	release chan struct{}
}

func (s *stuckClosing) Make(ctx context.Context, name string) (workflow.ConnectorConsumer, error) {
	c, err := s.inner.Make(ctx, name)
	return &stuckConsumer{ConnectorConsumer: c, s: s}, err
}

type stuckConsumer struct {
	workflow.ConnectorConsumer
	s *stuckClosing
}

func (c *stuckConsumer) Close() error {
	c.s.hung()
	<-c.s.release
	return c.ConnectorConsumer.Close()
}

// TestConnectorsLeaveNoGoroutine: after a Stop.
func TestConnectorsLeaveNoGoroutine(t *testing.T) {
	places(t, func(t *testing.T, place func(testing.TB, *workflow.Builder[object, status], ...workflow.BuildOption) *flow) {
		before := goroutines(t)
		from := newStream(outsideEvents(200, 20))
		b := fed("leak", from, func(_ context.Context, _ api, e *outside) error {
			if e.ID == "event-7" {
				return errTest
			}
			return nil
		}, append(quickRetry(2), workflow.ParallelCount(7))...)
		w := place(t, b)
		eventually(t, "it receives", func() bool { from.mu.Lock(); defer from.mu.Unlock(); return from.received == 200 })
		w.Stop()
		awaitGoroutines(t, before)
	})
}

// TestTheEndOfTheContextEndsConnectors: their calls end at once, however long Stop would wait, and no goroutine is left without a Stop.
func TestTheEndOfTheContextEndsConnectors(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	before := goroutines(t)
	from, on := newStream(outsideEvents(3, 1)), newStore(t)
	entered, causes := make(chan bool, 1), make(chan error, 1)
	failed := &counter{added: make(chan string, 10)}
	b := fed("ctx", from, func(ctx context.Context, _ api, e *outside) error {
		if e.ID != "event-2" {
			return nil
		}
		entered <- true
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return ctx.Err()
	})
	w, err := b.BuildOn(on, workflow.WithLogger(&quietLog{}), workflow.WithStopTimeout(time.Hour), workflow.WithErrorCounter(failed))
	if err != nil {
		t.Fatal(err)
	}
	w.Run(ctx)
	receive(t, entered)
	from.allAcked(t, 2)
	cancel()
	if cause := receive(t, causes); !errors.Is(cause, workflow.ErrStopping) {
		t.Errorf("the call ended because %v", cause)
	}
	awaitGoroutines(t, before)
	if n, all := len(failed.added), parkedEvents(t, w); n != 0 || len(all) != 0 {
		t.Errorf("the end counts as %d failed attempts; parked: %+v", n, all)
	}
}

// TestAnAttemptOfAConnectorHasADeadline: one that runs into it has failed; one that ignores it is given up, and others go on.
func TestAnAttemptOfAConnectorHasADeadline(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for what, late := range map[string]func(ctx context.Context) error{
		"obeys":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"ignores": func(context.Context) error { <-release; return nil },
		"goexit":  func(context.Context) error { runtime.Goexit(); return nil },
	} {
		t.Run(what, func(t *testing.T) {
			from := newStream(outsideEvents(10, 1))
			b := fed("deadline", from, func(ctx context.Context, _ api, e *outside) error {
				if e.ID == "event-3" {
					return late(ctx)
				}
				return nil
			}, append(quickRetry(2), workflow.AttemptDeadline(20*time.Millisecond))...)
			w := build(t, newStore(t), b)
			from.allAcked(t, 10)
			e := parkedAs(t, w, workflow.RunStatePaused)
			if e.Event.ID != "event-3" || e.Attempts != 2 {
				t.Errorf("parked: %+v", e)
			}
		})
	}
}

// TestConsumeLagOfAConnector: an event waits until it is old enough by the workflow's clock.
func TestConsumeLagOfAConnector(t *testing.T) {
	clock := newFakeClock()
	events := outsideEvents(2, 2)
	events[0].CreatedAt = clock.Now().Add(-time.Hour)
	events[1].CreatedAt = clock.Now()
	from := newStream(events)
	seen := make(chan string, 10)
	b := fed("lag", from, func(_ context.Context, _ api, e *outside) error { seen <- e.ID; return nil }, workflow.ConsumeLag(time.Minute))
	classic(t, b, workflow.WithClock(clock))
	receive(t, seen)
	awaitWaiters(t, clock, 1)
	if len(seen) != 0 {
		t.Error("it did not wait")
	}
	clock.step(time.Minute)
	receive(t, seen)
	from.allAcked(t, 2)
}

// TestWhatClassicPartsLackForConnectorsIsSaid: in the debug log, at Build.
func TestWhatClassicPartsLackForConnectorsIsSaid(t *testing.T) {
	log := &debugLog{}
	fed("said", newStream(nil), func(context.Context, api, *outside) error { return nil }).
		Build(memstreamer.New(), memrecordstore.New(), memrolescheduler.New(), workflow.WithLogger(log), workflow.WithDebugMode())
	if !log.said("connector events that fail are not parked") {
		t.Error("Build does not say that failed events of connectors are not parked")
	}
}

// debugLog keeps what is said to those who search.
type debugLog struct {
	quietLog
	lines []string
}

func (l *debugLog) Debug(_ context.Context, msg string, meta map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprint(msg, meta))
}

func (l *debugLog) said(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool { return strings.Contains(line, part) })
}

// TestAConsumerThatDoesNotCloseIsLeftBehind: the connector connects again all the same.
func TestAConsumerThatDoesNotCloseIsLeftBehind(t *testing.T) {
	from, release := newStream(outsideEvents(2, 2)), make(chan struct{})
	defer close(release)
	from.from = &stuckClosing{inner: from.from, hung: func() {}, release: release}
	from.recv = func(_ context.Context, try int, do func() (*outside, workflow.Ack, error)) (*outside, workflow.Ack, error) {
		if try == 1 {
			return nil, nil, errShaky
		}
		return do()
	}
	build(t, newStore(t), fed("unclosed", from, func(context.Context, api, *outside) error { return nil }, quickRetry(1)...),
		workflow.WithStopTimeout(time.Millisecond))
	from.allAcked(t, 2)
}
