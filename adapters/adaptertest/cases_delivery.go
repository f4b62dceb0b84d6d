package adaptertest

import (
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// deliveryCases are deliveries that need more than memory.
func deliveryCases() []testCase {
	return []testCase{
		{name: "Delivery/HoldUpdateDone", run: holdUpdateDone},
		{name: "Delivery/KeysAreKeptApart", run: deliveryKeysAreKeptApart},
		{name: "Delivery/WithARecord", run: deliveryWithARecord},
		{name: "Delivery/DoneOfUnknown", run: doneOfUnknown},
		{name: "Delivery/HoldAndDoneOfOneKey", run: holdBehindDone},
		{name: "Delivery/HeldIsNotDue", run: heldIsNotDue},
		{name: "Delivery/DueOrder", run: dueOrder},
		{name: "Delivery/DuePaging", run: duePaging},
		{name: "Delivery/DueMarks", run: dueMarks},
		{name: "Delivery/DueOfOneWorkflow", run: dueOfOneWorkflow},
		{name: "Delivery/DueMoves", run: dueMoves},
		{name: "Delivery/FailedChangeHoldsNothing", run: failedChangeHoldsNothing},
		{name: "Delivery/DataIsTheStores", run: heldDataIsImmutable},
	}
}

func holdUpdateDone(e *env) {
	rec := e.start("a")
	for n := 1; n <= 3; n++ {
		d := backoff(rec, n, birth().Add(time.Duration(n)*time.Hour))
		d.State = backend.DeliveryState(n)
		d.LastError = fmt.Sprintf("error %d: 'quoted' \U0001F4A5", n)
		d.Data = []byte{byte(n), 0, 0xff}
		e.put(&backend.Change{Hold: []backend.Delivery{d}})
		e.sameDeliveries("held", e.held(rec.RunID), d)
		e.sameDeliveries("due", e.due(orders), d)
	}
	e.put(&backend.Change{Done: []backend.DeliveryKey{backoff(rec, 0, birth()).DeliveryKey}})
	e.sameDeliveries("held after the end", e.held(rec.RunID))
	e.sameDeliveries("due after the end", e.due(orders))
}

func deliveryKeysAreKeptApart(e *env) {
	a, b := e.advance(e.start("a")), e.advance(e.start("b"))
	var all []backend.Delivery
	for _, rec := range []*backend.Record{a, b} {
		for _, receiver := range []backend.Receiver{backend.ReceiverStep, backend.ReceiverResume, "timeout/1", "timeout/10", "hook/3"} {
			for version := uint(1); version <= 2; version++ {
				d := backoff(rec, 1, birth())
				d.Receiver, d.Version = receiver, version
				all = append(all, d)
			}
		}
	}
	e.put(&backend.Change{Hold: all[:10]}, &backend.Change{Hold: all[10:]})
	e.sameDeliveries("of run a", e.held(a.RunID), all[:10]...)
	e.sameDeliveries("of run b", e.held(b.RunID), all[10:]...)
	e.put(&backend.Change{Done: []backend.DeliveryKey{all[3].DeliveryKey}})
	e.sameDeliveries("of run a without one", e.held(a.RunID), append(append([]backend.Delivery{}, all[:3]...), all[4:10]...)...)
	e.sameDeliveries("of run b", e.held(b.RunID), all[10:]...)
}

// deliveryWithARecord sets two timers with the version that enters a status, and takes one away with the version that leaves it.
func deliveryWithARecord(e *env) {
	c := run("a")
	c.Hold = []backend.Delivery{timer(c.Record, 1, birth()), timer(c.Record, 2, birth())}
	e.put(c)
	e.sameDeliveries("held", e.held("run-a"), c.Hold...)
	next := step(c.Record, 2)
	next.Done = []backend.DeliveryKey{c.Hold[0].DeliveryKey}
	next.Hold = []backend.Delivery{timer(next.Record, 3, birth())}
	e.put(next)
	e.sameDeliveries("held", e.held("run-a"), c.Hold[1], next.Hold[0])
}

func doneOfUnknown(e *env) {
	rec := e.start("a")
	e.put(&backend.Change{Hold: []backend.Delivery{timer(rec, 1, birth())}})
	next := step(rec, 2)
	next.Done = []backend.DeliveryKey{
		{RunID: rec.RunID, Receiver: "nobody", Version: 1},
		{RunID: rec.RunID, Receiver: timer(rec, 1, birth()).Receiver, Version: 2},
	}
	e.put(next)
	e.wantRun(next.Record)
	e.sameDeliveries("held", e.held(rec.RunID), timer(rec, 1, birth()))
}

// holdBehindDone takes a delivery away in one change and sets it anew in the next of the same batch.
func holdBehindDone(e *env) {
	rec := e.start("a")
	old, anew := backoff(rec, 1, birth()), backoff(rec, 2, birth().Add(time.Hour))
	e.put(&backend.Change{Hold: []backend.Delivery{old}})
	e.put(&backend.Change{Done: []backend.DeliveryKey{old.DeliveryKey}}, &backend.Change{Hold: []backend.Delivery{anew}})
	e.sameDeliveries("held", e.held(rec.RunID), anew)
	e.sameDeliveries("due", e.due(orders), anew)
	e.put(&backend.Change{Hold: []backend.Delivery{old}}, &backend.Change{Done: []backend.DeliveryKey{old.DeliveryKey}})
	e.sameDeliveries("held after set and taken", e.held(rec.RunID))
}

func heldIsNotDue(e *env) {
	rec := e.start("a")
	given := backoff(rec, 5, time.Time{})
	given.State = backend.DeliveryHeld
	queued := timer(rec, 1, time.Time{})
	queued.State = backend.DeliveryQueued
	waits := timer(rec, 2, birth())
	e.put(&backend.Change{Hold: []backend.Delivery{given, queued, waits}})
	e.sameDeliveries("held", e.held(rec.RunID), given, queued, waits)
	e.sameDeliveries("due", e.due(orders), waits)

	waits.Due, waits.State = time.Time{}, backend.DeliveryHeld
	given.Due, given.State = birth().Add(time.Hour), backend.DeliveryBackingOff
	e.put(&backend.Change{Hold: []backend.Delivery{given, waits}})
	e.sameDeliveries("held after the change of roles", e.held(rec.RunID), given, queued, waits)
	e.sameDeliveries("due after the change of roles", e.due(orders), given)
}

// dueSet holds deliveries of several runs at equal and different times, and returns them in the order in which they are due.
func (e *env) dueSet() []backend.Delivery {
	e.Helper()
	b, a := e.start("b"), e.start("a")
	a = e.advance(a)
	early, late := birth().Add(-time.Hour), birth().Add(time.Nanosecond)
	at := func(rec *backend.Record, index int, version uint, due time.Time) backend.Delivery {
		d := timer(rec, index, due)
		d.Version = version
		return d
	}
	hook := at(b, 0, 1, birth())
	hook.Receiver = "hook/4" // sorts before the timeouts
	want := []backend.Delivery{
		at(b, 1, 1, early),
		at(a, 1, 1, birth()), at(a, 1, 2, birth()), at(a, 10, 1, birth()), at(a, 2, 1, birth()), hook, at(b, 2, 1, birth()),
		at(a, 3, 1, late), at(b, 3, 1, late),
		at(a, 4, 2, birth().Add(time.Microsecond)), at(a, 4, 1, birth().Add(time.Millisecond)), at(a, 5, 1, birth().Add(time.Second)),
		at(b, 5, 1, birth().AddDate(100, 0, 0)),
	}
	for i := range want { // in an order that is neither that of the keys nor that of the times
		e.put(&backend.Change{Hold: []backend.Delivery{want[(i*5)%len(want)]}})
	}
	return want
}

func dueOrder(e *env) {
	want := e.dueSet()
	got, err := e.b.Due(e.Context(), orders, backend.DueMark{}, 100)
	if err != nil {
		e.Fatalf("due: %v", err)
	}
	e.sameOrder("all that is due", got, want...)
}

func duePaging(e *env) {
	want := e.dueSet()
	for size := 1; size <= len(want)+1; size++ {
		got, err := readDue(e.Context(), e.b, orders, size)
		if err != nil {
			e.Fatalf("pages of %d: %v", size, err)
		}
		e.sameOrder(fmt.Sprintf("pages of %d", size), got, want...)
	}
}

// dueMarks starts behind every delivery, and behind places where there is none.
func dueMarks(e *env) {
	want := e.dueSet()
	for i, d := range want {
		got, err := e.b.Due(e.Context(), orders, markOf(d), 100)
		if err != nil {
			e.Fatalf("due: %v", err)
		}
		e.sameOrder(fmt.Sprintf("behind number %d", i+1), got, want[i+1:]...)
	}
	between := []struct {
		mark backend.DueMark
		want []backend.Delivery
	}{
		{backend.DueMark{Due: birth().Add(-2 * time.Hour)}, want},
		{backend.DueMark{Due: birth()}, want[1:]},
		{backend.DueMark{Due: birth(), Key: backend.DeliveryKey{RunID: "run-a", Receiver: "timeout/1", Version: 1}}, want[2:]},
		{backend.DueMark{Due: birth(), Key: backend.DeliveryKey{RunID: "run-aa"}}, want[5:]},
		{backend.DueMark{Due: birth().AddDate(150, 0, 0)}, nil},
	}
	for _, c := range between {
		got, err := e.b.Due(e.Context(), orders, c.mark, 100)
		if err != nil {
			e.Fatalf("due: %v", err)
		}
		e.sameOrder(fmt.Sprintf("behind %+v", c.mark), got, c.want...)
	}
}

func dueOfOneWorkflow(e *env) {
	a := e.start("a")
	other := newRun(billing, "a", "run-other")
	e.put(other)
	e.put(&backend.Change{Hold: []backend.Delivery{timer(a, 1, birth())}}, &backend.Change{Hold: []backend.Delivery{timer(other.Record, 1, birth())}})
	e.sameDeliveries("of orders", e.due(orders), timer(a, 1, birth()))
	e.sameDeliveries("of billing", e.due(billing), timer(other.Record, 1, birth()))
}

// dueMoves changes the due time of one delivery to and fro.
func dueMoves(e *env) {
	rec := e.start("a")
	fixed := timer(rec, 1, birth())
	e.put(&backend.Change{Hold: []backend.Delivery{fixed}})
	for _, by := range []time.Duration{time.Hour, -time.Hour, time.Nanosecond, -time.Nanosecond} {
		moved := timer(rec, 2, birth().Add(by))
		e.put(&backend.Change{Hold: []backend.Delivery{moved}})
		want := []backend.Delivery{moved, fixed}
		if by > 0 {
			want = []backend.Delivery{fixed, moved}
		}
		e.sameOrder(fmt.Sprintf("moved by %v", by), e.due(orders), want...)
	}
}

func failedChangeHoldsNothing(e *env) {
	rec := e.start("a")
	kept := timer(rec, 1, birth())
	e.put(&backend.Change{Hold: []backend.Delivery{kept}})
	bad := step(rec, 2)
	bad.Record.Meta.Version = 9
	moved := kept
	moved.Due, moved.Attempts = birth().Add(time.Hour), 4
	bad.Hold = []backend.Delivery{moved, timer(rec, 2, birth())}
	bad.Done = []backend.DeliveryKey{kept.DeliveryKey}
	e.try(bad, run("b"))
	e.wantErr("the bad change", bad.Err, backend.ErrVersionConflict)
	e.sameDeliveries("held", e.held(rec.RunID), kept)
	e.sameDeliveries("due", e.due(orders), kept)
}

// heldDataIsImmutable reads a delivery, lets it change, and looks whether what was read still says the same.
func heldDataIsImmutable(e *env) {
	rec := e.start("a")
	d := timer(rec, 1, birth())
	d.Data = []byte("first")
	e.put(&backend.Change{Hold: []backend.Delivery{d}})
	read := e.held(rec.RunID)
	anew := d
	anew.Data = []byte("other")
	e.put(&backend.Change{Hold: []backend.Delivery{anew}})
	if string(read[0].Data) != "first" {
		e.Errorf("data that was read before the change now says %q", read[0].Data)
	}
	e.sameDeliveries("held", e.held(rec.RunID), anew)
}
