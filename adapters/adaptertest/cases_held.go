package adaptertest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// heldCases are the lists of what was given up.
func heldCases() []testCase {
	needs := []string{"NoHeldLister"}
	return []testCase{
		{name: "Held/WhatIsGivenUp", needs: needs, run: listsWhatIsGivenUp},
		{name: "Held/OrderAndPages", needs: needs, run: heldPages},
		{name: "Held/OfOneWorkflow", needs: needs, run: heldOfOneWorkflow},
		{name: "Held/OfUnknown", needs: needs, run: heldOfUnknown},
	}
}

func (e *env) heldPage(workflowName string, after backend.DeliveryKey, limit int) []backend.Delivery {
	e.Helper()
	l, ok := e.b.(backend.HeldLister)
	if !ok {
		e.Fatalf("%T is no HeldLister", e.b)
	}
	got, err := l.ListHeld(e.Context(), workflowName, after, limit)
	if err != nil {
		e.Fatalf("list held deliveries: %v", err)
	}
	return got
}

func (e *env) listHeld(workflowName string) []backend.Delivery {
	e.Helper()
	return e.heldPage(workflowName, backend.DeliveryKey{}, 10_000)
}

// givenUp is a delivery of rec's present version to its step that nobody tries any more.
func givenUp(rec *backend.Record) backend.Delivery {
	d := backoff(rec, 5, time.Time{})
	d.State = backend.DeliveryHeld
	return d
}

// listsWhatIsGivenUp takes deliveries from one state to another.
func listsWhatIsGivenUp(e *env) {
	rec := e.start("a")
	given, queued, waits, claimed := givenUp(rec), timer(rec, 1, time.Time{}), timer(rec, 2, birth()), timer(rec, 3, birth())
	queued.State, claimed.State = backend.DeliveryQueued, backend.DeliveryClaimed
	e.put(&backend.Change{Hold: []backend.Delivery{given, queued, waits, claimed}})
	e.sameOrder("given up", e.listHeld(orders), given)

	given.LastError, given.Data = "given up for good", []byte{0, 0xff}
	waits.Due, waits.State = time.Time{}, backend.DeliveryHeld
	e.put(&backend.Change{Hold: []backend.Delivery{given, waits}})
	e.sameOrder("given up, and another too", e.listHeld(orders), given, waits)

	given.Due, given.State = birth(), backend.DeliveryBackingOff
	e.put(&backend.Change{Hold: []backend.Delivery{given}})
	e.sameOrder("after one is tried again", e.listHeld(orders), waits)

	e.put(&backend.Change{Done: []backend.DeliveryKey{waits.DeliveryKey, given.DeliveryKey}})
	e.sameOrder("after the end", e.listHeld(orders))
}

func heldPages(e *env) {
	var want []backend.Delivery
	for _, id := range []string{"b", "a", "ab", "B"} {
		rec := e.advance(e.advance(e.start(id)))
		for _, receiver := range []backend.Receiver{backend.ReceiverStep, "timeout/2", "timeout/10", backend.SignalPrefix + "go"} {
			for _, version := range []uint{1, 2, 3, 10, 200} {
				if version > 3 && !receiver.IsSignal() {
					continue
				}
				d := givenUp(rec)
				d.Receiver, d.Version = receiver, version
				want = append(want, d)
			}
		}
		e.put(&backend.Change{Hold: []backend.Delivery{timer(rec, 7, birth())}})
	}
	for i := range want {
		e.put(&backend.Change{Hold: []backend.Delivery{want[(i*13)%len(want)]}})
	}
	slices.SortFunc(want, func(a, b backend.Delivery) int {
		return cmp.Or(cmp.Compare(a.RunID, b.RunID), cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Version, b.Version))
	})
	for _, limit := range []int{1, 3, len(want), len(want) + 1} {
		var got []backend.Delivery
		for after := (backend.DeliveryKey{}); len(got) <= len(want); {
			page := e.heldPage(orders, after, limit)
			if len(page) > limit {
				e.Errorf("a page of %d holds %d", limit, len(page))
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].DeliveryKey
		}
		e.sameOrder(fmt.Sprintf("pages of %d", limit), got, want...)
	}
	for _, key := range []backend.DeliveryKey{
		{RunID: "run-a"}, {RunID: "run-aa", Receiver: "z"}, {RunID: "run-ab", Receiver: "timeout/1", Version: 9}, {RunID: "run-b", Receiver: backend.SignalPrefix + "go", Version: 11},
		{RunID: "run-zz"},
	} {
		from := slices.IndexFunc(want, func(d backend.Delivery) bool {
			return compareDue(backend.Delivery{DeliveryKey: d.DeliveryKey}, backend.Delivery{DeliveryKey: key}) > 0
		})
		rest := want[len(want):]
		if from >= 0 {
			rest = want[from:]
		}
		e.sameOrder(fmt.Sprintf("behind %+v", key), e.heldPage(orders, key, 1000), rest...)
	}
}

func heldOfOneWorkflow(e *env) {
	a := e.start("a")
	c := newRun(billing, "b", "run-b")
	e.put(c)
	e.put(&backend.Change{Hold: []backend.Delivery{givenUp(a)}}, &backend.Change{Hold: []backend.Delivery{givenUp(c.Record)}})
	e.sameOrder("of orders", e.listHeld(orders), givenUp(a))
	e.sameOrder("of billing", e.listHeld(billing), givenUp(c.Record))
}

func heldOfUnknown(e *env) {
	e.sameOrder("of an empty store", e.listHeld(orders))
	rec := e.start("a")
	e.put(&backend.Change{Hold: []backend.Delivery{givenUp(rec)}})
	for _, name := range []string{"nowhere", "%", ""} {
		e.sameOrder(fmt.Sprintf("of workflow %q", name), e.listHeld(name))
	}
	e.sameOrder("at most none", e.heldPage(orders, backend.DeliveryKey{}, 0))
	e.sameOrder("at most a negative number", e.heldPage(orders, backend.DeliveryKey{}, -1))
}
