package workflowtest

import (
	"slices"
	"sync"
	"time"

	"github.com/stillwater-go/workflow"
)

// Clock is a clock that stands still until the test moves it, for [workflow.WithClock] where a bubble cannot be used: with real servers, and
// with parts that wait for a network. All methods may be called concurrently.
//
// Only what follows the workflow's clock follows it: timers, backoff, lag, auto-resume and timestamps. Attempt deadlines, leases and shutdown
// stay in real time. A call of After is kept until its time has come, also when nobody listens any more.
type Clock struct {
	mu     sync.Mutex
	now    time.Time
	alarms []alarm       // by time, those of one time in the order of their calls
	moved  chan struct{} // closed, and replaced, when an alarm is added
}

var _ workflow.Clock = (*Clock)(nil)

// alarm is a call of After whose time has not come.
type alarm struct {
	at time.Time
	ch chan time.Time
}

// NewClock returns a clock that shows the start.
func NewClock(start time.Time) *Clock {
	return &Clock{now: start, moved: make(chan struct{})}
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After returns a channel that gets the time once the clock has been moved by d; at once where d is not positive.
func (c *Clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	if d <= 0 {
		ch <- c.now
		return ch
	}
	at := c.now.Add(d)
	i, _ := slices.BinarySearchFunc(c.alarms, at, func(a alarm, at time.Time) int {
		if a.at.After(at) {
			return 1
		}
		return -1 // behind those of the same time
	})
	c.alarms = slices.Insert(c.alarms, i, alarm{at: at, ch: ch})
	close(c.moved)
	c.moved = make(chan struct{})
	return ch
}

// Advance moves the clock by d, back where d is negative, and fires what has come due, in the order of the times. Each channel gets the
// time that it waited for.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(c.now.Add(d))
}

// Set moves the clock to a time, forward or back, and fires what has come due. What has fired stays fired.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(now)
}

// set moves the clock; mu is held.
func (c *Clock) set(now time.Time) {
	c.now = now
	due := 0
	for due < len(c.alarms) && !c.alarms[due].at.After(now) {
		c.alarms[due].ch <- c.alarms[due].at
		due++
	}
	c.alarms = slices.Delete(c.alarms, 0, due)
}

// AwaitWaiters returns when at least n calls of After wait for their time, and fails the test when they do not come within [Patience] of real
// time. A call counts until its time has come, even when its caller has given up.
func (c *Clock) AwaitWaiters(t workflow.TB, n int) {
	t.Helper()
	c.await(t, func() bool { return len(c.alarms) >= n }, "%d callers of After wait", n)
}

// AwaitDue returns when somebody waits for a time that is at most d away, so that Advance(d) wakes him. It fails the test when nobody does within
// [Patience] of real time. It is the way to step to a retry: the wait begins when the attempt has failed.
func (c *Clock) AwaitDue(t workflow.TB, d time.Duration) {
	t.Helper()
	c.await(t, func() bool { return len(c.alarms) > 0 && c.alarms[0].at.Sub(c.now) <= d }, "somebody waits for the next %v", d)
}

// await waits until ok, which is asked under the lock at every call of After.
func (c *Clock) await(t workflow.TB, ok func() bool, format string, args ...any) {
	t.Helper()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	for {
		c.mu.Lock()
		done, moved := ok(), c.moved
		n, now := len(c.alarms), c.now
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-moved:
		case <-limit.C:
			t.Fatalf("it did not come true within %v that "+format+"; the clock shows %s, and %d wait",
				append(append([]any{Patience}, args...), now.UTC().Format(time.RFC3339Nano), n)...)
			return
		}
	}
}
