package memstreamer

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// connector plays a fixed list of events to consumers. Each consumer name has a cursor of its own.
type connector struct {
	events []backend.ConnectorEvent // never changed

	mu      sync.Mutex // guards cursors, and the position of the consumers
	cursors map[string]int
}

// consumer is one reader of a connector's events.
type consumer struct {
	from *connector
	name string
	done chan struct{} // closed with the consumer

	// Guarded by the connector's lock.
	next   int
	closed bool
}

var (
	_ backend.ConnectorConstructor = (*connector)(nil)
	_ backend.ConnectorConsumer    = (*consumer)(nil)
)

// NewConnector returns a backend.ConnectorConstructor that plays the events, in order, to every consumer name. A consumer starts at its
// name's cursor, gets each event from there as its own copy, and parks behind the last one until its context ends or it is
// closed. The acks follow the rules of [Stream.Recv]. The events are copied; a consumer changes nothing for another one.
func NewConnector(events []backend.ConnectorEvent, opts ...Option) *connector {
	_ = makeOptions(opts) // options are accepted for all parts of this package alike; none concerns a connector
	c := &connector{
		events:  make([]backend.ConnectorEvent, len(events)),
		cursors: make(map[string]int),
	}
	for i, e := range events {
		e.Headers = maps.Clone(e.Headers)
		c.events[i] = e
	}
	return c
}

// Make opens a consumer at the cursor of its name. It fails with ctx.Err() when the context has ended.
func (c *connector) Make(ctx context.Context, consumerName string) (backend.ConnectorConsumer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &consumer{from: c, name: consumerName, done: make(chan struct{}), next: c.cursors[consumerName]}, nil
}

// Recv returns the next event, and parks behind the last. It fails with ctx.Err() when the context ends, and with
// backend.ErrClosed once the consumer is closed.
func (c *consumer) Recv(ctx context.Context) (*backend.ConnectorEvent, backend.Ack, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	index, err := c.take()
	if err != nil {
		return nil, nil, err
	}
	if index == len(c.from.events) {
		select {
		case <-c.done:
			return nil, nil, c.errClosed()
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	event := c.from.events[index]
	event.Headers = maps.Clone(event.Headers)
	return &event, func() error { return c.from.ack(c.name, index) }, nil
}

// Close ends the consumer: a parked Recv returns, and later ones fail with backend.ErrClosed. The name's cursor stays. It always
// returns nil.
func (c *consumer) Close() error {
	c.from.mu.Lock()
	defer c.from.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.done)
	}
	return nil
}

// take returns the index of the next event and advances; behind the last it returns the number of events.
func (c *consumer) take() (int, error) {
	c.from.mu.Lock()
	defer c.from.mu.Unlock()
	if c.closed {
		return 0, c.errClosed()
	}
	index := c.next
	if index < len(c.from.events) {
		c.next++
	}
	return index, nil
}

func (c *consumer) errClosed() error {
	return fmt.Errorf("memstreamer: receive as connector consumer %s: %w", backend.Quote(c.name), backend.ErrClosed)
}

// ack moves the name's cursor behind the event, unless it is there already.
func (c *connector) ack(name string, index int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cursors[name] <= index {
		c.cursors[name] = index + 1
	}
	return nil
}
