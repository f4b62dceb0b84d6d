package memstreamer

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stillwater-go/workflow/backend"
)

func (s *StreamConstructor) wakes(topic string) uint64 {
	t, err := s.topic(topic)
	if err != nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wakes
}

func (s *StreamConstructor) kept(topic string) (first, next int64) {
	t, err := s.topic(topic)
	if err != nil {
		return 0, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.log.first, t.log.next
}

// TestSendWakesTheParkedOfItsTopicOnly counts every return of a parked Recv to the topic, spurious ones too.
func TestSendWakesTheParkedOfItsTopicOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const receivers = 50
		s := New()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range receivers {
			for _, topic := range []string{"busy", "quiet"} {
				receiver, err := s.NewReceiver(ctx, topic, fmt.Sprint("name-", i))
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					for {
						if _, _, err := receiver.Recv(ctx); err != nil {
							return
						}
					}
				})
			}
		}
		synctest.Wait()
		sender, err := s.NewSender(ctx, "busy")
		if err != nil {
			t.Fatal(err)
		}
		for n := uint64(1); n <= 20; n++ {
			if err := sender.Send(ctx, "run", 1, nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // all parked again
			if got := s.wakes("busy"); got != n*receivers {
				t.Fatalf("after %d events for %d receivers there were %d wake-ups", n, receivers, got)
			}
		}
		if got := s.wakes("quiet"); got != 0 {
			t.Errorf("events of another topic woke %d receivers", got)
		}
		cancel()
		wg.Wait()
	})
}

// TestTrimmingFollowsTheSlowest checks event by event what a topic keeps: everything from MaxPassed behind the first position that a
// name or an open receiver still needs.
func TestTrimmingFollowsTheSlowest(t *testing.T) {
	const events = 3 * MaxPassed
	s := New()
	ctx := t.Context()
	sender, err := s.NewSender(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string) backend.EventReceiver {
		receiver, err := s.NewReceiver(ctx, "t", name)
		mustNil(t, err)
		return receiver
	}
	want := func(when string, first int64) {
		t.Helper()
		if got, _ := s.kept("t"); got != max(1, first) {
			t.Fatalf("%s the topic keeps events from %d, want %d", when, got, max(1, first))
		}
	}
	a, b, idle := open("a"), open("b"), open("b")
	for range events {
		mustNil(t, sender.Send(ctx, "run", 1, nil))
	}
	var ackA, ackB backend.Ack
	for range events {
		if _, ackA, err = a.Recv(ctx); err != nil {
			t.Fatal(err)
		}
		if _, ackB, err = b.Recv(ctx); err != nil {
			t.Fatal(err)
		}
	}
	mustNil(t, ackA())
	want("while b has acked nothing", 1)
	mustNil(t, ackB())
	want("while an open receiver of b has read nothing", 1)
	for n := int64(1); n <= events/2; n++ {
		if _, _, err := idle.Recv(ctx); err != nil {
			t.Fatal(err)
		}
		want(fmt.Sprintf("after that receiver has read %d", n), n+1-MaxPassed)
	}
	mustNil(t, idle.Close())
	want("after it was closed", events+1-MaxPassed)
	mustNil(t, idle.Close())
	mustNil(t, ackA())
	want("after everything was done twice", events+1-MaxPassed)

	late := open("late") // starts behind the others, and holds back the topic from now on
	const more = 10
	for range more {
		mustNil(t, sender.Send(ctx, "run", 1, nil))
	}
	for range more {
		for _, receiver := range []backend.EventReceiver{a, b} {
			_, ack, err := receiver.Recv(ctx)
			mustNil(t, err)
			mustNil(t, ack())
		}
	}
	want("while a late name is behind", events+1-MaxPassed)
	e, _, err := late.Recv(ctx)
	if err != nil || e.ID != events+1-MaxPassed {
		t.Fatalf("a late name starts at %v, %v", e, err)
	}
	s.Forget("t", "late")
	want("after it was forgotten", events+more+1-MaxPassed)
}

func mustNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLogKeepsWhatWasAppended runs appends and drops of uneven size across the borders of segments.
func TestLogKeepsWhatWasAppended(t *testing.T) {
	l := newLog()
	for round := range 200 {
		for range (round * 7) % 150 {
			l.append(backend.Event{Type: int(l.next)})
		}
		for range (round * 11) % 150 {
			if l.len() > 0 {
				l.drop()
			}
		}
		for p := l.first; p < l.next; p++ {
			if e := l.at(p).event; e.ID != p || e.Type != int(p) {
				t.Fatalf("round %d: position %d holds %+v", round, p, e)
			}
		}
		for p := l.first &^ segmentMask; p < l.first && len(l.segments) > 0; p++ {
			if !reflect.ValueOf(l.segments[0][p&segmentMask]).IsZero() {
				t.Fatalf("round %d: position %d was dropped and is not cleared", round, p)
			}
		}
		if l.spare != nil && !reflect.ValueOf(*l.spare).IsZero() {
			t.Fatalf("round %d: the spare segment is not cleared", round)
		}
		if most := int(l.len())/segmentSize + 2; len(l.segments) > most {
			t.Fatalf("round %d: %d segments for %d events", round, len(l.segments), l.len())
		}
	}
}
