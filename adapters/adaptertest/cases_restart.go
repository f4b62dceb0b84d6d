package adaptertest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// restartCases open the same data again.
func restartCases() []testCase {
	return []testCase{
		{name: "Restart/KeepsEverything", needs: []string{"NoRestart"}, run: func(e *env) { e.survives(e.reopen, "a restart") }},
		{name: "Restart/Again", needs: []string{"NoRestart"}, run: restartAgainAndAgain},
		{name: "Restart/Empty", needs: []string{"NoRestart"}, run: restartOfAnEmptyStore},
		{name: "Restart/WithWorkInFlight", needs: []string{"NoRestart"}, run: restartWithWorkInFlight},
		{name: "Crash/KeepsEverything", needs: []string{"NoCrash"}, run: func(e *env) { e.survives(e.crash, "a crash") }},
		{name: "Crash/FreesRoles", needs: []string{"NoCrash"}, run: crashFreesRoles},
	}
}

// life is a store's content, as it was committed.
type life struct {
	records    map[string]*backend.Record
	changes    []*backend.Change
	deliveries map[string][]backend.Delivery
	attempts   map[string][]backend.Attempt
	cursors    map[string][]int64
}

// live fills the store with something of everything.
func (e *env) live() *life {
	e.Helper()
	l := &life{
		records: map[string]*backend.Record{}, deliveries: map[string][]backend.Delivery{},
		attempts: map[string][]backend.Attempt{}, cursors: map[string][]int64{},
	}
	for i := range 20 {
		name := []string{orders, billing}[i%2]
		c := newRun(name, fmt.Sprintf("f-%d", i), fmt.Sprintf("run-%d", i))
		e.put(c)
		l.note(c)
		for v := range i % 4 {
			c = step(c.Record, v+2)
			d := timer(c.Record, v, birth().Add(time.Duration(i*v)*time.Minute))
			a := attempt(c.Record, v+1)
			c.Hold, c.Attempt = []backend.Delivery{d}, a
			e.put(c)
			l.note(c)
			l.deliveries[c.Record.RunID] = append(l.deliveries[c.Record.RunID], d)
			l.attempts[c.Record.RunID] = append(l.attempts[c.Record.RunID], *a)
		}
		if i%5 == 0 {
			c = complete(c.Record)
			e.put(c)
			l.note(c)
		}
	}
	// One cursor of each workflow moves, so that the log may forget nothing.
	for n, name := range []string{orders, billing} {
		want := e.cursors(name)
		want[3+n] = l.changes[10+n].Pos
		e.save(backend.Cursor{WorkflowName: name, Bucket: 3 + n, Pos: want[3+n]})
		l.cursors[name] = want
	}
	return l
}

func (l *life) note(c *backend.Change) {
	l.records[c.Record.RunID] = c.Record
	l.changes = append(l.changes, c)
}

// wantLife fails the case unless the store holds all of l.
func (e *env) wantLife(l *life) {
	e.Helper()
	for id, rec := range l.records {
		e.wantRun(rec)
		if e.g.VolatileDeliveries {
			continue
		}
		e.sameDeliveries("of run "+id, e.held(id), l.deliveries[id]...)
		if e.g.NoAttempts {
			continue
		}
		got := e.attempts(id)
		if len(got) != len(l.attempts[id]) {
			e.Errorf("run %s has %d attempts, want %d", id, len(got), len(l.attempts[id]))
			continue
		}
		for i, want := range l.attempts[id] {
			if diff := diffAttempt(got[i], want); diff != "" {
				e.Errorf("attempt %d of run %s: %s", i+1, id, diff)
			}
		}
	}
	e.wantEntries("the log", e.log(), l.changes)
	for name, want := range l.cursors {
		if got := e.cursors(name); !slices.Equal(got, want) {
			e.Errorf("cursors of %s are %v, want %v", name, got, want)
		}
	}
	e.wantIDs("runs in the order of creation", e.list("", 0, 100, backend.OrderTypeAscending), l.order())
}

// order is the order in which the runs were created.
func (l *life) order() []string {
	var ids []string
	for _, c := range l.changes {
		if c.Record.Meta.Version == 1 {
			ids = append(ids, c.Record.RunID)
		}
	}
	return ids
}

// survives lives, ends the store in some way, and looks whether all is there and goes on.
func (e *env) survives(end func(), what string) {
	e.Helper()
	l := e.live()
	head := e.head()
	end()
	e.wantLife(l)
	if got := e.head(); got != head {
		e.Errorf("the head was %d before %s and is %d", head, what, got)
	}
	rec := l.records["run-1"]
	stale := step(rec, 9)
	stale.Record.Meta.Version = 1
	e.wantErr("a stale version after "+what, commitOne(e, stale), backend.ErrVersionConflict)
	e.wantErr("a taken foreign id after "+what, commitOne(e, newRun(billing, rec.ForeignID, "run-taken")), backend.ErrWorkflowInProgress)
	next := step(rec, 9)
	e.put(next)
	l.note(next)
	if next.Pos <= head {
		e.Errorf("the first position after %s is %d, the last before it was %d", what, next.Pos, head)
	}
	e.wantLife(l)
}

// restartAgainAndAgain removes the newest deliveries and restarts: positions grow across all of it.
func restartAgainAndAgain(e *env) {
	rec := e.start("a")
	last := e.head()
	for range 4 {
		e.reopen()
		c := step(rec, rec.Status+1)
		e.put(c)
		if c.Pos <= last {
			e.Errorf("position %d follows position %d across a restart", c.Pos, last)
		}
		rec, last = c.Record, c.Pos
		e.save(allAt(orders, last)...)
	}
	e.reopen()
	for bucket, pos := range e.cursors(orders) {
		if pos != last {
			e.Errorf("bucket %d stands at %d after the restart, want %d", bucket, pos, last)
		}
	}
	c := step(rec, 9)
	e.put(c)
	if c.Pos <= last {
		e.Errorf("position %d follows cursor %d: whoever stands there never sees it", c.Pos, last)
	}
}

func restartOfAnEmptyStore(e *env) {
	e.reopen()
	if head := e.head(); head != 0 {
		e.Errorf("the head of an empty store is %d", head)
	}
	e.start("a")
}

// restartWithWorkInFlight closes while writers commit: what they were told is what is there afterwards.
func restartWithWorkInFlight(e *env) {
	const writers = 4
	committed := make([]int, writers)
	started := make(chan struct{}, writers)
	first := e.b
	together(writers+1, func(w int) {
		if w == writers {
			for range writers {
				<-started
			}
			if err := first.Close(); err != nil {
				e.Errorf("close: %v", err)
			}
			return
		}
		rec := run(fmt.Sprint(w))
		for i := range 200_000 {
			err := first.Commit(context.WithoutCancel(e.Context()), []*backend.Change{rec})
			if i == 0 {
				started <- struct{}{}
			}
			if err != nil || rec.Err != nil {
				e.wantErr("a commit on a store that closes", rec.Err, backend.ErrClosed)
				return
			}
			committed[w]++
			rec = step(rec.Record, 2)
		}
	})
	b, err := e.Reopen()
	if err != nil {
		e.Fatalf("reopen: %v", err)
	}
	e.b = b
	for w, n := range committed {
		if got := e.lookup(fmt.Sprintf("run-%d", w)); int(got.Meta.Version) != n {
			e.Errorf("writer %d was told of %d versions, the store holds %d", w, n, got.Meta.Version)
		}
	}
}

func crashFreesRoles(e *env) {
	granted := make(chan struct{}, bucketCount)
	// What is crashed is not used any more, so nobody ever leaves.
	if _, err := e.b.Join(e.Context(), orders, bucketCount, func(backend.Grant) { granted <- struct{}{} }); err != nil {
		e.Fatalf("join: %v", err)
	}
	await(e, granted, "a grant before the crash")
	e.crash()
	next := newContest(e, orders).join(e.b, "of the living")
	next.awaitAll()
	next.quit()
}
