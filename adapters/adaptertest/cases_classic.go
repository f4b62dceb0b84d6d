package adaptertest

import (
	"context"
	"fmt"
	"strings"

	"github.com/stillwater-go/workflow/backend"
)

// classicViewCases are the classic view of the same data, with the sharp rules of backend.RecordStore.
func classicViewCases() []testCase {
	needs := []string{"NoRecordStore"}
	return []testCase{
		{name: "RecordStore/SeesCommits", needs: needs, run: classicSeesCommits},
		{name: "RecordStore/VersionRule", needs: needs, run: classicVersionRule},
		{name: "RecordStore/VersionZeroStaysZero", needs: needs, run: versionZeroStaysZero},
		{name: "RecordStore/VersionZeroOverAVersionedRow", needs: needs, run: versionZeroOverVersioned},
		{name: "RecordStore/VersionOneOverVersionZero", needs: needs, run: versionOneOverZero},
		{name: "RecordStore/VersionZeroIsOutsideTheUniquenessRule", needs: needs, run: versionZeroIsNotUnique},
		{name: "RecordStore/UniquenessRule", needs: needs, run: classicUniqueness},
		{name: "RecordStore/LogEntryOfAStore", needs: needs, run: logEntryOfAStore},
		{name: "RecordStore/Outbox", needs: needs, run: classicOutbox},
		{name: "RecordStore/RacesWithCommit", needs: needs, run: storeRacesWithCommit},
		{name: "RecordStore/InvalidAndTooLarge", needs: needs, run: classicLimits},
		{name: "RecordStore/CancelledStore", needs: needs, run: cancelledStore},
	}
}

// store stores a clone that has to be accepted.
func (e *env) store(rec *backend.Record) {
	e.Helper()
	if err := e.classic().Store(e.Context(), rec.Clone()); err != nil {
		e.Fatalf("store of run %s version %d: %v", rec.RunID, rec.Meta.Version, err)
	}
}

func classicSeesCommits(e *env) {
	rec := e.advance(e.start("a"))
	c := e.classic()
	got, err := c.Lookup(e.Context(), rec.RunID)
	if err != nil {
		e.Fatalf("lookup: %v", err)
	}
	e.sameRecord("lookup", got, rec)
	if got, err = c.Latest(e.Context(), orders, "a"); err != nil {
		e.Fatalf("latest: %v", err)
	}
	e.sameRecord("latest", got, rec)
	list, err := c.List(e.Context(), orders, 0, 10, backend.OrderTypeAscending)
	if err != nil || len(list) != 1 {
		e.Fatalf("list: %d runs, %v", len(list), err)
	}
	e.sameRecord("list", &list[0], rec)
	_, err = c.Lookup(e.Context(), "nowhere")
	e.wantErr("lookup of an unknown run", err, backend.ErrRecordNotFound)
	_, err = c.Latest(e.Context(), orders, "nowhere")
	e.wantErr("latest of an unknown foreign id", err, backend.ErrRecordNotFound)
}

func classicVersionRule(e *env) {
	rec := run("a").Record
	ghost := step(rec, 2).Record
	e.wantErr("version 2 of an unknown run", e.classic().Store(e.Context(), ghost), backend.ErrVersionConflict)
	e.wantNoRun(rec.RunID)
	e.store(rec)
	e.wantErr("version 1 again", e.classic().Store(e.Context(), rec.Clone()), backend.ErrVersionConflict)
	next := step(rec, 2).Record
	e.store(next)
	e.wantErr("version 2 again", e.classic().Store(e.Context(), next.Clone()), backend.ErrVersionConflict)
	far := step(next, 3).Record
	far.Meta.Version = 5
	e.wantErr("version 5 over version 2", e.classic().Store(e.Context(), far), backend.ErrVersionConflict)
	e.wantRun(next)
}

// unversioned makes a record of version 0.
func unversioned(id string) *backend.Record {
	rec := run(id).Record
	rec.Meta.Version, rec.Meta.Visit = 0, 0
	return rec
}

func versionZeroStaysZero(e *env) {
	rec := unversioned("a")
	for status := 1; status <= 3; status++ {
		rec.Status = status
		rec.Object = []byte(fmt.Sprint(status))
		e.store(rec)
		e.wantRun(rec)
	}
	rec.RunState = backend.RunStateCompleted
	e.store(rec)
	e.wantRun(rec)
	e.wantIDs("list", e.list(orders, 0, 10, backend.OrderTypeAscending), []string{"run-a"})
}

func versionZeroOverVersioned(e *env) {
	rec := e.advance(e.start("a")) // version 2
	edit := rec.Clone()
	edit.Meta.Version = 0
	edit.Status, edit.Object = 42, []byte("edited by hand")
	e.store(edit)
	want := edit.Clone()
	want.Meta.Version = 3
	e.wantRun(want)
	e.wantErr("a commit that was made before the edit", commitOne(e, step(rec, 9)), backend.ErrVersionConflict)
	e.advance(want)
	log := versioned(e.log())
	if len(log) != 4 {
		e.Fatalf("the log holds %d versions, want 4", len(log))
	}
	if entry := log[2]; entry.Record.Status != 42 || entry.From != pointOf(rec) {
		e.Errorf("version 3 in the log is in status %d and comes from %+v, want 42 from %+v", entry.Record.Status, entry.From, pointOf(rec))
	}
}

// commitOne commits one change and returns its own error.
func commitOne(e *env, c *backend.Change) error {
	e.Helper()
	e.try(c)
	return c.Err
}

func versionOneOverZero(e *env) {
	rec := unversioned("a")
	e.store(rec)
	far := rec.Clone()
	far.Meta.Version = 2
	e.wantErr("version 2 over version 0", e.classic().Store(e.Context(), far), backend.ErrVersionConflict)
	first := rec.Clone()
	first.Meta.Version, first.Meta.Visit, first.Status = 1, 1, 2
	e.store(first)
	e.wantRun(first)
	e.wantRun(e.advance(first))

	other := unversioned("b")
	e.store(other)
	c := run("b")
	e.put(c)
	e.wantRun(c.Record)
}

func versionZeroIsNotUnique(e *env) {
	for i := range 5 {
		rec := unversioned("shared")
		rec.RunID = fmt.Sprintf("zero-%d", i)
		e.store(rec)
	}
	first := newRun(orders, "shared", "versioned")
	e.put(first)
	late := unversioned("shared")
	late.RunID = "zero-late"
	e.store(late)
	second := newRun(orders, "shared", "second")
	e.try(second)
	e.wantErr("a second versioned run", second.Err, backend.ErrWorkflowInProgress)
	e.wantRun(first.Record)
	latest, err := e.b.Latest(e.Context(), orders, "shared")
	if err != nil || latest.RunID != "zero-late" {
		e.Errorf("latest is %v (%v), want the newest created", latest, err)
	}
}

func classicUniqueness(e *env) {
	first, second := newRun(orders, "f", "run-1").Record, newRun(orders, "f", "run-2").Record
	e.store(first)
	e.wantErr("a second unfinished run", e.classic().Store(e.Context(), second.Clone()), backend.ErrWorkflowInProgress)
	done := complete(first).Record
	e.store(done)
	e.store(second)
	// Waking the first by hand would make two unfinished versioned runs: the schema refuses it.
	awake := done.Clone()
	awake.RunState, awake.Meta.Version = backend.RunStateRunning, 0
	e.wantErr("waking the first run beside the second", e.classic().Store(e.Context(), awake), backend.ErrWorkflowInProgress)
	e.wantRun(done)
	e.wantRun(second)
}

func logEntryOfAStore(e *env) {
	rec := run("a").Record
	e.store(rec)
	next := step(rec, 2).Record
	e.store(next)
	log := e.log()
	if len(log) != 2 {
		e.Fatalf("two stores left %d log entries", len(log))
	}
	e.sameRecord("entry 1", log[0].Record, rec)
	e.sameRecord("entry 2", log[1].Record, next)
	if log[0].From != (backend.Point{}) || log[1].From != pointOf(rec) {
		e.Errorf("the entries come from %+v and %+v, want nowhere and %+v", log[0].From, log[1].From, pointOf(rec))
	}
	for _, entry := range log {
		if entry.Cause != backend.CauseStore {
			e.Errorf("version %d was caused by %v, want %v", entry.Record.Meta.Version, entry.Cause, backend.CauseStore)
		}
	}
}

func classicOutbox(e *env) {
	c := e.classic()
	ctx := e.Context()
	want := []*backend.Record{}
	rec := run("a").Record
	for range 5 {
		e.store(rec)
		want = append(want, rec)
		rec = step(rec, rec.Status+1).Record
	}
	e.store(newRun(billing, "b", "run-b").Record)
	events, err := c.ListOutboxEvents(ctx, orders, 1000)
	if err != nil || len(events) != len(want) {
		e.Fatalf("the outbox lists %d events, %v; want %d", len(events), err, len(want))
	}
	for i, event := range events {
		m, err := backend.ParseOutboxEventData(event.Data)
		if err != nil || m.RunID != want[i].RunID || m.Type != want[i].Status || event.WorkflowName != orders {
			e.Errorf("event %d is of %q run %q status %d (%v), want run %q status %d", i+1, event.WorkflowName, m.RunID, m.Type, err, want[i].RunID, want[i].Status)
		}
		if !strings.HasPrefix(event.ID, backend.OutboxIDPrefix) || m.Headers[backend.HeaderTopic] != backend.EventTopic(want[i]) {
			e.Errorf("event %d has id %q and topic %q", i+1, event.ID, m.Headers[backend.HeaderTopic])
		}
	}
	two, err := c.ListOutboxEvents(ctx, orders, 2)
	if err != nil || len(two) != 2 || two[0].ID != events[0].ID || two[1].ID != events[1].ID {
		e.Errorf("the oldest two events are %v (%v)", two, err)
	}
	for _, i := range []int{2, 0} {
		if err := c.DeleteOutboxEvent(ctx, events[i].ID); err != nil {
			e.Errorf("delete event %d: %v", i+1, err)
		}
	}
	e.wantErr("a second delete", c.DeleteOutboxEvent(ctx, events[2].ID), backend.ErrOutboxRecordNotFound)
	left, err := c.ListOutboxEvents(ctx, orders, 1000)
	if err != nil || len(left) != 3 || left[0].ID != events[1].ID || left[1].ID != events[3].ID {
		e.Errorf("after two deletes the outbox lists %d events, %v", len(left), err)
	}
}

// storeRacesWithCommit lets both ways of writing race for each version of one run.
func storeRacesWithCommit(e *env) {
	rec := e.start("a")
	c := e.classic()
	for v := range 5 {
		next := step(rec, 100+v)
		errs := make([]error, 16)
		together(len(errs), func(i int) {
			mine := next.Record.Clone()
			mine.Status = 1000*(i+1) + v
			if i%2 == 0 {
				errs[i] = c.Store(e.Context(), mine)
				return
			}
			change := &backend.Change{Record: mine, From: next.From, Cause: backend.CauseStep}
			if err := e.b.Commit(e.Context(), []*backend.Change{change}); err != nil {
				e.Errorf("commit: %v", err)
			}
			errs[i] = change.Err
		})
		won := 0
		for i, err := range errs {
			if err == nil {
				won++
				next.Record.Status = 1000*(i+1) + v
				continue
			}
			e.wantErr("a writer that lost", err, backend.ErrVersionConflict)
		}
		if won != 1 {
			e.Fatalf("%d writers stored version %d", won, next.Record.Meta.Version)
		}
		e.wantRun(next.Record)
		rec = next.Record
	}
}

func classicLimits(e *env) {
	large := run("large").Record
	large.Object = make([]byte, backend.MaxObjectBytes+1)
	e.wantErr("an object above the limit", e.classic().Store(e.Context(), large), backend.ErrTooLarge)
	for name, spoil := range invalidRecords() {
		rec := run("bad").Record
		spoil(rec)
		e.wantErr(name, e.classic().Store(e.Context(), rec), backend.ErrInvalidID)
	}
	if n := len(e.log()); n != 0 {
		e.Errorf("the log holds %d entries, want none", n)
	}
}

func cancelledStore(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	rec := run("a").Record
	err := e.classic().Store(ctx, rec.Clone())
	if err == nil {
		e.wantRun(rec)
		return
	}
	e.wantErr("a store whose context ended", err, context.Canceled)
	e.wantNoRun(rec.RunID)
}
