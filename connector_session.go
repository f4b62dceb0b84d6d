package workflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
)

// session is one connection of a connector: what it has received and what became of it. Goroutines exist while there is something to do:
// one that receives, one for each shard with events, one for each event that waits for its next try, one that acknowledges.
type session struct {
	c        *connector
	role     context.Context // ends when the role is lost, or with the workflow's context
	ctx      context.Context // of the calls of user code
	end      context.CancelCauseFunc
	open     context.Context // ends when nothing new is to be started
	shut     context.CancelFunc
	consumer ConnectorConsumer
	fail     context.CancelCauseFunc // ends receiving
	work     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	got     bool       // something was received
	unacked []*arrival // in the order received
	acking  bool
	broken  bool // an acknowledgement failed: none may follow
	shards  []shard
}

// shard is the events of some foreign ids, worked on one after the other.
type shard struct {
	queue []*arrival
	busy  bool
}

// arrival is an event that is not acknowledged yet.
type arrival struct {
	event    ConnectorEvent
	ack      Ack
	attempts int
	failure  *engine.Failure // of the last attempt, until it is dealt with
	runID    string          // of the run that it is parked as; empty before that is tried
	unfit    bool            // it cannot be stored
	settled  bool            // guarded by session.mu
}

// What may be wrong with a consumer.
var (
	errNoConsumer = errors.New("the constructor returned no consumer")
	errNoEvent    = errors.New("the consumer returned no event")
	errNoAck      = errors.New("the consumer returned no acknowledgement")
	errIgnored    = errors.New("user code ignored the end of its context")
)

func newSession(c *connector, role context.Context) *session {
	s := &session{c: c, role: role, shards: make([]shard, c.shards)}
	s.ctx, s.end = context.WithCancelCause(role)
	s.open, s.shut = context.WithCancel(context.Background())
	return s
}

// run connects and receives until something fails or ctx ends. Then it finishes what is under way. got says that events came through.
func (s *session) run(ctx context.Context) (got bool, err error) {
	defer s.end(nil)
	ctx, s.fail = context.WithCancelCause(ctx)
	defer s.fail(nil)
	if s.consumer, err = s.connect(ctx); err != nil {
		s.shut()
		return false, err
	}
	s.c.setFailures(0)
	err = s.c.guard(ctx, func() error { return s.read(ctx) })
	if cause := context.Cause(ctx); cause != nil { // an acknowledgement failed, or the end of it all
		err = cause
	}
	s.fail(nil)
	s.drain()
	closing, cancel := context.WithTimeout(context.Background(), obeyWithin)
	defer cancel()
	if cerr := s.c.guard(closing, s.consumer.Close); cerr != nil {
		err = errors.Join(err, fmt.Errorf("close the consumer: %w", cerr))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got, err
}

// connect makes the consumer. One that comes too late is closed.
func (s *session) connect(ctx context.Context) (ConnectorConsumer, error) {
	var consumer ConnectorConsumer
	var decided atomic.Bool
	making, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	err := s.c.guard(making, func() error {
		made, err := s.c.made.Make(ctx, s.c.consumer) // ctx is the consumer's for as long as it lives
		switch {
		case err != nil:
			return err
		case made == nil:
			return errNoConsumer
		case !decided.CompareAndSwap(false, true):
			return made.Close()
		}
		consumer = made
		return nil
	})
	if err == errIgnored && !decided.CompareAndSwap(false, true) { // it has come this very moment
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("make a consumer: %w", err)
	}
	return consumer, nil
}

// read receives for as long as there is room.
func (s *session) read(ctx context.Context) error {
	for {
		for !s.hasRoom() {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.c.room:
			}
		}
		e, ack, err := s.consumer.Recv(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		case e == nil:
			return errNoEvent
		case ack == nil:
			return errNoAck
		}
		a := &arrival{event: *e, ack: ack}
		a.event.Headers = maps.Clone(e.Headers)
		if !s.take(a) {
			return ctx.Err()
		}
	}
}

func (s *session) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.unacked) < maxUnacked && s.c.stuck.Load() < maxStuck
}

// take puts an event in line; it reports false when nothing new is taken.
func (s *session) take(a *arrival) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.got = true
	s.unacked = append(s.unacked, a)
	sh := s.shardOf(a)
	sh.queue = append(sh.queue, a)
	s.wake(sh)
	return true
}

// again puts an event back in line, before those of its shard that came later.
func (s *session) again(a *arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	sh := s.shardOf(a)
	sh.queue = append([]*arrival{a}, sh.queue...)
	s.wake(sh)
}

// shardOf finds the shard of an event: FNV-1a of its foreign id, without a sign, so that every event has one. s.mu is held.
func (s *session) shardOf(a *arrival) *shard {
	return &s.shards[backend.BucketOf(a.event.ForeignID, len(s.shards))]
}

// wake makes somebody work on the shard; s.mu is held.
func (s *session) wake(sh *shard) {
	if !sh.busy {
		sh.busy = true
		s.work.Go(func() { s.workOn(sh) })
	}
}

// workOn works on a shard until it is empty.
func (s *session) workOn(sh *shard) {
	for {
		s.mu.Lock()
		if s.closed || len(sh.queue) == 0 {
			sh.queue, sh.busy = nil, false
			s.mu.Unlock()
			return
		}
		a := sh.queue[0]
		sh.queue = sh.queue[1:]
		s.mu.Unlock()
		s.handle(a)
	}
}

// settle notes that an event needs no further work, and has acknowledged what that allows.
func (s *session) settle(a *arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.settled = true
	if !s.acking && s.next() != nil {
		s.acking = true
		s.work.Go(s.acknowledge)
	}
}

// next is the event to acknowledge now; s.mu is held. Nil while the oldest is not settled.
func (s *session) next() *arrival {
	if s.broken || len(s.unacked) == 0 || !s.unacked[0].settled {
		return nil
	}
	if context.Cause(s.role) == engine.ErrRoleLost {
		return nil // somebody else speaks for the name now
	}
	return s.unacked[0]
}

// acknowledge gives acknowledgements in the order of receiving, each of them: not every stream takes one for all before it.
func (s *session) acknowledge() {
	for {
		s.mu.Lock()
		a := s.next()
		s.acking = a != nil
		s.mu.Unlock()
		if a == nil {
			return
		}
		ctx, cancel := context.WithTimeout(s.ctx, s.c.deadline)
		err := s.c.guard(ctx, a.ack)
		cancel()
		s.mu.Lock()
		if err != nil {
			s.broken = true
		} else {
			s.unacked[0] = nil
			s.unacked = s.unacked[1:]
		}
		s.mu.Unlock()
		if err != nil {
			s.fail(fmt.Errorf("acknowledge: %w", err))
		}
		poke(s.c.room)
	}
}

// drain starts nothing new, lets what is under way finish until the stop timeout, and ends it then. What is not settled comes again.
func (s *session) drain() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.shut()
	rest := make(chan struct{})
	go func() { // everything that it waits for ends soon after s.ctx
		s.work.Wait()
		close(rest)
	}()
	limit, cancel := context.WithTimeout(s.ctx, s.c.stopTimeout)
	defer cancel()
	select {
	case <-rest:
		return
	case <-limit.Done():
	}
	s.end(ErrStopping)
	<-rest
}

// guard calls user code on a goroutine of its own, which survives a panic and a Goexit. It returns when the call does, or when the call goes on
// although ctx ended a while ago: such a call is counted until it returns.
func (c *connector) guard(ctx context.Context, call func() error) error {
	result := make(chan error, 1)
	go func() {
		err := error(engine.ErrGoexit) // unless the call comes back
		defer func() {
			if p := recover(); p != nil {
				err = engine.Panicked(p)
			}
			result <- err
		}()
		err = call()
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.Background(), obeyWithin)
	defer cancel()
	select {
	case err := <-result:
		return err
	case <-patience.Done():
	}
	c.stuck.Add(1)
	go func() { // ends with the call, however late
		<-result
		c.stuck.Add(-1)
		poke(c.room)
	}()
	return errIgnored
}

// poke leaves a signal for whoever waits; one is enough.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
