package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// eraseCases remove runs for good.
func eraseCases() []testCase {
	needs := []string{"NoEraser"}
	return []testCase{
		{name: "Erase/LeavesNothing", needs: needs, run: eraseLeavesNothing},
		{name: "Erase/FreesTheIDs", needs: needs, run: eraseFreesTheIDs},
		{name: "Erase/FreesSignalIDs", needs: []string{"NoEraser", "NoSignals"}, run: eraseFreesSignalIDs},
		{name: "Erase/TakesOutboxEvents", needs: []string{"NoEraser", "NoRecordStore"}, run: eraseTakesOutboxEvents},
		{name: "Erase/Verdicts", needs: needs, run: eraseVerdicts},
		{name: "Erase/UnfinishedStates", needs: needs, run: eraseUnfinishedStates},
		{name: "Erase/NoneAndNothing", needs: needs, run: eraseNone},
		{name: "Erase/LatestFallsBack", needs: needs, run: latestFallsBack},
		{name: "Erase/HeadStays", needs: needs, run: headStays},
		{name: "Erase/LogWithGaps", needs: needs, run: logWithGaps},
		{name: "Erase/RacesWithCommit", needs: needs, run: eraseRacesWithCommit},
		{name: "Erase/CancelledBefore", needs: needs, run: eraseCancelled},
		{name: "Erase/SurvivesARestart", needs: []string{"NoEraser", "NoRestart"}, run: func(e *env) { e.eraseSurvives(e.reopen) }},
		{name: "Erase/SurvivesACrash", needs: []string{"NoEraser", "NoCrash"}, run: func(e *env) { e.eraseSurvives(e.crash) }},
		{name: "Erase/Ended", needs: needs, run: endedRuns},
		{name: "Erase/EndedWhileErasing", needs: needs, run: endedWhileErasing},
		{name: "Erase/EndedSaysWhenNext", needs: needs, run: endedSaysWhenNext},
	}
}

// eraser is the Backend in use as an Eraser.
func (e *env) eraser() backend.Eraser {
	e.Helper()
	x, ok := e.b.(backend.Eraser)
	if !ok {
		e.Fatalf("%T is no Eraser", e.b)
	}
	e.erased.Store(true)
	return x
}

func erasureOf(rec *backend.Record) *backend.Erasure {
	return &backend.Erasure{RunID: rec.RunID, Version: rec.Meta.Version}
}

// erase removes runs that have to go.
func (e *env) erase(recs ...*backend.Record) {
	e.Helper()
	var runs []*backend.Erasure
	for _, rec := range recs {
		runs = append(runs, erasureOf(rec))
	}
	e.tryErase(runs...)
	for _, x := range runs {
		if x.Err != nil {
			e.Fatalf("erase run %s: %v", x.RunID, x.Err)
		}
	}
}

// tryErase removes runs of which some may stay; the call as a whole must not fail.
func (e *env) tryErase(runs ...*backend.Erasure) {
	e.Helper()
	if err := e.eraser().Erase(e.Context(), runs); err != nil {
		e.Fatalf("erase: a run that stays must not fail the call: %v", err)
	}
}

// laden stores a run with something of everything, and returns its last version.
func (e *env) laden(workflowName, foreignID, runID string) *backend.Record {
	e.Helper()
	c := newRun(workflowName, foreignID, runID)
	e.put(c)
	for n := range 3 {
		c = step(c.Record, n+2)
		given := timer(c.Record, 9, time.Time{})
		given.State = backend.DeliveryHeld
		signal := timer(c.Record, 1, birth())
		signal.Receiver, signal.Version = backend.SignalPrefix+"go", uint(1000+n)
		c.Hold = []backend.Delivery{timer(c.Record, n, birth().Add(time.Duration(n)*time.Hour)), given, signal}
		c.Attempt = attempt(c.Record, n+1)
		if !e.g.NoSignals {
			c.SignalID = fmt.Sprintf("signal-%d", n)
		}
		e.put(c)
	}
	c = complete(c.Record)
	e.put(c)
	return c.Record
}

// wantErased fails the case when anything can be read of the run.
func (e *env) wantErased(workflowName, foreignID, runID string) {
	e.Helper()
	e.wantNoRun(runID)
	if n := len(e.attempts(runID)); n > 0 {
		e.Errorf("%d attempts of the erased run %s are kept", n, runID)
	}
	entries, err := e.b.History(e.Context(), runID, 0, 100)
	if len(entries) > 0 || err != nil && !errors.Is(err, backend.ErrRecordNotFound) {
		e.Errorf("the erased run %s has a history of %d versions, %v", runID, len(entries), err)
	}
	if rec, err := e.b.Latest(e.Context(), workflowName, foreignID); err == nil && rec.RunID == runID {
		e.Errorf("the erased run %s is the latest of its foreign id", runID)
	}
	for _, order := range []backend.OrderType{backend.OrderTypeAscending, backend.OrderTypeDescending} {
		for _, name := range []string{"", workflowName} {
			if slices.Contains(e.list(name, 0, 10_000, order), runID) || slices.Contains(e.list(name, 0, 10_000, order, backend.FilterByForeignID(foreignID)), runID) {
				e.Errorf("the erased run %s is listed", runID)
			}
			if f, ok := e.b.(backend.Finder); ok && !e.g.NoFinder {
				found, err := f.Find(e.Context(), backend.Query{WorkflowName: name, Order: order, Limit: 10_000})
				if err != nil || slices.Contains(foundIDs(found), runID) {
					e.Errorf("the erased run %s is found, or %v", runID, err)
				}
			}
		}
	}
	for _, d := range e.due(workflowName) {
		if d.RunID == runID {
			e.Errorf("delivery %+v of the erased run is due", d.DeliveryKey)
		}
	}
	if !e.g.NoHeldLister {
		for _, d := range e.listHeld(workflowName) {
			if d.RunID == runID {
				e.Errorf("delivery %+v of the erased run is listed as given up", d.DeliveryKey)
			}
		}
	}
	page, err := e.eraser().Ended(e.Context(), workflowName, 0, birth().AddDate(100, 0, 0))
	if err != nil || slices.ContainsFunc(page.Runs, func(r *backend.Record) bool { return r.RunID == runID }) {
		e.Errorf("the erased run %s has ended, or %v", runID, err)
	}
}

func eraseLeavesNothing(e *env) {
	before := e.laden(orders, "before", "run-before")
	rec := e.laden(orders, "a", "run-a")
	other := e.laden(billing, "a", "run-a2")
	kept := map[string]string{before.RunID: e.sayings(before), other.RunID: e.sayings(other)}
	e.erase(rec)
	e.wantErased(orders, "a", "run-a")
	e.wantIDs("the others", e.list("", 0, 10, backend.OrderTypeAscending), []string{before.RunID, other.RunID})
	for _, rec := range []*backend.Record{before, other} {
		e.wantRun(rec)
		if now := e.sayings(rec); now != kept[rec.RunID] {
			e.Errorf("what is read of run %s was\n%s\nand is\n%s", rec.RunID, kept[rec.RunID], now)
		}
	}
}

func eraseFreesTheIDs(e *env) {
	rec := e.laden(orders, "a", "run-a")
	e.erase(rec)
	c := newRun(orders, "a", "run-a")
	e.put(c)
	e.wantRun(c.Record)
	e.wantEntries("the history of the new run", e.history("run-a"), []*backend.Change{c})
	e.sameDeliveries("of the new run", e.held("run-a"))
	if n := len(e.attempts("run-a")); n != 0 {
		e.Errorf("the new run has %d attempts", n)
	}
	next := newRun(billing, "other", "run-b")
	e.put(complete(c.Record), next)
	elsewhere := newRun(billing, "z", "run-z")
	e.put(complete(next.Record), elsewhere)
	e.erase(e.lookup("run-b"))
	moved := newRun(orders, "z", "run-b") // the run id may even go to another workflow
	e.put(moved)
	e.wantRun(moved.Record)
}

func eraseFreesSignalIDs(e *env) {
	e.erase(e.laden(orders, "a", "run-a"))
	rec := e.start("a")
	e.put(signal(rec, "signal-0", 1))
}

func eraseTakesOutboxEvents(e *env) {
	classic := e.classic()
	for _, id := range []string{"a", "b"} {
		first := run(id).Record
		for _, rec := range []*backend.Record{first, complete(first).Record} {
			if err := classic.Store(e.Context(), rec); err != nil {
				e.Fatalf("store: %v", err)
			}
		}
	}
	e.erase(e.lookup("run-a"))
	events, err := classic.ListOutboxEvents(e.Context(), orders, 100)
	if err != nil {
		e.Fatalf("list outbox events: %v", err)
	}
	for _, event := range events {
		if m, err := backend.ParseOutboxEventData(event.Data); err != nil || m.RunID != "run-b" {
			e.Errorf("an event of run %q waits, %v", m.RunID, err)
		}
	}
	if len(events) != 2 {
		e.Errorf("%d events wait, want the two of the other run", len(events))
	}
	e.wantErased(orders, "a", "run-a")
}

// eraseVerdicts erases good and bad ones in one call.
func eraseVerdicts(e *env) {
	first, last, unfinished, stale := complete(e.start("first")), complete(e.start("last")), e.advance(e.start("unfinished")), complete(e.start("stale"))
	e.put(first, last, stale)
	runs := []*backend.Erasure{
		erasureOf(first.Record), {RunID: "run-nobody", Version: 1}, erasureOf(unfinished), {RunID: "run-stale", Version: 1}, {RunID: "run-stale", Version: 3},
		{RunID: "run-unfinished", Version: 9}, erasureOf(first.Record), erasureOf(last.Record),
	}
	for _, x := range runs {
		x.Err = errors.New("left over from another call")
	}
	e.tryErase(runs...)
	for i, want := range []error{
		nil, backend.ErrRecordNotFound, backend.ErrUnfinished, backend.ErrVersionConflict, backend.ErrVersionConflict, backend.ErrVersionConflict,
		backend.ErrRecordNotFound, nil,
	} {
		e.wantErr(fmt.Sprintf("erasure %d, of run %s", i+1, runs[i].RunID), runs[i].Err, want)
		if want != nil && runs[i].Err != nil && !strings.Contains(runs[i].Err.Error(), runs[i].RunID) {
			e.Errorf("the error of run %s does not name it: %v", runs[i].RunID, runs[i].Err)
		}
	}
	var conflict *backend.ConflictError
	if !errors.As(runs[4].Err, &conflict) || *conflict != (backend.ConflictError{RunID: "run-stale", Want: 3, Have: 2}) {
		e.Errorf("the conflict is %+v", conflict)
	}
	e.wantErased(orders, "first", "run-first")
	e.wantErased(orders, "last", "run-last")
	e.wantRun(unfinished)
	e.wantRun(stale.Record)
}

func eraseUnfinishedStates(e *env) {
	for state := backend.RunStateInitiated; state <= backend.RunStateRequestedDataDeleted; state++ {
		first := run(state.String())
		c := move(first.Record, state, 3)
		e.put(first, c)
		x := erasureOf(c.Record)
		e.tryErase(x)
		if state.Finished() {
			e.wantErr("a run that is "+state.String(), x.Err, nil)
			e.wantErased(orders, state.String(), c.Record.RunID)
		} else {
			e.wantErr("a run that is "+state.String(), x.Err, backend.ErrUnfinished)
			e.wantRun(c.Record)
		}
	}
}

func eraseNone(e *env) {
	e.tryErase()
	x := &backend.Erasure{RunID: "run-a", Version: 1}
	e.tryErase(x)
	e.wantErr("a run of an empty store", x.Err, backend.ErrRecordNotFound)
	rec := e.start("a")
	e.tryErase()
	e.wantRun(rec)
}

// latestFallsBack erases the newest, the oldest and the middle one of the runs of one foreign id.
func latestFallsBack(e *env) {
	var recs []*backend.Record
	for i := range 5 {
		first := newRun(orders, "f", fmt.Sprintf("run-%d", 9-i))
		last := complete(first.Record)
		e.put(first, last)
		recs = append(recs, last.Record)
	}
	for _, c := range []struct{ erase, latest int }{{4, 3}, {0, 3}, {2, 3}, {3, 1}} {
		e.erase(recs[c.erase])
		got, err := e.b.Latest(e.Context(), orders, "f")
		if err != nil {
			e.Fatalf("latest: %v", err)
		}
		e.sameRecord(fmt.Sprintf("the latest after number %d was erased", c.erase), got, recs[c.latest])
	}
	e.erase(recs[1])
	_, err := e.b.Latest(e.Context(), orders, "f")
	e.wantErr("the latest of a foreign id without runs", err, backend.ErrRecordNotFound)
	c := newRun(orders, "f", "run-new")
	e.put(c)
	got, err := e.b.Latest(e.Context(), orders, "f")
	if err != nil {
		e.Fatalf("latest: %v", err)
	}
	e.sameRecord("the latest of a foreign id that was forgotten", got, c.Record)
}

// headStays erases the newest entries of the log: the head does not go back, and no position is used again.
func headStays(e *env) {
	e.start("a")
	last := e.laden(orders, "last", "run-last")
	head := e.head()
	e.save(allAt(orders, head)...)
	e.erase(last)
	if got := e.head(); got != head {
		e.Errorf("the head was %d and is %d", head, got)
	}
	if e.Reopen != nil {
		e.reopen()
		if got := e.head(); got != head {
			e.Errorf("the head was %d and is %d after a restart", head, got)
		}
	}
	c := run("next")
	e.put(c)
	if c.Pos <= head {
		e.Errorf("position %d is used again, the head was %d", c.Pos, head)
	}
	if got := e.head(); got != c.Pos {
		e.Errorf("the head is %d, want %d", got, c.Pos)
	}
}

func logWithGaps(e *env) {
	var changes []*backend.Change
	var last []*backend.Record
	for i := range 30 {
		first := run(fmt.Sprint(i))
		c := complete(first.Record)
		e.put(first, c)
		changes = append(changes, first, c)
		last = append(last, c.Record)
	}
	gone := map[string]bool{}
	var some []*backend.Record
	for i, rec := range last {
		if i < 3 || i > 26 || i%3 == 1 || i >= 10 && i < 20 {
			some = append(some, rec)
			gone[rec.RunID] = true
		}
	}
	e.erase(some...)
	want := slices.DeleteFunc(changes, func(c *backend.Change) bool { return gone[c.RunID()] })
	e.wantEntries("the log", e.log(), want)
	for limit := 1; limit <= 7; limit += 3 {
		var got []backend.Entry
		for after := int64(0); ; {
			page, err := e.b.ReadLog(e.Context(), after, limit)
			if err != nil {
				e.Fatalf("read the log: %v", err)
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].Pos
		}
		e.wantEntries(fmt.Sprintf("the log in pages of %d", limit), got, want)
	}
	for pos := range e.head() { // cursors stand, and go, where nothing is
		e.save(backend.Cursor{WorkflowName: orders, Bucket: int(pos % bucketCount), Pos: pos})
	}
}

// eraseRacesWithCommit lets erasures and operators race for finished runs: one of them has the run.
func eraseRacesWithCommit(e *env) {
	for i := range 40 {
		c := complete(e.start(fmt.Sprint(i)))
		e.put(c)
		x := erasureOf(c.Record)
		again := move(c.Record, backend.RunStateRunning, 2)
		again.Cause = backend.CauseOperator
		together(2, func(n int) {
			if n == 0 {
				if err := e.eraser().Erase(e.Context(), []*backend.Erasure{x}); err != nil {
					e.Errorf("erase: %v", err)
				}
			} else if err := e.b.Commit(e.Context(), []*backend.Change{again}); err != nil {
				e.Errorf("commit: %v", err)
			}
		})
		switch {
		case x.Err == nil:
			e.wantErr("a commit to an erased run", again.Err, backend.ErrVersionConflict)
			e.wantErased(orders, c.Record.ForeignID, c.Record.RunID)
		case again.Err == nil:
			e.wantErr("the erasure of a run that moved", x.Err, backend.ErrVersionConflict)
			e.wantRun(again.Record)
		default:
			e.Errorf("neither the erasure (%v) nor the commit (%v) won", x.Err, again.Err)
		}
	}
}

func eraseCancelled(e *env) {
	c := complete(e.start("a"))
	e.put(c)
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	x := erasureOf(c.Record)
	err := e.eraser().Erase(ctx, []*backend.Erasure{x})
	e.wantErr("an erasure under an ended context", err, context.Canceled)
	e.wantErr("its run", x.Err, context.Canceled)
	e.wantRun(c.Record)
}

// eraseSurvives erases, ends the store in some way, and looks whether what was erased stays away.
func (e *env) eraseSurvives(end func()) {
	e.Helper()
	a, b, c := e.laden(orders, "a", "run-a"), e.laden(orders, "b", "run-b"), e.laden(billing, "c", "run-c")
	e.erase(a, c)
	head := e.head()
	end()
	e.wantErased(orders, "a", "run-a")
	e.wantErased(billing, "c", "run-c")
	e.wantRun(b)
	if got := e.head(); got != head {
		e.Errorf("the head was %d and is %d", head, got)
	}
	e.erase(b)
	e.start("a")
}
