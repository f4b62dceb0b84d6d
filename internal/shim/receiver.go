package shim

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// receiver reads one topic under one role, for as long as its tenure lasts.
type receiver struct {
	t        *tenure
	b        *Backend
	spec     ReceiverSpec
	limit    int         // events unacknowledged at once
	runState bool        // its topic tells of run states
	holding  atomic.Bool // the role is held and the receiver is open
	wantScan atomic.Bool // it has just got its role: what was lost with the role's former holder has to be found
	errs     streak
}

func newReceiver(t *tenure, spec ReceiverSpec) *receiver {
	r := &receiver{t: t, b: t.b, spec: spec, limit: 1}
	if t.b.advances {
		r.limit = maxUnacked
	}
	r.runState = spec.Topic == backend.RunStateChangeTopic(t.b.cfg.WorkflowName)
	return r
}

// run competes for the role again and again until the tenure ends.
func (r *receiver) run() {
	ctx := r.t.ctx
	var wait backoff
	for ctx.Err() == nil {
		held, release, err := r.b.await(ctx, r.spec.Role)
		if err != nil {
			if ctx.Err() == nil {
				r.errs.report(ctx, r.b, "await role "+r.spec.Role, err)
			}
		} else {
			if held.Err() == nil && ctx.Err() == nil && r.hold(held) {
				wait.reset()
			}
			release()
		}
		wait.wait(ctx)
	}
}

// hold reads while the role is held. It reports whether the receiver could be opened.
func (r *receiver) hold(ctx context.Context) (opened bool) {
	r.b.stateChanged(r.spec.Role, true)
	defer r.b.stateChanged(r.spec.Role, false)
	r.wantScan.Store(true)
	var wait backoff
	for {
		s := newSession(r)
		err := s.run(ctx)
		opened = opened || s.opened
		if ctx.Err() != nil {
			return opened
		}
		r.errs.report(ctx, r.b, "receive "+r.spec.Topic, err)
		if s.received {
			wait.reset()
		}
		if !wait.wait(ctx) {
			return opened
		}
	}
}

// item is an event that is not acknowledged yet.
type item struct {
	s        *session
	runID    string
	workflow string // as the event says; empty where it does not
	version  uint   // zero where the event does not say
	state    backend.RunState
	ack      backend.Ack

	done  atomic.Bool
	wait  backoff // while its record cannot be read
	due   time.Time
	tries int
}

// finish marks the event as one that may be acknowledged.
func (i *item) finish() {
	i.done.Store(true)
	poke(i.s.wake)
}

// session is the life of one open receiver: a goroutine that reads, and one that looks after what was read.
type session struct {
	r        *receiver
	from     backend.EventReceiver
	fail     context.CancelCauseFunc
	opened   bool
	received bool
	wake     chan struct{} // for the tender
	room     chan struct{} // for the reader

	mu      sync.Mutex
	unacked []*item // in the order received
	parked  []*item // whose record cannot be read yet, in the order received
}

func newSession(r *receiver) *session {
	return &session{r: r, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// run reads until ctx ends or something fails.
func (s *session) run(ctx context.Context) (err error) {
	r := s.r
	ctx, s.fail = context.WithCancelCause(ctx)
	defer s.fail(nil)
	if s.from, err = r.b.newReceiver(ctx, r.spec); err != nil {
		return err
	}
	s.opened = true
	var wg sync.WaitGroup
	wg.Go(func() { s.tend(ctx) })
	r.holding.Store(true)
	poke(r.t.scanWake)

	err = s.read(ctx)
	r.holding.Store(false)
	s.fail(err)
	wg.Wait()
	if r.t.ctx.Err() != nil { // we leave: say what is done. After a lost role somebody else speaks for the name
		err = errors.Join(err, s.ackDone())
	}
	if cerr := closePart(s.from); cerr != nil {
		r.b.report(r.t.ctx, "close receiver "+r.spec.Role, "", cerr)
	}
	return err
}

// read takes events for as long as there is room.
func (s *session) read(ctx context.Context) error {
	for {
		for !s.hasRoom() {
			if !waitFor(ctx, s.room, -1) {
				return context.Cause(ctx)
			}
		}
		e, ack, err := recv(ctx, s.from)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		if !s.received {
			s.received = true
			s.r.errs.reset()
		}
		s.take(ctx, e, ack)
	}
}

func (s *session) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.unacked) < s.r.limit
}

// take brings an event into the private log, or finishes it, or parks it where its record cannot be read yet.
func (s *session) take(ctx context.Context, e *backend.Event, ack backend.Ack) {
	it := s.parse(e, ack)
	s.mu.Lock()
	s.unacked = append(s.unacked, it)
	behind := false
	for _, p := range s.parked {
		behind = behind || p.runID == it.runID
	}
	if behind { // in order per run
		s.parked = append(s.parked, it)
	}
	s.mu.Unlock()
	if behind {
		return
	}
	if err := s.resolve(ctx, it); err != nil {
		s.putOff(ctx, it, err)
		s.mu.Lock()
		s.parked = append(s.parked, it)
		s.mu.Unlock()
		poke(s.wake)
	}
}

func (s *session) parse(e *backend.Event, ack backend.Ack) *item {
	it := &item{s: s, ack: ack, runID: e.Headers[backend.HeaderRunID], workflow: e.Headers[backend.HeaderWorkflowName]}
	if it.runID == "" {
		it.runID = e.ForeignID
	}
	if v, err := strconv.ParseUint(e.Headers[backend.HeaderRecordVersion], 10, 64); err == nil {
		it.version = uint(v)
	}
	if n, err := strconv.Atoi(e.Headers[backend.HeaderRunState]); err == nil {
		it.state = backend.RunState(n)
	}
	return it
}
