package memrecordstore

import (
	"context"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// batchSize is how many events of one workflow are sent before the next workflow's turn.
const batchSize = 100

// relay sends the outbox events of a store to a streamer. One goroutine does it all, owned by the context. Its pauses are of
// real time: a clock that stands still in a test must not keep a stream down that has come back.
type relay struct {
	ctx      context.Context
	streamer backend.EventStreamer
	logger   backend.Logger

	store   *memory.RecordStore
	failing map[string]*failing // by workflow
}

// failing is a workflow whose events cannot be sent at present.
type failing struct {
	pause backoff
	until time.Time
}

func (r *relay) start(store *memory.RecordStore) {
	r.store = store
	r.failing = make(map[string]*failing)
	wake := make(chan struct{}, 1)
	stop := store.NotifyOutbox(func() {
		select {
		case wake <- struct{}{}:
		default: // a wake-up is pending already
		}
	})
	go func() {
		defer stop()
		r.run(wake)
	}()
}

func (r *relay) run(wake <-chan struct{}) {
	p := newPublisher(r.streamer)
	defer p.close()
	for r.ctx.Err() == nil {
		more, pause := r.pass(p)
		if !more {
			wait(r.ctx, wake, pause)
		}
	}
}

// pass gives every workflow with waiting events a turn. It says whether there is more to do at once, and if not, for how long to
// wait at most; zero is until the next wake-up.
func (r *relay) pass(p *publisher) (more bool, pause time.Duration) {
	names, err := r.store.WaitingWorkflows(r.ctx)
	if err != nil {
		logError(r.ctx, r.logger, err)
		return false, maxPause
	}
	now := backend.RealClock{}.Now()
	for _, name := range names {
		f := r.failing[name]
		if f == nil || !now.Before(f.until) {
			if f, more = r.turn(p, name, f, more); f == nil {
				continue
			}
		}
		if left := f.until.Sub(now); pause == 0 || left < pause {
			pause = max(left, 1)
		}
	}
	return more, pause
}

// turn sends one batch of one workflow. It returns the workflow's trouble, nil for none, and whether it, or one before, has more.
func (r *relay) turn(p *publisher, name string, f *failing, more bool) (*failing, bool) {
	n, err := p.publish(r.ctx, func() ([]backend.OutboxEvent, error) {
		return r.store.ListOutboxEvents(r.ctx, name, batchSize)
	}, r.store.DeleteOutboxEvent)
	if err == nil {
		delete(r.failing, name)
		return nil, more || n == batchSize
	}
	logError(r.ctx, r.logger, fmt.Errorf("relay events of workflow %s: %w", backend.Quote(name), err))
	if f == nil {
		f = &failing{}
		r.failing[name] = f
	} else if n > 0 {
		f.pause.reset()
	}
	f.until = backend.RealClock{}.Now().Add(f.pause.next())
	return f, more
}
