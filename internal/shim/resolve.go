package shim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// errStale says that the store still shows an older version than the event tells of.
var errStale = errors.New("the store does not show the event's version yet")

const (
	minStaleWait = time.Millisecond
	maxStaleWait = time.Second
	staleTries   = 15 // tries before a stale read is worth a report: some seconds
	maxAckTries  = 5  // failed acks before the receiver is opened anew
	maxInARow    = 3  // failed reads in a row before the store counts as failing as a whole
)

// resolve finds the record of an event and brings it into the private log, or finishes an event that says nothing new. An
// error means that it has to be tried again.
func (s *session) resolve(ctx context.Context, it *item) error {
	b := s.r.b
	if it.workflow != "" && it.workflow != b.cfg.WorkflowName || !s.r.spec.takes(it.runID) {
		it.finish() // topics of different workflows can collide; other shards have other receivers
		return nil
	}
	if b.log.foundBefore(it) {
		return nil
	}
	rec := b.cache.get(it.runID, it.version)
	if rec == nil {
		var err error
		rec, err = b.lookup(ctx, it.runID)
		if errors.Is(err, backend.ErrRecordNotFound) {
			it.finish()
			return nil
		}
		if err != nil {
			return err
		}
	}
	if rec.WorkflowName != b.cfg.WorkflowName {
		it.finish()
		return nil
	}
	have := rec.Meta.Version
	current := it.version == 0 || have == 0 || have == it.version
	switch {
	case !current && have < it.version:
		return fmt.Errorf("%w: version %d, event %d", errStale, have, it.version)
	case !current && !(s.r.runState && it.state.Valid()), b.cache.overtaken(it.runID, have) && !s.r.runState:
		it.finish() // overtaken: the newer version has its own event
		return nil
	case !current: // a hook is told of every state, also of one that has passed
		then := *rec
		then.RunState, then.Meta.Version = it.state, it.version
		rec = &then
	}
	b.log.append(&line{record: rec, current: current, item: it})
	return nil
}

// putOff sets when a parked event is tried again.
func (s *session) putOff(ctx context.Context, it *item, err error) {
	stale := errors.Is(err, errStale)
	if stale {
		it.wait.min, it.wait.max = minStaleWait, maxStaleWait
	}
	it.tries++
	it.due = realNow().Add(it.wait.step())
	if ctx.Err() == nil && (!stale && it.tries == 1 || stale && it.tries == staleTries) {
		s.r.errs.report(ctx, s.r.b, "read the run of an event", err)
	}
}

// tend acknowledges what is done and tries parked events again, until ctx ends.
func (s *session) tend(ctx context.Context) {
	var ackWait backoff
	failed := 0
	for {
		wait := s.retryParked(ctx)
		if err := s.ackDone(); err != nil {
			if failed++; failed == maxAckTries {
				s.fail(err)
				return
			}
			s.r.errs.report(ctx, s.r.b, "acknowledge "+s.r.spec.Topic, err)
			if !ackWait.wait(ctx) {
				return
			}
			poke(s.wake)
			continue
		}
		if failed > 0 {
			failed = 0
			ackWait.reset()
			s.r.errs.reset()
		}
		if !waitFor(ctx, s.wake, wait) {
			return
		}
	}
}

// ackDone acknowledges the longest finished prefix; acks are cumulative, so the last one says it all.
func (s *session) ackDone() error {
	s.mu.Lock()
	n := 0
	for n < len(s.unacked) && s.unacked[n].done.Load() {
		n++
	}
	if n == 0 {
		s.mu.Unlock()
		return nil
	}
	ack := s.unacked[n-1].ack
	s.mu.Unlock()
	if err := callAck(ack); err != nil {
		return err
	}
	s.mu.Lock()
	s.unacked = slices.Delete(s.unacked, 0, n) // the reader only adds at the end
	s.mu.Unlock()
	poke(s.room)
	return nil
}

// retryParked tries parked events that are due. It returns how long the next one has to wait, negative where none is parked.
func (s *session) retryParked(ctx context.Context) time.Duration {
	s.mu.Lock()
	parked := slices.Clone(s.parked)
	s.mu.Unlock()
	if len(parked) == 0 {
		return -1
	}
	var waiting map[string]bool // runs with an earlier event that still waits
	resolved := make(map[*item]bool)
	failed := 0
	for _, it := range parked {
		if waiting[it.runID] {
			continue
		}
		if failed < maxInARow && !it.due.After(realNow()) {
			err := s.resolve(ctx, it)
			if err == nil {
				resolved[it] = true
				failed = 0
				continue
			}
			failed++
			s.putOff(ctx, it, err)
		}
		if waiting == nil {
			waiting = make(map[string]bool)
		}
		waiting[it.runID] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked = slices.DeleteFunc(s.parked, func(it *item) bool { return resolved[it] })
	return s.nextTry(failed)
}

// nextTry is the wait until the first parked event is due; s.mu is held.
func (s *session) nextTry(failed int) time.Duration {
	if len(s.parked) == 0 {
		return -1
	}
	first := s.parked[0].due
	for _, it := range s.parked {
		if !it.due.IsZero() && (first.IsZero() || it.due.Before(first)) {
			first = it.due
		}
	}
	wait := max(first.Sub(realNow()), 0)
	if failed >= maxInARow {
		wait = max(wait, minBackoff)
	}
	return wait
}
