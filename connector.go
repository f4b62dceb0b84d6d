package workflow

import (
	"context"
	"errors"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
)

// ConnectorFunc turns an outside event into triggers and callbacks of the workflow. It is called at least once for each event, with a copy of
// its own, under recover and a deadline. An error, a panic or a late end is a failed attempt; see [Builder.AddConnector].
type ConnectorFunc[Type any, Status StatusType] func(ctx context.Context, api API[Type, Status], e *ConnectorEvent) error

// ErrConnectorFailing says that a connector cannot receive; it goes on trying. [Workflow.Health] returns it after a few failures in a row.
var ErrConnectorFailing = errors.New("connector cannot receive")

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

// WithOptions sets the connector's options: how many events are in work at once ([ParallelCount]), backoff, attempts, deadline, lag.
func (c *connectorUpdater[Type, Status]) WithOptions(opts ...Option) { c.connector.opts.apply(opts) }

// AddConnector feeds the workflow from an outside stream: cf is called for each of its events. Names are unique in a workflow.
//
// One process at a time consumes the stream; another takes over when that one ends. Events of one foreign id are worked on in
// order, one after the other; [ParallelCount] says how many foreign ids at once, and may change at any time. An event is acknowledged
// when cf has returned nil and all events before it are settled too, so that after a crash it comes again.
//
// An event whose first attempt failed is parked: stored as a run of the workflow "<workflow>#connector:<name>", which the engine tries
// again by the connector's options and pauses after the last attempt. Later events go on meanwhile, those of the same foreign id
// too. See [Workflow.ParkedEvents] and [Workflow.RetryEvent].
//
// Classic parts have no place to park: there the event is tried again in memory without an end, and it and all behind it stay
// unacknowledged, at most 1,024.
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

// parkingName is the workflow whose runs are a connector's parked events.
func parkingName(workflow, connector string) string { return workflow + "#connector:" + connector }

// readerName is what a connector's role is joined by.
func readerName(workflow, connector string) string { return workflow + "#reader:" + connector }

// checkConnectors returns the connectors whose names are too long to be stored.
func (b *Builder[Type, Status]) checkConnectors() (problems []error) {
	for _, c := range b.connectors {
		if err := backend.ValidateID("name of workflow and connector", parkingName(b.name, c.name), backend.MaxNameBytes); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// addConnectors puts the connectors beside the flow; on is where it runs.
func (w *Workflow[Type, Status]) addConnectors(on Backend, configs []*connectorConfig[Type, Status]) error {
	_, classic := on.(engine.RoleAwaiter)
	for _, cfg := range configs {
		o := cfg.opts.over(w.opts.defaults)
		name := cfg.name
		c := &connector{
			workflow: w.name, name: name, made: cfg.made,
			consumer: connectorRole(w.name, name), // the name of the stream's cursor, as the predecessor made it
			process:  connectorRole(w.name, name),
			fn:       func(ctx context.Context, e *ConnectorEvent) error { return cfg.fn(ctx, w, e) },
			shards:   min(max(o.parallelCount, 1), maxUnacked),
			policy:   o.policy().WithDefaults(), deadline: o.deadline, lag: o.lag,
			stopTimeout: w.opts.stopTimeout, clock: w.clock, log: w.log, counter: w.opts.errorCounter,
			noJitter: w.opts.noJitter, room: make(chan struct{}, 1),
		}
		role := engine.Role{Name: readerName(w.name, name), Classic: c.process}
		c.hold = func(ctx context.Context, fn func(context.Context)) { w.flow.Singleton(ctx, role, fn) }
		if !classic {
			p, err := newParking(w.name, c, on, w.opts, cfg.opts)
			if err != nil {
				return err
			}
			c.parking = p
			w.companions = append(w.companions, &inner[parkedEvent, parkStatus]{w: p.w})
		}
		w.connectors = append(w.connectors, c)
		w.companions = append(w.companions, c)
	}
	return nil
}

// connectorRole is the classic name of a connector's role and process. It is one whatever its parallel count.
func connectorRole(workflow, connector string) string {
	return makeRole(connector, "connector", "to", workflow, "consumer", "1", "of", "1")
}

// connectorWaiver says what connectors lack on classic parts.
const connectorWaiver = "connector events that fail are not parked: they are tried again in memory, and hold back the acknowledgement of themselves and " +
	"of all behind them; at 1,024 unacknowledged events the connector stops receiving"
