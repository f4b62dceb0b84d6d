package adaptertest

import (
	"context"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// StreamGuarantees names what an event streamer does not give. The zero value demands everything.
type StreamGuarantees struct {
	// OneAtATime: Recv gives the same event until it is acked. The streamer does not declare [backend.AdvancingStreamer].
	OneAtATime bool
	// NoCursorAtOpen: the cursor of a new name is stored with its first ack instead of by NewReceiver.
	NoCursorAtOpen bool
	// SplitsEvents: receivers of one name share the events instead of reading each on its own.
	SplitsEvents bool
	// NoClosedError: what was closed fails with an error of its own instead of backend.ErrClosed.
	NoClosedError bool
	// SharesHeaders: receivers may see each other's changes of an event's headers.
	SharesHeaders bool
	// NoStillness: parked receivers poll, and cost processor time.
	NoStillness bool
}

// RunStreamer tests that an event streamer keeps the contract of [backend.EventReceiver]: order by topic, advance before
// the ack, cumulative and idempotent acks, redelivery to the next receiver of the name, and stillness. factory is called once
// for each case and gives an empty streamer.
func RunStreamer(t *testing.T, factory func(t *testing.T) backend.EventStreamer, g StreamGuarantees) {
	t.Helper()
	waivers := reflect.ValueOf(g)
	if names := waivedFields(waivers); len(names) > 0 {
		t.Log("waived: " + strings.Join(names, ", "))
	}
	for _, c := range streamCases() {
		if name, lacks := lacksField(waivers, c.needs); lacks {
			t.Logf("not demanded: %s (%s)", c.name, name)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if !c.alone {
				t.Parallel()
			}
			c.run(&stream{T: t, s: factory(t), g: g})
		})
	}
}

// streamCase is one demand on a streamer.
type streamCase struct {
	name  string
	needs []string
	alone bool
	run   func(s *stream)
}

// stream is what a case works with.
type stream struct {
	T
	s backend.EventStreamer
	g StreamGuarantees
}

// The topics of the cases.
const (
	topicA = "orders-1"
	topicB = "orders-2"
)

// sender opens a sender, which is closed at the end.
func (s *stream) sender(topic string) backend.EventSender {
	s.Helper()
	sender, err := s.s.NewSender(s.Context(), topic)
	if err != nil {
		s.Fatalf("new sender to %s: %v", topic, err)
	}
	s.Cleanup(func() { _ = sender.Close() })
	return sender
}

// receiver opens a receiver, which is closed at the end.
func (s *stream) receiver(topic, name string, opts ...backend.ReceiverOption) backend.EventReceiver {
	s.Helper()
	r, err := s.s.NewReceiver(s.Context(), topic, name, opts...)
	if err != nil {
		s.Fatalf("new receiver of %s as %s: %v", topic, name, err)
	}
	s.Cleanup(func() { _ = r.Close() })
	return r
}

// send sends events with the numbers from first to last.
func (s *stream) send(sender backend.EventSender, first, last int) {
	s.Helper()
	for n := first; n <= last; n++ {
		if err := sendNumber(s.Context(), sender, n); err != nil {
			s.Fatalf("send event %d: %v", n, err)
		}
	}
}

func sendNumber(ctx context.Context, sender backend.EventSender, n int) error {
	return sender.Send(ctx, strconv.Itoa(n), n, map[backend.Header]string{
		backend.HeaderRunID: "run-" + strconv.Itoa(n), backend.HeaderRecordVersion: strconv.Itoa(n),
	})
}

// got is what one Recv gave.
type got struct {
	event *backend.Event
	ack   backend.Ack
	err   error
}

// recv receives one event, and fails the case when none comes.
func (s *stream) recv(r backend.EventReceiver) got {
	s.Helper()
	return s.recvWith(s.Context(), r)
}

func (s *stream) recvWith(ctx context.Context, r backend.EventReceiver) got {
	s.Helper()
	return await(s.T, s.recvAsync(ctx, r), "an event")
}

// recvAsync receives in a goroutine, which ends with the case's context at the latest.
func (s *stream) recvAsync(ctx context.Context, r backend.EventReceiver) <-chan got {
	ch := make(chan got, 1)
	go func() {
		event, ack, err := r.Recv(ctx)
		ch <- got{event, ack, err}
	}()
	return ch
}

// want receives the events with the numbers from first to last, in order, and returns them. Where the streamer gives one at
// a time each is acked.
func (s *stream) want(r backend.EventReceiver, first, last int) []got {
	s.Helper()
	var all []got
	for n := first; n <= last; n++ {
		g := s.recv(r)
		if g.err != nil {
			s.Fatalf("receive event %d: %v", n, g.err)
		}
		if g.event.Type != n {
			s.Fatalf("received event %d, want %d", g.event.Type, n)
		}
		if s.g.OneAtATime {
			s.ack(g)
		}
		all = append(all, g)
	}
	return all
}

func (s *stream) ack(g got) {
	s.Helper()
	if err := g.ack(); err != nil {
		s.Fatalf("ack of event %d: %v", g.event.Type, err)
	}
}

// wantNothing fails the case when an event lies past the receiver's position.
func (s *stream) wantNothing(r backend.EventReceiver) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), glance)
	defer cancel()
	if g := s.recvWith(ctx, r); g.err == nil {
		s.Errorf("received event %d, want none", g.event.Type)
	}
}

func (s *stream) close(r interface{ Close() error }) {
	s.Helper()
	if err := r.Close(); err != nil {
		s.Fatalf("close: %v", err)
	}
}
