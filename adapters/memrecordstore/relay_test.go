package memrecordstore_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

// relayed calls test with a store whose outbox goes to a stream. The bubble does not end before the relay's goroutine has.
func relayed(t *testing.T, test func(t *testing.T, s *memrecordstore.Store, es *stream, l *log)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		es, l := &stream{}, &log{}
		s := memrecordstore.New(memrecordstore.WithOutbox(ctx, es, l))
		test(t, s, es, l)
		cancel()
		synctest.Wait()
		if n := es.open(); n != 0 {
			t.Errorf("the relay left %d senders open", n)
		}
	})
}

func waiting(t *testing.T, s backend.RecordStore, workflowName string) int {
	t.Helper()
	return len(must[[]backend.OutboxEvent](t)(s.ListOutboxEvents(t.Context(), workflowName, 1000)))
}

func TestTheRelaySendsInOrderAtOnce(t *testing.T) {
	relayed(t, func(t *testing.T, s *memrecordstore.Store, es *stream, l *log) {
		begun := time.Now()
		var want []string
		for v := uint(1); v <= 250; v++ { // more than two batches
			store(t, s, record(orders, "a", v))
			want = append(want, fmt.Sprintf("orders-%d run-a %d v%d", v, v, v))
		}
		store(t, s, record("billing", "b", 1))
		synctest.Wait()
		var got, others []string
		sent, _ := es.take()
		for _, m := range sent {
			if strings.HasPrefix(m, "orders") {
				got = append(got, m)
			} else {
				others = append(others, m)
			}
		}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(others, []string{"billing-1 run-b 1 v1"}) {
			t.Errorf("sent were %q and %q", got, others)
		}
		if n := waiting(t, s, orders) + waiting(t, s, "billing"); n != 0 {
			t.Errorf("%d events still wait", n)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("the relay waited %v", took)
		}
		if errs := l.take(); len(errs) != 0 {
			t.Errorf("logged were %v", errs)
		}
	})
}

func TestTheRelayTriesAgainAndLetsOthersPass(t *testing.T) {
	relayed(t, func(t *testing.T, s *memrecordstore.Store, es *stream, l *log) {
		es.fail(func(topic string) bool { return strings.HasPrefix(topic, "orders") })
		store(t, s, record(orders, "a", 1), record(orders, "b", 1))
		<-time.After(time.Minute) // of the bubble's clock
		store(t, s, record("billing", "c", 1))
		synctest.Wait()
		sent, at := es.take()
		if !reflect.DeepEqual(sent, []string{"billing-1 run-c 1 v1"}) {
			t.Errorf("sent were %q", sent)
		}
		at = at[:len(at)-1] // the last is the one that was sent
		var pauses []time.Duration
		for i := 1; i < len(at); i++ {
			pauses = append(pauses, at[i].Sub(at[i-1]))
		}
		if len(pauses) < 12 || pauses[0] != 10*time.Millisecond || pauses[1] != 20*time.Millisecond || pauses[len(pauses)-1] != 5*time.Second {
			t.Errorf("the pauses between tries are %v", pauses)
		}
		errs := l.take()
		if len(errs) != len(at) || !errors.Is(errs[0], errDown) || !strings.Contains(errs[0].Error(), orders) {
			t.Errorf("%d tries, %d errors logged, the first %v", len(at), len(errs), errs[0])
		}
		es.fail(nil)
		<-time.After(6 * time.Second)
		synctest.Wait()
		if sent, _ := es.take(); !reflect.DeepEqual(sent, []string{"orders-1 run-a 1 v1", "orders-1 run-b 1 v1"}) {
			t.Errorf("after the stream came back, sent were %q", sent)
		}
		es.fail(func(string) bool { return true })
		store(t, s, record(orders, "a", 2))
		<-time.After(11 * time.Millisecond)
		synctest.Wait()
		if _, at := es.take(); len(at) != 2 {
			t.Errorf("%d tries within 11 ms of a new failure, want 2: the pause begins anew after a success", len(at))
		}
	})
}

// TestAnIdleRelayIsStill lets a day of the bubble's clock pass: a timer would have to fire in it.
func TestAnIdleRelayIsStill(t *testing.T) {
	relayed(t, func(t *testing.T, s *memrecordstore.Store, es *stream, l *log) {
		store(t, s, record(orders, "a", 1))
		synctest.Wait()
		es.take()
		<-time.After(24 * time.Hour)
		if _, at := es.take(); len(at) != 0 || len(l.take()) != 0 {
			t.Errorf("an idle relay tried %d times", len(at))
		}
		begun := time.Now()
		store(t, s, record(orders, "a", 2))
		synctest.Wait()
		if sent, at := es.take(); len(sent) != 1 || !at[0].Equal(begun) {
			t.Errorf("a Store after a day: sent %q at %v, want at %v", sent, at, begun)
		}
	})
}

func TestTheRelayEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		es := &stream{}
		s := memrecordstore.New(memrecordstore.WithOutbox(ctx, es, nil))
		es.fail(func(string) bool { return true }) // a nil logger is not called
		store(t, s, record(orders, "a", 1))
		synctest.Wait()
		cancel()
		synctest.Wait()
		es.take()
		es.fail(nil)
		store(t, s, record(orders, "a", 2))
		<-time.After(time.Hour)
		if sent, at := es.take(); len(at) != 0 || waiting(t, s, orders) != 2 {
			t.Errorf("after its end the relay sent %q", sent)
		}
	})
}

func TestTheRelayFeedsAStreamer(t *testing.T) {
	es := memstreamer.New()
	receiver := must[backend.EventReceiver](t)(es.NewReceiver(t.Context(), "orders-1", "me"))
	s := memrecordstore.New(memrecordstore.WithOutbox(t.Context(), es, nil))
	for i := range 100 {
		store(t, s, record(orders, fmt.Sprint(i), 1))
	}
	for i := range 100 {
		e, ack, err := receiver.Recv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("run-%d", i); e.ForeignID != want || e.Headers[backend.HeaderForeignID] != fmt.Sprint(i) || e.Type != 1 {
			t.Fatalf("event %d is %+v", i, e)
		}
		if err := ack(); err != nil {
			t.Fatal(err)
		}
	}
	if err := receiver.Close(); err != nil {
		t.Error(err)
	}
}
