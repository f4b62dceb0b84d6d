package shim_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/shim"
)

const (
	initiated = backend.RunStateInitiated
	running   = backend.RunStateRunning
	paused    = backend.RunStatePaused
	completed = backend.RunStateCompleted
)

func TestEventTravelsAndIsAcknowledged(t *testing.T) {
	run(t, func(r *rig) {
		e := r.join()
		defer e.leave()
		if g := e.grants[0]; len(g.Buckets) != buckets || g.Context.Err() != nil || g.Epoch != 1 {
			t.Errorf("grant %+v", g)
		}
		r.commit(record("a", 1, initiated, 1))
		en := e.next()
		wantEntries(t, []backend.Entry{en}, "a v1 Initiated")
		if en.Held || en.Pos != 1 || en.Record.Meta.Visit != 1 || en.Record.ForeignID != "foreign-a" {
			t.Errorf("entry %+v, record %+v", en, en.Record)
		}
		role := statusSpec(1).Role
		synctest.Wait()
		if got := r.cursor(role); got != 0 {
			t.Errorf("acknowledged before the cursor passed: %d", got)
		}
		e.done(en)
		synctest.Wait()
		if got := r.cursor(role); got != 1 {
			t.Errorf("cursor %d after SaveCursors", got)
		}
		if got, _ := e.b.ReadLog(context.Background(), 0, 10); len(got) != 0 {
			t.Errorf("finished entries are still in the log: %s", describe(got))
		}
	})
}

func (r *rig) cursor(role string) (at int) {
	r.streamer.locked(func() { at = r.streamer.cursors[role] })
	return at
}

func TestUnfinishedComesAgainAfterLeave(t *testing.T) {
	run(t, func(r *rig) {
		e := r.join()
		r.commit(record("a", 1, completed, 3), record("b", 1, completed, 3))
		first := e.next()
		wantEntries(t, []backend.Entry{first}, "a v1 Completed")
		e.leave()
		if first.Pos != 1 {
			t.Errorf("first position %d", first.Pos)
		}

		e = r.join()
		again := e.next()
		wantEntries(t, []backend.Entry{again}, "a v1 Completed")
		if again.Pos <= first.Pos {
			t.Errorf("positions went back: %d after %d", again.Pos, first.Pos)
		}
		e.done(again)
		second := e.next()
		wantEntries(t, []backend.Entry{second}, "b v1 Completed")
		e.done(second) // leave speaks for what is done, without a chance for the receiver to do it before
		e.leave()

		e = r.join()
		wantEntries(t, e.settle(), "")
		e.leave()
	})
}

func TestHookSeesEveryStateInOrder(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		t.Run(fmt.Sprintf("ahead=%v", ahead), func(t *testing.T) {
			run(t, func(r *rig) {
				want := ""
				for v := uint(1); v <= 20; v++ { // all stored before anybody reads, and by another process
					if v%2 == 1 {
						r.commit(record("a", v, running, 1))
						continue
					}
					r.commit(record("a", v, paused, 1))
					want += fmt.Sprintf("a v%d Paused", v)
					if v < 20 {
						want += " overtaken, "
					}
				}
				r.rebuild(ofStreamer(r, ahead))
				e := r.join()
				var got []backend.Entry
				for len(got) < 10 {
					got = append(got, e.next())
					e.done(got[len(got)-1])
				}
				wantEntries(t, got, want)
				wantEntries(t, e.settle(), "")
				e.leave()
				if at := r.cursor(statusSpec(1).Role); at != 10 {
					t.Errorf("overtaken step events were not acknowledged: cursor %d", at)
				}
			})
		})
	}
}

// ofStreamer makes the streamer one that is read ahead, or one event at a time.
func ofStreamer(r *rig, ahead bool) func(*shim.Config) {
	return func(c *shim.Config) {
		if ahead {
			c.Streamer = advancing{readAhead{r.streamer}}
		}
	}
}

// readAhead is the plain streamer with a Recv that moves on before the ack.
type readAhead struct{ s *plainStreamer }

func (s readAhead) NewSender(ctx context.Context, topic string) (backend.EventSender, error) {
	return s.s.NewSender(ctx, topic)
}

func (s readAhead) NewReceiver(ctx context.Context, topic, name string, opts ...backend.ReceiverOption) (backend.EventReceiver, error) {
	r, err := s.s.NewReceiver(ctx, topic, name, opts...)
	if err != nil {
		return nil, err
	}
	a := &aheadReceiver{plainReceiver: r.(*plainReceiver)}
	s.s.locked(func() { a.pos = s.s.cursors[name] })
	return a, nil
}

type aheadReceiver struct {
	*plainReceiver
	pos int
}

func (a *aheadReceiver) Recv(ctx context.Context) (*backend.Event, backend.Ack, error) {
	for {
		var e *backend.Event
		a.s.mu.Lock()
		changed := a.s.changed
		if a.pos < len(a.s.topics[a.topic]) {
			e = a.s.topics[a.topic][a.pos]
			a.pos++
		}
		a.s.mu.Unlock()
		if e != nil {
			return e, func() error {
				a.s.locked(func() {
					if int(e.ID) <= a.s.cursors[a.name] {
						a.s.violations = append(a.s.violations, "acknowledged twice")
					}
					a.s.cursors[a.name] = int(e.ID)
				})
				return nil
			}, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-changed:
		}
	}
}

func TestAdvancingStreamerIsReadAheadAndAckedInOrder(t *testing.T) {
	run(t, func(r *rig) {
		r.rebuild(ofStreamer(r, true))
		e := r.join()
		for i := range 2000 {
			r.commit(record(fmt.Sprintf("run-%04d", i), 1, initiated, 1))
		}
		got := e.settle()
		if len(got) != 1024 {
			t.Fatalf("%d entries are in work at once, the bound is 1024", len(got))
		}
		role := statusSpec(1).Role
		for _, en := range got[1:] {
			e.done(en)
		}
		synctest.Wait()
		first := backend.BucketOf(got[0].Record.RunID, buckets)
		if at := r.cursor(role); at != 0 {
			// A later entry of the same bucket moves the cursor over the first one too.
			same := false
			for _, en := range got[1:] {
				same = same || backend.BucketOf(en.Record.RunID, buckets) == first
			}
			if !same {
				t.Errorf("cursor %d although the first event is unfinished", at)
			}
		}
		seen := len(got)
		for seen < 2000 {
			more := e.settle()
			if len(more) == 0 {
				t.Fatalf("stuck after %d entries", seen)
			}
			seen += len(more)
			for _, en := range more {
				e.done(en)
			}
		}
		synctest.Wait()
		if at := r.cursor(role); at != 2000 {
			t.Errorf("cursor %d at the end", at)
		}
		e.leave()
	})
}

func TestAckWaitsForTheLongestFinishedPrefix(t *testing.T) {
	run(t, func(r *rig) {
		r.rebuild(ofStreamer(r, true))
		e := r.join()
		defer e.leave()
		a, b := twoBuckets()
		r.commit(record(a, 1, initiated, 1), record(b, 1, initiated, 1))
		got := e.settle()
		role := statusSpec(1).Role
		e.done(got[1])
		synctest.Wait()
		if at := r.cursor(role); at != 0 {
			t.Errorf("cursor %d although the first event is unfinished", at)
		}
		e.done(got[0])
		synctest.Wait()
		if at := r.cursor(role); at != 2 {
			t.Errorf("cursor %d, want 2", at)
		}
	})
}

// twoBuckets returns two run ids of different buckets.
func twoBuckets() (string, string) {
	for i := 0; ; i++ {
		if s := fmt.Sprintf("other-%d", i); backend.BucketOf(s, buckets) != backend.BucketOf("one", buckets) {
			return "one", s
		}
	}
}

func TestShardsSplitRuns(t *testing.T) {
	run(t, func(r *rig) {
		var specs []shim.ReceiverSpec
		for shard := 1; shard <= 3; shard++ {
			specs = append(specs, shim.ReceiverSpec{
				Topic: backend.Topic(name, 1), Role: fmt.Sprintf("%s-1-consumer-%d-of-3", name, shard), Shard: shard, Shards: 3,
			})
		}
		r.rebuild(func(c *shim.Config) { c.Receivers = specs })
		e := r.join()
		defer e.leave()
		for i := range 60 {
			r.commit(record(fmt.Sprintf("run-%d", i), 1, initiated, 1))
		}
		seen := make(map[string]int)
		for len(seen) < 60 {
			en := e.next()
			seen[en.Record.RunID]++
			e.done(en)
		}
		wantEntries(t, e.settle(), "")
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s came %d times", id, n)
			}
		}
		synctest.Wait()
		for _, s := range specs {
			if at := r.cursor(s.Role); at != 60 {
				t.Errorf("%s: cursor %d, want 60", s.Role, at)
			}
		}
	})
}

func TestOtherWorkflowsEventsArePassedOver(t *testing.T) {
	run(t, func(r *rig) {
		e := r.join()
		defer e.leave()
		stranger := record("x", 1, initiated, 1)
		stranger.WorkflowName = "or ders"
		r.store.locked(func() { r.store.put(stranger) })
		r.streamer.locked(func() {
			topic := backend.Topic(name, 1)
			r.streamer.topics[topic] = append(r.streamer.topics[topic],
				&backend.Event{ID: 1, ForeignID: "x", Headers: map[backend.Header]string{}}, // by its record
				&backend.Event{ID: 2, ForeignID: "nobody"})                                  // a run that is gone
		})
		r.commit(record("a", 1, initiated, 1))
		wantEntries(t, e.settle(), "a v1 Initiated")
		if at := r.cursor(statusSpec(1).Role); at != 2 {
			t.Errorf("cursor %d, want 2", at)
		}
	})
}

func TestEventWithoutHeadersIsDelivered(t *testing.T) {
	run(t, func(r *rig) {
		r.store.locked(func() { r.store.put(record("a", 4, running, 1)) })
		r.streamer.locked(func() {
			r.streamer.topics[backend.Topic(name, 1)] = []*backend.Event{{ID: 1, ForeignID: "a", Type: 1}}
		})
		e := r.join()
		defer e.leave()
		got := e.settle()
		if len(got) == 0 || describe(got[:1]) != "a v4 Running" {
			t.Errorf("entries %s", describe(got))
		}
	})
}

func TestStaleReadIsTriedAgain(t *testing.T) {
	run(t, func(r *rig) {
		r.commit(record("a", 1, initiated, 2), record("a", 2, running, 1))
		r.rebuild()
		lookups := 0
		r.store.locked(func() {
			r.store.show = func(rec *backend.Record) *backend.Record {
				c := rec.Clone()
				if lookups++; lookups < 40 {
					c.Meta.Version, c.Status = 1, 2
				}
				return c
			}
			r.store.order = nil // the scan must not find it
		})
		start := time.Now()
		e := r.join()
		defer e.leave()
		wantEntries(t, []backend.Entry{e.next()}, "a v2 Running")
		if took := time.Since(start); took < 10*time.Second || took > time.Minute {
			t.Errorf("39 tries took %v; the wait should grow from 1 ms to 1 s", took)
		}
		if n := r.reports("does not show"); n != 1 {
			t.Errorf("%d reports of the stale read", n)
		}
	})
}

func TestLookupFailureHoldsBackOneRunOnly(t *testing.T) {
	run(t, func(r *rig) {
		a, b := twoBuckets()
		r.commit(record(a, 1, paused, 1), record(b, 1, paused, 1), record(a, 2, running, 1), record(a, 3, paused, 1))
		broken := true
		r.store.locked(func() {
			r.store.onLookup = func(id string) error {
				if broken && id == a {
					return errBroken
				}
				return nil
			}
		})
		r.rebuild(ofStreamer(r, true))
		e := r.join()
		defer e.leave()
		wantEntries(t, []backend.Entry{e.next()}, b+" v1 Paused")
		<-time.After(time.Minute)
		wantEntries(t, e.settle(), "")
		if n := r.reports("the part is broken"); n < 1 || n > 2 {
			t.Errorf("%d reports of one streak", n)
		}
		r.store.locked(func() { broken = false })
		<-time.After(10 * time.Second)
		got := e.settle()
		var hooks []backend.Entry
		for _, en := range got {
			if en.Record.RunState == paused {
				hooks = append(hooks, en)
			}
		}
		wantEntries(t, hooks, a+" v1 Paused overtaken, "+a+" v3 Paused")
	})
}
