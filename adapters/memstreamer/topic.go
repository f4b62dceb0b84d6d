package memstreamer

import (
	"fmt"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

const (
	// MaxUnnamed is how many events a topic keeps while no receiver name exists for it: the newest 10,000.
	MaxUnnamed = 10_000
	// MaxPassed is how many events a topic keeps behind the slowest of its names: 1,000. Names that start together do not open
	// their receivers at the same instant, and the first may have acked an event before the last is there to get it.
	MaxPassed = 1_000
)

// topic is one log with the cursors of its names. Every cursor and every open receiver holds one mark in the log, at the next
// event that it needs; what lies further than MaxPassed behind the first mark is let go. Each event is passed once and dropped
// once, so trimming costs a constant per event, however many names there are.
type topic struct {
	name string

	mu      sync.Mutex // guards all below, and the position and state of the topic's streams
	log     log
	cursors map[string]*cursor
	// passed is at or before the first mark; it has no meaning while there are no names.
	passed int64
	// wake is closed by the next Send; nil while nobody is parked.
	wake chan struct{}
	// wakes counts how often a parked Recv was woken by a Send.
	wakes uint64
}

// cursor is how far a name has come.
type cursor struct {
	next      int64   // the first event that is not acked
	open      *Stream // the open receivers of the name, chained: there is one, most of the time
	forgotten bool
}

func newTopic(name string) *topic {
	return &topic{name: name, log: newLog(), cursors: make(map[string]*cursor)}
}

// send appends the event and wakes the parked. They are woken after the lock is free, so that they do not run into it.
func (t *topic) send(s *Stream, e backend.Event) error {
	t.mu.Lock()
	if s.closed {
		t.mu.Unlock()
		return fmt.Errorf("memstreamer: send to topic %s: %w", backend.Quote(t.name), backend.ErrClosed)
	}
	t.log.append(e)
	t.trim()
	wake := t.wake
	t.wake = nil
	t.mu.Unlock()
	if wake != nil {
		close(wake)
	}
	return nil
}

// open places a new receiver at the cursor of its name, making the cursor when the name is new.
func (t *topic) open(s *Stream, name string, fromLatest bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.cursors[name]
	if c == nil {
		c = &cursor{next: t.log.first}
		if fromLatest {
			c.next = t.log.next
		}
		if len(t.cursors) == 0 || c.next < t.passed {
			t.passed = c.next
		}
		t.cursors[name] = c
		t.log.mark(c.next)
	}
	s.cursor, s.next = c, c.next
	if s.after = c.open; s.after != nil {
		s.after.before = s
	}
	c.open = s
	t.log.mark(s.next)
	t.trim()
}

// take returns the next event of the receiver and advances it. Where there is none it returns the channel that the next
// Send closes. woken says that the caller comes from there.
func (t *topic) take(s *Stream, woken bool) (e backend.Event, wake <-chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if woken {
		t.wakes++
	}
	if s.closed {
		return e, nil, fmt.Errorf("memstreamer: receive from topic %s: %w", backend.Quote(t.name), backend.ErrClosed)
	}
	if s.next == t.log.next {
		if t.wake == nil {
			t.wake = make(chan struct{})
		}
		return e, t.wake, nil
	}
	e = t.log.at(s.next).event
	t.log.unmark(s.next)
	s.next++
	t.log.mark(s.next)
	t.trim()
	return e, nil, nil
}

// ack moves the cursor of the receiver's name behind the event, unless it is there already.
func (t *topic) ack(s *Stream, id int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := s.cursor
	if c.forgotten {
		return fmt.Errorf("memstreamer: ack on topic %s: name was forgotten: %w", backend.Quote(t.name), backend.ErrClosed)
	}
	if c.next > id {
		return nil
	}
	t.log.unmark(c.next)
	c.next = id + 1
	t.log.mark(c.next)
	t.trim()
	return nil
}

// close ends a stream. The cursor stays, with its acks still welcome; only what was kept for this receiver alone is let go.
func (t *topic) close(s *Stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked(s)
	t.trim()
}

func (t *topic) closeLocked(s *Stream) {
	if s.closed {
		return
	}
	s.closed = true
	if s.cursor == nil { // a sender holds no mark and is never parked
		return
	}
	t.log.unmark(s.next)
	if s.before != nil {
		s.before.after = s.after
	} else {
		s.cursor.open = s.after
	}
	if s.after != nil {
		s.after.before = s.before
	}
	s.before, s.after = nil, nil
	close(s.done)
}

func (t *topic) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.cursors[name]
	if c == nil {
		return
	}
	for c.open != nil {
		t.closeLocked(c.open)
	}
	t.log.unmark(c.next)
	c.forgotten = true
	delete(t.cursors, name)
	t.trim()
}

// trim drops what nobody needs any more.
func (t *topic) trim() {
	if len(t.cursors) == 0 {
		for t.log.len() > MaxUnnamed {
			t.log.drop()
		}
		return
	}
	for t.passed < t.log.next && t.log.at(t.passed).marks == 0 {
		t.passed++
	}
	for t.passed-t.log.first > MaxPassed {
		t.log.drop()
	}
}
