package workflowtest_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/workflowtest"
)

// fired returns what the channel got, and whether it got anything.
func fired(ch <-chan time.Time) (at time.Time, ok bool) {
	select {
	case at = <-ch:
		return at, true
	default:
		return time.Time{}, false
	}
}

func TestClockFiresInOrder(t *testing.T) {
	start := midnight()
	c := workflowtest.NewClock(start)
	if !c.Now().Equal(start) {
		t.Fatalf("Now = %v, want %v", c.Now(), start)
	}
	waits := []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour, time.Hour}
	var chans []<-chan time.Time
	for _, d := range waits {
		chans = append(chans, c.After(d))
	}
	for hour := range 4 {
		for i, ch := range chans {
			at, ok := fired(ch)
			if want := waits[i] == time.Duration(hour)*time.Hour; ok != want {
				t.Errorf("after %d hours the wait of %v has fired: %v", hour, waits[i], ok)
			} else if ok && !at.Equal(start.Add(waits[i])) {
				t.Errorf("the wait of %v got %v", waits[i], at)
			}
		}
		c.Advance(time.Hour)
	}
	if want := start.Add(4 * time.Hour); !c.Now().Equal(want) {
		t.Errorf("Now = %v, want %v", c.Now(), want)
	}
}

// TestClockFiresAllThatOneStepPasses gives each channel the time that it waited for, whatever the size of the step.
func TestClockFiresAllThatOneStepPasses(t *testing.T) {
	c := workflowtest.NewClock(midnight())
	late, early := c.After(2*time.Hour), c.After(time.Hour)
	never := c.After(24 * time.Hour)
	c.Set(midnight().Add(5 * time.Hour))
	a, okA := fired(early)
	b, okB := fired(late)
	if !okA || !okB || !a.Equal(midnight().Add(time.Hour)) || !b.Equal(midnight().Add(2*time.Hour)) {
		t.Errorf("fired %v %v and %v %v", a, okA, b, okB)
	}
	if _, ok := fired(never); ok {
		t.Error("the wait of a day has fired after five hours")
	}
}

func TestClockFiresAtOnceWhatIsNotAhead(t *testing.T) {
	c := workflowtest.NewClock(midnight())
	for _, d := range []time.Duration{0, -time.Nanosecond, -time.Hour} {
		if at, ok := fired(c.After(d)); !ok || !at.Equal(midnight()) {
			t.Errorf("After(%v) has fired: %v, with %v", d, ok, at)
		}
	}
	ahead := c.After(time.Nanosecond)
	c.Advance(time.Nanosecond)
	if _, ok := fired(ahead); !ok {
		t.Error("After of a nanosecond has not fired a nanosecond later")
	}
}

func TestClockGoesBack(t *testing.T) {
	c := workflowtest.NewClock(midnight())
	ch := c.After(time.Hour)
	c.Advance(-time.Hour)
	c.Advance(time.Hour)
	if _, ok := fired(ch); ok {
		t.Error("it has fired before its time")
	}
	c.Advance(time.Hour)
	if _, ok := fired(ch); !ok {
		t.Error("it has not fired at its time")
	}
}

// TestClockHasManyWaiters waits on the clock from a thousand goroutines, in a bubble, which fails when one is left over.
func TestClockHasManyWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const waiters = 1000
		c := workflowtest.NewClock(midnight())
		var mu sync.Mutex
		var order []time.Time
		var all sync.WaitGroup
		for i := range waiters {
			all.Go(func() {
				at := <-c.After(time.Duration(i%10+1) * time.Minute)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, at)
			})
		}
		c.AwaitWaiters(t, waiters)
		for range 10 {
			c.Advance(time.Minute)
			synctest.Wait()
		}
		all.Wait()
		for i, at := range order {
			if want := midnight().Add(time.Duration(i/(waiters/10)+1) * time.Minute); !at.Equal(want) {
				t.Fatalf("waiter %d woke at %v, want %v", i, at, want)
			}
		}
		if len(order) != waiters {
			t.Errorf("%d woke", len(order))
		}
	})
}

// TestClockMayBeUsedByMany steps and asks from many goroutines at once; the race detector looks on.
func TestClockMayBeUsedByMany(t *testing.T) {
	c := workflowtest.NewClock(midnight())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				c.AwaitWaiters(t, 0)
				ch := c.After(time.Second)
				c.Advance(time.Second)
				if at := <-ch; at.After(c.Now()) {
					t.Errorf("woken at %v, before it is due: the clock shows %v", at, c.Now())
				}
			}
		})
	}
	all.Wait()
	if want := midnight().Add(800 * time.Second); !c.Now().Equal(want) {
		t.Errorf("the clock shows %v, want %v", c.Now(), want)
	}
}

// TestClockSaysThatNobodyWaits runs into the limit of a wait, in a bubble so that it is no real one.
func TestClockSaysThatNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := workflowtest.NewClock(midnight())
		c.After(2 * time.Hour)
		c.After(0) // it has fired already, and does not count
		wantParts(t, failure(func(tb workflow.TB) { c.AwaitWaiters(tb, 2) }),
			"it did not come true within 30s that 2 callers of After wait; the clock shows 2000-01-01T00:00:00Z, and 1 wait")
		wantParts(t, failure(func(tb workflow.TB) { c.AwaitDue(tb, time.Hour) }), "that somebody waits for the next 1h0m0s; the clock shows")
		c.AwaitDue(t, 2*time.Hour)
	})
}

// TestClockStepsClassicParts steps a workflow on classic parts through its retries and a timeout, in real time and without a sleep.
func TestClockStepsClassicParts(t *testing.T) {
	clock := workflowtest.NewClock(midnight())
	b := flaky(2, workflow.ErrBackOff(time.Hour), workflow.MaxBackOff(24*time.Hour))
	b.AddTimeout(shipped, workflow.DurationTimerFunc[order, status](24*time.Hour), func(context.Context, *run, time.Time) (status, error) {
		return expired, nil
	}, expired)
	w := b.Build(memstreamer.New(), memrecordstore.New(), memrolescheduler.New(),
		workflow.WithTimeoutStore(memtimeoutstore.New()), workflow.WithClock(clock), workflow.WithoutJitter(), workflow.WithLogger(quiet{}))
	w.Run(context.Background())
	t.Cleanup(w.Stop)
	id := workflowtest.Trigger(t, w, "order-1")
	for _, wait := range []time.Duration{time.Hour, 2 * time.Hour} {
		clock.AwaitDue(t, wait)
		clock.Advance(wait)
	}
	r := workflowtest.Await(t, w, "order-1", id, shipped)
	if took := r.UpdatedAt.Sub(midnight()); took != 3*time.Hour || r.Object.Tries != 3 {
		t.Errorf("it took %v and %d attempts, want 3h and 3", took, r.Object.Tries)
	}
	clock.Advance(24 * time.Hour)
	workflowtest.Await(t, w, "order-1", id, expired)
	workflowtest.RequireHistory(t, w, id, placed, paid, shipped, expired)
}
