package memrolescheduler_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
)

const role = "orders-1-consumer-1-of-1"

// await takes a role that must be free.
func await(t *testing.T, ctx context.Context, r *memrolescheduler.RoleScheduler, role string) (context.Context, context.CancelFunc) {
	t.Helper()
	held, giveBack, err := r.Await(ctx, role)
	if err != nil {
		t.Fatalf("Await: %v", err)
	}
	return held, giveBack
}

// grant is what a call of Await in a goroutine returned.
type grant struct {
	ctx      context.Context
	giveBack context.CancelFunc
	err      error
}

// line calls Await in a goroutine and returns once it waits in line.
func line(ctx context.Context, r *memrolescheduler.RoleScheduler, role string) <-chan grant {
	c := make(chan grant, 1)
	go func() {
		held, giveBack, err := r.Await(ctx, role)
		c <- grant{held, giveBack, err}
	}()
	synctest.Wait()
	return c
}

func mustWait(t *testing.T, c <-chan grant) {
	t.Helper()
	synctest.Wait()
	select {
	case g := <-c:
		t.Fatalf("Await returned (%v), want it to wait", g.err)
	default:
	}
}

func mustHold(t *testing.T, c <-chan grant) grant {
	t.Helper()
	synctest.Wait()
	select {
	case g := <-c:
		if g.err != nil || g.ctx.Err() != nil {
			t.Fatalf("Await = %v, and the context's error is %v", g.err, g.ctx.Err())
		}
		return g
	default:
		t.Fatal("Await waits, want the role")
		return grant{}
	}
}

func TestARoleHasOneHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memrolescheduler.New()
		first, giveBack := await(t, t.Context(), r, role)
		second := line(t.Context(), r, role)
		mustWait(t, second)
		_, other := await(t, t.Context(), r, "another role") // roles do not stand in each other's way
		other()
		mustWait(t, second)

		giveBack()
		if !errors.Is(first.Err(), context.Canceled) {
			t.Errorf("the context of a role given back has error %v", first.Err())
		}
		mustHold(t, second).giveBack()
		_, giveBack = await(t, t.Context(), r, role)
		giveBack()
	})
}

// TestTheRoleIsFreeWhenCancelReturns: the next Await has nothing to wait for, and no goroutine was needed to give the role back.
func TestTheRoleIsFreeWhenCancelReturns(t *testing.T) {
	const turns = 1000
	r := memrolescheduler.New()
	before := goroutinesCreated()
	for range turns {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		held, giveBack := await(t, ctx, r, role)
		giveBack()
		if held.Err() == nil {
			t.Fatal("the context lives on after cancel")
		}
		cancel()
	}
	if n := goroutinesCreated() - before; n > turns/10 {
		t.Errorf("giving the role back %d times created %d goroutines", turns, n)
	}
}

// goroutinesCreated returns how many goroutines this process has ever started, by the runtime's own count.
func goroutinesCreated() uint64 {
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func TestTheRoleIsHandedOverInTheOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memrolescheduler.New()
		_, giveBack := await(t, t.Context(), r, role)
		var waiting []<-chan grant
		for range 20 {
			waiting = append(waiting, line(t.Context(), r, role))
		}
		for i, c := range waiting {
			giveBack()
			for _, later := range waiting[i+1:] {
				mustWait(t, later)
			}
			giveBack = mustHold(t, c).giveBack
		}
		giveBack()
	})
}

func TestGivingBackTwiceTakesNothingFromTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memrolescheduler.New()
		_, giveBack := await(t, t.Context(), r, role)
		second, third := line(t.Context(), r, role), line(t.Context(), r, role)
		giveBack()
		g := mustHold(t, second)
		giveBack()
		mustWait(t, third)
		if g.ctx.Err() != nil {
			t.Errorf("the second holder's context ended with the first's cancel: %v", g.ctx.Err())
		}
		g.giveBack()
		mustHold(t, third).giveBack()
	})
}

func TestTheReturnedContextIsAChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		parent, end := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Hour)
		defer end()
		r := memrolescheduler.New()
		held, giveBack := await(t, parent, r, role)
		defer giveBack()
		if held.Value(key{}) != "value" {
			t.Error("the values of the caller's context are missing")
		}
		want, _ := parent.Deadline()
		if got, ok := held.Deadline(); !ok || !got.Equal(want) {
			t.Errorf("deadline = %v, %v, want the caller's %v", got, ok, want)
		}
		start := time.Now()
		<-held.Done()
		if waited := time.Since(start); waited != time.Hour {
			t.Errorf("the context ended after %v, want with the caller's, after an hour", waited)
		}
	})
}

// TestTheRoleIsGivenBackWithTheCallersContext: a holder that never calls cancel must not keep others out.
func TestTheRoleIsGivenBackWithTheCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memrolescheduler.New()
		ctx, end := context.WithCancel(t.Context())
		held, giveBack := await(t, ctx, r, role)
		second, third := line(t.Context(), r, role), line(t.Context(), r, role)
		mustWait(t, second)
		end()
		g := mustHold(t, second)
		if held.Err() == nil {
			t.Error("two holders have a living context")
		}
		giveBack() // late, and without effect
		mustWait(t, third)
		g.giveBack()
		mustHold(t, third).giveBack()
	})
}

// TestTheNextNeverMeetsALivingHolder looks at the last holder's context at the very moment in which the role arrives. The
// caller's context has many children, so that its end takes a while to reach all of them.
func TestTheNextNeverMeetsALivingHolder(t *testing.T) {
	const rounds, siblings = 50, 300
	r := memrolescheduler.New()
	for range rounds {
		ctx, end := context.WithCancel(t.Context())
		held, _ := await(t, ctx, r, role)
		for range siblings {
			child, cancel := context.WithCancel(ctx)
			context.AfterFunc(child, cancel)
		}
		living := make(chan error, 1)
		go func() {
			_, giveBack, err := r.Await(context.Background(), role)
			switch {
			case err != nil:
				living <- err
			case held.Err() == nil:
				giveBack()
				living <- errors.New("two contexts of one role were alive at once")
			default:
				giveBack()
				living <- nil
			}
		}()
		end()
		if err := <-living; err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memrolescheduler.New()
		_, giveBack := await(t, t.Context(), r, role)
		ctx, end := context.WithTimeout(t.Context(), time.Minute)
		defer end()
		start := time.Now()
		held, cancel, err := r.Await(ctx, role)
		if err != context.DeadlineExceeded { //nolint:errorlint // the context's own error is promised
			t.Errorf("Await = %v, want context.DeadlineExceeded itself", err)
		}
		if held != nil || cancel != nil {
			t.Error("Await returned a context or cancel function beside its error")
		}
		if waited := time.Since(start); waited != time.Minute {
			t.Errorf("Await returned after %v, want the minute of its context", waited)
		}

		// One in the middle of the line leaves it; the others keep their order.
		leaving, leave := context.WithCancel(t.Context())
		second, gone, third := line(t.Context(), r, role), line(leaving, r, role), line(t.Context(), r, role)
		leave()
		synctest.Wait()
		if g := <-gone; !errors.Is(g.err, context.Canceled) {
			t.Errorf("Await = %v, want context.Canceled", g.err)
		}
		giveBack()
		g := mustHold(t, second)
		mustWait(t, third)
		g.giveBack()
		mustHold(t, third).giveBack()
	})
}

func TestAnEndedContextGetsNoRole(t *testing.T) {
	r := memrolescheduler.New()
	ctx, end := context.WithCancel(t.Context())
	end()
	if _, _, err := r.Await(ctx, role); !errors.Is(err, context.Canceled) {
		t.Errorf("Await = %v, want context.Canceled", err)
	}
	_, giveBack := await(t, t.Context(), r, role)
	giveBack()
}

// TestTheRoleHandedToOneWhoLeavesGoesOn lets the context of the first in line end at the moment in which it gets the role, in
// both orders and over and over; the one behind must get it each time. One who gets the role after its context has ended is told so,
// which happens in some of the rounds at least.
func TestTheRoleHandedToOneWhoLeavesGoesOn(t *testing.T) {
	tooLate := 0
	for round := range 2000 {
		synctest.Test(t, func(t *testing.T) {
			r := memrolescheduler.New()
			_, giveBack := await(t, t.Context(), r, role)
			ctx, end := context.WithCancel(t.Context())
			first, second := line(ctx, r, role), line(t.Context(), r, role)
			if round%2 == 0 {
				giveBack()
				end()
			} else {
				end()
				giveBack()
			}
			synctest.Wait()
			g := <-first
			if g.err == nil && g.ctx.Err() == nil {
				t.Fatal("the first in line holds the role with a living context although its own has ended")
			}
			if round%2 == 1 && !errors.Is(g.err, context.Canceled) {
				t.Fatalf("Await = %v although its context ended before the role came", g.err)
			}
			if round%2 == 0 && g.err != nil {
				tooLate++
			}
			mustHold(t, second).giveBack()
		})
	}
	if tooLate == 0 {
		t.Error("Await never looked at its context after the role had come")
	}
}

// TestAHundredContenders lets a hundred goroutines take one role again and again, give it back in both ways, and lose
// patience now and then. Never do two hold it with a living context, everybody gets all turns, and the role is free in the end.
func TestAHundredContenders(t *testing.T) {
	const contenders, turns = 100, 30
	r := memrolescheduler.New()
	var holders, taken atomic.Int64
	failures := make(chan error, contenders)
	var wg sync.WaitGroup
	for i := range contenders {
		wg.Go(func() {
			for turn := 0; turn < turns; {
				ctx, end := context.WithCancel(context.Background())
				if (i+turn)%5 == 0 { // an impatient try before the turn
					impatient, give := context.WithTimeout(ctx, time.Microsecond)
					if _, cancel, err := r.Await(impatient, role); err == nil {
						cancel()
					}
					give()
				}
				held, cancel, err := r.Await(ctx, role)
				if err != nil {
					end()
					failures <- err
					return
				}
				if n := holders.Add(1); n != 1 || held.Err() != nil {
					failures <- fmt.Errorf("%d hold the role, and the context's error is %w", n, held.Err())
				}
				runtime.Gosched()
				holders.Add(-1)
				taken.Add(1)
				turn++
				if turn%2 == 0 {
					cancel()
				}
				end() // gives the role back by itself where cancel did not
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	if taken.Load() != contenders*turns {
		t.Errorf("the role was taken %d times, want %d", taken.Load(), contenders*turns)
	}
	_, giveBack := await(t, t.Context(), r, role) // free again
	giveBack()
}

// TestHeldAndAwaitedRolesHaveNoGoroutine counts the goroutines that many held and awaited roles start, and leaves the roles to the
// end of the context. A bubble ends only when every goroutine in it has, so nothing can be left behind.
func TestHeldAndAwaitedRolesHaveNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const roles, waiters = 500, 500
		r := memrolescheduler.New()
		ctx, end := context.WithCancel(t.Context())
		before := goroutinesCreated()
		for i := range roles {
			await(t, ctx, r, fmt.Sprint(role, i)) // never given back: ctx does it
		}
		if n := goroutinesCreated() - before; n > roles/10 {
			t.Errorf("%d held roles started %d goroutines", roles, n)
		}

		before = goroutinesCreated()
		waiting := make([]<-chan grant, waiters)
		for i := range waiting {
			waiting[i] = line(ctx, r, role+"0")
		}
		if n := goroutinesCreated() - before; n > waiters+waiters/10 {
			t.Errorf("%d callers that wait started %d goroutines, their own included", waiters, n)
		}

		end()
		for _, c := range waiting {
			if g := <-c; g.err == nil && g.ctx.Err() == nil {
				t.Fatal("a role is held although the caller's context has ended")
			}
		}
		synctest.Wait()
		for i := range roles {
			_, giveBack := await(t, t.Context(), r, fmt.Sprint(role, i))
			giveBack()
		}
	})
}
