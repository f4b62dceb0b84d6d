package shim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/shim"
)

func TestNothingRunsWithoutAJoin(t *testing.T) {
	run(t, func(r *rig) {
		r.commit(record("a", 1, initiated, 1))
		if left := shimGoroutines(); left != "" {
			t.Errorf("goroutines before the first Join:\n%s", left)
		}
		e := r.join()
		synctest.Wait()
		if shimGoroutines() == "" {
			t.Error("the check sees no goroutines where there must be some")
		}
		e.leave()
		if left := shimGoroutines(); left != "" {
			t.Errorf("goroutines after leave:\n%s", left)
		}
	})
}

func TestRoleLossAndRegain(t *testing.T) {
	run(t, func(r *rig) {
		var mu sync.Mutex
		var states []string
		role := statusSpec(1).Role
		r.rebuild(func(c *shim.Config) {
			c.Receivers = []shim.ReceiverSpec{statusSpec(1)}
			c.StateChanged = func(role string, running bool) {
				mu.Lock()
				defer mu.Unlock()
				states = append(states, fmt.Sprint(role, " ", running))
			}
		})
		e := r.join()
		r.commit(record("a", 1, initiated, 1))
		a := e.next()
		giveBack := r.roles.take(role)
		<-time.After(time.Second)
		e.done(a) // the role is lost: somebody else speaks for the name now
		r.commit(record("b", 1, initiated, 1))
		<-time.After(time.Minute)
		wantEntries(t, e.settle(), "")
		if at := r.cursor(role); at != 0 {
			t.Errorf("acknowledged without the role: cursor %d", at)
		}
		mu.Lock()
		if !slices.Contains(states, role+" false") {
			t.Errorf("states %q", states)
		}
		mu.Unlock()
		giveBack()
		got := map[string]bool{}
		for len(got) < 2 {
			en := e.next()
			got[en.Record.RunID] = true
			e.done(en)
		}
		if !got["a"] || !got["b"] {
			t.Errorf("came after the role was regained: %v", got)
		}
		synctest.Wait()
		if at := r.cursor(role); at != 2 {
			t.Errorf("cursor %d", at)
		}
		e.leave()
		mu.Lock()
		defer mu.Unlock()
		want := []string{role + " true", role + " false", role + " true", role + " false"}
		if got := slices.DeleteFunc(slices.Clone(states), func(s string) bool { return s[:len(role)] != role }); !slices.Equal(got, want) {
			t.Errorf("states %q, want %q", got, want)
		}
	})
}

func TestRelayRoleLossAndRegain(t *testing.T) {
	run(t, func(r *rig) {
		e := r.join()
		defer e.leave()
		synctest.Wait()
		giveBack := r.roles.take(name + "-outbox-consumer")
		<-time.After(time.Second)
		r.commit(record("a", 1, completed, 1))
		<-time.After(time.Minute)
		wantEntries(t, e.settle(), "")
		giveBack()
		wantEntries(t, []backend.Entry{e.next()}, "a v1 Completed")
	})
}

func TestReceiverSurvivesErrors(t *testing.T) {
	run(t, func(r *rig) {
		failing := true
		r.streamer.onRecv = func(string) error {
			if failing {
				return errBroken
			}
			return nil
		}
		acks := 0
		r.streamer.onAck = func(string) error {
			if acks++; acks <= 8 { // more than are tried before the receiver is opened anew
				return errBroken
			}
			return nil
		}
		e := r.join()
		defer e.leave()
		r.commit(record("a", 1, completed, 1))
		<-time.After(time.Minute)
		if n := r.reports("receive " + hookSpec().Topic); n != 1 {
			t.Errorf("%d reports of one streak", n)
		}
		r.streamer.locked(func() { failing = false })
		en := e.next()
		wantEntries(t, []backend.Entry{en}, "a v1 Completed")
		e.done(en)
		again := e.next() // the receiver was opened anew, because the ack kept failing
		wantEntries(t, []backend.Entry{again}, "a v1 Completed")
		e.done(again)
		<-time.After(time.Minute)
		if at := r.cursor(hookSpec().Role); at != 1 {
			t.Errorf("cursor %d", at)
		}
	})
}

type brokenScheduler struct {
	backend.RoleScheduler
	broken atomic.Bool
	calls  atomic.Int64
}

func (s *brokenScheduler) Await(ctx context.Context, role string) (context.Context, context.CancelFunc, error) {
	s.calls.Add(1)
	if s.broken.Load() {
		return nil, nil, errBroken
	}
	return s.RoleScheduler.Await(ctx, role)
}

func TestSchedulerThatFailsForAWhile(t *testing.T) {
	run(t, func(r *rig) {
		s := &brokenScheduler{RoleScheduler: r.roles}
		s.broken.Store(true)
		r.rebuild(func(c *shim.Config) { c.Scheduler = s })
		e := r.join()
		defer e.leave()
		r.commit(record("a", 1, completed, 1))
		<-time.After(time.Minute)
		if n := s.calls.Load(); n < 15 || n > 300 {
			t.Errorf("%d calls in a minute by 3 roles", n)
		}
		if n := r.reports("await role"); n != 3 {
			t.Errorf("%d reports of 3 streaks", n)
		}
		s.broken.Store(false)
		wantEntries(t, []backend.Entry{e.next()}, "a v1 Completed")
	})
}

func TestScanFindsForgottenRuns(t *testing.T) {
	run(t, func(r *rig) {
		forgotten := func(run string, state backend.RunState, status int) {
			r.store.locked(func() { r.store.put(record(run, 3, state, status)) })
		}
		forgotten("a", running, 1)
		forgotten("paused", paused, 1)
		forgotten("ended", completed, 1)
		forgotten("waits", running, 2) // no receiver
		for i := range 450 {
			forgotten(fmt.Sprintf("z-%03d", i), initiated, 1)
		}
		e := r.join()
		defer e.leave()
		got := e.settle()
		if len(got) != 451 || describe(got[:1]) != "a v3 Running" {
			t.Fatalf("%d entries, the first is %s", len(got), describe(got[:1]))
		}
		for _, en := range got {
			if en.Record.RunID != "a" {
				e.done(en)
			}
		}
		// Something is lost while we run. Another run waits for a retry that is in memory.
		forgotten("lost", running, 1)
		forgotten("retried", running, 1)
		r.change(&backend.Change{Hold: []backend.Delivery{{
			DeliveryKey:  backend.DeliveryKey{RunID: "retried", Receiver: "step", Version: 3},
			WorkflowName: name, State: backend.DeliveryBackingOff, Due: time.Now().Add(24 * time.Hour),
		}}})
		<-time.After(9 * time.Minute)
		wantEntries(t, e.settle(), "")
		forgotten("young", running, 1)
		<-time.After(2 * time.Minute)
		wantEntries(t, e.settle(), "lost v3 Running") // not what is in work, nor what was finished here
		<-time.After(10 * time.Minute)
		wantEntries(t, e.settle(), "young v3 Running")
	})
}

func TestScanAndStreamBringARunOnce(t *testing.T) {
	run(t, func(r *rig) {
		outbox := name + "-outbox-consumer"
		r.roles.cancels[outbox] = func() {}
		giveBack := r.roles.take(outbox) // the scan is faster than the relay
		r.commit(record("a", 1, initiated, 1), record("b", 1, initiated, 1))
		e := r.join()
		defer e.leave()
		got := e.settle()
		wantEntries(t, got, "a v1 Initiated, b v1 Initiated")
		finished, other := got[0], got[1]
		if backend.BucketOf("a", buckets) == backend.BucketOf("b", buckets) {
			t.Fatal("the test needs two buckets")
		}
		e.done(finished)
		giveBack()
		<-time.After(time.Second)
		wantEntries(t, e.settle(), "")
		if at := r.cursor(statusSpec(1).Role); at != 1 {
			t.Errorf("cursor %d with one of two finished", at)
		}
		e.done(other)
		synctest.Wait()
		if at := r.cursor(statusSpec(1).Role); at != 2 {
			t.Errorf("cursor %d", at)
		}
	})
}

func TestLastWordOfALeavingReceiver(t *testing.T) {
	for _, test := range []struct {
		how  string
		end  func(r *rig, e *engine)
		want int
	}{
		{"leave", func(_ *rig, e *engine) { e.leave() }, 1},
		{"the role is lost", func(r *rig, e *engine) {
			giveBack := r.roles.take(hookSpec().Role)
			synctest.Wait()
			e.leave()
			giveBack()
		}, 0},
	} {
		t.Run(test.how, func(t *testing.T) {
			run(t, func(r *rig) {
				e := r.join()
				r.commit(record("a", 1, completed, 1))
				en := e.next()
				acks := 0
				r.streamer.locked(func() {
					r.streamer.onAck = func(string) error {
						if acks++; acks == 1 {
							return errBroken // it is tried again a moment later
						}
						return nil
					}
				})
				e.done(en)
				synctest.Wait()
				test.end(r, e)
				if at := r.cursor(hookSpec().Role); at != test.want {
					t.Errorf("cursor %d, want %d", at, test.want)
				}
			})
		})
	}
}

func TestScanLeavesAloneWhatIsHeld(t *testing.T) {
	run(t, func(r *rig) {
		r.store.locked(func() { r.store.put(record("a", 3, running, 1)) })
		r.roles.cancels[statusSpec(1).Role] = func() {}
		giveBack := r.roles.take(statusSpec(1).Role)
		e := r.join()
		defer e.leave()
		wantEntries(t, e.settle(), "") // another process has the role of its topic
		giveBack()
		en := e.next()
		r.change(&backend.Change{Hold: []backend.Delivery{{
			DeliveryKey:  backend.DeliveryKey{RunID: "a", Receiver: "step", Version: 3},
			WorkflowName: name, State: backend.DeliveryBackingOff, Due: time.Now().Add(24 * time.Hour),
		}}})
		e.done(en)
		<-time.After(time.Hour)
		wantEntries(t, e.settle(), "")
	})
}

func TestScanIsBounded(t *testing.T) {
	run(t, func(r *rig) {
		for i := range 3000 {
			r.store.locked(func() { r.store.put(record(fmt.Sprintf("run-%d", i), 1, initiated, 1)) })
		}
		e := r.join()
		defer e.leave()
		seen := make(map[string]bool)
		for len(seen) < 3000 {
			got := e.settle()
			if len(got) > 1024 || len(got) == 0 {
				t.Fatalf("%d entries at once, %d seen", len(got), len(seen))
			}
			for _, en := range got {
				seen[en.Record.RunID] = true
				r.commit(record(en.Record.RunID, 2, completed, 2)) // it leaves the scan's listing
			}
			for _, en := range got {
				e.done(en)
			}
			// The hook's events of what was just completed are not what this test is about.
			for hooks := e.settle(); len(hooks) > 0; hooks = e.settle() {
				for _, en := range hooks {
					if en.Record.RunState != completed {
						seen[en.Record.RunID] = true
						r.commit(record(en.Record.RunID, 2, completed, 2))
					}
					e.done(en)
				}
			}
			if len(seen) < 3000 && len(e.settle()) == 0 {
				<-time.After(30 * time.Minute) // what the moving pages passed over comes with the next scan
			}
		}
	})
}

func TestJoinsTakeTurns(t *testing.T) {
	run(t, func(r *rig) {
		ctx := context.Background()
		if _, err := r.b.Join(ctx, "another", buckets, func(backend.Grant) {}); err == nil {
			t.Error("joined with another workflow's name")
		}
		var order []int
		var mu sync.Mutex
		join := func(i int) func() {
			leave, err := r.b.Join(ctx, name, buckets, func(backend.Grant) {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			if err != nil {
				t.Fatal(err)
			}
			return leave
		}
		leaves := []func(){join(0), join(1), join(2)}
		synctest.Wait()
		leaves[1]() // while it waits
		leaves[0]()
		leaves[0]()
		synctest.Wait()
		leaves[2]()
		if !slices.Equal(order, []int{0, 2}) {
			t.Errorf("granted %v", order)
		}
	})
}

func TestLeaveWaitsForGranted(t *testing.T) {
	run(t, func(r *rig) {
		entered, release := make(chan struct{}), make(chan struct{})
		var granted atomic.Bool
		leave, err := r.b.Join(context.Background(), name, buckets, func(g backend.Grant) {
			close(entered)
			<-release
			granted.Store(true)
		})
		if err != nil {
			t.Fatal(err)
		}
		<-entered
		go func() {
			<-time.After(time.Second)
			close(release)
		}()
		leave()
		if !granted.Load() {
			t.Error("leave did not wait")
		}
	})
}

func TestWatchCallsDoNotOverlap(t *testing.T) {
	run(t, func(r *rig) {
		e := r.join()
		defer e.leave()
		var inside, calls, overlaps atomic.Int64
		block := make(chan struct{})
		stop := r.b.Watch(func() {
			if inside.Add(1) > 1 {
				overlaps.Add(1)
			}
			calls.Add(1)
			<-block
			inside.Add(-1)
		})
		r.commit(record("a", 1, completed, 1), record("b", 1, initiated, 1)) // both receivers bring an entry
		synctest.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls while the first one runs", n)
		}
		close(block)
		synctest.Wait()
		if n := overlaps.Load(); n != 0 {
			t.Errorf("%d calls overlapped", n)
		}
		stop()
		before := calls.Load()
		r.commit(record("late", 1, completed, 1))
		synctest.Wait()
		if calls.Load() != before {
			t.Error("called after stop")
		}
	})
}

func TestStoreThatFailsForAWhile(t *testing.T) {
	run(t, func(r *rig) {
		r.commit(record("a", 1, completed, 1))
		broken := true
		store := &brokenStore{plainStore: r.store, broken: &broken}
		r.rebuild(func(c *shim.Config) { c.Store = store })
		e := r.join()
		defer e.leave()
		<-time.After(time.Minute)
		wantEntries(t, e.settle(), "")
		if n := r.reports("relay the outbox"); n != 1 {
			t.Errorf("%d reports of one streak", n)
		}
		if n := r.reports("scan unfinished"); n != 1 {
			t.Errorf("%d reports of one streak", n)
		}
		r.store.locked(func() { broken = false })
		wantEntries(t, []backend.Entry{e.next()}, "a v1 Completed")
	})
}

type brokenStore struct {
	*plainStore
	broken *bool
}

func (s *brokenStore) fails() (err error) {
	s.locked(func() {
		if *s.broken {
			err = errBroken
		}
	})
	return err
}

func (s *brokenStore) Lookup(ctx context.Context, id string) (*backend.Record, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.plainStore.Lookup(ctx, id)
}

func (s *brokenStore) List(ctx context.Context, name string, offset int64, limit int, o backend.OrderType, f ...backend.RecordFilter) ([]backend.Record, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.plainStore.List(ctx, name, offset, limit, o, f...)
}

func (s *brokenStore) ListOutboxEvents(ctx context.Context, name string, limit int64) ([]backend.OutboxEvent, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.plainStore.ListOutboxEvents(ctx, name, limit)
}

func TestWaivers(t *testing.T) {
	run(t, func(r *rig) {
		plain := r.b.Waivers()
		r.rebuild(withTimeouts(r), ofStreamer(r, true), func(c *shim.Config) { c.Store = notifying{r.store, nil} })
		if better := r.b.Waivers(); len(better) != len(plain)-2 {
			t.Errorf("plain parts: %q\nbetter parts: %q", plain, better)
		}
	})
}

func TestJoinWithAnEndedContext(t *testing.T) {
	run(t, func(r *rig) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := r.b.Join(ctx, name, buckets, func(backend.Grant) {}); !errors.Is(err, context.Canceled) {
			t.Errorf("Join: %v", err)
		}
	})
}
