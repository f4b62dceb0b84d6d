package adaptertest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// listCases are listings of runs.
func listCases() []testCase {
	return []testCase{
		{name: "List/OrderAndPaging", run: listOrderAndPaging},
		{name: "List/Filters", run: listFilters},
		{name: "List/ExtendedFilters", run: listExtendedFilters},
		{name: "List/FilterValuesAreExact", run: listFilterValuesAreExact},
		{name: "List/OfUnknown", run: listOfUnknown},
	}
}

// population stores 23 runs of two workflows, touches some of the older ones, and returns the run ids in the order of creation.
func (e *env) population() (all, ofOrders []string, recs map[string]*backend.Record) {
	e.Helper()
	recs = map[string]*backend.Record{}
	for i := range 23 {
		name := orders
		if i%3 == 2 {
			name = billing
		}
		// Run ids and foreign ids run against the order of creation.
		c := newRun(name, fmt.Sprintf("f-%02d", 40-i), fmt.Sprintf("run-%02d", 60-i))
		c.Record.CreatedAt = birth().Add(time.Duration(i) * time.Hour)
		e.put(c)
		recs[c.Record.RunID] = c.Record
		all = append(all, c.Record.RunID)
		if name == orders {
			ofOrders = append(ofOrders, c.Record.RunID)
		}
	}
	for _, i := range []int{7, 0, 4} {
		c := step(recs[all[i]], 5)
		c.Record.Meta.RunStateReason = "reopened by an operator"
		if i == 4 {
			c = move(recs[all[i]], backend.RunStateCompleted, 6)
			c.Record.Meta.RunStateReason = "closed by hand"
		}
		c.Record.UpdatedAt = birth().Add(time.Duration(100+i) * time.Hour)
		e.put(c)
		recs[all[i]] = c.Record
	}
	return all, ofOrders, recs
}

// list lists run ids.
func (e *env) list(name string, offset int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) []string {
	e.Helper()
	got, err := e.b.List(e.Context(), name, offset, limit, order, filters...)
	if err != nil {
		e.Fatalf("list: %v", err)
	}
	ids := make([]string, len(got))
	for i := range got {
		ids[i] = got[i].RunID
	}
	return ids
}

func (e *env) wantIDs(what string, got, want []string) {
	e.Helper()
	if !slices.Equal(got, want) {
		e.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, " "), strings.Join(want, " "))
	}
}

func page(ids []string, offset, limit int) []string {
	from := min(offset, len(ids))
	return ids[from:min(from+limit, len(ids))]
}

func listOrderAndPaging(e *env) {
	all, ofOrders, recs := e.population()
	for name, want := range map[string][]string{"": all, orders: ofOrders} {
		down := slices.Clone(want)
		slices.Reverse(down)
		for _, limit := range []int{1, 4, 5, 1000} {
			for offset := 0; offset <= len(want)+1; offset += 3 {
				what := fmt.Sprintf("workflow %q, %d from %d", name, limit, offset)
				e.wantIDs(what, e.list(name, int64(offset), limit, backend.OrderTypeAscending), page(want, offset, limit))
				e.wantIDs(what+", newest first", e.list(name, int64(offset), limit, backend.OrderTypeDescending), page(down, offset, limit))
			}
		}
		e.wantIDs("unknown order", e.list(name, 0, 1000, backend.OrderTypeUnknown), want)
	}
	got, err := e.b.List(e.Context(), "", 0, 1000, backend.OrderTypeAscending)
	if err != nil {
		e.Fatalf("list: %v", err)
	}
	for i := range got {
		e.sameRecord("listed run "+got[i].RunID, &got[i], recs[got[i].RunID])
	}
}

func listFilters(e *env) {
	all, _, recs := e.population()
	for what, filters := range filterSets(all, recs) {
		e.wantListed(what, all, recs, filters...)
	}
}

// listExtendedFilters uses those that only newer stores know.
func listExtendedFilters(e *env) {
	all, _, recs := e.population()
	for what, filters := range extendedSets(all, recs) {
		e.wantListed(what, all, recs, filters...)
	}
	more, reasoned := e.reasoned()
	all = append(all, more...)
	for id, rec := range reasoned {
		recs[id] = rec
	}
	for _, needle := range oddNeedles() {
		e.wantListed(fmt.Sprintf("reason %q", needle), all, recs, backend.FilterByReason(needle))
	}
}

// wantListed compares listings by a filter with what the filter itself says of the records.
func (e *env) wantListed(what string, all []string, recs map[string]*backend.Record, filters ...backend.RecordFilter) {
	e.Helper()
	var want []string
	match := backend.MakeFilter(filters...)
	for _, id := range all {
		if match.Match(recs[id]) {
			want = append(want, id)
		}
	}
	e.wantIDs(what, e.list("", 0, 1000, backend.OrderTypeAscending, filters...), want)
	e.wantIDs(what+", paged", e.list("", 1, 2, backend.OrderTypeAscending, filters...), page(want, 1, 2))
	slices.Reverse(want)
	e.wantIDs(what+", newest first", e.list("", 0, 1000, backend.OrderTypeDescending, filters...), want)
	ofBilling := slices.DeleteFunc(want, func(id string) bool { return recs[id].WorkflowName != billing })
	e.wantIDs(what+", of one workflow", e.list(billing, 0, 1000, backend.OrderTypeDescending, filters...), ofBilling)
}

// filterSets are the filters that every store knows.
func filterSets(all []string, recs map[string]*backend.Record) map[string][]backend.RecordFilter {
	at := func(i int) time.Time { return recs[all[i]].CreatedAt }
	return map[string][]backend.RecordFilter{
		"one foreign id":             {backend.FilterByForeignID("f-38")},
		"two foreign ids":            {backend.FilterByForeignID("f-38", "f-20")},
		"a foreign id twice":         {backend.FilterByForeignID("f-38", "f-38")},
		"unknown foreign id":         {backend.FilterByForeignID("nobody")},
		"no foreign id at all":       {backend.FilterByForeignID()},
		"one run state":              {backend.FilterByRunState(backend.RunStateRunning)},
		"two run states":             {backend.FilterByRunState(backend.RunStateCompleted, backend.RunStateRunning)},
		"run state of nobody":        {backend.FilterByRunState(backend.RunStateDataDeleted)},
		"one status":                 {backend.FilterByStatus(5)},
		"two statuses":               {backend.FilterByStatus(1, 6)},
		"negative status":            {backend.FilterByStatus(-1)},
		"created after":              {backend.FilterByCreatedAtAfter(at(10))},
		"created a moment before":    {backend.FilterByCreatedAtAfter(at(10).Add(-time.Nanosecond))},
		"created before":             {backend.FilterByCreatedAtBefore(at(10))},
		"created a moment later":     {backend.FilterByCreatedAtBefore(at(10).Add(time.Nanosecond))},
		"created between":            {backend.FilterByCreatedAtAfter(at(3)), backend.FilterByCreatedAtBefore(at(9).In(time.FixedZone("", 3600)))},
		"state and status":           {backend.FilterByRunState(backend.RunStateRunning), backend.FilterByStatus(5)},
		"state and another's status": {backend.FilterByRunState(backend.RunStateCompleted), backend.FilterByStatus(5)},
		"state, status and age":      {backend.FilterByRunState(backend.RunStateInitiated), backend.FilterByStatus(1), backend.FilterByCreatedAtAfter(at(12))},
	}
}

// listFilterValuesAreExact filters by foreign ids with commas and other marks that a query may take for its own.
func listFilterValuesAreExact(e *env) {
	ids := oddForeignIDs()
	for _, id := range ids {
		e.put(newRun(orders, id, id))
	}
	for i, id := range ids {
		e.wantIDs(fmt.Sprintf("foreign id %q", id), e.list(orders, 0, 100, backend.OrderTypeAscending, backend.FilterByForeignID(id)), []string{id})
		next := ids[(i+1)%len(ids)]
		got := e.list(orders, 0, 100, backend.OrderTypeAscending, backend.FilterByForeignID(next, id))
		slices.Sort(got)
		want := []string{id, next}
		slices.Sort(want)
		e.wantIDs(fmt.Sprintf("foreign ids %q and %q", id, next), got, want)
	}
}

func oddForeignIDs() []string {
	return []string{"a", "b", "a,b", ",", "'a'", "a%", "%", "_", "A", " a", "a "}
}

func listOfUnknown(e *env) {
	e.wantIDs("an empty store", e.list("", 0, 10, backend.OrderTypeAscending), nil)
	e.start("a")
	e.wantIDs("an unknown workflow", e.list("nowhere", 0, 10, backend.OrderTypeAscending), nil)
	e.wantIDs("a workflow whose name is a pattern", e.list("%", 0, 10, backend.OrderTypeAscending), nil)
	e.wantIDs("beyond the end", e.list(orders, 1, 10, backend.OrderTypeDescending), nil)
}
