package memrolescheduler

import (
	"container/list"
	"context"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// RoleScheduler hands out roles within one process. Make it with [New]. All methods may be called concurrently.
type RoleScheduler struct {
	mu sync.Mutex
	// held has an entry for every role that has a holder: those who wait for it, as *waiter, first come first.
	held map[string]*list.List
}

var _ backend.RoleScheduler = (*RoleScheduler)(nil)

// waiter is one call that waits for a role.
type waiter struct {
	// granted is closed, under the scheduler's lock, when the role is handed to this waiter.
	granted chan struct{}
}

// New returns a scheduler whose roles are all free.
func New() *RoleScheduler {
	return &RoleScheduler{held: make(map[string]*list.List)}
}

// Await parks until the caller holds the role. Those who wait get it in the order in which they came. When ctx ends first it
// returns ctx.Err(), and the other results are nil.
//
// The returned context is a child of ctx. The cancel function ends it and gives the role back before it returns; calling it
// again does nothing. When ctx ends, the role is given back as well, and cancel need not be called. The role goes to
// the next only after the holder's context has ended.
func (r *RoleScheduler) Await(ctx context.Context, role string) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := r.acquire(ctx, role); err != nil {
		return nil, nil, err
	}
	held, end := context.WithCancel(ctx)
	giveBack := sync.OnceFunc(func() { r.release(role) })
	// Hanging on the child, not on ctx, keeps the order: its context ends, then the role is free.
	stop := context.AfterFunc(held, giveBack)
	return held, func() {
		stop() // the call below does it, without another goroutine
		end()
		giveBack()
	}, nil
}

// acquire returns nil once the role is the caller's, or ctx.Err().
func (r *RoleScheduler) acquire(ctx context.Context, role string) error {
	r.mu.Lock()
	queue, taken := r.held[role]
	if !taken {
		r.held[role] = list.New()
		r.mu.Unlock()
		return nil
	}
	w := &waiter{granted: make(chan struct{})}
	place := queue.PushBack(w)
	r.mu.Unlock()

	select {
	case <-w.granted:
		if err := ctx.Err(); err != nil {
			r.release(role)
			return err
		}
		return nil
	case <-ctx.Done():
		r.leave(role, w, place)
		return ctx.Err()
	}
}

// leave takes a waiter out of the line. The role may have been handed to it in the meantime; then it goes on to the next.
func (r *RoleScheduler) leave(role string, w *waiter, place *list.Element) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-w.granted:
		r.passOn(role)
	default:
		r.held[role].Remove(place)
	}
}

// release gives the role back.
func (r *RoleScheduler) release(role string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passOn(role)
}

// passOn hands the role to the first in line, or makes it free. The lock is held.
func (r *RoleScheduler) passOn(role string) {
	queue := r.held[role]
	first := queue.Front()
	if first == nil {
		delete(r.held, role)
		return
	}
	close(queue.Remove(first).(*waiter).granted)
}
