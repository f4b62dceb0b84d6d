package adaptertest

import (
	"fmt"
	"slices"

	"github.com/stillwater-go/workflow/backend"
)

// cursorCases are how far each role has come.
func cursorCases() []testCase {
	return []testCase{
		{name: "Cursor/DefaultIsBeforeTheFirstEvent", run: cursorDefault},
		{name: "Cursor/ForwardOnly", run: cursorForwardOnly},
		{name: "Cursor/ManyInOneSave", run: manyCursorsInOneSave},
		{name: "Cursor/SavedBySeveralAtOnce", run: cursorsSavedAtOnce},
		{name: "Cursor/LogKeepsWhatOthersHaveNotPassed", run: logKeepsWhatOthersHaveNotPassed},
		{name: "Cursor/LogGoesOnBehindThem", run: logGoesOnBehindCursors},
	}
}

func (e *env) cursors(workflowName string) []int64 {
	e.Helper()
	got, err := e.b.LoadCursors(e.Context(), workflowName, bucketCount)
	if err != nil {
		e.Fatalf("load the cursors of %s: %v", workflowName, err)
	}
	if len(got) != bucketCount {
		e.Fatalf("load the cursors of %s: got %d, want %d", workflowName, len(got), bucketCount)
	}
	return got
}

func (e *env) save(cursors ...backend.Cursor) {
	e.Helper()
	if err := e.b.SaveCursors(e.Context(), cursors); err != nil {
		e.Fatalf("save cursors: %v", err)
	}
}

// allAt are cursors of all buckets of a workflow at one position.
func allAt(workflowName string, pos int64) []backend.Cursor {
	cursors := make([]backend.Cursor, bucketCount)
	for i := range cursors {
		cursors[i] = backend.Cursor{WorkflowName: workflowName, Bucket: i, Pos: pos}
	}
	return cursors
}

// cursorDefault looks at a workflow whose first event is not the log's first.
func cursorDefault(e *env) {
	early := e.cursors(orders)
	a, b := newRun(billing, "a", "run-1"), newRun(billing, "b", "run-2")
	e.put(a, b)
	first := newRun(orders, "a", "run-3")
	e.put(first)
	e.put(step(first.Record, 2), step(a.Record, 2))
	for bucket, pos := range early {
		if pos >= first.Pos {
			e.Errorf("bucket %d stood at %d before its workflow's first event came at %d", bucket, pos, first.Pos)
		}
	}
	for bucket, pos := range e.cursors(orders) {
		if pos >= first.Pos || pos < b.Pos {
			e.Errorf("bucket %d stands at %d; the workflow's first event is at %d, the event before it at %d", bucket, pos, first.Pos, b.Pos)
		}
	}
	for bucket, pos := range e.cursors(billing) {
		if pos < 0 || pos >= a.Pos {
			e.Errorf("bucket %d of the other workflow stands at %d, its first event is at %d", bucket, pos, a.Pos)
		}
	}
}

func cursorForwardOnly(e *env) {
	var pos []int64
	rec := e.start("a")
	pos = append(pos, e.head())
	for range 4 {
		rec = e.advance(rec)
		pos = append(pos, e.head())
	}
	untouched := e.cursors(orders)[5]
	best := int64(0)
	for _, p := range []int64{pos[1], pos[3], pos[2], pos[3], pos[0], pos[4], pos[1]} {
		e.save(backend.Cursor{WorkflowName: orders, Bucket: 4, Pos: p})
		best = max(best, p)
		if got := e.cursors(orders)[4]; got != best {
			e.Fatalf("after a save at %d the cursor is at %d, want %d", p, got, best)
		}
	}
	if got := e.cursors(orders)[5]; got != untouched {
		e.Errorf("the next bucket's cursor moved from %d to %d", untouched, got)
	}
	e.save(backend.Cursor{WorkflowName: orders, Bucket: 6, Pos: pos[2]}, backend.Cursor{WorkflowName: orders, Bucket: 6, Pos: pos[1]})
	if got := e.cursors(orders)[6]; got != pos[2] {
		e.Errorf("one save with %d and then %d leaves the cursor at %d", pos[2], pos[1], got)
	}
	e.save()
}

func manyCursorsInOneSave(e *env) {
	var cursors []backend.Cursor
	want := map[string][]int64{}
	for _, name := range []string{orders, billing} {
		rec := newRun(name, "a", "run-"+name)
		e.put(rec)
		want[name] = e.cursors(name)
		for v := range bucketCount {
			c := step(rec.Record, v)
			e.put(c)
			rec = c
			if v%3 == 0 {
				cursors = append(cursors, backend.Cursor{WorkflowName: name, Bucket: v, Pos: c.Pos})
				want[name][v] = c.Pos
			}
		}
	}
	e.save(cursors...)
	for name, w := range want {
		if got := e.cursors(name); !slices.Equal(got, w) {
			e.Errorf("cursors of %s are %v, want %v", name, got, w)
		}
	}
}

// cursorsSavedAtOnce lets each bucket be moved by two that race.
func cursorsSavedAtOnce(e *env) {
	rec := run("a")
	e.put(rec)
	positions := []int64{rec.Pos}
	for range 10 {
		rec = step(rec.Record, 2)
		e.put(rec)
		positions = append(positions, rec.Pos)
	}
	together(2*bucketCount, func(i int) {
		for n := range positions {
			at := positions[n]
			if i >= bucketCount {
				at = positions[len(positions)-1-n]
			}
			if err := e.b.SaveCursors(e.Context(), []backend.Cursor{{WorkflowName: orders, Bucket: i % bucketCount, Pos: at}}); err != nil {
				e.Errorf("save: %v", err)
				return
			}
		}
	})
	for bucket, pos := range e.cursors(orders) {
		if pos != rec.Pos {
			e.Errorf("bucket %d stands at %d, want %d", bucket, pos, rec.Pos)
		}
	}
}

// logKeepsWhatOthersHaveNotPassed moves all cursors of one workflow, and all but one of the other.
func logKeepsWhatOthersHaveNotPassed(e *env) {
	var last int64
	recs := []*backend.Change{newRun(orders, "a", "run-a"), newRun(billing, "b", "run-b")}
	var want []*backend.Change
	for range 50 {
		e.put(recs...)
		want = append(want, recs...)
		last = recs[1].Pos
		recs = []*backend.Change{step(recs[0].Record, 2), step(recs[1].Record, 2)}
	}
	e.cursors(orders)
	e.cursors(billing)
	e.save(allAt(orders, last)...)
	e.save(allAt(billing, last)[1:]...)
	behind := e.cursors(billing)[0]
	got, err := readLog(e.Context(), e.b, behind)
	if err != nil {
		e.Fatalf("read the log: %v", err)
	}
	e.wantEntries(fmt.Sprintf("the log behind the slowest cursor, at %d", behind), got, want[len(want)-len(got):])
	if len(got) < len(want)-1 {
		e.Errorf("behind the slowest cursor are %d entries, want at least %d", len(got), len(want)-1)
	}
}

func logGoesOnBehindCursors(e *env) {
	rec := e.start("a")
	for range 30 {
		rec = e.advance(rec)
		before := e.head()
		e.save(allAt(orders, before)...)
		c := step(rec, 2)
		e.put(c)
		rec = c.Record
		got, err := readLog(e.Context(), e.b, before)
		if err != nil {
			e.Fatalf("read the log: %v", err)
		}
		e.wantEntries("the log behind the cursors", got, []*backend.Change{c})
	}
}
