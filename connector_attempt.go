package workflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// storeAgain is how often an event is offered to a store that fails, as everything that waits for a store.
const storeAgain = 250 * time.Millisecond

// handle works on an event. It is settled, or waits for its next try, or, when the end has come, is left for the next connection.
func (s *session) handle(a *arrival) {
	if a.failure == nil {
		if !s.ripe(a) {
			return
		}
		err := s.attempt(a)
		if err == nil {
			s.settle(a)
			return
		}
		if s.ctx.Err() != nil { // it was we who ended it: no failed attempt
			return
		}
		a.attempts++
		failure := engine.Explain(err)
		a.failure = &failure
		s.c.count(err, a)
	}
	if s.c.parking == nil || a.unfit {
		s.retry(a)
		return
	}
	s.park(a)
}

// ripe waits until the event is as old as the connector's lag asks; it reports false when the connection ended first.
func (s *session) ripe(a *arrival) bool {
	if s.c.lag <= 0 || a.attempts > 0 || a.event.CreatedAt.IsZero() {
		return true
	}
	wait := a.event.CreatedAt.Add(s.c.lag).Sub(s.c.clock.Now())
	return wait <= 0 || s.waits(wait)
}

// waits lets a time pass by the workflow's clock; it reports false when the connection ended first.
func (s *session) waits(d time.Duration) bool {
	select {
	case <-s.open.Done():
		return false
	case <-s.c.clock.After(d):
		return true
	}
}

// attempt calls the user's function with a copy of the event.
func (s *session) attempt(a *arrival) error {
	ctx, cancel := context.WithTimeoutCause(s.ctx, s.c.deadline, engine.ErrDeadline)
	defer cancel()
	e := a.event
	e.Headers = maps.Clone(e.Headers)
	err := s.c.guard(ctx, func() error { return s.c.fn(ctx, &e) })
	if err != nil && context.Cause(ctx) == engine.ErrDeadline {
		err = errors.Join(engine.ErrDeadline, err)
	}
	return err
}

// count tells the user's error counter; one that panics harms nobody.
func (c *connector) count(err error, a *arrival) {
	if c.counter == nil {
		return
	}
	defer func() { _ = recover() }()
	c.counter.Add(err, c.workflow, c.process, a.event.ID)
}

// park stores a failed event, so that its acknowledgement may be given.
func (s *session) park(a *arrival) {
	p := s.c.parking
	if a.runID == "" {
		a.runID = p.runID(&a.event)
	}
	err := p.store(s.ctx, a)
	switch {
	case err == nil:
		s.settle(a)
	case errors.Is(err, ErrTooLarge) || errors.Is(err, ErrInvalidID) || errors.Is(err, errUnfit):
		s.c.report(fmt.Errorf("park a failed event: %w", err), "it is kept in memory, and nothing behind it is acknowledged until it succeeds")
		a.unfit = true
		s.retry(a)
	default: // the store fails, which it says itself
		s.work.Go(func() {
			if realPause(s.open, storeAgain) {
				s.again(a)
			}
		})
	}
}

// retry has an event tried again after its backoff, without an end. Nothing durable says so: its acknowledgement waits.
func (s *session) retry(a *arrival) {
	f := *a.failure
	a.failure = nil
	if a.attempts == 1 && !a.unfit {
		s.c.report(fmt.Errorf("event failed: %s", f.Text), "tried again until it succeeds; nothing behind it is acknowledged until then")
	}
	policy := s.c.policy
	policy.MaxAttempts = -1
	wait := policy.MaxBackOff // for a permanent failure
	if !f.Permanent {
		wait = machine.Retry(policy, machine.Failure{Attempts: a.attempts, After: f.After}, s.c.chance()).Wait
	}
	s.work.Go(func() {
		if s.waits(wait) {
			s.again(a)
		}
	})
}
