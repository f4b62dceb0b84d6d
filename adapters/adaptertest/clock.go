package adaptertest

import (
	"sync"
	"time"
)

// stepClock is a clock that stands still until it is stepped.
type stepClock struct {
	mu     sync.Mutex
	now    time.Time
	alarms []alarm
}

type alarm struct {
	at time.Time
	ch chan time.Time
}

func newStepClock(at time.Time) *stepClock { return &stepClock{now: at} }

// Now returns the clock's time.
func (c *stepClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After gives the time once the clock has been stepped by d; at once where d is not positive.
func (c *stepClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	if d <= 0 {
		ch <- c.now
		return ch
	}
	c.alarms = append(c.alarms, alarm{at: c.now.Add(d), ch: ch})
	return ch
}

// Step moves the clock on and rings what has come due.
func (c *stepClock) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	var later []alarm
	for _, a := range c.alarms {
		if a.at.After(c.now) {
			later = append(later, a)
			continue
		}
		a.ch <- c.now
	}
	c.alarms = later
}
