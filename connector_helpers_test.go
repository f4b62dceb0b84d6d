package workflow_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

type outside = workflow.ConnectorEvent

type api = workflow.API[object, status]

// outsideEvents makes n events, keyed by keys foreign ids that look like UUIDs, always the same ones.
func outsideEvents(n, keys int) []outside {
	rng := rand.New(rand.NewPCG(1, 2))
	ids := make([]string, keys)
	for i := range ids {
		ids[i] = fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", rng.Uint32(), rng.IntN(1<<16), rng.IntN(1<<12), rng.IntN(1<<12), rng.Uint64N(1<<48))
	}
	events := make([]outside, n)
	for i := range events {
		events[i] = outside{ID: fmt.Sprint("event-", i), ForeignID: ids[i%keys], Type: "paid", Headers: map[string]string{"n": fmt.Sprint(i)}}
	}
	return events
}

// stream is a connector whose consumers a test can watch and break. Its functions may be nil; set them before it is used.
type stream struct {
	from workflow.ConnectorConstructor
	make func(try int) (workflow.ConnectorConsumer, error)
	recv func(ctx context.Context, try int, do func() (*outside, workflow.Ack, error)) (*outside, workflow.Ack, error)
	ack  func(e outside, do func() error) error

	mu       sync.Mutex
	tries    int
	names    map[string]bool
	open     int
	mostOpen int
	received int
	acked    []string
}

func newStream(events []outside) *stream {
	return &stream{from: memstreamer.NewConnector(events), names: map[string]bool{}}
}

func (s *stream) Make(ctx context.Context, name string) (workflow.ConnectorConsumer, error) {
	s.mu.Lock()
	s.tries++
	try := s.tries
	s.names[name] = true
	s.mu.Unlock()
	if s.make != nil {
		if c, err := s.make(try); c != nil || err != nil {
			return c, err
		}
	}
	c, err := s.from.Make(ctx, name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	s.mostOpen = max(s.mostOpen, s.open)
	return &streamConsumer{ConnectorConsumer: c, s: s, try: try}, nil
}

// ackedIDs returns the ids of the acknowledged events, in the order of their acknowledgement.
func (s *stream) ackedIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.acked...)
}

// allAcked waits until the last of n events is acknowledged, and fails unless that was done in order, each once.
func (s *stream) allAcked(t testing.TB, n int) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " events are acknowledged"), func() bool { return len(s.ackedIDs()) >= n })
	for i, id := range s.ackedIDs() {
		if want := fmt.Sprint("event-", i); id != want {
			t.Fatalf("acknowledgement %d is of %s, want %s", i, id, want)
		}
	}
}

type streamConsumer struct {
	workflow.ConnectorConsumer
	s    *stream
	try  int
	once sync.Once
}

func (c *streamConsumer) Recv(ctx context.Context) (*outside, workflow.Ack, error) {
	do := func() (*outside, workflow.Ack, error) {
		e, ack, err := c.ConnectorConsumer.Recv(ctx)
		if err != nil {
			return nil, nil, err
		}
		c.s.mu.Lock()
		c.s.received++
		c.s.mu.Unlock()
		seen := *e
		return e, func() error { return c.acknowledge(seen, ack) }, nil
	}
	if c.s.recv != nil {
		return c.s.recv(ctx, c.try, do)
	}
	return do()
}

func (c *streamConsumer) acknowledge(e outside, ack workflow.Ack) error {
	do := func() error {
		err := ack()
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		c.s.acked = append(c.s.acked, e.ID)
		return err
	}
	if c.s.ack != nil {
		return c.s.ack(e, do)
	}
	return do()
}

func (c *streamConsumer) Close() error {
	c.once.Do(func() {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		c.s.open--
	})
	return c.ConnectorConsumer.Close()
}

// fed is a workflow with one step that a connector named "in" feeds.
func fed(name string, from workflow.ConnectorConstructor, fn workflow.ConnectorFunc[object, status], opts ...workflow.Option) *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status](name)
	b.AddStep(statusA, step(statusEnd), statusEnd)
	b.AddConnector("in", from, fn).WithOptions(opts...)
	return b
}

// process is the name of that connector's process.
func process(name string) string { return "in-connector-to-" + name + "-consumer-1-of-1" }

// parkedEvents lists what is parked.
func parkedEvents(t testing.TB, w *flow) (all []workflow.ParkedEvent) {
	t.Helper()
	for e, err := range w.ParkedEvents(ctxFor(t)) {
		if err != nil {
			t.Fatalf("ParkedEvents: %v", err)
		}
		all = append(all, e)
	}
	return all
}

// parkedAs waits until one event is parked in that state, and returns it.
func parkedAs(t testing.TB, w *flow, state workflow.RunState) (found workflow.ParkedEvent) {
	t.Helper()
	eventually(t, "an event is parked and "+state.String(), func() bool {
		all := parkedEvents(t, w)
		if len(all) != 1 || all[0].State != state {
			return false
		}
		found = all[0]
		return true
	})
	return found
}

// tally counts calls by event id.
type tally struct {
	mu    sync.Mutex
	calls map[string]int
	order map[string][]string // event ids by foreign id
	busy  map[string]bool
	wrong []string
}

func newTally() *tally {
	return &tally{calls: map[string]int{}, order: map[string][]string{}, busy: map[string]bool{}}
}

// work notes one call, and that no other of its foreign id overlaps it.
func (c *tally) work(e *outside, do func() error) error {
	c.mu.Lock()
	c.calls[e.ID]++
	c.order[e.ForeignID] = append(c.order[e.ForeignID], e.ID)
	if c.busy[e.ForeignID] {
		c.wrong = append(c.wrong, e.ID+" overlaps another of its foreign id")
	}
	c.busy[e.ForeignID] = true
	c.mu.Unlock()
	err := do()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy[e.ForeignID] = false
	return err
}

func (c *tally) of(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[id]
}

func (c *tally) events() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

// connectorLog keeps what is reported of connectors.
func (l *quietLog) ofConnectors() (out []error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, err := range l.errs {
		if e, ok := err.(*backend.Error); ok && e.Op == "connector in" {
			out = append(out, err)
		}
	}
	return out
}
