package workflow_test

import (
	"sync"
	"testing"
	"time"
)

// fakeClock is a clock that moves when the test says so.
type fakeClock struct {
	mu      sync.Mutex
	now     time.Time
	waiters []clockWaiter
	waited  chan struct{}
}

type clockWaiter struct {
	at time.Time
	ch chan time.Time
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), waited: make(chan struct{}, 1024)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	if d <= 0 {
		ch <- c.now
		return ch
	}
	c.waiters = append(c.waiters, clockWaiter{c.now.Add(d), ch})
	select {
	case c.waited <- struct{}{}:
	default:
	}
	return ch
}

// step moves the clock and wakes whom it passed.
func (c *fakeClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	rest := c.waiters[:0]
	for _, w := range c.waiters {
		if w.at.After(c.now) {
			rest = append(rest, w)
		} else {
			w.ch <- c.now
		}
	}
	c.waiters = rest
}

// awaitWaiter waits until somebody has begun to wait on the clock since the last call.
func (c *fakeClock) awaitWaiter(t testing.TB) {
	t.Helper()
	select {
	case <-c.waited:
	case <-time.After(patience):
		t.Fatal("nobody waits on the clock")
	}
}
