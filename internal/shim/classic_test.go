package shim_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/shim"
)

// classic makes a rig's shim one over the classic triple.
func classic(r *rig) (store *memrecordstore.Store, timeouts *memtimeoutstore.Store) {
	store, timeouts = memrecordstore.New(), memtimeoutstore.New()
	streamer, roles := memstreamer.New(), memrolescheduler.New()
	r.rebuild(func(c *shim.Config) {
		c.Store, c.Streamer, c.Scheduler, c.Timeouts = store, streamer, roles, timeouts
		c.Receivers = append(c.Receivers, statusSpec(2))
	})
	return store, timeouts
}

func TestClassicTripleTakesManyRunsThrough(t *testing.T) {
	run(t, func(r *rig) {
		store, timeouts := classic(r)
		e := r.join()
		const runs = 300
		ctx := context.Background()
		for i := range runs {
			id := fmt.Sprintf("run-%d", i)
			r.change(&backend.Change{Record: record(id, 1, initiated, 1), Hold: []backend.Delivery{timer(id, 0, 1, time.Now().Add(time.Hour))}})
		}
		ended, versions := 0, make(map[string]uint)
		for ended < runs {
			en := e.next()
			rec := en.Record
			if versions[rec.RunID]+1 != rec.Meta.Version {
				t.Fatalf("%s: version %d after %d", rec.RunID, rec.Meta.Version, versions[rec.RunID])
			}
			versions[rec.RunID] = rec.Meta.Version
			switch rec.Meta.Version {
			case 1:
				r.commit(record(rec.RunID, 2, running, 2))
			case 2:
				r.commit(record(rec.RunID, 3, completed, 3))
			default:
				ended++
			}
			e.done(en)
		}
		wantEntries(t, e.settle(), "")
		if left, err := store.ListOutboxEvents(ctx, name, 10); err != nil || len(left) != 0 {
			t.Errorf("%d outbox rows left, %v", len(left), err)
		}
		if open, err := timeouts.ListValid(ctx, name, 1, time.Now().Add(2*time.Hour)); err != nil || len(open) != 0 {
			t.Errorf("%d timeouts of visits that are over, %v", len(open), err)
		}
		if held, err := r.b.Due(ctx, name, backend.DueMark{}, 10); err != nil || len(held) != 0 {
			t.Errorf("%d timers in memory, %v", len(held), err)
		}
		got, err := r.b.History(ctx, "run-7", 1, 10)
		if err != nil || describe(got) != "run-7 v2 Running overtaken, run-7 v3 Completed overtaken" {
			t.Errorf("history %s, %v", describe(got), err)
		}
		e.leave()
	})
}

func TestClassicTripleRedelivers(t *testing.T) {
	run(t, func(r *rig) {
		classic(r)
		e := r.join()
		r.commit(record("a", 1, completed, 3), record("b", 1, completed, 3), record("c", 1, completed, 3))
		got := e.settle()
		wantEntries(t, got, "a v1 Completed, b v1 Completed, c v1 Completed")
		e.done(got[0])
		e.leave()

		e = r.join()
		again := e.settle()
		var left []string
		for _, en := range again {
			left = append(left, en.Record.RunID)
			e.done(en)
		}
		// The cursor of a's bucket may have passed one of the others.
		if !slices.Contains(left, "b") && !slices.Contains(left, "c") || slices.Contains(left, "a") {
			t.Errorf("came again: %v", left)
		}
		e.leave()

		e = r.join()
		wantEntries(t, e.settle(), "")
		e.leave()
	})
}

func TestClassicTripleIsStill(t *testing.T) {
	run(t, func(r *rig) {
		store := memrecordstore.New()
		counting := &countingStore{memStore: store}
		r.rebuild(func(c *shim.Config) {
			c.Store, c.Streamer, c.Scheduler = counting, memstreamer.New(), memrolescheduler.New()
		})
		e := r.join()
		defer e.leave()
		r.commit(record("a", 1, completed, 1))
		e.done(e.next())
		synctest.Wait()
		before := counting.calls.Load()
		<-time.After(9 * time.Minute)
		if n := counting.calls.Load() - before; n != 0 {
			t.Errorf("%d reads of an idle store", n)
		}
		<-time.After(2 * time.Minute)
		if n := counting.calls.Load() - before; n != 1 {
			t.Errorf("%d reads for one scan", n)
		}
	})
}

type memStore = memrecordstore.Store

// countingStore counts reads.
type countingStore struct {
	*memStore
	calls atomic.Int64
}

func (s *countingStore) Lookup(ctx context.Context, id string) (*backend.Record, error) {
	s.calls.Add(1)
	return s.memStore.Lookup(ctx, id)
}

func (s *countingStore) List(ctx context.Context, name string, offset int64, limit int, o backend.OrderType, f ...backend.RecordFilter) ([]backend.Record, error) {
	s.calls.Add(1)
	return s.memStore.List(ctx, name, offset, limit, o, f...)
}

func (s *countingStore) ListOutboxEvents(ctx context.Context, name string, limit int64) ([]backend.OutboxEvent, error) {
	s.calls.Add(1)
	return s.memStore.ListOutboxEvents(ctx, name, limit)
}

func TestTwoProcessesShareTheTopics(t *testing.T) {
	run(t, func(r *rig) {
		store, streamer, roles := memrecordstore.New(), memstreamer.New(), memrolescheduler.New()
		parts := func(c *shim.Config) { c.Store, c.Streamer, c.Scheduler = store, streamer, roles }
		r.rebuild(parts)
		first := r.join()
		one := r.b
		r.rebuild(parts)
		second := r.join()
		defer second.leave()
		r.commit(record("a", 1, initiated, 1)) // by the second process
		en := first.next()
		wantEntries(t, []backend.Entry{en}, "a v1 Initiated")
		wantEntries(t, second.settle(), "")
		// The first dies with a retry in memory: the event is acknowledged, the run is not through.
		first.done(en)
		synctest.Wait()
		first.leave()
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
		wantEntries(t, []backend.Entry{second.next()}, "a v1 Initiated")
		<-time.After(time.Minute)
		wantEntries(t, second.settle(), "")
	})
}
