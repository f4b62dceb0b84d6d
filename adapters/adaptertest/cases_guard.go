package adaptertest

import (
	"errors"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// guardCases are changes without a record that hold for one version only.
func guardCases() []testCase {
	needs := []string{"NoExpect"}
	return []testCase{
		{name: "Guard/ExpectedVersion", needs: needs, run: expectedVersion},
		{name: "Guard/RefusedLeavesNoTrace", needs: needs, run: guardedLeavesNoTrace},
		{name: "Guard/UnknownRun", needs: needs, run: guardedUnknownRun},
		{name: "Guard/InOneBatch", needs: needs, run: guardedInOneBatch},
		{name: "Guard/RacesWithAStep", needs: needs, run: func(e *env) { e.guardRace(e.b, e.b) }},
		{name: "Peer/GuardRace", needs: []string{"NoExpect", "NoPeers"}, run: func(e *env) { e.guardRace(e.b, e.peer()) }},
	}
}

// guarded writes a delivery, if the run has the version.
func guarded(rec *backend.Record, version uint, index int) *backend.Change {
	return &backend.Change{Hold: []backend.Delivery{timer(rec, index, birth())}, Expect: version}
}

func (e *env) wantConflictError(what string, err error, want backend.ConflictError) {
	e.Helper()
	e.wantErr(what, err, backend.ErrVersionConflict)
	var got *backend.ConflictError
	if !errors.As(err, &got) || *got != want {
		e.Errorf("%s: the conflict is %+v, want %+v", what, got, want)
	}
}

func expectedVersion(e *env) {
	first := e.start("a")
	rec := e.advance(first)
	for _, version := range []uint{1, 3, 99} {
		c := guarded(rec, version, 1)
		e.wantConflictError("a change that expects another version", commitOne(e, c), backend.ConflictError{RunID: rec.RunID, Want: version, Have: 2})
		done := &backend.Change{Done: []backend.DeliveryKey{timer(rec, 1, birth()).DeliveryKey}, Expect: version}
		e.wantConflictError("an end that expects another version", commitOne(e, done), backend.ConflictError{RunID: rec.RunID, Want: version, Have: 2})
		try := &backend.Change{Attempt: attempt(rec, 1), Expect: version}
		e.wantConflictError("an attempt that expects another version", commitOne(e, try), backend.ConflictError{RunID: rec.RunID, Want: version, Have: 2})
	}
	e.put(guarded(rec, 2, 2))
	e.sameDeliveries("held", e.held(rec.RunID), timer(rec, 2, birth()))
	e.put(&backend.Change{Done: []backend.DeliveryKey{timer(rec, 2, birth()).DeliveryKey}, Expect: 2})
	e.sameDeliveries("held after the end", e.held(rec.RunID))
	next := step(rec, 3)
	next.Expect = 2
	e.put(next)
	e.wantRun(next.Record)
	e.put(guarded(next.Record, 0, 4)) // zero expects nothing
}

func guardedLeavesNoTrace(e *env) {
	rec := e.start("a")
	kept := timer(rec, 1, birth())
	e.put(&backend.Change{Hold: []backend.Delivery{kept}})
	rec = e.advance(rec)
	log := len(e.log())
	moved, gone := kept, kept.DeliveryKey
	moved.Attempts, moved.Due = 7, birth().AddDate(1, 0, 0)
	bad := &backend.Change{Hold: []backend.Delivery{moved, backoff(rec, 1, birth())}, Attempt: attempt(rec, 1), Expect: 1}
	worse := &backend.Change{Done: []backend.DeliveryKey{gone}, Expect: 1}
	good := guarded(rec, 2, 3)
	e.try(bad, worse, good)
	e.wantErr("the bad change", bad.Err, backend.ErrVersionConflict)
	e.wantErr("the worse change", worse.Err, backend.ErrVersionConflict)
	e.wantErr("the good change", good.Err, nil)
	e.sameDeliveries("held", e.held(rec.RunID), kept, good.Hold[0])
	e.sameDeliveries("due", e.due(orders), kept, good.Hold[0])
	if n := len(e.attempts(rec.RunID)); n != 0 {
		e.Errorf("the attempt of a refused change is kept")
	}
	if n := len(e.log()); n != log {
		e.Errorf("refused changes made %d log entries", n-log)
	}
}

func guardedUnknownRun(e *env) {
	rec := run("a").Record
	c := guarded(rec, 1, 1)
	e.wantErr("a change that expects a version of nobody", commitOne(e, c), backend.ErrRecordNotFound)
	done := &backend.Change{Done: []backend.DeliveryKey{timer(rec, 1, birth()).DeliveryKey}, Expect: 1}
	e.wantErr("an end that expects a version of nobody", commitOne(e, done), backend.ErrRecordNotFound)
	e.wantNoRun(rec.RunID)
}

// guardedInOneBatch has guarded changes before and behind the step that makes them void.
func guardedInOneBatch(e *env) {
	rec := e.start("a")
	next := step(rec, 2)
	before, behind, new := guarded(rec, 1, 1), guarded(rec, 1, 2), guarded(next.Record, 2, 3)
	e.try(before, next, behind, new)
	e.wantErr("before the step", before.Err, nil)
	e.wantErr("the step", next.Err, nil)
	e.wantConflictError("behind the step", behind.Err, backend.ConflictError{RunID: rec.RunID, Want: 1, Have: 2})
	e.wantErr("behind the step, and knowing of it", new.Err, nil)
	e.sameDeliveries("held", e.held(rec.RunID), before.Hold[0], new.Hold[0])
}

// guardRace lets guarded changes and a step of one run race: those that were too late are refused, and exactly the others are stored.
func (e *env) guardRace(backends ...backend.Backend) {
	e.Helper()
	rec := e.start("a")
	for range 8 {
		next := step(rec, rec.Status+1)
		changes := make([]*backend.Change, 12)
		var mu sync.Mutex
		moved := false // the step has returned
		late := make([]bool, len(changes))
		together(len(changes)+1, func(i int) {
			if i == len(changes) {
				if err := backends[0].Commit(e.Context(), []*backend.Change{next}); err != nil || next.Err != nil {
					e.Errorf("the step: %v, %v", err, next.Err)
				}
				mu.Lock()
				moved = true
				mu.Unlock()
				return
			}
			changes[i] = guarded(rec, rec.Meta.Version, i)
			mu.Lock()
			late[i] = moved
			mu.Unlock()
			if err := backends[i%len(backends)].Commit(e.Context(), []*backend.Change{changes[i]}); err != nil {
				e.Errorf("commit: %v", err)
			}
		})
		var want []backend.Delivery
		var done []backend.DeliveryKey
		for i, c := range changes {
			if c.Err != nil {
				e.wantErr("a change that was too late", c.Err, backend.ErrVersionConflict)
				continue
			}
			if late[i] {
				e.Errorf("a change that began after the step had returned was stored")
			}
			want, done = append(want, c.Hold[0]), append(done, c.Hold[0].DeliveryKey)
		}
		e.sameDeliveries("held after the race", e.held(rec.RunID), want...)
		after := guarded(rec, rec.Meta.Version, 77)
		e.wantErr("a change after the race", commitOne(e, after), backend.ErrVersionConflict)
		rec = next.Record
		e.put(&backend.Change{Done: append(done, timer(rec, 78, birth()).DeliveryKey), Expect: rec.Meta.Version})
	}
}
