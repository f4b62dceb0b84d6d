package memstreamer_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

// patience is how long a test waits for what must come; only a broken implementation reaches it.
const patience = 10 * time.Second

func newSender(t testing.TB, s *memstreamer.StreamConstructor, topic string) backend.EventSender {
	t.Helper()
	sender, err := s.NewSender(context.Background(), topic)
	if err != nil {
		t.Fatalf("NewSender: %v", err)
	}
	return sender
}

func newReceiver(t testing.TB, s *memstreamer.StreamConstructor, topic, name string, opts ...backend.ReceiverOption) backend.EventReceiver {
	t.Helper()
	receiver, err := s.NewReceiver(context.Background(), topic, name, opts...)
	if err != nil {
		t.Fatalf("NewReceiver: %v", err)
	}
	return receiver
}

// send sends events whose types are the numbers from … to.
func send(t testing.TB, sender backend.EventSender, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := sender.Send(context.Background(), "run", n, nil); err != nil {
			t.Fatalf("Send %d: %v", n, err)
		}
	}
}

// recv receives an event that must be there already.
func recv(t testing.TB, receiver backend.EventReceiver) (*backend.Event, backend.Ack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e, ack, err := receiver.Recv(ctx)
	if err != nil {
		t.Fatalf("Recv: %v", err)
	}
	return e, ack
}

// recvTypes receives events whose types must be the numbers from … to, and returns their acks.
func recvTypes(t testing.TB, receiver backend.EventReceiver, from, to int) []backend.Ack {
	t.Helper()
	var acks []backend.Ack
	for n := from; n <= to; n++ {
		e, ack := recv(t, receiver)
		if e.Type != n {
			t.Fatalf("received event of type %d, want %d", e.Type, n)
		}
		acks = append(acks, ack)
	}
	return acks
}

func mustAck(t testing.TB, ack backend.Ack) {
	t.Helper()
	if err := ack(); err != nil {
		t.Fatalf("ack: %v", err)
	}
}

// mustBeAtEnd checks that there is nothing to receive. Inside a synctest bubble this takes no time.
func mustBeAtEnd(t testing.TB, receiver backend.EventReceiver) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if e, _, err := receiver.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Recv = %+v, %v; want nothing to receive", e, err)
	}
}

// mustStartAt opens another receiver of the name and checks which event it gets first.
func mustStartAt(t testing.TB, s *memstreamer.StreamConstructor, topic, name string, want int) {
	t.Helper()
	receiver := newReceiver(t, s, topic, name)
	defer receiver.Close()
	if e, _ := recv(t, receiver); e.Type != want {
		t.Fatalf("a new receiver of %q starts at event %d, want %d", name, e.Type, want)
	}
}

// parkedIn counts the goroutines that sit in a select inside the function.
func parkedIn(function string) (parked int) {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	for _, g := range strings.Split(string(buf), "\n\n") {
		head, frames, _ := strings.Cut(g, "\n")
		if strings.Contains(head, "[select") && strings.HasPrefix(frames, function) {
			parked++
		}
	}
	return parked
}

// eventually waits for a condition that the runtime alone knows, such as the state of goroutines.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still waiting: %s", what)
		}
	}
}
