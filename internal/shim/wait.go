package shim

import (
	"context"
	"math/rand/v2"
	"time"
)

// Everything in this file is real, monotonic time: backoff, polling and safety nets do not follow the workflow's clock.

const (
	minBackoff = 10 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// backoff is an exponential wait with jitter. The zero value goes from 10 ms to 5 s.
type backoff struct {
	min, max time.Duration
	next     time.Duration
}

// step returns the next wait: between half of the present step and all of it.
func (b *backoff) step() time.Duration {
	low, high := b.min, b.max
	if low <= 0 {
		low = minBackoff
	}
	if high <= 0 {
		high = maxBackoff
	}
	d := min(max(b.next, low), high)
	b.next = 2 * d
	return d/2 + rand.N(d/2+1)
}

// wait sleeps for the next step; it reports false when ctx ended first.
func (b *backoff) wait(ctx context.Context) bool { return pause(ctx, b.step()) }

func (b *backoff) reset() { b.next = 0 }

// pause sleeps; it reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// waitFor parks until a signal comes, d has passed, or ctx ends; false for the last. A negative d waits for ever.
func waitFor(ctx context.Context, signal <-chan struct{}, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	var passed <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		passed = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-signal:
	case <-passed:
	}
	return true
}

// realNow is the machine's time, for deadlines of this package's own.
func realNow() time.Time { return time.Now() }

// poke leaves a signal for whoever waits; one is enough.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
