package demo

import (
	"context"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// meter is the store with a counter at its door: it sees every commit of this process, and nothing before it is on the disk.
type meter struct {
	*sqlite.Backend
	clock backend.Clock

	mu          sync.Mutex
	runs        int64 // triggered here
	transitions int64 // versions beyond a run's first
	settled     int64 // runs that came to an end or to a pause here
	retries     int64
	last        time.Time
	moved       chan struct{} // has room for one: something was settled
}

func newMeter(on *sqlite.Backend, clock backend.Clock) *meter {
	return &meter{Backend: on, clock: clock, moved: make(chan struct{}, 1)}
}

// reading is what the meter shows.
type reading struct {
	runs, transitions, settled, retries int64
	last                                time.Time
}

func (m *meter) read() reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	return reading{runs: m.runs, transitions: m.transitions, settled: m.settled, retries: m.retries, last: m.last}
}

// Commit passes the batch on and counts what was stored.
func (m *meter) Commit(ctx context.Context, batch []*backend.Change) error {
	err := m.Backend.Commit(ctx, batch)
	now := m.clock.Now()
	m.mu.Lock()
	settled := m.settled
	for _, c := range batch {
		if c.Err == nil {
			m.count(c)
		}
	}
	m.last = now
	settled = m.settled - settled
	m.mu.Unlock()
	if settled != 0 {
		select {
		case m.moved <- struct{}{}:
		default:
		}
	}
	return err
}

// count adds one stored change; m.mu is held.
func (m *meter) count(c *backend.Change) {
	if c.Attempt != nil {
		m.retries++
	}
	if c.Record == nil {
		return
	}
	if c.Record.Meta.Version == 1 {
		m.runs++
	} else {
		m.transitions++
	}
	switch {
	case ended(c.Record.RunState):
		m.settled++
	case c.From.RunState == backend.RunStatePaused:
		m.settled-- // resumed
	}
}

// ended reports whether a run in this state moves no further by itself.
func ended(s backend.RunState) bool { return s.Finished() || s == backend.RunStatePaused }
