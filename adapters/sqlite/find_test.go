package sqlite

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// findStore makes runs of two workflows that differ in all that can be asked for.
func findStore(t *testing.T) *Backend {
	b := openTest(t)
	base := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	states := []backend.RunState{backend.RunStateInitiated, backend.RunStateRunning, backend.RunStatePaused, backend.RunStateCompleted}
	var batch []*backend.Change
	for i := range 120 {
		c := change(fmt.Sprint("run", i), fmt.Sprint("f", i%7), 1)
		if i%2 == 1 {
			c.Record.WorkflowName = "another"
		}
		if c.Record.RunState = states[i%4]; i >= 14 {
			c.Record.RunState = backend.RunStateCancelled // one unfinished run per foreign id
		}
		c.Record.Status = i % 5
		c.Record.CreatedAt, c.Record.UpdatedAt = base.Add(time.Duration(i)*time.Minute), base.Add(time.Duration(200-i)*time.Minute)
		c.Record.Meta.RunStateReason = []string{"", "card declined", "100% off_ Ünïcode", "x\xc3y"}[i%4]
		if i == 77 {
			c.Record.CreatedAt, c.Record.UpdatedAt = time.Time{}, time.Time{}
		}
		batch = append(batch, c)
	}
	commit(t, b, batch...)
	return b
}

// filterSets are all kinds of filters, alone and together.
func filterSets() map[string][]backend.RecordFilter {
	at := func(min int) time.Time {
		return time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(min) * time.Minute)
	}
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	return map[string][]backend.RecordFilter{
		"none":            nil,
		"foreign":         {backend.FilterByForeignID("f3")},
		"foreigns":        {backend.FilterByForeignID("f3", "f5", "none", "\xff")},
		"no foreign":      {backend.FilterByForeignID()},
		"status":          {backend.FilterByStatus(1, 4)},
		"no status":       {backend.FilterByStatus[int]()},
		"state":           {backend.FilterByRunState(backend.RunStateCancelled, backend.RunStatePaused)},
		"created":         {backend.FilterByCreatedAtAfter(at(10)), backend.FilterByCreatedAtBefore(at(50))},
		"created edges":   {backend.FilterByCreatedAtAfter(at(10)), backend.FilterByCreatedAtBefore(at(11))},
		"updated after":   {backend.FilterByUpdatedAtAfter(at(150))},
		"updated":         {backend.FilterByUpdatedAtAfter(at(100)), backend.FilterByUpdatedAtBefore(at(120))},
		"far":             {backend.FilterByUpdatedAtBefore(far), backend.FilterByCreatedAtBefore(far)},
		"too far":         {backend.FilterByCreatedAtAfter(far)},
		"after zero":      {backend.FilterByCreatedAtAfter(time.Time{})},
		"before zero":     {backend.FilterByUpdatedAtBefore(time.Time{})},
		"reason":          {backend.FilterByReason("declined")},
		"reason's case":   {backend.FilterByReason("Declined")},
		"reason, no LIKE": {backend.FilterByReason("0%")},
		"no wildcard":     {backend.FilterByReason("c_rd")},
		"half a rune":     {backend.FilterByReason("\x9c")},
		"bad bytes":       {backend.FilterByReason("x\xc3")},
		"any reason":      {backend.FilterByReason("")},
		"all at once": {backend.FilterByForeignID("f1", "f2", "f3"), backend.FilterByStatus(0, 1, 2, 3), backend.FilterByRunState(backend.RunStateCancelled),
			backend.FilterByCreatedAtAfter(at(5)), backend.FilterByUpdatedAtAfter(at(90)), backend.FilterByReason("a")},
		"one foreign and reason": {backend.FilterByForeignID("f2"), backend.FilterByReason("a")},
	}
}

// TestFindCountList agree with the filters' own judgement, in both orders, page by page, with few prepared texts.
func TestFindCountList(t *testing.T) {
	b := findStore(t)
	all, err := b.Find(t.Context(), backend.Query{Limit: 1000})
	if err != nil || len(all) != 120 {
		t.Fatal(len(all), err)
	}
	for name, filters := range filterSets() {
		for _, flow := range []string{"", testFlow, "another", "unknown"} {
			var want []string
			counts := map[string]int64{}
			for _, f := range all {
				if (flow == "" || f.Record.WorkflowName == flow) && backend.MakeFilter(filters...).Match(f.Record) {
					want = append(want, f.Record.RunID)
					counts[fmt.Sprint(f.Record.Status, f.Record.RunState)]++
				}
			}
			for _, order := range []backend.OrderType{backend.OrderTypeAscending, backend.OrderTypeDescending} {
				if order == backend.OrderTypeDescending {
					slices.Reverse(want)
				}
				if got := findAll(t, b, backend.Query{WorkflowName: flow, Order: order, Limit: 7, Filters: filters}); !slices.Equal(got, want) {
					t.Errorf("%s of %q, %v: found %v, want %v", name, flow, order, got, want)
				}
				var listed []string
				for {
					page, err := b.List(t.Context(), flow, int64(len(listed)), 11, order, filters...)
					if err != nil {
						t.Fatal(err)
					}
					for _, r := range page {
						listed = append(listed, r.RunID)
					}
					if len(page) < 11 {
						break
					}
				}
				if !slices.Equal(listed, want) {
					t.Errorf("%s of %q, %v: listed %v, want %v", name, flow, order, listed, want)
				}
			}
			mustCount(t, b, flow, filters, counts)
		}
	}
	for _, c := range b.readers.idle {
		if len(c.stmts) > 40 {
			t.Errorf("%d statements are kept", len(c.stmts))
		}
	}
}

func findAll(t *testing.T, b *Backend, q backend.Query) (ids []string) {
	t.Helper()
	for {
		page, err := b.Find(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page {
			ids = append(ids, f.Record.RunID)
			q.After = f.Key
		}
		if len(page) < q.Limit {
			return ids
		}
	}
}

func mustCount(t *testing.T, b *Backend, flow string, filters []backend.RecordFilter, want map[string]int64) {
	t.Helper()
	counts, err := b.Count(t.Context(), flow, filters...)
	if err != nil || len(counts) != len(want) {
		t.Errorf("%d groups, want %d, %v", len(counts), len(want), err)
	}
	last := backend.Count{Status: math.MinInt}
	for _, c := range counts {
		if c.Runs != want[fmt.Sprint(c.Status, c.RunState)] {
			t.Errorf("%+v, want %v", c, want)
		}
		if c.Status < last.Status || c.Status == last.Status && c.RunState <= last.RunState {
			t.Errorf("%+v after %+v", c, last)
		}
		last = c
	}
}

// TestFindWhileRunsGo: a page goes on where the last one ended, also when that run, or the newest of all, is gone.
func TestFindWhileRunsGo(t *testing.T) {
	b := openTest(t)
	for i := range 10 {
		id := fmt.Sprint("r", i)
		commit(t, b, finished(id, id, 1))
	}
	first, err := b.Find(t.Context(), backend.Query{WorkflowName: testFlow, Limit: 4})
	if err != nil || len(first) != 4 {
		t.Fatal(first, err)
	}
	eraseAll(t, b, &backend.Erasure{RunID: "r0", Version: 1}, &backend.Erasure{RunID: "r3", Version: 1}, &backend.Erasure{RunID: "r9", Version: 1})
	commit(t, b, change("new", "new", 1))
	rest := findAll(t, b, backend.Query{WorkflowName: testFlow, After: first[3].Key, Limit: 3})
	if got := strings.Join(rest, " "); got != "r4 r5 r6 r7 r8 new" {
		t.Errorf("the rest is %s", got)
	}
	if got, err := b.Find(t.Context(), backend.Query{}); err != nil || got != nil {
		t.Errorf("without a limit: %v, %v", got, err)
	}
}

// TestListHeld: what was given up comes in pages in the order of its keys, and nothing else does.
func TestListHeld(t *testing.T) {
	b := openTest(t)
	var want []string
	for i := range 9 {
		run := fmt.Sprint("r", i)
		c := change(run, run, 1)
		given, waits, timed := held(run, "hook:Paused", 1), held(run, "step", 1), held(run, "timeout:0", 1)
		given.State, given.Due, given.LastError = backend.DeliveryHeld, time.Time{}, "gave up"
		timed.State = backend.DeliveryHeld // a due time: it will come back
		c.Hold = []backend.Delivery{given, waits, timed}
		if i == 4 {
			given.Receiver = "signal:x"
			c.Hold = append(c.Hold, given)
			given.Version = 2000
			c.Hold = append(c.Hold, given)
		}
		if i == 8 {
			c.Record.WorkflowName = "another"
			for j := range c.Hold {
				c.Hold[j].WorkflowName = "another"
			}
		} else if want = append(want, run+"/hook:Paused/1"); i == 4 {
			want = append(want, run+"/signal:x/1", run+"/signal:x/2000")
		}
		commit(t, b, c)
	}
	var got []string
	after := backend.DeliveryKey{}
	for {
		page, err := b.ListHeld(t.Context(), testFlow, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			got = append(got, fmt.Sprintf("%s/%s/%d", d.RunID, d.Receiver, d.Version))
			if d.WorkflowName != testFlow || d.LastError != "gave up" || d.State != backend.DeliveryHeld || !d.Due.IsZero() {
				t.Errorf("delivery %+v", d)
			}
			after = d.DeliveryKey
		}
		if len(page) < 2 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// An operator's retry takes it off the list.
	retry := held("r0", "hook:Paused", 1)
	commit(t, b, &backend.Change{Hold: []backend.Delivery{retry}})
	if page, err := b.ListHeld(t.Context(), testFlow, backend.DeliveryKey{}, 1); err != nil || len(page) != 1 || page[0].RunID != "r1" {
		t.Errorf("first is now %+v, %v", page, err)
	}
}
