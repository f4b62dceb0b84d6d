package adaptertest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// recorder stands in for *testing.T, so that a case may fail without failing the test.
type recorder struct {
	ctx      context.Context
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()             {}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
func (r *recorder) Cleanup(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, fn)
}
func (r *recorder) Context() context.Context { return r.ctx }

// patience is short: what a planted bug withholds never comes.
func (r *recorder) patience() time.Duration { return 120 * time.Millisecond }

// record runs fn as a case and returns what it complained of. A panic is a fault of the suite.
func record(t *testing.T, what string, fn func(r *recorder)) []string {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &recorder{ctx: ctx}
	done := make(chan struct{})
	guarded := func(f func()) {
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("%s: the suite panics: %v\n%s", what, p, stack())
			}
		}()
		f()
	}
	go func() {
		defer close(done)
		guarded(func() { fn(r) })
	}()
	<-done
	cancel()
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		fin := make(chan struct{})
		go func() {
			defer close(fin)
			guarded(r.cleanups[i])
		}()
		<-fin
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.failures)
}

func stack() string {
	b := make([]byte, 4096)
	return string(b[:runtime.Stack(b, false)])
}
