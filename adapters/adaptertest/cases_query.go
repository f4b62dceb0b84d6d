package adaptertest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// queryCases are pages by key, and counts.
func queryCases() []testCase {
	needs := []string{"NoFinder"}
	return []testCase{
		{name: "Query/OrderAndPages", needs: needs, run: queryOrderAndPages},
		{name: "Query/Filters", needs: needs, run: queryFilters},
		{name: "Query/ForeignIDsAreExact", needs: needs, run: queryForeignIDsAreExact},
		{name: "Query/ReasonsAreExact", needs: needs, run: queryReasonsAreExact},
		{name: "Query/PagesStayRight", needs: []string{"NoFinder", "NoEraser"}, run: pagesStayRight},
		{name: "Query/KeysStay", needs: []string{"NoFinder", "NoEraser"}, run: keysStay},
		{name: "Query/KeysSurviveARestart", needs: []string{"NoFinder", "NoEraser", "NoRestart"}, run: keysSurviveARestart},
		{name: "Query/Count", needs: needs, run: queryCount},
		{name: "Query/OfUnknown", needs: needs, run: queryOfUnknown},
	}
}

// finder is the Backend in use as a Finder.
func (e *env) finder() backend.Finder {
	e.Helper()
	f, ok := e.b.(backend.Finder)
	if !ok {
		e.Fatalf("%T is no Finder", e.b)
	}
	return f
}

func (e *env) find(q backend.Query) []backend.Found {
	e.Helper()
	got, err := e.finder().Find(e.Context(), q)
	if err != nil {
		e.Fatalf("find: %v", err)
	}
	if len(got) > max(q.Limit, 0) {
		e.Errorf("a page of at most %d holds %d runs", q.Limit, len(got))
	}
	last := q.After
	for i, f := range got {
		if f.Record == nil || f.Key <= 0 {
			e.Fatalf("number %d of a page has key %d and version %v", i+1, f.Key, versionOf(f.Record))
		}
		if down := q.Order == backend.OrderTypeDescending; (last != 0 || !down) && (f.Key < last) != down {
			e.Errorf("key %d follows key %d, descending: %t", f.Key, last, down)
		}
		last = f.Key
	}
	return got
}

// findAll reads all pages of a query, and calls between after each of them.
func (e *env) findAll(q backend.Query, between func(page []backend.Found)) []backend.Found {
	e.Helper()
	var all []backend.Found
	for {
		page := e.find(q)
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		q.After = page[len(page)-1].Key
		between(page)
		if len(all) > 10_000 {
			e.Fatalf("the pages do not end")
		}
	}
}

func (e *env) found(q backend.Query) []string {
	e.Helper()
	return foundIDs(e.findAll(q, func([]backend.Found) {}))
}

func foundIDs(found []backend.Found) []string {
	ids := make([]string, len(found))
	for i, f := range found {
		ids[i] = f.Record.RunID
	}
	return ids
}

func queryOrderAndPages(e *env) {
	all, ofOrders, recs := e.population()
	for name, want := range map[string][]string{"": all, orders: ofOrders} {
		down := slices.Clone(want)
		slices.Reverse(down)
		for _, limit := range []int{1, 4, 5, len(want), 1000} {
			what := fmt.Sprintf("workflow %q, pages of %d", name, limit)
			e.wantIDs(what, e.found(backend.Query{WorkflowName: name, Limit: limit, Order: backend.OrderTypeAscending}), want)
			e.wantIDs(what+", newest first", e.found(backend.Query{WorkflowName: name, Limit: limit, Order: backend.OrderTypeDescending}), down)
		}
		e.wantIDs("unknown order", e.found(backend.Query{WorkflowName: name, Limit: 3}), want)
	}
	up := e.find(backend.Query{Limit: 1000})
	for _, f := range up {
		e.sameRecord("found run "+f.Record.RunID, f.Record, recs[f.Record.RunID])
		for _, order := range []backend.OrderType{backend.OrderTypeAscending, backend.OrderTypeDescending} { // a page behind each key, of one workflow too
			want := slices.Clone(all)
			if order == backend.OrderTypeDescending {
				slices.Reverse(want)
			}
			want = want[slices.Index(want, f.Record.RunID)+1:]
			e.wantIDs("behind "+f.Record.RunID, foundIDs(e.find(backend.Query{After: f.Key, Limit: 1000, Order: order})), want)
			want = slices.DeleteFunc(slices.Clone(want), func(id string) bool { return recs[id].WorkflowName != billing })
			e.wantIDs("of billing, behind "+f.Record.RunID, foundIDs(e.find(backend.Query{WorkflowName: billing, After: f.Key, Limit: 1000, Order: order})), want)
		}
	}
}

// wantFiltered compares pages, counts and listings of a filter with what the filter itself says of the records.
func (e *env) wantFiltered(what string, all []string, recs map[string]*backend.Record, filters ...backend.RecordFilter) {
	e.Helper()
	match := backend.MakeFilter(filters...)
	for _, name := range []string{"", billing} {
		var want []string
		for _, id := range all {
			if match.Match(recs[id]) && (name == "" || recs[id].WorkflowName == name) {
				want = append(want, id)
			}
		}
		what := fmt.Sprintf("%s, workflow %q", what, name)
		q := backend.Query{WorkflowName: name, Limit: 2, Filters: filters}
		e.wantIDs(what, e.found(q), want)
		e.wantCount(what, e.count(name, filters...), recs, want)
		q.Order = backend.OrderTypeDescending
		slices.Reverse(want)
		e.wantIDs(what+", newest first", e.found(q), want)
	}
}

func (e *env) count(name string, filters ...backend.RecordFilter) []backend.Count {
	e.Helper()
	got, err := e.finder().Count(e.Context(), name, filters...)
	if err != nil {
		e.Fatalf("count: %v", err)
	}
	return got
}

// wantCount fails the case unless the counts are those of the runs.
func (e *env) wantCount(what string, got []backend.Count, recs map[string]*backend.Record, ids []string) {
	e.Helper()
	by := map[backend.Point]int64{}
	for _, id := range ids {
		by[pointOf(recs[id])]++
	}
	var want []backend.Count
	for at, n := range by {
		want = append(want, backend.Count{Status: at.Status, RunState: at.RunState, Runs: n})
	}
	slices.SortFunc(want, func(a, b backend.Count) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.RunState, b.RunState))
	})
	if !slices.Equal(got, want) {
		e.Errorf("%s: counted %+v, want %+v", what, got, want)
	}
}

func queryFilters(e *env) {
	all, _, recs := e.population()
	for what, filters := range filterSets(all, recs) {
		e.wantFiltered(what, all, recs, filters...)
	}
	for what, filters := range extendedSets(all, recs) {
		e.wantFiltered(what, all, recs, filters...)
	}
}

// extendedSets are filters that only queries of late know.
func extendedSets(all []string, recs map[string]*backend.Record) map[string][]backend.RecordFilter {
	at := func(i int) time.Time { return recs[all[i]].UpdatedAt }
	return map[string][]backend.RecordFilter{
		"updated after":            {backend.FilterByUpdatedAtAfter(at(7))},
		"updated a moment before":  {backend.FilterByUpdatedAtAfter(at(7).Add(-time.Nanosecond))},
		"updated before":           {backend.FilterByUpdatedAtBefore(at(7))},
		"updated a moment later":   {backend.FilterByUpdatedAtBefore(at(7).Add(time.Nanosecond))},
		"updated between":          {backend.FilterByUpdatedAtAfter(at(0)), backend.FilterByUpdatedAtBefore(at(4).In(time.FixedZone("", 3600)))},
		"updated in the year 3000": {backend.FilterByUpdatedAtAfter(birth().AddDate(975, 0, 0))},
		"reason":                   {backend.FilterByReason("closed")},
		"any reason":               {backend.FilterByReason("")},
		"reason of nobody":         {backend.FilterByReason("nobody")},
		"reason, state and age":    {backend.FilterByReason("er"), backend.FilterByRunState(backend.RunStateRunning), backend.FilterByUpdatedAtAfter(at(0))},
	}
}

func queryForeignIDsAreExact(e *env) {
	ids := oddForeignIDs()
	for _, id := range ids {
		e.put(newRun(orders, id, id))
	}
	for i, id := range ids {
		e.wantIDs(fmt.Sprintf("foreign id %q", id), e.found(backend.Query{Limit: 5, Filters: []backend.RecordFilter{backend.FilterByForeignID(id)}}), []string{id})
		want := []string{id, ids[(i+1)%len(ids)]}
		slices.Sort(want)
		both := []backend.RecordFilter{backend.FilterByForeignID(want...)}
		got := e.found(backend.Query{WorkflowName: orders, Limit: 1, Filters: both})
		slices.Sort(got)
		e.wantIDs(fmt.Sprintf("foreign ids %q", want), got, want)
		if n := e.count(orders, both...); len(n) != 1 || n[0].Runs != 2 {
			e.Errorf("of foreign ids %q there are counted %+v", want, n)
		}
	}
}

// oddReasons are texts that a query may take for patterns, or for each other.
func oddReasons() []string {
	return []string{
		"", "out of stock", "Out Of Stock", "100% gone", "100 gone", "a_b", "aXb", "it's gone", `"quoted"`, `back\slash`, "a*b", "[ab]", "äöü", "ÄÖÜ",
		"a\nb", "end%", "%", "_", "'",
	}
}

// reasoned stores a run for each reason.
func (e *env) reasoned() (all []string, recs map[string]*backend.Record) {
	e.Helper()
	recs = map[string]*backend.Record{}
	for i, reason := range oddReasons() {
		first := run(fmt.Sprintf("%02d", i))
		c := move(first.Record, backend.RunStatePaused, 1)
		c.Record.Meta.RunStateReason = reason
		e.put(first, c)
		all = append(all, c.Record.RunID)
		recs[c.Record.RunID] = c.Record
	}
	return all, recs
}

func oddNeedles() []string {
	return append(oddReasons(), "stock", "Stock", "STOCK", "of s", "0%", "% ", "_b", "b%", "\\", "*", "[", "ö", "Ö", "\n", "''", "100%%gone", "a__b", "gone ")
}

func queryReasonsAreExact(e *env) {
	all, recs := e.reasoned()
	for _, needle := range oddNeedles() {
		e.wantFiltered(fmt.Sprintf("reason %q", needle), all, recs, backend.FilterByReason(needle))
	}
}

// pagesStayRight pages in both orders while runs come and go: whoever is there from the first page to the last comes once.
func pagesStayRight(e *env) {
	for _, order := range []backend.OrderType{backend.OrderTypeAscending, backend.OrderTypeDescending} {
		var recs []*backend.Record
		for i := range 24 {
			first := newRun(orders, fmt.Sprintf("%v-%d", order, i), fmt.Sprintf("run-%v-%02d", order, 50-i))
			last := complete(first.Record)
			e.put(first, last)
			recs = append(recs, last.Record)
		}
		if order == backend.OrderTypeDescending {
			slices.Reverse(recs)
		}
		gone := map[string]bool{}
		pages := 0
		mine := func(id string) bool { return strings.HasPrefix(id, "run-"+order.String()) }
		got := e.findAll(backend.Query{WorkflowName: orders, Order: order, Limit: 4}, func(page []backend.Found) {
			// The runs at the place where the page ended go, one that was seen before, and one that is still to come.
			last := slices.IndexFunc(recs, func(r *backend.Record) bool { return r.RunID == page[len(page)-1].Record.RunID })
			for _, i := range []int{last - 2, last, last + 2} {
				if last >= 0 && i >= 0 && i < len(recs) && pages < 6 && !gone[recs[i].RunID] {
					e.erase(recs[i])
					gone[recs[i].RunID] = i > last
				}
			}
			if pages++; pages <= 4 {
				e.start(fmt.Sprintf("new-%v-%d", order, pages))
			}
		})
		var want []string
		for _, rec := range recs {
			if !gone[rec.RunID] {
				want = append(want, rec.RunID)
			}
		}
		ids := slices.DeleteFunc(foundIDs(got), func(id string) bool { return !mine(id) })
		e.wantIDs(fmt.Sprintf("pages in order %v", order), ids, want)
		fresh := 0
		for _, id := range foundIDs(got) {
			if strings.HasPrefix(id, "run-new-"+order.String()) {
				fresh++
			}
		}
		if want := map[backend.OrderType]int{backend.OrderTypeAscending: 4}[order]; fresh != want {
			e.Errorf("in order %v %d of the runs made meanwhile were found, want %d", order, fresh, want)
		}
	}
}

// keysByID are the keys of all runs.
func (e *env) keysByID() map[string]int64 {
	e.Helper()
	keys := map[string]int64{}
	for _, f := range e.find(backend.Query{Limit: 10_000}) {
		keys[f.Record.RunID] = f.Key
	}
	return keys
}

func (e *env) wantKeys(what string, old map[string]int64, ids ...string) {
	e.Helper()
	now := e.keysByID()
	for _, id := range ids {
		if now[id] != old[id] {
			e.Errorf("%s: the key of run %s was %d and is %d", what, id, old[id], now[id])
		}
	}
}

// keysStay moves runs, erases the oldest and the newest, and makes them anew.
func keysStay(e *env) {
	var recs []*backend.Record
	for i := range 6 {
		recs = append(recs, e.start(fmt.Sprint(i)))
	}
	old := e.keysByID()
	for i, rec := range recs {
		c := complete(rec)
		e.put(c)
		recs[i] = c.Record
	}
	e.wantKeys("after they moved", old, "run-0", "run-1", "run-2", "run-3", "run-4", "run-5")
	e.erase(recs[0], recs[4], recs[5])
	e.wantKeys("after others were erased", old, "run-1", "run-2", "run-3")
	e.wantNewKeys(old, "0", "5", "4")
	e.wantKeys("after others were made", old, "run-1", "run-2", "run-3")
}

// wantNewKeys starts runs, and fails the case unless each gets a key above all that there were.
func (e *env) wantNewKeys(old map[string]int64, ids ...string) {
	e.Helper()
	top := int64(0)
	for _, key := range old {
		top = max(top, key)
	}
	for _, id := range ids {
		e.start(id)
		key := e.keysByID()["run-"+id]
		if key <= top {
			e.Errorf("run %s has key %d, and key %d was given away before", id, key, top)
		}
		top = max(top, key)
	}
}

func keysSurviveARestart(e *env) {
	a, b := complete(e.start("a")), e.start("b")
	last := complete(e.start("last"))
	e.put(a, last)
	old := e.keysByID()
	e.erase(last.Record)
	e.reopen()
	e.wantKeys("after the restart", old, "run-a", b.RunID)
	e.wantNewKeys(old, "last", "other")
}

func queryCount(e *env) {
	if got := e.count(""); len(got) != 0 {
		e.Errorf("an empty store counts %+v", got)
	}
	all, ofOrders, recs := e.population()
	for i, id := range all {
		if i%3 == 0 {
			c := move(recs[id], backend.RunStatePaused, i%4-2)
			e.put(c)
			recs[id] = c.Record
		}
	}
	e.wantCount("all runs", e.count(""), recs, all)
	e.wantCount("of one workflow", e.count(orders), recs, ofOrders)
	paused := slices.DeleteFunc(slices.Clone(all), func(id string) bool { return recs[id].RunState != backend.RunStatePaused })
	e.wantCount("those that are paused", e.count("", backend.FilterByRunState(backend.RunStatePaused)), recs, paused)
}

func queryOfUnknown(e *env) {
	e.wantIDs("an empty store", foundIDs(e.find(backend.Query{Limit: 10})), nil)
	rec := e.start("a")
	key := e.keysByID()[rec.RunID]
	for what, q := range map[string]backend.Query{
		"an unknown workflow":                  {WorkflowName: "nowhere", Limit: 10},
		"a workflow whose name is a pattern":   {WorkflowName: "%", Limit: 10},
		"a limit of zero":                      {},
		"a negative limit":                     {Limit: -1},
		"beyond the newest":                    {After: key, Limit: 10},
		"beyond the oldest":                    {After: key, Limit: 10, Order: backend.OrderTypeDescending},
		"beyond what will ever be":             {After: 1 << 62, Limit: 10},
		"a foreign id among none":              {Limit: 10, Filters: []backend.RecordFilter{backend.FilterByForeignID()}},
		"an unknown workflow, newest first":    {WorkflowName: "nowhere", Limit: 10, Order: backend.OrderTypeDescending},
		"a limit of zero, of one workflow too": {WorkflowName: orders},
	} {
		e.wantIDs(what, foundIDs(e.find(q)), nil)
	}
	e.wantIDs("before a place beyond the newest", foundIDs(e.find(backend.Query{After: 1 << 62, Limit: 10, Order: backend.OrderTypeDescending})), []string{rec.RunID})
	if got := e.count("nowhere"); len(got) != 0 {
		e.Errorf("an unknown workflow counts %+v", got)
	}
}
