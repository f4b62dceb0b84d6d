package shim

import (
	"context"

	"github.com/stillwater-go/workflow/backend"
)

// senders keeps one open sender per topic. It belongs to the relay's goroutine.
type senders struct {
	b       *Backend
	byTopic map[string]*openSender
	uses    int64
}

type openSender struct {
	sender  backend.EventSender
	lastUse int64
}

func newSenders(b *Backend) *senders {
	return &senders{b: b, byTopic: make(map[string]*openSender)}
}

// send sends to the message's topic. A sender that fails is closed, and opened anew next time.
func (s *senders) send(ctx context.Context, m backend.OutboxMessage) error {
	topic := m.Headers[backend.HeaderTopic]
	o := s.byTopic[topic]
	if o == nil {
		sender, err := s.b.newSender(ctx, topic)
		if err != nil {
			return err
		}
		if len(s.byTopic) >= maxSenders {
			s.closeIdlest(ctx)
		}
		o = &openSender{sender: sender}
		s.byTopic[topic] = o
	}
	s.uses++
	o.lastUse = s.uses
	if err := send(ctx, o.sender, m); err != nil {
		s.drop(ctx, topic)
		return err
	}
	return nil
}

func (s *senders) closeIdlest(ctx context.Context) {
	idlest, use := "", int64(0)
	for topic, o := range s.byTopic {
		if idlest == "" || o.lastUse < use {
			idlest, use = topic, o.lastUse
		}
	}
	s.drop(ctx, idlest)
}

func (s *senders) drop(ctx context.Context, topic string) {
	o := s.byTopic[topic]
	delete(s.byTopic, topic)
	if err := closePart(o.sender); err != nil {
		s.b.report(ctx, "close sender "+topic, "", err)
	}
}

func (s *senders) close(ctx context.Context) {
	for topic := range s.byTopic {
		s.drop(ctx, topic)
	}
}
