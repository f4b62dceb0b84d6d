package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// RoleAwaiter is a backend on which named roles are decided by a classic scheduler and not by Join.
type RoleAwaiter interface {
	// AwaitRole is backend.RoleScheduler.Await, under recover.
	AwaitRole(ctx context.Context, role string) (held context.Context, release context.CancelFunc, err error)
}

// Role is something that one process at a time does.
type Role struct {
	// Name is what Backend.Join knows it by, as a workflow with one bucket: it must not be the name of a workflow.
	Name string
	// Classic is what a classic scheduler knows it by.
	Classic string
}

// The waits between tries to get into the contest for a role.
const (
	firstJoin = 10 * time.Millisecond
	lastJoin  = 5 * time.Second
)

// Singleton calls fn while this process holds the role, again and again, until ctx ends; then it waits for fn, gives the role back and
// returns. The context that fn gets ends when the role is lost, with [ErrRoleLost] as its cause, and not when ctx does: what is under
// way then may be finished. fn returns soon after the end of either. What keeps the role from being asked for is reported, once per streak.
func (f *Flow) Singleton(ctx context.Context, role Role, fn func(held context.Context)) {
	if a, ok := f.engine.b.(RoleAwaiter); ok {
		f.awaitRole(ctx, a, role, fn)
		return
	}
	grants := make(chan backend.Grant, 1)
	leave := f.joinRole(ctx, role, func(g backend.Grant) {
		if len(g.Buckets) == 0 {
			return
		}
		select {
		case <-grants: // an earlier one that was not taken up: it is over
		default:
		}
		grants <- g // never blocks: there is one caller at a time
	})
	if leave == nil {
		return
	}
	defer leave()
	for {
		select {
		case <-ctx.Done():
			return
		case g := <-grants:
			hold(ctx, g.Context, fn)
		}
	}
}

// joinRole enters the contest; it returns nil when ctx ended before that succeeded.
func (f *Flow) joinRole(ctx context.Context, role Role, granted func(backend.Grant)) (leave func()) {
	told := false
	for wait := firstJoin; ctx.Err() == nil; wait = min(2*wait, lastJoin) {
		leave, err := f.engine.b.Join(ctx, role.Name, 1, granted)
		if err == nil {
			return leave
		}
		f.roleRefused(ctx, role.Name, err, &told)
		pause(ctx, wait)
	}
	return nil
}

// awaitRole is Singleton on classic parts.
func (f *Flow) awaitRole(ctx context.Context, a RoleAwaiter, role Role, fn func(held context.Context)) {
	told := false
	for wait := firstJoin; ctx.Err() == nil; wait = min(2*wait, lastJoin) {
		// The scheduler's context is a child of the one that it is given, which therefore must outlive ctx once the role is held.
		asking, end := context.WithCancel(context.WithoutCancel(ctx))
		unlink := context.AfterFunc(ctx, end)
		held, release, err := a.AwaitRole(asking, role.Classic)
		if unlink() && err == nil && held.Err() == nil {
			told, wait = false, firstJoin
			hold(ctx, held, fn)
		}
		if err == nil {
			release()
		} else {
			f.roleRefused(ctx, role.Classic, err, &told)
		}
		end()
		pause(ctx, wait)
	}
}

// roleRefused reports the first failure of a streak.
func (f *Flow) roleRefused(ctx context.Context, name string, err error, told *bool) {
	if *told || ctx.Err() != nil {
		return
	}
	*told = true
	f.engine.logError(&backend.Error{Op: "await role", Workflow: f.spec.Name, Err: fmt.Errorf("%s: %w", backend.Quote(name), err), Hint: "tried again by itself"})
	f.engine.say()
}

// hold calls fn for as long as the role is held and ctx lives.
func hold(ctx, role context.Context, fn func(held context.Context)) {
	held, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(role, func() { cancel(ErrRoleLost) })()
	for ctx.Err() == nil && role.Err() == nil {
		fn(held)
	}
}
