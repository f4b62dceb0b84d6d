package adaptertest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// versionCases are the rule that a change is stored only over the version that it was made for.
func versionCases() []testCase {
	return []testCase{
		{name: "Version/Conflicts", run: versionConflicts},
		{name: "Version/FirstVersionOfAKnownRun", run: firstVersionOfAKnownRun},
		{name: "Version/NextVersionOfAnUnknownRun", run: nextVersionOfAnUnknownRun},
		{name: "Version/StaleWriterAfterALongWait", run: staleWriterAfterALongWait},
		{name: "Version/ConflictLeavesNoTrace", run: conflictLeavesNoTrace},
		{name: "Version/FinishedRunMovesOnlyByVersion", run: finishedRunMovesOnlyByVersion},
	}
}

// versionConflicts tries every version but the next one.
func versionConflicts(e *env) {
	rec := e.advance(e.advance(e.start("a"))) // version 3
	for _, version := range []uint{1, 2, 3, 5, 6, 1000} {
		c := step(rec, 9)
		c.Record.Meta.Version = version
		e.try(c)
		e.wantErr(fmt.Sprintf("version %d over version 3", version), c.Err, backend.ErrVersionConflict)
		if c.Pos != 0 {
			e.Errorf("version %d over version 3 was refused and has position %d", version, c.Pos)
		}
		e.wantConflict(c, version-1, 3)
	}
	e.wantRun(rec)
	if n := len(e.log()); n != 3 {
		e.Errorf("the log holds %d entries, want 3", n)
	}
	e.wantRun(e.advance(rec))
}

// wantConflict looks at what the error says. A store that cannot tell what it holds says zero.
func (e *env) wantConflict(c *backend.Change, want, have uint) {
	e.Helper()
	var conflict *backend.ConflictError
	if !errors.As(c.Err, &conflict) {
		e.Errorf("error %v is no *ConflictError", c.Err)
		return
	}
	if conflict.RunID != c.Record.RunID || conflict.Want != want || conflict.Have != have {
		e.Errorf("the conflict is of run %q, made for %d, found %d; want %q, %d, %d",
			conflict.RunID, conflict.Want, conflict.Have, c.Record.RunID, want, have)
	}
}

func firstVersionOfAKnownRun(e *env) {
	done := complete(e.start("a"))
	e.put(done)
	again := newRun(orders, "a", done.Record.RunID)
	e.try(again)
	e.wantErr("a first version of a run id that exists", again.Err, backend.ErrVersionConflict)
	e.wantRun(done.Record)

	elsewhere := newRun(billing, "b", done.Record.RunID)
	e.try(elsewhere)
	e.wantErr("a first version of a run id that exists in another workflow", elsewhere.Err, backend.ErrVersionConflict)
	e.wantRun(done.Record)
}

func nextVersionOfAnUnknownRun(e *env) {
	c := step(run("ghost").Record, 2)
	e.try(c)
	e.wantErr("version 2 of an unknown run", c.Err, backend.ErrVersionConflict)
	e.wantConflict(c, 1, 0)
	e.wantNoRun("run-ghost")
}

// staleWriterAfterALongWait keeps a change while the run moves through its whole life.
func staleWriterAfterALongWait(e *env) {
	rec := e.start("a")
	stale := step(rec, 5)
	stale.Hold = []backend.Delivery{timer(stale.Record, 1, birth())}
	latest := rec
	for range 20 {
		latest = e.advance(latest)
	}
	done := complete(latest)
	e.put(done)
	e.try(stale)
	e.wantErr("a change that waited for 21 versions", stale.Err, backend.ErrVersionConflict)
	e.wantRun(done.Record)
	e.sameDeliveries("after the stale change", e.held(rec.RunID))
}

func conflictLeavesNoTrace(e *env) {
	rec := e.start("a")
	e.put(&backend.Change{Hold: []backend.Delivery{backoff(rec, 2, birth())}})
	latest := e.advance(rec)
	head := e.head()

	c := step(rec, 9)
	c.Hold = []backend.Delivery{timer(c.Record, 1, birth())}
	c.Done = []backend.DeliveryKey{backoff(rec, 2, birth()).DeliveryKey}
	c.Attempt = attempt(rec, 1)
	c.Scrub = true
	c.Record.Object = []byte("scrubbed")
	e.try(c)
	e.wantErr("a stale change", c.Err, backend.ErrVersionConflict)
	e.wantRun(latest)
	e.sameDeliveries("after the conflict", e.held(rec.RunID), backoff(rec, 2, birth()))
	if n := len(e.attempts(rec.RunID)); n != 0 {
		e.Errorf("the refused change left %d attempts", n)
	}
	if e.head() != head {
		e.Errorf("the refused change moved the log from %d to %d", head, e.head())
	}
	e.sameRecord("the first version in the log", e.log()[0].Record, rec)
}

func finishedRunMovesOnlyByVersion(e *env) {
	done := complete(e.start("a"))
	e.put(done)
	e.put(newRun(orders, "a", "run-new"))
	request := move(done.Record, backend.RunStateRequestedDataDeleted, done.Record.Status)
	e.put(request)
	e.wantRun(request.Record)
}

// raceCases let many write at once.
func raceCases() []testCase {
	return []testCase{
		{name: "Race/OneWinnerPerVersion", run: oneWinnerPerVersion},
		{name: "Race/OneRunPerForeignID", run: oneRunPerForeignID},
		{name: "Race/OneRunAfterTheFirstEnded", run: oneRunAfterTheFirstEnded},
		{name: "Race/ReadersSeeWholeCommits", run: readersSeeWholeCommits},
	}
}

// together calls fn n times at once and waits for all.
func together(n int, fn func(i int)) {
	var (
		wg    sync.WaitGroup
		start = make(chan struct{})
	)
	for i := range n {
		wg.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	wg.Wait()
}

// oneWinnerPerVersion lets 64 writers race for each of five versions of one run.
func oneWinnerPerVersion(e *env) {
	const writers, versions = 64, 5
	rec := e.start("contended")
	for v := range versions {
		changes := make([]*backend.Change, writers)
		errs := make([]error, writers)
		together(writers, func(i int) {
			c := step(rec, 100+i)
			c.Actor = fmt.Sprintf("writer %d", i)
			c.Hold = []backend.Delivery{timer(c.Record, i, birth())}
			c.Done = []backend.DeliveryKey{{RunID: rec.RunID, Receiver: "nobody", Version: 1}}
			errs[i] = e.b.Commit(e.Context(), []*backend.Change{c})
			changes[i] = c
		})
		winner := -1
		for i, c := range changes {
			switch {
			case errs[i] != nil:
				e.Fatalf("writer %d: commit: %v", i, errs[i])
			case c.Err == nil && winner >= 0:
				e.Fatalf("writers %d and %d both committed version %d", winner, i, c.Record.Meta.Version)
			case c.Err == nil:
				winner = i
			default:
				e.wantErr(fmt.Sprintf("writer %d", i), c.Err, backend.ErrVersionConflict)
			}
		}
		if winner < 0 {
			e.Fatalf("nobody committed version %d", v+2)
		}
		won := changes[winner]
		e.wantRun(won.Record)
		e.sameDeliveries("after the race", e.held(rec.RunID), won.Hold...)
		e.put(&backend.Change{Done: []backend.DeliveryKey{won.Hold[0].DeliveryKey}})
		rec = won.Record
	}
	if n := len(e.log()); n != versions+1 {
		e.Errorf("the log holds %d entries, want %d", n, versions+1)
	}
}

func oneRunPerForeignID(e *env) { e.raceTriggers("fresh") }

func oneRunAfterTheFirstEnded(e *env) {
	e.put(complete(e.start("used")))
	e.raceTriggers("used")
}

// raceTriggers lets 16 triggers of one foreign id race, and demands exactly one run.
func (e *env) raceTriggers(foreignID string) {
	e.Helper()
	const triggers = 16
	before := len(e.log())
	changes := make([]*backend.Change, triggers)
	errs := make([]error, triggers)
	together(triggers, func(i int) {
		changes[i] = newRun(orders, foreignID, fmt.Sprintf("%s-trigger-%d", foreignID, i))
		errs[i] = e.b.Commit(e.Context(), []*backend.Change{changes[i]})
	})
	var won *backend.Change
	for i, c := range changes {
		if errs[i] != nil {
			e.Fatalf("trigger %d: commit: %v", i, errs[i])
		}
		if c.Err == nil && won != nil {
			e.Fatalf("runs %s and %s were both started", won.Record.RunID, c.Record.RunID)
		}
		if c.Err == nil {
			won = c
		}
	}
	if won == nil {
		e.Fatalf("none of %d triggers started a run", triggers)
	}
	for _, c := range changes {
		if c == won {
			continue
		}
		e.wantErr("a trigger that lost", c.Err, backend.ErrWorkflowInProgress)
		var in *backend.InProgressError
		if errors.As(c.Err, &in) && in.RunID != won.Record.RunID {
			e.Errorf("the loser is told of run %q, want the winner %q", in.RunID, won.Record.RunID)
		}
	}
	if n := len(e.log()) - before; n != 1 {
		e.Errorf("the race made %d log entries, want 1", n)
	}
}

// readersSeeWholeCommits reads while one writes pairs of runs in one batch each: no reader ever sees half a pair, or a log entry
// without its record.
func readersSeeWholeCommits(e *env) {
	const pairs, readers = 40, 4
	done := make(chan struct{})
	together(readers+1, func(i int) {
		if i > 0 {
			e.readPairs(2*pairs, done)
			return
		}
		defer close(done)
		for p := range pairs {
			a, b := run(fmt.Sprintf("left-%03d", p)), run(fmt.Sprintf("right-%03d", p))
			if err := e.b.Commit(e.Context(), []*backend.Change{a, b}); err != nil || a.Err != nil || b.Err != nil {
				e.Errorf("commit of pair %d: %v, %v, %v", p, err, a.Err, b.Err)
				return
			}
		}
	})
}

// readPairs reads the log until it has seen total entries, and looks every entry's run up. When done is closed everything
// has to be there.
func (e *env) readPairs(total int, done <-chan struct{}) {
	const page = 64
	ctx, after, seen := e.Context(), int64(0), 0
	for last := false; seen < total; {
		select {
		case <-done:
			last = true
		default:
		}
		entries, err := e.b.ReadLog(ctx, after, page)
		if err != nil {
			e.Errorf("read the log: %v", err)
			return
		}
		for _, entry := range entries {
			after = entry.Pos
			if _, err := e.b.Lookup(ctx, entry.Record.RunID); err != nil {
				e.Errorf("run %s is in the log, and its lookup gives %v", entry.Record.RunID, err)
				return
			}
		}
		seen += len(entries)
		if len(entries)%2 != 0 {
			e.Errorf("a reader saw %d entries: half a batch", len(entries))
			return
		}
		if last && len(entries) == 0 {
			e.Errorf("all is committed, and a reader saw %d entries of %d", seen, total)
			return
		}
	}
}
