package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// ended stores n runs that are completed, and returns their last versions.
func ended(t testing.TB, b *memory.Backend, from, n int) []*backend.Record {
	t.Helper()
	var first, second []*backend.Change
	for i := range n {
		c := newRun(orders, fmt.Sprint(from+i), fmt.Sprintf("run-%d", from+i))
		c.Record.UpdatedAt = birth().Add(time.Duration(from+i) * time.Minute)
		first = append(first, c)
		second = append(second, complete(c.Record))
	}
	commit(t, b, first...)
	commit(t, b, second...)
	var recs []*backend.Record
	for _, c := range second {
		recs = append(recs, c.Record)
	}
	return recs
}

func erase(t testing.TB, b *memory.Backend, recs ...*backend.Record) {
	t.Helper()
	var runs []*backend.Erasure
	for _, rec := range recs {
		runs = append(runs, &backend.Erasure{RunID: rec.RunID, Version: rec.Meta.Version})
	}
	if err := b.Erase(t.Context(), runs); err != nil {
		t.Fatal(err)
	}
	for _, e := range runs {
		if e.Err != nil {
			t.Fatalf("erase run %s: %v", e.RunID, e.Err)
		}
	}
}

func keys(t testing.TB, b *memory.Backend, q backend.Query) (keys []int64) {
	t.Helper()
	for _, f := range must[[]backend.Found](t)(b.Find(t.Context(), q)) {
		keys = append(keys, f.Key)
	}
	return keys
}

// TestListsStayRightWhileRunsGo erases many runs from all sides, in an order that makes the lists be made anew, and compares every way to
// list.
func TestListsStayRightWhileRunsGo(t *testing.T) {
	b := open(t)
	recs := ended(t, b, 0, 5000)
	want := len(recs)
	gone := map[string]bool{}
	for round, pick := range []func(i int) bool{
		func(i int) bool { return i%7 == 3 },            // here and there
		func(i int) bool { return i < 900 || i > 4500 }, // both ends
		func(i int) bool { return i%3 != 0 },            // most
		func(i int) bool { return i != 2100 },           // all but one
	} {
		var some []*backend.Record
		for i, rec := range recs {
			if pick(i) && !gone[rec.RunID] {
				gone[rec.RunID] = true
				some = append(some, rec)
			}
		}
		erase(t, b, some...)
		want -= len(some)
		for _, order := range []backend.OrderType{backend.OrderTypeAscending, backend.OrderTypeDescending} {
			all := must[[]backend.Record](t)(b.List(t.Context(), orders, 0, 1<<20, order))
			if len(all) != want {
				t.Fatalf("round %d: %d runs are listed, want %d", round, len(all), want)
			}
			var found []string
			for after, more := int64(0), true; more; {
				page := must[[]backend.Found](t)(b.Find(t.Context(), backend.Query{After: after, Order: order, Limit: 97}))
				for _, f := range page {
					found, after = append(found, f.Record.RunID), f.Key
				}
				more = len(page) == 97
			}
			for i := range all {
				if gone[all[i].RunID] || found[i] != all[i].RunID {
					t.Fatalf("round %d: place %d has run %s in the listing and %s in the pages", round, i, all[i].RunID, found[i])
				}
			}
			if offset := want / 2; want > 1 {
				if page := must[[]backend.Record](t)(b.List(t.Context(), orders, int64(offset), 1, order)); page[0].RunID != all[offset].RunID {
					t.Fatalf("round %d: skipping %d gives run %s, want %s", round, offset, page[0].RunID, all[offset].RunID)
				}
			}
		}
		for _, v := range violations(t, b) {
			t.Fatalf("round %d: %v", round, v)
		}
	}
	before := keys(t, b, backend.Query{Limit: 10})
	again := ended(t, b, 0, 10)
	if after := keys(t, b, backend.Query{Limit: 100}); len(after) != 11 || after[0] != before[0] || after[1] <= 5000 {
		t.Errorf("the keys are %v, %v before ten runs were made again", after, before)
	}
	erase(t, b, append(again, recs[2100])...)
	if rest := keys(t, b, backend.Query{Limit: 100}); len(rest) != 0 {
		t.Errorf("of an empty store there are found %v", rest)
	}
}

// TestTheLogCopesWithGaps reads, heads and trims a log from which runs were erased.
func TestTheLogCopesWithGaps(t *testing.T) {
	b := open(t)
	recs := ended(t, b, 0, 1000) // positions 1..1000 and 1001..2000
	erase(t, b, recs[:600]...)
	erase(t, b, recs[990:]...)
	if head := must[int64](t)(b.Head(t.Context())); head != 2000 {
		t.Errorf("the head went back to %d", head)
	}
	page := must[[]backend.Entry](t)(b.ReadLog(t.Context(), 0, 395))
	if len(page) != 395 || page[0].Pos != 601 || page[389].Pos != 990 || page[390].Pos != 1601 {
		t.Fatalf("a page over the gaps has %d entries", len(page))
	}
	if all := readAll(t, b); len(all) != 780 {
		t.Errorf("the log holds %d entries, want 780", len(all))
	}
	saveAll(t, b, orders, 600)
	saveAll(t, b, orders, 1990)
	if all := readAll(t, b); len(all) != 0 {
		t.Errorf("the log holds %d entries, want none", len(all))
	}
	next := start(t, b, "next")
	if head := must[int64](t)(b.Head(t.Context())); head != 2001 || next == nil {
		t.Errorf("the head is %d", head)
	}
}

func TestEndedGoesThroughAllInStretches(t *testing.T) {
	b := open(t)
	recs := ended(t, b, 0, 2500)
	start(t, b, "unfinished")
	erase(t, b, recs[100:200]...)
	before := recs[2000].UpdatedAt
	var got, pages int
	for mark := int64(0); ; pages++ {
		page := must[backend.EndedPage](t)(b.Ended(t.Context(), orders, mark, before))
		for i, rec := range page.Runs {
			if !rec.UpdatedAt.Before(before) || i > 0 && rec.UpdatedAt.Before(page.Runs[i-1].UpdatedAt) {
				t.Fatalf("run %s of %v comes too early", rec.RunID, rec.UpdatedAt)
			}
		}
		erase(t, b, page.Runs...)
		got += len(page.Runs)
		if mark = page.Mark; mark == 0 {
			if !page.Next.Equal(before) {
				t.Errorf("the next is due at %v, want %v", page.Next, before)
			}
			break
		}
		if !page.Next.IsZero() {
			t.Errorf("a page with a mark says that the next is due at %v", page.Next)
		}
	}
	if got != 1900 || pages < 2 {
		t.Errorf("%d runs had ended, in %d pages; want 1900", got, pages+1)
	}
	for _, name := range []string{"", "nobody"} {
		if page := must[backend.EndedPage](t)(b.Ended(t.Context(), name, 0, before.Add(time.Hour))); len(page.Runs) != 0 || page.Mark != 0 || !page.Next.IsZero() {
			t.Errorf("of workflow %q there ended %+v", name, page)
		}
	}
}

// TestEraseTakesOutboxEvents stores by the classic view, whose events wait.
func TestEraseTakesOutboxEvents(t *testing.T) {
	b := open(t)
	s := b.RecordStore()
	for _, id := range []string{"a", "b"} {
		rec := newRun(orders, id, "run-"+id).Record
		rec.RunState = backend.RunStateCompleted
		if err := s.Store(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	erase(t, b, lookup(t, b, "run-a"))
	events := must[[]backend.OutboxEvent](t)(s.ListOutboxEvents(t.Context(), orders, 10))
	if len(events) != 1 {
		t.Fatalf("%d events wait, want that of the other run", len(events))
	}
	if m := must[backend.OutboxMessage](t)(backend.ParseOutboxEventData(events[0].Data)); m.RunID != "run-b" {
		t.Errorf("the event is that of run %s", m.RunID)
	}
}

func TestEraseFailsAsAWhole(t *testing.T) {
	b := open(t)
	recs := ended(t, b, 0, 1)
	one := &backend.Erasure{RunID: recs[0].RunID, Version: 2}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Erase(over, []*backend.Erasure{one}); !errors.Is(err, context.Canceled) || !errors.Is(one.Err, context.Canceled) {
		t.Errorf("under an ended context: %v, %v", err, one.Err)
	}
	lookup(t, b, one.RunID)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Erase(t.Context(), []*backend.Erasure{one}); !errors.Is(err, backend.ErrClosed) || !errors.Is(one.Err, backend.ErrClosed) {
		t.Errorf("after Close: %v, %v", err, one.Err)
	}
	for name, call := range map[string]func() error{
		"find":       func() error { _, err := b.Find(t.Context(), backend.Query{}); return err },
		"count":      func() error { _, err := b.Count(t.Context(), ""); return err },
		"list held":  func() error { _, err := b.ListHeld(t.Context(), orders, backend.DeliveryKey{}, 1); return err },
		"ended runs": func() error { _, err := b.Ended(t.Context(), orders, 0, birth()); return err },
	} {
		if err := call(); !errors.Is(err, backend.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}
