package shim_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/shim"
)

func changeErr(b *shim.Backend, c *backend.Change) error {
	if err := b.Commit(context.Background(), []*backend.Change{c}); err != nil {
		return err
	}
	return c.Err
}

func backingOff(run string, version uint) backend.Delivery {
	return backend.Delivery{
		DeliveryKey:  backend.DeliveryKey{RunID: run, Receiver: backend.ReceiverStep, Version: version},
		WorkflowName: name, Bucket: backend.BucketOf(run, buckets), Due: time.Now(), State: backend.DeliveryBackingOff,
	}
}

func TestExpectGuardsAChange(t *testing.T) {
	run(t, func(r *rig) {
		r.commit(record("a", 1, initiated, 1), record("a", 2, running, 2))
		for what, c := range map[string]struct {
			change *backend.Change
			have   uint
			refuse bool
		}{
			"the version that it has":     {&backend.Change{Expect: 2, Hold: []backend.Delivery{backingOff("a", 2)}}, 2, false},
			"an older one":                {&backend.Change{Expect: 1, Hold: []backend.Delivery{backingOff("a", 1)}}, 2, true},
			"one to come":                 {&backend.Change{Expect: 3, Done: []backend.DeliveryKey{backingOff("a", 2).DeliveryKey}}, 2, true},
			"an attempt":                  {&backend.Change{Expect: 1, Attempt: &backend.Attempt{RunID: "a"}}, 2, true},
			"a run that does not exist":   {&backend.Change{Expect: 1, Hold: []backend.Delivery{backingOff("nobody", 1)}}, 0, true},
			"a record of another version": {&backend.Change{Expect: 1, Record: record("a", 3, running, 3)}, 2, true},
		} {
			err := changeErr(r.b, c.change)
			if !c.refuse {
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				continue
			}
			var conflict *backend.ConflictError
			if !errors.As(err, &conflict) || conflict.Want != c.change.Expect || conflict.Have != c.have {
				t.Errorf("%s: %v", what, err)
			}
		}
		if held, err := r.b.Held(context.Background(), "a"); err != nil || len(held) != 1 || held[0].Version != 2 {
			t.Errorf("held %v, %v", held, err)
		}
		if got, _ := r.b.Attempts(context.Background(), "a", 10); len(got) != 0 {
			t.Error("a refused change left its attempt")
		}
		if rec, err := r.b.Lookup(context.Background(), "a"); err != nil || rec.Meta.Version != 2 {
			t.Errorf("record %+v, %v", rec, err)
		}
	})
}

// slowChecker is slowStore for a store that compares versions itself.
type slowChecker struct{ *memStore }

func (s slowChecker) Lookup(ctx context.Context, id string) (*backend.Record, error) {
	defer yield()
	return s.memStore.Lookup(ctx, id)
}

// A guarded change and a new version that takes its delivery away have one order: in no order is the delivery left.
func TestGuardedChangesAndVersionsHaveOneOrder(t *testing.T) {
	for what, store := range map[string]backend.RecordStore{
		"a plain store": slowStore{newPlainStore()}, "a store that compares": slowChecker{memrecordstore.New()},
	} {
		b := shim.New(shim.Config{WorkflowName: name, Store: store, Streamer: newPlainStreamer(), Scheduler: newFreeScheduler()})
		if err := commitErr(b, record("a", 1, running, 1)); err != nil {
			t.Fatal(err)
		}
		for v := uint(1); v < 300; v++ {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					err := changeErr(b, &backend.Change{Expect: v, Hold: []backend.Delivery{backingOff("a", v)}})
					if err != nil && !errors.Is(err, backend.ErrVersionConflict) {
						t.Errorf("%s: %v", what, err)
					}
				})
			}
			wg.Go(func() {
				next := &backend.Change{Record: record("a", v+1, running, 1), Done: []backend.DeliveryKey{backingOff("a", v).DeliveryKey}}
				if err := changeErr(b, next); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			})
			wg.Wait()
			if held, err := b.Held(context.Background(), "a"); err != nil || len(held) != 0 {
				t.Fatalf("%s: version %d left %v, %v", what, v, held, err)
			}
		}
	}
}

func TestSignalsAreRefused(t *testing.T) {
	run(t, func(r *rig) {
		signal := backingOff("a", 7)
		signal.Receiver = backend.SignalPrefix + "paid"
		for what, c := range map[string]*backend.Change{
			"a signal's id": {Record: record("a", 1, initiated, 1), SignalID: "s-1"},
			"a signal":      {Record: record("a", 1, initiated, 1), Hold: []backend.Delivery{backingOff("a", 1), signal}},
		} {
			if err := changeErr(r.b, c); !errors.Is(err, backend.ErrUnsupported) || !strings.Contains(err.Error(), "plain") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := r.b.Lookup(context.Background(), "a"); !errors.Is(err, backend.ErrRecordNotFound) {
			t.Errorf("a refused change stored its record: %v", err)
		}
		if held, _ := r.b.Held(context.Background(), "a"); len(held) != 0 {
			t.Errorf("a refused change left %v", held)
		}
		r.change(&backend.Change{Done: []backend.DeliveryKey{signal.DeliveryKey}}) // nothing is there
	})
}

func deadline(run string, due time.Time) backend.Delivery {
	return backend.Delivery{
		DeliveryKey:  backend.DeliveryKey{RunID: run, Receiver: backend.ReceiverDeadline, Version: 1},
		WorkflowName: name, Bucket: backend.BucketOf(run, buckets), Due: due, State: backend.DeliveryTimer,
	}
}

// dues returns what is due, as "run receiver seconds after base".
func (r *rig) dues(base time.Time) (out []string) {
	r.t.Helper()
	due, err := r.b.Due(context.Background(), name, backend.DueMark{}, 100)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range due {
		out = append(out, fmt.Sprint(d.RunID, " ", d.Receiver, " ", int(d.Due.Sub(base)/time.Second)))
	}
	return out
}

func TestDeadlinesAreRestoredFromTheStore(t *testing.T) {
	run(t, func(r *rig) {
		store, _ := classic(r)
		base := time.Now()
		until := func(rec *backend.Record, seconds int) *backend.Record {
			rec.Meta.Deadline = base.Add(time.Duration(seconds) * time.Second)
			return rec
		}
		r.change(&backend.Change{Record: until(record("a", 1, initiated, 1), 5000), Hold: []backend.Delivery{deadline("a", base.Add(5000*time.Second))}})
		r.change(&backend.Change{Record: until(record("b", 1, initiated, 1), 6000)})
		r.change(&backend.Change{Record: until(record("b", 2, paused, 1), 6000)})
		r.change(&backend.Change{Record: until(record("c", 1, initiated, 1), 7000), Hold: []backend.Delivery{deadline("c", base.Add(7000*time.Second))}})
		r.change(&backend.Change{Record: until(record("c", 2, completed, 3), 7000)})
		r.commit(record("d", 1, initiated, 1))
		if got, want := r.dues(base), []string{"a deadline 5000"}; !slices.Equal(got, want) {
			t.Errorf("due %q, want %q: c has ended", got, want)
		}
		configure := func(c *shim.Config) { c.Store = store }
		r.rebuild(configure) // the process died
		told := 0
		defer r.b.WatchDue(func() { told++ })()
		e := r.join()
		defer e.leave()
		want := []string{"a deadline 5000", "b deadline 6000"}
		if got := r.dues(base); !slices.Equal(got, want) || told == 0 {
			t.Errorf("due %q, want %q, told %d times", got, want, told)
		}

		// Another process shortens one deadline and lifts none: a scan brings that here, and tells of it once.
		told = 0
		if err := store.Store(context.Background(), until(record("a", 2, running, 1), 4000)); err != nil {
			t.Fatal(err)
		}
		<-time.After(25 * time.Minute)
		synctest.Wait()
		want[0] = "a deadline 4000"
		if got := r.dues(base); !slices.Equal(got, want) || told != 1 {
			t.Errorf("due %q, want %q, told %d times", got, want, told)
		}

		// What was attempted has a due time of its own.
		failed := deadline("a", base.Add(4500*time.Second))
		failed.State, failed.Attempts = backend.DeliveryBackingOff, 1
		r.change(&backend.Change{Hold: []backend.Delivery{failed}})
		<-time.After(12 * time.Minute)
		want[0] = "a deadline 4500"
		if got := r.dues(base); !slices.Equal(got, want) || told != 1 {
			t.Errorf("due %q, want %q, told %d times", got, want, told)
		}
	})
}

func TestScrubLeavesNoData(t *testing.T) {
	run(t, func(r *rig) {
		const secret = "4111 1111 1111 1111"
		v1, v2 := record("a", 1, initiated, 1), record("a", 2, completed, 3)
		v1.Object, v2.Object = []byte(secret), []byte(secret)
		v1.Meta.RunStateReason, v2.Meta.RunStateReason = secret, secret
		hook := backend.Delivery{
			DeliveryKey:  backend.DeliveryKey{RunID: "a", Receiver: "hook:Completed", Version: 2},
			WorkflowName: name, State: backend.DeliveryHeld, LastError: secret, Data: []byte(secret), Attempts: 10,
		}
		r.commit(v1)
		r.change(&backend.Change{
			Record: v2, Hold: []backend.Delivery{hook},
			Attempt: &backend.Attempt{RunID: "a", Receiver: "hook:Completed", Version: 2, Number: 10, Error: secret, Stack: secret},
		})
		other := backend.Attempt{RunID: "b", Error: "of another run"}
		r.change(&backend.Change{Attempt: &other})
		e := r.join()
		defer e.leave()
		wantEntries(t, e.settle(), "a v2 Completed") // in the log, and not finished
		e.pos = 0
		v3 := record("a", 3, backend.RunStateDataDeleted, 3)
		v3.Object = []byte(`{}`)
		r.change(&backend.Change{Record: v3, Scrub: true})

		ctx := context.Background()
		var seen []string
		for after := range uint(3) {
			history, err := r.b.History(ctx, "a", after, 1)
			if err != nil || len(history) != 1 {
				t.Fatalf("history after %d: %v, %v", after, history, err)
			}
			seen = append(seen, fmt.Sprintf("%s %+v", history[0].Record.Object, history[0].Record))
		}
		attempts, _ := r.b.Attempts(ctx, "a", 10)
		held, _ := r.b.Held(ctx, "a")
		if len(attempts) != 1 || attempts[0].Number != 10 || len(held) != 1 || held[0].Attempts != 10 {
			t.Errorf("attempts %+v, held %+v: what is left says that they were there", attempts, held)
		}
		for _, h := range held {
			seen = append(seen, fmt.Sprintf("%s %+v", h.Data, h))
		}
		for _, en := range e.settle() {
			seen = append(seen, fmt.Sprintf("%s %+v", en.Record.Object, en.Record))
		}
		seen = append(seen, fmt.Sprintf("%+v", attempts))
		for _, s := range seen {
			if strings.Contains(s, secret) {
				t.Errorf("data is left: %s", s)
			}
		}
		if string(v1.Object) != secret || v1.Meta.RunStateReason != secret {
			t.Error("a record that was handed over was changed")
		}
		if got, _ := r.b.Attempts(ctx, "b", 10); len(got) != 1 || got[0] != other {
			t.Errorf("another run's attempt: %+v", got)
		}
	})
}

func TestGivenUpIsListedInPages(t *testing.T) {
	run(t, func(r *rig) {
		var want []backend.DeliveryKey
		var holds []backend.Delivery
		for run := range 6 {
			for _, receiver := range []backend.Receiver{"hook:Completed", "hook:Paused"} {
				for version := range uint(3) {
					d := backingOff(fmt.Sprintf("run-%d", run), version+1)
					d.Receiver, d.State, d.Due = receiver, backend.DeliveryHeld, time.Time{}
					want = append(want, d.DeliveryKey)
					holds = append(holds, d)
				}
			}
		}
		rand.Shuffle(len(holds), func(i, j int) { holds[i], holds[j] = holds[j], holds[i] })
		for _, h := range holds {
			before := h
			before.State, before.Due = backend.DeliveryBackingOff, time.Now()
			r.change(&backend.Change{Hold: []backend.Delivery{before}})
			r.change(&backend.Change{Hold: []backend.Delivery{h}})
		}
		timed := backingOff("timer", 1) // a timer held by a pause has a due time: it is not given up
		timed.Receiver, timed.State = "timeout:0", backend.DeliveryHeld
		r.change(&backend.Change{Hold: []backend.Delivery{timed, backingOff("retry", 1)}})
		redriven := want[7]
		again := backend.Delivery{DeliveryKey: redriven, WorkflowName: name, State: backend.DeliveryBackingOff, Due: time.Now()}
		r.change(&backend.Change{Hold: []backend.Delivery{again}, Done: []backend.DeliveryKey{want[20]}})
		want = slices.DeleteFunc(want, func(k backend.DeliveryKey) bool { return k == redriven || k == want[20] })

		var got []backend.DeliveryKey
		for after := (backend.DeliveryKey{}); ; {
			page, err := r.b.ListHeld(context.Background(), name, after, 5)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, d := range page {
				got = append(got, d.DeliveryKey)
			}
			after = page[len(page)-1].DeliveryKey
		}
		if !slices.Equal(got, want) {
			t.Errorf("given up:\n got %v\nwant %v", got, want)
		}
		if other, err := r.b.ListHeld(context.Background(), "another workflow", backend.DeliveryKey{}, 5); err != nil || len(other) != 0 {
			t.Errorf("another workflow's: %v, %v", other, err)
		}
	})
}

func TestFiltersThatClassicStoresDoNotKnow(t *testing.T) {
	run(t, func(r *rig) {
		base := time.Now()
		var want []string
		for i := range 700 {
			rec := record(fmt.Sprintf("run-%03d", i), 1, paused, i%2)
			rec.UpdatedAt = base.Add(time.Duration(i) * time.Second)
			rec.Meta.RunStateReason = fmt.Sprintf("gateway %d refused", i%5)
			r.commit(rec)
			if i%2 == 1 && i%5 == 3 && i > 100 && i < 650 {
				want = append(want, rec.RunID)
			}
		}
		filters := []backend.RecordFilter{
			backend.FilterByStatus(1), backend.FilterByReason("gateway 3"),
			backend.FilterByUpdatedAtAfter(base.Add(100 * time.Second)), backend.FilterByUpdatedAtBefore(base.Add(650 * time.Second)),
		}
		page := func(offset int64, limit int, order backend.OrderType) (ids []string) {
			got, err := r.b.List(context.Background(), name, offset, limit, order, filters...)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				ids = append(ids, got[i].RunID)
			}
			return ids
		}
		if got := page(0, 1000, backend.OrderTypeAscending); !slices.Equal(got, want) {
			t.Errorf("all: %d runs, want %d", len(got), len(want))
		}
		if got := page(20, 7, backend.OrderTypeAscending); !slices.Equal(got, want[20:27]) {
			t.Errorf("a page: %v, want %v", got, want[20:27])
		}
		slices.Reverse(want)
		if got := page(3, 40, backend.OrderTypeDescending); !slices.Equal(got, want[3:43]) {
			t.Errorf("the newest first: %v, want %v", got, want[3:43])
		}
		if got := page(0, 0, backend.OrderTypeAscending); len(got) != 0 {
			t.Errorf("a limit of nothing: %v", got)
		}
		filters = filters[:1]
		if got := page(0, 1000, backend.OrderTypeAscending); len(got) != 350 {
			t.Errorf("classic filters alone: %d runs", len(got))
		}
	})
}
