package memstreamer_test

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

func connectorEvents(n int) []backend.ConnectorEvent {
	events := make([]backend.ConnectorEvent, n)
	for i := range events {
		events[i] = backend.ConnectorEvent{
			ID:        strconv.Itoa(i + 1),
			ForeignID: "user-" + strconv.Itoa(i+1),
			Type:      "signup",
			Headers:   map[string]string{"n": strconv.Itoa(i + 1)},
			CreatedAt: time.Date(2030, 1, 1, 0, 0, i, 0, time.UTC),
		}
	}
	return events
}

func newConsumer(t *testing.T, c backend.ConnectorConstructor, name string) backend.ConnectorConsumer {
	t.Helper()
	consumer, err := c.Make(t.Context(), name)
	if err != nil {
		t.Fatalf("Make: %v", err)
	}
	return consumer
}

// consume receives the events with the numbers from … to and returns their acks.
func consume(t *testing.T, consumer backend.ConnectorConsumer, from, to int) []backend.Ack {
	t.Helper()
	want := connectorEvents(to)
	var acks []backend.Ack
	for n := from; n <= to; n++ {
		e, ack, err := consumer.Recv(t.Context())
		if err != nil {
			t.Fatalf("Recv of event %d: %v", n, err)
		}
		if !reflect.DeepEqual(*e, want[n-1]) {
			t.Fatalf("Recv = %+v, want %+v", *e, want[n-1])
		}
		acks = append(acks, ack)
	}
	return acks
}

func TestConnectorGivesEachNameAllEvents(t *testing.T) {
	c := memstreamer.NewConnector(connectorEvents(5), memstreamer.WithClock(fixedClock{}))
	a := newConsumer(t, c, "a")
	acks := consume(t, a, 1, 5)
	consume(t, newConsumer(t, c, "a"), 1, 1) // receiving alone moves nothing
	mustAck(t, acks[2])
	mustAck(t, acks[2])
	mustAck(t, acks[0])
	consume(t, newConsumer(t, c, "a"), 4, 5)
	consume(t, newConsumer(t, c, "b"), 1, 5)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	mustAck(t, acks[3])
	consume(t, newConsumer(t, c, "a"), 5, 5)
}

func TestConnectorEventsAreSharedByNobody(t *testing.T) {
	events := connectorEvents(2)
	c := memstreamer.NewConnector(events)
	events[0].ForeignID = "changed"
	events[1].Headers["n"] = "changed"
	e, _, err := newConsumer(t, c, "a").Recv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.Headers["n"] = "changed"
	e.ID = "changed"
	consume(t, newConsumer(t, c, "a"), 1, 2)
}

func TestConnectorConsumerParksBehindTheLastEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memstreamer.NewConnector(connectorEvents(1))
		consumer := newConsumer(t, c, "a")
		consume(t, consumer, 1, 1)

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		if _, _, err := consumer.Recv(ctx); err != context.DeadlineExceeded { //nolint:errorlint // the context's own error is promised
			t.Errorf("Recv = %v, want context.DeadlineExceeded itself", err)
		}
		if waited := time.Since(start); waited != time.Hour {
			t.Errorf("Recv returned after %v, want the hour of its context", waited)
		}
		result := make(chan error, 1)
		go func() {
			_, _, err := consumer.Recv(context.Background())
			result <- err
		}()
		synctest.Wait()
		for range 2 {
			if err := consumer.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
		}
		if err := <-result; !errors.Is(err, backend.ErrClosed) {
			t.Errorf("parked Recv = %v, want ErrClosed", err)
		}
		if _, _, err := consumer.Recv(t.Context()); !errors.Is(err, backend.ErrClosed) {
			t.Errorf("Recv after Close = %v, want ErrClosed", err)
		}
		consume(t, newConsumer(t, c, "a"), 1, 1) // nothing was acked
	})
}

func TestConnectorHonoursAnEndedContext(t *testing.T) {
	c := memstreamer.NewConnector(connectorEvents(1))
	consumer := newConsumer(t, c, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Make(ctx, "b"); !errors.Is(err, context.Canceled) {
		t.Errorf("Make = %v, want context.Canceled", err)
	}
	if _, _, err := consumer.Recv(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv = %v, want context.Canceled", err)
	}
	consume(t, consumer, 1, 1)
}
