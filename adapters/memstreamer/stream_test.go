package memstreamer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

const topic = "orders-1"

func TestRecvReturnsTheTopicsEventsInOrder(t *testing.T) {
	s := memstreamer.New()
	receiver := newReceiver(t, s, topic, "a")
	headers := map[backend.Header]string{backend.HeaderRunID: "run-1", backend.HeaderForeignID: "order-1"}
	if err := newSender(t, s, "other").Send(t.Context(), "elsewhere", 99, nil); err != nil {
		t.Fatal(err)
	}
	sender := newSender(t, s, topic)
	for n := 1; n <= 200; n++ { // more than one segment
		if err := sender.Send(t.Context(), "run-1", n, headers); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n <= 200; n++ {
		e, _ := recv(t, receiver)
		if e.ID != int64(n) || e.Type != n || e.ForeignID != "run-1" {
			t.Fatalf("event %d is %+v", n, e)
		}
		if len(e.Headers) != 2 || e.Headers[backend.HeaderRunID] != "run-1" || e.Headers[backend.HeaderForeignID] != "order-1" {
			t.Fatalf("event %d has headers %v", n, e.Headers)
		}
	}
	mustBeAtEnd(t, receiver)
}

func TestHeadersAreSharedByNobody(t *testing.T) {
	s := memstreamer.New()
	sender, first, second := newSender(t, s, topic), newReceiver(t, s, topic, "a"), newReceiver(t, s, topic, "b")
	headers := map[backend.Header]string{backend.HeaderRunID: "good"}
	if err := sender.Send(t.Context(), "run", 1, headers); err != nil {
		t.Fatal(err)
	}
	headers[backend.HeaderRunID] = "changed by the sender"
	e, _ := recv(t, first)
	if got := e.Headers[backend.HeaderRunID]; got != "good" {
		t.Fatalf("the sender's change reached a receiver: %q", got)
	}
	e.Headers[backend.HeaderRunID] = "changed by a receiver"
	e.Type = 7
	for name, receiver := range map[string]backend.EventReceiver{"another name": second, "the same name": newReceiver(t, s, topic, "a")} {
		if e, _ := recv(t, receiver); e.Headers[backend.HeaderRunID] != "good" || e.Type != 1 {
			t.Errorf("one receiver's change reached %s: %+v", name, e)
		}
	}
}

func TestAckMovesTheCursorOnceAndOnlyForward(t *testing.T) {
	s := memstreamer.New()
	receiver := newReceiver(t, s, topic, "a")
	send(t, newSender(t, s, topic), 1, 5)
	acks := recvTypes(t, receiver, 1, 5)
	mustStartAt(t, s, topic, "a", 1) // receiving alone moves nothing

	mustAck(t, acks[2])
	mustStartAt(t, s, topic, "a", 4) // cumulative
	mustAck(t, acks[2])
	mustStartAt(t, s, topic, "a", 4) // idempotent
	mustAck(t, acks[0])
	mustAck(t, acks[1])
	mustStartAt(t, s, topic, "a", 4) // never back
	mustAck(t, acks[3])
	mustStartAt(t, s, topic, "a", 5)

	mustStartAt(t, s, topic, "b", 1) // another name has its own
}

func TestUnackedEventsComeAgain(t *testing.T) {
	s := memstreamer.New()
	send(t, newSender(t, s, topic), 1, 4)
	receiver := newReceiver(t, s, topic, "a")
	acks := recvTypes(t, receiver, 1, 4)
	mustAck(t, acks[1])
	if err := receiver.Close(); err != nil {
		t.Fatal(err)
	}
	again := newReceiver(t, s, topic, "a")
	recvTypes(t, again, 3, 4)

	mustAck(t, acks[2]) // an ack of a closed receiver's event still counts
	mustStartAt(t, s, topic, "a", 4)
}

func TestReceiversOfOneNameDoNotSplitTheEvents(t *testing.T) {
	s := memstreamer.New()
	sender, quick, slow := newSender(t, s, topic), newReceiver(t, s, topic, "a"), newReceiver(t, s, topic, "a")
	const events = 5 * memstreamer.MaxPassed
	send(t, sender, 1, events)
	quickAcks := recvTypes(t, quick, 1, events)
	mustAck(t, quickAcks[events-2])

	slowAcks := recvTypes(t, slow, 1, events) // although the name has passed nearly all of them
	mustAck(t, slowAcks[10])
	mustStartAt(t, s, topic, "a", events) // the further one of the two counts
	mustAck(t, slowAcks[events-1])
	mustAck(t, quickAcks[events-2])
	mustBeAtEnd(t, newReceiver(t, s, topic, "a"))
}

func TestManyNamesHaveCursorsOfTheirOwn(t *testing.T) {
	s := memstreamer.New()
	sender := newSender(t, s, topic)
	const names, events = 200, 300
	receivers := make([]backend.EventReceiver, names)
	for i := range receivers {
		receivers[i] = newReceiver(t, s, topic, string(rune('a'+i)))
	}
	send(t, sender, 1, events)
	for i, receiver := range receivers {
		acks := recvTypes(t, receiver, 1, events)
		mustAck(t, acks[i])
	}
	for i := range receivers {
		mustStartAt(t, s, topic, string(rune('a'+i)), i+2)
	}
}

func TestStreamFromLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstreamer.New()
		sender := newSender(t, s, topic)
		send(t, sender, 1, 3)
		old := newReceiver(t, s, topic, "old")
		recvTypes(t, old, 1, 3)

		latest := newReceiver(t, s, topic, "new", backend.StreamFromLatest())
		mustBeAtEnd(t, latest)
		send(t, sender, 4, 5)
		recvTypes(t, latest, 4, 5)
		// The name has a cursor now, where it was first opened, and the option no longer matters.
		recvTypes(t, newReceiver(t, s, topic, "new", backend.StreamFromLatest()), 4, 5)
		recvTypes(t, newReceiver(t, s, topic, "old", backend.StreamFromLatest()), 1, 5)
	})
}

func TestStreamFromLatestUnderLoad(t *testing.T) {
	s := memstreamer.New()
	sender := newSender(t, s, topic)
	begun, sent := make(chan int, 1), make(chan int, 1) // each holds the newest number
	begun <- 0
	sent <- 0
	ctx, cancel := context.WithCancel(t.Context())
	joined := make(chan error, 1)
	go func() {
		for n := 1; ctx.Err() == nil; n++ {
			<-begun
			begun <- n
			if err := sender.Send(context.Background(), "run", n, nil); err != nil {
				joined <- err
				return
			}
			<-sent
			sent <- n
		}
		joined <- nil
	}()
	for i := range 200 {
		before := <-sent
		sent <- before
		receiver := newReceiver(t, s, topic, "late-"+string(rune('a'+i)), backend.StreamFromLatest())
		after := <-begun
		begun <- after
		e, _ := recv(t, receiver)
		if e.Type <= before {
			t.Errorf("got event %d, which was sent before the receiver was asked for (%d)", e.Type, before)
		}
		if e.Type > after+1 {
			t.Errorf("first event is %d, but %d was sent after the receiver was there", e.Type, after+1)
		}
		recvTypes(t, receiver, e.Type+1, e.Type+5)
		if err := receiver.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-joined; err != nil {
		t.Fatal(err)
	}
}

func TestANewNameStartsAtTheOldestKeptEvent(t *testing.T) {
	s := memstreamer.New()
	sender := newSender(t, s, topic)
	send(t, sender, 1, memstreamer.MaxUnnamed)
	mustStartAt(t, s, topic, "a", 1)
	s.Forget(topic, "a")
	send(t, sender, memstreamer.MaxUnnamed+1, memstreamer.MaxUnnamed+7)
	mustStartAt(t, s, topic, "b", 8)

	b := newReceiver(t, s, topic, "b")
	acks := recvTypes(t, b, 8, memstreamer.MaxUnnamed+7)
	mustAck(t, acks[499])
	mustStartAt(t, s, topic, "late", 8) // fewer than MaxPassed were acked
	s.Forget(topic, "late")
	mustAck(t, acks[len(acks)-1])
	mustStartAt(t, s, topic, "later", memstreamer.MaxUnnamed+7-memstreamer.MaxPassed+1)
}

// TestANameFromLatestLeavesSomeForLateNames: a name that begins at the end passes everything at once, yet those that start a
// moment later still get the newest events.
func TestANameFromLatestLeavesSomeForLateNames(t *testing.T) {
	s := memstreamer.New()
	sender := newSender(t, s, topic)
	send(t, sender, 1, 3*memstreamer.MaxPassed)
	newReceiver(t, s, topic, "latest", backend.StreamFromLatest())
	mustStartAt(t, s, topic, "a", 2*memstreamer.MaxPassed+1)
}

func TestWithClock(t *testing.T) {
	at := time.Date(2031, 5, 4, 3, 2, 1, 0, time.UTC)
	s := memstreamer.New(memstreamer.WithClock(fixedClock{at: at}))
	receiver := newReceiver(t, s, topic, "a")
	send(t, newSender(t, s, topic), 1, 1)
	if e, _ := recv(t, receiver); !e.CreatedAt.Equal(at) {
		t.Errorf("CreatedAt = %v, want the clock's %v", e.CreatedAt, at)
	}

	for name, s := range map[string]*memstreamer.StreamConstructor{"default": memstreamer.New(), "nil": memstreamer.New(memstreamer.WithClock(nil))} {
		receiver := newReceiver(t, s, topic, "a")
		before := time.Now()
		send(t, newSender(t, s, topic), 1, 1)
		if e, _ := recv(t, receiver); e.CreatedAt.Before(before) || e.CreatedAt.After(time.Now()) {
			t.Errorf("%s clock: CreatedAt = %v, want now", name, e.CreatedAt)
		}
	}
}

type fixedClock struct {
	backend.RealClock
	at time.Time
}

func (c fixedClock) Now() time.Time { return c.at }

func TestCloseEndsTheSender(t *testing.T) {
	s := memstreamer.New()
	receiver, sender, other := newReceiver(t, s, topic, "a"), newSender(t, s, topic), newSender(t, s, topic)
	send(t, sender, 1, 1)
	for range 2 {
		if err := sender.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if err := sender.Send(t.Context(), "run", 2, nil); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("Send after Close = %v, want ErrClosed", err)
	}
	send(t, other, 3, 3)
	recvTypes(t, receiver, 1, 1)
	recvTypes(t, receiver, 3, 3)
}

func TestCloseWakesTheParkedAndKeepsTheCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstreamer.New()
		sender := newSender(t, s, topic)
		send(t, sender, 1, 3)
		receiver, sibling := newReceiver(t, s, topic, "a"), newReceiver(t, s, topic, "a")
		acks := recvTypes(t, receiver, 1, 3)
		mustAck(t, acks[1])
		parked := make(chan error, 2)
		for range 2 {
			go func() {
				_, _, err := receiver.Recv(context.Background())
				parked <- err
			}()
		}
		synctest.Wait() // returns only once both are parked
		if len(parked) != 0 {
			t.Fatalf("Recv returned %v at the end of the topic", <-parked)
		}
		for range 2 {
			if err := receiver.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
		}
		for range 2 {
			if err := <-parked; !errors.Is(err, backend.ErrClosed) {
				t.Errorf("parked Recv = %v, want ErrClosed", err)
			}
		}
		if _, _, err := receiver.Recv(t.Context()); !errors.Is(err, backend.ErrClosed) {
			t.Errorf("Recv after Close = %v, want ErrClosed", err)
		}
		mustStartAt(t, s, topic, "a", 3)
		recvTypes(t, sibling, 1, 3) // closing one leaves the other alone
	})
}

func TestAnEndedContextTakesAndSendsNothing(t *testing.T) {
	s := memstreamer.New()
	sender, receiver := newSender(t, s, topic), newReceiver(t, s, topic, "a")
	send(t, sender, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sender.Send(ctx, "run", 2, nil); err != context.Canceled { //nolint:errorlint // the context's own error is promised
		t.Errorf("Send = %v, want context.Canceled itself", err)
	}
	if _, _, err := receiver.Recv(ctx); err != context.Canceled { //nolint:errorlint // the context's own error is promised
		t.Errorf("Recv = %v, want context.Canceled itself", err)
	}
	if _, err := s.NewSender(ctx, topic); !errors.Is(err, context.Canceled) {
		t.Errorf("NewSender = %v, want context.Canceled", err)
	}
	if _, err := s.NewReceiver(ctx, topic, "b"); !errors.Is(err, context.Canceled) {
		t.Errorf("NewReceiver = %v, want context.Canceled", err)
	}
	recvTypes(t, receiver, 1, 1)
	mustBeAtEnd(t, receiver)
}

func TestForgetDropsAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstreamer.New()
		sender := newSender(t, s, topic)
		receiver, other := newReceiver(t, s, topic, "a"), newReceiver(t, s, topic, "b")
		send(t, sender, 1, 2)
		acks := recvTypes(t, receiver, 1, 2)
		parked := make(chan error, 1)
		go func() {
			_, _, err := receiver.Recv(context.Background())
			parked <- err
		}()
		synctest.Wait()
		s.Forget(topic, "a")
		s.Forget(topic, "a")
		s.Forget("no such topic", "a")
		if err := <-parked; !errors.Is(err, backend.ErrClosed) {
			t.Errorf("parked Recv = %v, want ErrClosed", err)
		}
		if err := acks[0](); !errors.Is(err, backend.ErrClosed) {
			t.Errorf("ack after Forget = %v, want ErrClosed", err)
		}
		mustBeAtEnd(t, newReceiver(t, s, topic, "a", backend.StreamFromLatest())) // as a new name
		if err := receiver.Close(); err != nil {
			t.Errorf("Close after Forget: %v", err)
		}
		recvTypes(t, other, 1, 2)
	})
}

// TestForgetClosesEveryOpenReceiver: whichever of a name's receivers were closed before.
func TestForgetClosesEveryOpenReceiver(t *testing.T) {
	const n = 4
	for closed := range 1 << n {
		s := memstreamer.New()
		var receivers []backend.EventReceiver
		for range n {
			receivers = append(receivers, newReceiver(t, s, topic, "a"))
		}
		for i, r := range receivers {
			if closed&(1<<i) != 0 {
				_ = r.Close() // it never fails
			}
		}
		late := newReceiver(t, s, topic, "a")
		s.Forget(topic, "a")
		for i, r := range append(receivers, late) {
			if _, _, err := r.Recv(t.Context()); !errors.Is(err, backend.ErrClosed) {
				t.Fatalf("closed before: %04b: Recv of receiver %d = %v, want ErrClosed", closed, i, err)
			}
		}
	}
}

func TestMisuseIsAnError(t *testing.T) {
	s := memstreamer.New()
	sender, ok := newSender(t, s, topic).(*memstreamer.Stream)
	if !ok {
		t.Fatal("a sender is not a *Stream")
	}
	if _, _, err := sender.Recv(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Recv on a sender = %v, want ErrUnsupported", err)
	}
	var zero memstreamer.Stream
	if err := zero.Send(t.Context(), "run", 1, nil); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("Send on a zero Stream = %v, want ErrClosed", err)
	}
	if _, _, err := zero.Recv(t.Context()); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("Recv on a zero Stream = %v, want ErrClosed", err)
	}
	if err := zero.Close(); err != nil {
		t.Errorf("Close on a zero Stream = %v", err)
	}
	var none memstreamer.StreamConstructor
	if _, err := none.NewSender(t.Context(), topic); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("NewSender of a zero constructor = %v, want ErrClosed", err)
	}
	if _, err := none.NewReceiver(t.Context(), topic, "a"); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("NewReceiver of a zero constructor = %v, want ErrClosed", err)
	}
	none.Forget(topic, "a")
}

func TestRecvAdvancesIsDeclared(t *testing.T) {
	var s backend.EventStreamer = memstreamer.New()
	if a, ok := s.(backend.AdvancingStreamer); !ok || !a.RecvAdvances() {
		t.Error("the streamer does not declare that Recv advances")
	}
	if a, ok := backend.EventStreamer(*memstreamer.New()).(backend.AdvancingStreamer); !ok || !a.RecvAdvances() {
		t.Error("the streamer by value does not declare that Recv advances")
	}
}
