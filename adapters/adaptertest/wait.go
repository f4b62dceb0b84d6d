package adaptertest

import (
	"context"
	"time"
)

// The only places of this package where real time passes. The suites wait for signals; a bound here is reached only by a
// store that fails.
const (
	// patience is how long a signal may take on a busy machine before the case gives up.
	patience = 20 * time.Second
	// glance is how long a case watches that something does not happen.
	glance = 30 * time.Millisecond
)

// await waits for a value of ch, and fails the case when none comes.
func await[V any](t T, ch <-chan V, what string) V {
	t.Helper()
	limit := patienceOf(t)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case v := <-ch:
		return v
	case <-timer.C:
		t.Fatalf("waited %v in vain for %s", limit, what)
		panic("unreachable")
	}
}

// patienceOf is patience, unless t stands in for a test that expects to wait in vain.
func patienceOf(t T) time.Duration {
	if e, ok := t.(*env); ok {
		t = e.T
	}
	if hasty, ok := t.(interface{ patience() time.Duration }); ok {
		return hasty.patience()
	}
	return patience
}

// quiet fails the case when ch gives a value within a glance.
func quiet[V any](t T, ch <-chan V, what string) {
	t.Helper()
	timer := time.NewTimer(glance)
	defer timer.Stop()
	select {
	case v := <-ch:
		t.Errorf("%s, which must not happen: %v", what, v)
	case <-timer.C:
	}
}

// finish runs fn and fails the case when it does not come back. The goroutine is waited for.
func finish(t T, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	await(t, done, what)
}

// linger lets d pass, or ctx end.
func linger(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// stopwatch measures real time.
func stopwatch() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// now is the machine's time, for the suites whose parts take their time from there.
func now() time.Time { return time.Now() }
