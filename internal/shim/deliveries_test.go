package shim_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/shim"
)

func timer(run string, index int, visit uint, due time.Time) backend.Delivery {
	return backend.Delivery{
		DeliveryKey:  backend.DeliveryKey{RunID: run, Receiver: backend.Receiver(fmt.Sprintf("timeout:%d", index)), Version: visit},
		WorkflowName: name, Bucket: backend.BucketOf(run, buckets), Due: due, State: backend.DeliveryTimer,
	}
}

func TestDueIsOrderedAndPaged(t *testing.T) {
	run(t, func(r *rig) {
		base := time.Now()
		var want []backend.DeliveryKey
		var holds []backend.Delivery
		for due := range 10 {
			for run := range 5 {
				for _, receiver := range []backend.Receiver{"hook:Paused", "step"} {
					d := backend.Delivery{WorkflowName: name, Due: base.Add(time.Duration(due) * time.Second), State: backend.DeliveryBackingOff}
					d.DeliveryKey = backend.DeliveryKey{RunID: fmt.Sprintf("run-%d", run), Receiver: receiver, Version: uint(due + 1)}
					want = append(want, d.DeliveryKey)
					holds = append(holds, d)
				}
			}
		}
		rand.Shuffle(len(holds), func(i, j int) { holds[i], holds[j] = holds[j], holds[i] })
		for _, h := range holds {
			early := h
			early.Due = base.Add(-time.Hour) // it moves when it is held again
			r.change(&backend.Change{Hold: []backend.Delivery{early}})
			r.change(&backend.Change{Hold: []backend.Delivery{h}})
		}
		parked := backend.Delivery{DeliveryKey: backend.DeliveryKey{RunID: "p", Receiver: "step", Version: 1}, WorkflowName: name, State: backend.DeliveryHeld}
		r.change(&backend.Change{Hold: []backend.Delivery{parked}})
		r.change(&backend.Change{Done: []backend.DeliveryKey{want[50], {RunID: "nobody"}}})
		want = slices.Delete(want, 50, 51)

		var got []backend.DeliveryKey
		var mark backend.DueMark
		for {
			page, err := r.b.Due(context.Background(), name, mark, 7)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, d := range page {
				got = append(got, d.DeliveryKey)
				mark = backend.DueMark{Due: d.Due, Key: d.DeliveryKey}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("due:\n got %v\nwant %v", got, want)
		}
		held, err := r.b.Held(context.Background(), "p")
		if err != nil || len(held) != 1 || held[0].State != backend.DeliveryHeld {
			t.Errorf("held: %v, %v", held, err)
		}
		if other, err := r.b.Due(context.Background(), "another workflow", backend.DueMark{}, 7); err != nil || len(other) != 0 {
			t.Errorf("another workflow's: %v, %v", other, err)
		}
	})
}

func TestAttemptsAreBounded(t *testing.T) {
	run(t, func(r *rig) {
		for i := 1; i <= 130; i++ {
			r.change(&backend.Change{Attempt: &backend.Attempt{RunID: "a", Number: i}})
		}
		got, err := r.b.Attempts(context.Background(), "a", 1000)
		if err != nil || len(got) != 100 || got[0].Number != 31 || got[99].Number != 130 {
			t.Errorf("%d attempts kept, %v", len(got), err)
		}
		if got, _ = r.b.Attempts(context.Background(), "a", 3); len(got) != 3 {
			t.Errorf("%d attempts returned, the limit is 3", len(got))
		}
		for i := range 10_001 {
			r.change(&backend.Change{Attempt: &backend.Attempt{RunID: fmt.Sprintf("run-%d", i)}})
		}
		if got, _ = r.b.Attempts(context.Background(), "a", 3); len(got) != 0 {
			t.Error("the attempts of the oldest run are kept beyond the bound")
		}
	})
}

func TestHeldIsSeenInTheLog(t *testing.T) {
	run(t, func(r *rig) {
		r.change(&backend.Change{Record: record("a", 1, initiated, 1), Hold: []backend.Delivery{timer("a", 0, 1, time.Now())}})
		e := r.join()
		defer e.leave()
		if en := e.next(); !en.Held {
			t.Errorf("entry %+v", en)
		}
	})
}

func withTimeouts(r *rig) func(*shim.Config) {
	return func(c *shim.Config) { c.Timeouts = r.timeouts }
}

func TestTimersAreMirroredAndRestored(t *testing.T) {
	run(t, func(r *rig) {
		r.rebuild(withTimeouts(r))
		base := time.Now()
		at := func(s int) time.Time { return base.Add(time.Duration(s)*time.Second + 123*time.Nanosecond) }
		r.change(&backend.Change{Record: record("a", 1, initiated, 1), Hold: []backend.Delivery{timer("a", 0, 1, at(100)), timer("a", 1, 1, at(200))}})
		r.change(&backend.Change{Record: record("b", 1, initiated, 1), Hold: []backend.Delivery{timer("b", 0, 1, at(300))}})
		r.change(&backend.Change{Record: record("gone", 1, initiated, 1), Hold: []backend.Delivery{timer("gone", 0, 1, at(400))}})
		r.commit(record("c", 1, initiated, 1))
		r.change(&backend.Change{Hold: []backend.Delivery{timer("c", 0, 1, at(500))}}) // set later, without a record
		if got := r.timeouts.open(base); !slices.Equal(got, []int{100, 200, 300, 400, 500}) {
			t.Fatalf("rows %v", got)
		}
		e := r.join()
		r.commit(record("b", 2, running, 2)) // b leaves the visit
		r.change(&backend.Change{Done: []backend.DeliveryKey{timer("a", 0, 1, base).DeliveryKey}})
		synctest.Wait()
		if got := r.timeouts.open(base); !slices.Equal(got, []int{200, 400, 500}) {
			t.Errorf("rows %v after two were done with", got)
		}
		e.leave()

		r.store.locked(func() { r.store.put(record("gone", 2, completed, 3)) }) // while nobody looked
		r.rebuild(withTimeouts(r))
		e = r.join()
		defer e.leave()
		due, err := r.b.Due(context.Background(), name, backend.DueMark{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range due {
			got = append(got, fmt.Sprint(d.RunID, " ", d.Receiver, " ", int(d.Due.Sub(base)/time.Second), " ", d.State, " ", d.Bucket == backend.BucketOf(d.RunID, buckets)))
		}
		if want := []string{"a timeout:1 200 timer true", "c timeout:0 500 timer true"}; !slices.Equal(got, want) {
			t.Errorf("restored %q, want %q", got, want)
		}
		for _, d := range due {
			if rec, err := r.b.Lookup(context.Background(), d.RunID); err != nil || rec.Meta.Visit != d.Version {
				t.Errorf("run %s: visit %d, timer of %d, %v", d.RunID, rec.Meta.Visit, d.Version, err)
			}
		}
		if open := r.timeouts.open(base); !slices.Equal(open, []int{200, 500}) {
			t.Errorf("the row of a finished run is still there: %v", open)
		}
	})
}

func TestTimeoutStoreThatFailsForAWhile(t *testing.T) {
	run(t, func(r *rig) {
		r.rebuild(withTimeouts(r))
		base := time.Now()
		r.timeouts.setFail(errBroken)
		r.change(&backend.Change{Record: record("a", 1, initiated, 1), Hold: []backend.Delivery{timer("a", 0, 1, base.Add(100*time.Second))}})
		r.change(&backend.Change{Record: record("b", 1, initiated, 1), Hold: []backend.Delivery{timer("b", 0, 1, base.Add(200*time.Second))}})
		if due, _ := r.b.Due(context.Background(), name, backend.DueMark{}, 10); len(due) != 2 {
			t.Fatalf("%d timers in memory", len(due))
		}
		e := r.join()
		defer e.leave()
		r.change(&backend.Change{Done: []backend.DeliveryKey{timer("b", 0, 1, base).DeliveryKey}}) // before it was ever written
		<-time.After(10 * time.Second)
		r.timeouts.setFail(nil)
		<-time.After(10 * time.Second)
		if got := r.timeouts.open(base); !slices.Equal(got, []int{100}) {
			t.Errorf("rows %v", got)
		}
		if n := r.reports("the part is broken"); n < 1 || n > 4 {
			t.Errorf("%d reports of one streak", n)
		}
	})
}

func TestLateRestoreTellsTheEngine(t *testing.T) {
	run(t, func(r *rig) {
		base := time.Now()
		r.rebuild(withTimeouts(r))
		r.commit(record("a", 1, initiated, 7)) // a status without a receiver
		if err := r.timeouts.Create(context.Background(), name, "foreign-a", "a", 7, base.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		r.timeouts.setFail(errBroken)
		e := r.join()
		defer e.leave()
		wantEntries(t, e.settle(), "")
		r.timeouts.setFail(nil)
		en := e.next()
		wantEntries(t, []backend.Entry{en}, "a v1 Initiated overtaken") // it starts no step
		if due, _ := r.b.Due(context.Background(), name, backend.DueMark{}, 10); len(due) != 1 || due[0].RunID != "a" {
			t.Errorf("due %v", due)
		}
		e.done(en)

		// A row of a process that died later is adopted once it is overdue.
		if err := r.timeouts.Create(context.Background(), name, "foreign-a", "a", 7, base.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Until(base.Add(time.Hour - time.Second)))
		wantEntries(t, e.settle(), "")
		<-time.After(12 * time.Minute)
		wantEntries(t, e.settle(), "a v1 Initiated overtaken")
		if due, _ := r.b.Due(context.Background(), name, backend.DueMark{}, 10); len(due) != 2 {
			t.Errorf("due %v", due)
		}
	})
}

func TestTimerOfAnUnreadableRunIsRefused(t *testing.T) {
	run(t, func(r *rig) {
		r.rebuild(withTimeouts(r))
		r.store.onLookup = func(string) error { return errBroken }
		c := &backend.Change{Hold: []backend.Delivery{timer("a", 0, 1, time.Now())}}
		if err := r.b.Commit(context.Background(), []*backend.Change{c}); err != nil || !errors.Is(c.Err, errBroken) {
			t.Errorf("%v, %v", err, c.Err)
		}
		if held, _ := r.b.Held(context.Background(), "a"); len(held) != 0 {
			t.Error("a refused change left a delivery")
		}
	})
}

func TestResumesAreRestoredAndNotMirrored(t *testing.T) {
	run(t, func(r *rig) {
		resuming := func(c *shim.Config) { c.AutoResume = time.Hour }
		r.rebuild(withTimeouts(r), resuming)
		base := time.Now()
		byEngine, byHand := record("a", 1, paused, 1), record("b", 1, paused, 1)
		byEngine.Meta.PausedBy, byHand.Meta.PausedBy = backend.PausedByEngine, backend.PausedByOperator
		resume := backend.Delivery{
			DeliveryKey:  backend.DeliveryKey{RunID: "a", Receiver: backend.ReceiverResume, Version: 1},
			WorkflowName: name, Bucket: backend.BucketOf("a", buckets), Due: base.Add(time.Hour), State: backend.DeliveryTimer,
		}
		r.change(&backend.Change{Record: byEngine, Hold: []backend.Delivery{resume}})
		r.commit(byHand)
		if rows := r.timeouts.open(base); len(rows) != 0 {
			t.Errorf("a resume became a timeout: %v", rows)
		}
		<-time.After(time.Minute)
		r.rebuild(withTimeouts(r), resuming) // the process died
		e := r.join()
		defer e.leave()
		due, err := r.b.Due(context.Background(), name, backend.DueMark{}, 10)
		if err != nil || len(due) != 1 || due[0].DeliveryKey != resume.DeliveryKey || !due[0].Due.Equal(resume.Due) {
			t.Errorf("due %+v, %v", due, err)
		}
	})
}
