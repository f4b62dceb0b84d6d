package workflow

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stillwater-go/workflow/internal/machine"
)

// ConnectorFunc turns an outside event into triggers and callbacks of the workflow. It is called at least once for each event.
type ConnectorFunc[Type any, Status StatusType] func(ctx context.Context, api API[Type, Status], e *ConnectorEvent) error

type connectorConfig[Type any, Status StatusType] struct {
	name string
	made ConnectorConstructor
	fn   ConnectorFunc[Type, Status]
	opts options
}

// connectorUpdater sets a connector's options.
type connectorUpdater[Type any, Status StatusType] struct {
	connector *connectorConfig[Type, Status]
}

// WithOptions sets the connector's options.
func (c *connectorUpdater[Type, Status]) WithOptions(opts ...Option) { c.connector.opts.apply(opts) }

// AddConnector feeds the workflow from an outside stream: fn is called for each of its events. Names are unique in a workflow.
func (b *Builder[Type, Status]) AddConnector(name string, csc ConnectorConstructor, cf ConnectorFunc[Type, Status]) *connectorUpdater[Type, Status] {
	for _, c := range b.connectors {
		if c.name == name {
			b.problem("AddConnector(%q): there is one of that name already", name)
		}
	}
	if csc == nil || cf == nil {
		b.problem("AddConnector(%q): constructor or function is nil", name)
	}
	c := &connectorConfig[Type, Status]{name: name, made: csc, fn: cf}
	b.connectors = append(b.connectors, c)
	return &connectorUpdater[Type, Status]{connector: c}
}

// runConnectors starts the connectors; w.mu is held. Stop ends them and waits for them.
func (w *Workflow[Type, Status]) runConnectors(ctx context.Context) {
	if len(w.conns) == 0 {
		return
	}
	ctx, w.quitting = context.WithCancel(ctx)
	for _, c := range w.conns {
		w.outside.Go(func() { w.runConnector(ctx, c) })
	}
}

// runConnector keeps one connector going, with backoff between failures.
func (w *Workflow[Type, Status]) runConnector(ctx context.Context, c *connectorConfig[Type, Status]) {
	policy := c.opts.over(w.opts.defaults).policy()
	for failures := 0; ; {
		got, err := w.connect(ctx, c)
		if ctx.Err() != nil {
			return
		}
		if got {
			failures = 0
		}
		failures++
		w.log.Error(ctx, &Error{Op: "connector " + c.name, Workflow: w.name, Err: err, Hint: "connected again by itself"})
		wait := machine.Span(policy, failures)
		if !w.opts.noJitter {
			wait = time.Duration(rand.Float64() * float64(wait))
		}
		select {
		case <-ctx.Done():
			return
		case <-w.clock.After(wait):
		}
	}
}

// connect reads one connection until it fails; got says that events came through.
func (w *Workflow[Type, Status]) connect(ctx context.Context, c *connectorConfig[Type, Status]) (got bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	consumer, err := c.made.Make(ctx, makeRole(w.name, "connector", c.name, "consumer"))
	if err != nil {
		return false, err
	}
	defer func() { _ = consumer.Close() }() // it failed or is no longer wanted: there is nothing to do about it
	for {
		e, ack, err := consumer.Recv(ctx)
		if err != nil {
			return got, err
		}
		if err := c.fn(ctx, w, e); err != nil {
			return got, err
		}
		if err := ack(); err != nil {
			return got, err
		}
		got = true
	}
}
