package adaptertest

import (
	"fmt"
	"slices"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// lived stores runs whose last version is an hour older than that of the next; every third is unfinished, every fourth is of another
// workflow. It returns those of orders that are finished, oldest first.
func (e *env) lived(n int) []*backend.Record {
	e.Helper()
	var ended []*backend.Record
	for i := range n {
		name := orders
		if i%4 == 3 {
			name = billing
		}
		first := newRun(name, fmt.Sprintf("f-%d", i), fmt.Sprintf("run-%03d", i))
		c := complete(first.Record)
		if i%3 == 2 {
			c = step(first.Record, 2)
		}
		c.Record.UpdatedAt = birth().Add(time.Duration(i) * time.Hour)
		e.put(first, c)
		if c.Record.RunState.Finished() && name == orders {
			ended = append(ended, c.Record)
		}
	}
	return ended
}

// ended reads all pages of Ended, and calls between after each.
func (e *env) ended(workflowName string, before time.Time, between func(page []*backend.Record)) (ids []string, next time.Time) {
	e.Helper()
	for mark, pages := int64(0), 0; ; pages++ {
		page, err := e.eraser().Ended(e.Context(), workflowName, mark, before)
		if err != nil {
			e.Fatalf("ended runs: %v", err)
		}
		for i, rec := range page.Runs {
			if i > 0 && rec.UpdatedAt.Before(page.Runs[i-1].UpdatedAt) {
				e.Errorf("run %s is listed after one with a newer version", rec.RunID)
			}
			e.wantRun(rec)
			ids = append(ids, rec.RunID)
		}
		between(page.Runs)
		if page.Mark == 0 {
			return ids, page.Next
		}
		if !page.Next.IsZero() {
			e.Errorf("a page that is not the last says that the next is due at %v", page.Next)
		}
		if mark = page.Mark; pages > 10_000 {
			e.Fatalf("the pages do not end")
		}
	}
}

func recordIDs(recs []*backend.Record) []string {
	ids := make([]string, len(recs))
	for i, rec := range recs {
		ids[i] = rec.RunID
	}
	return ids
}

// endedRuns asks for the runs that ended before several times, among them that of a last version.
func endedRuns(e *env) {
	recs := e.lived(40)
	for _, at := range []time.Time{
		birth().AddDate(-1, 0, 0), birth(), birth().Add(time.Nanosecond), recs[4].UpdatedAt, recs[4].UpdatedAt.Add(time.Nanosecond),
		recs[9].UpdatedAt.In(time.FixedZone("", 7200)), birth().AddDate(1, 0, 0),
	} {
		var want []*backend.Record
		for _, rec := range recs {
			if rec.UpdatedAt.Before(at) {
				want = append(want, rec)
			}
		}
		got, _ := e.ended(orders, at, func([]*backend.Record) {})
		slices.Sort(got) // the order of a page is looked at there, that of the pages is the store's own
		e.wantIDs(fmt.Sprintf("ended before %v", at), got, recordIDs(want))
	}
	for _, name := range []string{"nowhere", "%", ""} {
		if got, next := e.ended(name, birth().AddDate(1, 0, 0), func([]*backend.Record) {}); len(got) != 0 || !next.IsZero() {
			e.Errorf("of workflow %q there ended %v, the next is due at %v", name, got, next)
		}
	}
}

// endedWhileErasing erases what each page brings, as retention does.
func endedWhileErasing(e *env) {
	recs := e.lived(40)
	at, pages := recs[12].UpdatedAt, 0
	got, _ := e.ended(orders, at, func(page []*backend.Record) {
		e.erase(page...)
		if pages++; pages <= 5 {
			e.start(fmt.Sprintf("new-%d", pages))
		}
	})
	slices.Sort(got)
	e.wantIDs("erased", got, recordIDs(recs[:12]))
	again, _ := e.ended(orders, at, func([]*backend.Record) {})
	e.wantIDs("left to be erased", again, nil)
	rest, _ := e.ended(orders, birth().AddDate(1, 0, 0), func([]*backend.Record) {})
	slices.Sort(rest)
	e.wantIDs("left", rest, recordIDs(recs[12:]))
}

// endedSaysWhenNext compares the time that the last page names with what is left.
func endedSaysWhenNext(e *env) {
	if _, next := e.ended(orders, birth(), func([]*backend.Record) {}); !next.IsZero() {
		e.Errorf("of an empty store the next is due at %v", next)
	}
	recs := e.lived(40)
	for i, rec := range recs {
		at := rec.UpdatedAt
		_, next := e.ended(orders, at, func([]*backend.Record) {})
		// It may be the time of a run that has not ended, but never one that makes a run wait for too long.
		if next.Before(at) || next.After(at) {
			e.Errorf("number %d is not before %v, and the next is said to be due at %v", i+1, at, next)
		}
		if _, next = e.ended(orders, at.Add(-time.Nanosecond), func([]*backend.Record) {}); next.Before(at.Add(-time.Nanosecond)) || next.After(at) {
			e.Errorf("number %d has %v, and the next is said to be due at %v", i+1, at, next)
		}
	}
}
