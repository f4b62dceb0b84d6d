package memrecordstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

type (
	// OutboxLister returns the oldest events that wait to be sent, in order, at most limit.
	OutboxLister func(limit int64) ([]backend.OutboxEvent, error)
	// OutboxDeleter removes an event that was sent; backend.ErrOutboxRecordNotFound says that somebody else did.
	OutboxDeleter func(ctx context.Context, id string) error
)

// PurgeOutboxForever sends the events of a store that cannot notify: it lists them, sends them in order and deletes each after it was sent,
// until ctx ends. Where there are none it waits for the polling frequency; zero or less counts as a second. What fails is told to the
// logger, which may be nil, and tried again after a pause that grows from 10 ms to 5 s. A lookup limit of zero or less counts as 100.
//
// It blocks. It returns nil when ctx was cancelled, and ctx.Err() when its deadline passed. A [Store] does better with [WithOutbox].
func PurgeOutboxForever(
	ctx context.Context,
	lister OutboxLister,
	deleter OutboxDeleter,
	stream backend.EventStreamer,
	logger backend.Logger,
	pollingFrequency time.Duration,
	lookupLimit int64,
) error {
	if pollingFrequency <= 0 {
		pollingFrequency = time.Second
	}
	if lookupLimit <= 0 {
		lookupLimit = batchSize
	}
	p := newPublisher(stream)
	defer p.close()
	var pause backoff
	for ctx.Err() == nil {
		n, err := p.publish(ctx, func() ([]backend.OutboxEvent, error) { return lister(lookupLimit) }, deleter)
		switch {
		case err != nil:
			if n > 0 {
				pause.reset()
			}
			logError(ctx, logger, err)
			wait(ctx, nil, pause.next())
		case n == 0:
			pause.reset()
			wait(ctx, nil, pollingFrequency)
		default:
			pause.reset()
		}
	}
	if err := ctx.Err(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// maxSenders bounds the senders that a publisher keeps open.
const maxSenders = 1000

// publisher sends outbox events and keeps its senders open. It is used by one goroutine.
type publisher struct {
	streamer backend.EventStreamer
	senders  map[string]backend.EventSender
}

func newPublisher(streamer backend.EventStreamer) *publisher {
	return &publisher{streamer: streamer, senders: make(map[string]backend.EventSender)}
}

// publish sends one batch, and deletes each event after it was sent. It returns how many were sent, and stops at the first that
// may be sent later. One whose bytes cannot be read never can: it stays, is reported, and is no obstacle to those behind it.
func (p *publisher) publish(ctx context.Context, list func() ([]backend.OutboxEvent, error), remove OutboxDeleter) (sent int, err error) {
	events, err := list()
	if err != nil {
		return 0, fmt.Errorf("list outbox events: %w", err)
	}
	var unreadable error
	for _, e := range events {
		err := p.send(ctx, e)
		if errors.Is(err, backend.ErrMalformedOutbox) {
			unreadable = errors.Join(unreadable, fmt.Errorf("send outbox event %s: %w", e.ID, err))
			continue
		}
		if err != nil {
			return sent, errors.Join(unreadable, fmt.Errorf("send outbox event %s: %w", e.ID, err))
		}
		if err := remove(ctx, e.ID); err != nil && !errors.Is(err, backend.ErrOutboxRecordNotFound) {
			return sent, errors.Join(unreadable, fmt.Errorf("delete outbox event %s: %w", e.ID, err))
		}
		sent++
	}
	return sent, unreadable
}

// send sends one event to the topic that it names.
func (p *publisher) send(ctx context.Context, e backend.OutboxEvent) error {
	msg, err := backend.ParseOutboxEventData(e.Data)
	if err != nil {
		return err
	}
	topic := msg.Headers[backend.HeaderTopic]
	sender := p.senders[topic]
	if sender == nil {
		if sender, err = p.streamer.NewSender(ctx, topic); err != nil {
			return err
		}
		if len(p.senders) == maxSenders {
			p.close()
		}
		p.senders[topic] = sender
	}
	if err := sender.Send(ctx, msg.RunID, msg.Type, msg.Headers); err != nil {
		delete(p.senders, topic) // the next try opens a new one
		return errors.Join(err, sender.Close())
	}
	return nil
}

// close closes the senders. Everything was sent, so what a close says changes nothing.
func (p *publisher) close() {
	for topic, sender := range p.senders {
		_ = sender.Close()
		delete(p.senders, topic)
	}
}

// The pause after a failure.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 5 * time.Second
)

// backoff is a pause that doubles with every failure in a row. The zero value is before the first.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, firstPause), maxPause)
	return b.last
}

func (b *backoff) reset() { b.last = 0 }

// wait returns after d of real time, at a wake-up, or when ctx ends. Zero waits for the other two alone.
func wait(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	var after <-chan time.Time
	if d > 0 {
		after = backend.RealClock{}.After(d)
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-after:
	}
}

// logError tells the logger, unless the failure is only that ctx has ended.
func logError(ctx context.Context, logger backend.Logger, err error) {
	if logger != nil && ctx.Err() == nil {
		logger.Error(ctx, err)
	}
}
