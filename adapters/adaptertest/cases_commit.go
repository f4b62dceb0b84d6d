package adaptertest

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// commitCases are the plain life of a run.
func commitCases() []testCase {
	return []testCase{
		{name: "Commit/NewRunIsReadBack", run: newRunIsReadBack},
		{name: "Commit/EveryFieldOfEveryVersion", run: everyFieldOfEveryVersion},
		{name: "Commit/EmptyBatch", run: emptyBatch},
		{name: "Commit/DeliveriesAloneMakeNoVersion", run: deliveriesAloneMakeNoVersion},
		{name: "Commit/SecondRunAfterTheFirstEnded", run: secondRunAfterTheFirstEnded},
		{name: "Commit/InProgressNamesTheRun", run: inProgressNamesTheRun},
		{name: "Commit/EveryUnfinishedStateHoldsTheForeignID", run: everyUnfinishedStateHoldsTheForeignID},
		{name: "Commit/WorkflowsDoNotShareForeignIDs", run: workflowsDoNotShareForeignIDs},
		{name: "Commit/LatestIsTheNewestCreated", run: latestIsTheNewestCreated},
		{name: "Commit/NotFound", run: notFound},
		{name: "Commit/CallersBytesAreTheirOwnAfterReading", run: readsAreImmutable},
		{name: "Close/ThenErrClosed", run: closeThenErrClosed},
		{name: "Close/Twice", run: closeTwice},
	}
}

func newRunIsReadBack(e *env) {
	c := run("a")
	e.put(c)
	e.wantRun(c.Record)
	latest, err := e.b.Latest(e.Context(), orders, "a")
	if err != nil {
		e.Fatalf("latest: %v", err)
	}
	e.sameRecord("latest", latest, c.Record)
	entries := e.log()
	if len(entries) != 1 {
		e.Fatalf("the log holds %d entries after one commit", len(entries))
	}
	e.sameRecord("the log's entry", entries[0].Record, c.Record)
	if entries[0].Pos != c.Pos || e.head() != c.Pos {
		e.Errorf("Commit said position %d, the log says %d and ends at %d", c.Pos, entries[0].Pos, e.head())
	}
}

// everyFieldOfEveryVersion changes every field that may change, and looks at each version in the log and in the history.
func everyFieldOfEveryVersion(e *env) {
	first := run("all")
	first.Actor = "a clerk"
	e.put(first)

	paused := move(first.Record, backend.RunStatePaused, 1)
	paused.Cause, paused.Actor = backend.CauseOperator, "ann@example.com"
	paused.Record.Meta.PausedBy = backend.PausedByOperator
	paused.Record.Meta.RunStateReason = "the customer called:\n\"wait\" \U0001F6D1"
	paused.Record.Meta.Visit = 1
	e.put(paused)

	resumed := step(paused.Record, -7)
	resumed.Cause = backend.CauseSignal
	resumed.Record.Meta.PausedBy = backend.PausedByNobody
	resumed.Record.Meta.RunStateReason = ""
	resumed.Record.Meta.StatusDescription = "Shipped äöü"
	resumed.Record.Object = []byte{0, 1, 2, 0xff, '\'', '"', '\\', '\n'}
	e.put(resumed)

	want := []*backend.Change{first, paused, resumed}
	e.wantRun(resumed.Record)
	e.wantEntries("the log", e.log(), want)
	if !e.g.NoHistory {
		e.wantEntries("the history", e.history("run-all"), want)
	}
}

// wantEntries fails the case unless entries are exactly those that the changes made.
func (e *env) wantEntries(what string, entries []backend.Entry, changes []*backend.Change) {
	e.Helper()
	if len(entries) != len(changes) {
		e.Fatalf("%s holds %d entries, want %d", what, len(entries), len(changes))
	}
	for i, c := range changes {
		got := entries[i]
		name := fmt.Sprintf("%s, entry %d", what, i+1)
		e.sameRecord(name, got.Record, c.Record)
		if got.Pos != c.Pos || got.From != c.From || got.Cause != c.Cause || got.Actor != c.Actor {
			e.Errorf("%s: position %d from %+v by %v %q, want position %d from %+v by %v %q",
				name, got.Pos, got.From, got.Cause, got.Actor, c.Pos, c.From, c.Cause, c.Actor)
		}
	}
}

func emptyBatch(e *env) {
	if err := e.b.Commit(e.Context(), nil); err != nil {
		e.Errorf("an empty batch fails: %v", err)
	}
	if head := e.head(); head != 0 {
		e.Errorf("the head of an empty log is %d", head)
	}
}

func deliveriesAloneMakeNoVersion(e *env) {
	rec := e.start("a")
	head := e.head()
	e.put(&backend.Change{Hold: []backend.Delivery{backoff(rec, 1, birth())}})
	if e.head() != head {
		e.Errorf("a change without a record moved the log from %d to %d", head, e.head())
	}
	e.wantRun(rec)
	e.sameDeliveries("held", e.held(rec.RunID), backoff(rec, 1, birth()))
}

func secondRunAfterTheFirstEnded(e *env) {
	ends := []backend.RunState{backend.RunStateCompleted, backend.RunStateCancelled, backend.RunStateDataDeleted}
	var last *backend.Record
	for i, end := range ends {
		c := newRun(orders, "again", fmt.Sprintf("run-%d", i))
		e.put(c)
		if end == backend.RunStateDataDeleted {
			done := complete(c.Record)
			request := move(done.Record, backend.RunStateRequestedDataDeleted, done.Record.Status)
			e.put(done, request)
			e.put(move(request.Record, end, done.Record.Status))
		} else {
			e.put(move(c.Record, end, 2))
		}
		last = c.Record
	}
	c := newRun(orders, "again", "run-last")
	e.put(c)
	latest, err := e.b.Latest(e.Context(), orders, "again")
	if err != nil || latest.RunID != "run-last" {
		e.Errorf("latest after %s is %v (%v), want run-last", last.RunID, latest, err)
	}
}

func inProgressNamesTheRun(e *env) {
	rec := e.start("taken")
	second := newRun(orders, "taken", "run-second")
	e.try(second)
	e.wantErr("a second run of an unfinished foreign id", second.Err, backend.ErrWorkflowInProgress)
	var in *backend.InProgressError
	if !errors.As(second.Err, &in) {
		e.Fatalf("error %v is no *InProgressError", second.Err)
	}
	if in.RunID != rec.RunID || in.ForeignID != "taken" || in.WorkflowName != orders {
		e.Errorf("the error names workflow %q, foreign id %q, run %q; want %q, %q, %q", in.WorkflowName, in.ForeignID, in.RunID, orders, "taken", rec.RunID)
	}
	e.wantNoRun("run-second")
	e.wantRun(rec)
}

func everyUnfinishedStateHoldsTheForeignID(e *env) {
	for _, state := range []backend.RunState{backend.RunStateInitiated, backend.RunStateRunning, backend.RunStatePaused} {
		c := newRun(orders, state.String(), "run-"+state.String())
		e.put(c)
		if state != backend.RunStateInitiated {
			e.put(move(c.Record, state, 1))
		}
		second := newRun(orders, state.String(), "second-"+state.String())
		e.try(second)
		e.wantErr("a second run beside one that is "+state.String(), second.Err, backend.ErrWorkflowInProgress)
	}
}

func workflowsDoNotShareForeignIDs(e *env) {
	a, b := newRun(orders, "same", "run-a"), newRun(billing, "same", "run-b")
	e.put(a, b)
	e.wantRun(a.Record)
	e.wantRun(b.Record)
	latest, err := e.b.Latest(e.Context(), billing, "same")
	if err != nil || latest.RunID != "run-b" {
		e.Errorf("latest of the other workflow: %v (%v), want run-b", latest, err)
	}
}

// latestIsTheNewestCreated touches the older of two runs last.
func latestIsTheNewestCreated(e *env) {
	old := newRun(orders, "f", "run-z-old")
	e.put(old)
	done := complete(old.Record)
	e.put(done)
	young := newRun(orders, "f", "run-a-young")
	e.put(young)
	e.put(move(done.Record, backend.RunStateRequestedDataDeleted, done.Record.Status))
	latest, err := e.b.Latest(e.Context(), orders, "f")
	if err != nil {
		e.Fatalf("latest: %v", err)
	}
	e.sameRecord("latest after the older run was touched", latest, young.Record)
}

func notFound(e *env) {
	ctx := e.Context()
	e.start("here")
	_, err := e.b.Lookup(ctx, "nowhere")
	e.wantErr("lookup of an unknown run", err, backend.ErrRecordNotFound)
	_, err = e.b.Latest(ctx, orders, "nowhere")
	e.wantErr("latest of an unknown foreign id", err, backend.ErrRecordNotFound)
	_, err = e.b.Latest(ctx, billing, "here")
	e.wantErr("latest of another workflow's foreign id", err, backend.ErrRecordNotFound)
	if held := e.held("nowhere"); len(held) != 0 {
		e.Errorf("an unknown run holds %d deliveries", len(held))
	}
	if due := e.due("nowhere"); len(due) != 0 {
		e.Errorf("an unknown workflow has %d due deliveries", len(due))
	}
	if attempts := e.attempts("nowhere"); len(attempts) != 0 {
		e.Errorf("an unknown run has %d attempts", len(attempts))
	}
}

// readsAreImmutable keeps what it read, lets the run move on, and looks whether the kept records still say the same.
func readsAreImmutable(e *env) {
	rec := e.start("a")
	looked := e.lookup(rec.RunID)
	entries := e.log()
	before, entryBefore := looked.Clone(), entries[0].Record.Clone()
	latest := rec
	for range 3 {
		latest = e.advance(latest)
	}
	e.sameRecord("a record that was read before the run moved on", looked, before)
	e.sameRecord("a log entry that was read before the run moved on", entries[0].Record, entryBefore)

	list, err := e.b.List(e.Context(), orders, 0, 10, backend.OrderTypeAscending)
	if err != nil || len(list) != 1 {
		e.Fatalf("list: %d runs, %v", len(list), err)
	}
	list[0].ForeignID, list[0].Status = "scribble", 99 // the slice is the caller's; only what it points to is shared
	e.wantRun(latest)
}

func closeThenErrClosed(e *env) {
	rec := e.start("a")
	if err := e.b.Close(); err != nil {
		e.Fatalf("close: %v", err)
	}
	e.unusable = true
	ctx := e.Context()
	late := step(rec, 2)
	err := e.b.Commit(ctx, []*backend.Change{late})
	e.wantErr("Commit after Close", err, backend.ErrClosed)
	e.wantErr("the member of a Commit after Close", late.Err, backend.ErrClosed)
	calls := map[string]func() error{
		"ReadLog":     func() error { _, err := e.b.ReadLog(ctx, 0, 1); return err },
		"Head":        func() error { _, err := e.b.Head(ctx); return err },
		"Lookup":      func() error { _, err := e.b.Lookup(ctx, rec.RunID); return err },
		"Latest":      func() error { _, err := e.b.Latest(ctx, orders, "a"); return err },
		"List":        func() error { _, err := e.b.List(ctx, orders, 0, 1, backend.OrderTypeAscending); return err },
		"History":     func() error { _, err := e.b.History(ctx, rec.RunID, 0, 1); return err },
		"Attempts":    func() error { _, err := e.b.Attempts(ctx, rec.RunID, 1); return err },
		"Due":         func() error { _, err := e.b.Due(ctx, orders, backend.DueMark{}, 1); return err },
		"Held":        func() error { _, err := e.b.Held(ctx, rec.RunID); return err },
		"LoadCursors": func() error { _, err := e.b.LoadCursors(ctx, orders, bucketCount); return err },
		"SaveCursors": func() error { return e.b.SaveCursors(ctx, []backend.Cursor{{WorkflowName: orders, Pos: 1}}) },
		"Join": func() error {
			leave, err := e.b.Join(ctx, orders, bucketCount, func(backend.Grant) {})
			if err == nil {
				leave()
			}
			return err
		},
	}
	for name, call := range calls {
		e.wantErr(name+" after Close", call(), backend.ErrClosed)
	}
}

func closeTwice(e *env) {
	e.start("a")
	e.unusable = true
	for i := range 2 {
		if err := e.b.Close(); err != nil && (i == 0 || !errors.Is(err, backend.ErrClosed)) {
			e.Errorf("close number %d: %v", i+1, err)
		}
	}
}

// fieldCases store what is odd and read it back.
func fieldCases() []testCase {
	return []testCase{
		{name: "Fields/Objects", run: objects},
		{name: "Fields/TooLarge", run: tooLarge},
		{name: "Fields/Times", run: times},
		{name: "Fields/AbsurdTimes", run: absurdTimes},
		{name: "Fields/Statuses", run: statuses},
		{name: "Fields/LongAndOddTexts", run: oddTexts},
		{name: "Fields/Deadline", needs: []string{"NoDeadline"}, run: deadlines},
		{name: "Fields/ObjectsMayBeReusedAfterRecordStoreStore", needs: []string{"NoRecordStore"}, run: storeKeepsNoPointers},
	}
}

func objects(e *env) {
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(i * 31)
	}
	limit := make([]byte, backend.MaxObjectBytes)
	limit[len(limit)-1] = 7
	for i, object := range [][]byte{nil, {}, {0}, []byte("null"), []byte("\xff\xfe\x00'"), big, limit} {
		c := run(fmt.Sprintf("object-%d", i))
		c.Record.Object = object
		e.put(c)
		e.wantRun(c.Record)
	}
}

func tooLarge(e *env) {
	rec := e.start("a")
	c := run("large")
	c.Record.Object = make([]byte, backend.MaxObjectBytes+1)
	next := step(rec, 2)
	next.Record.Object = c.Record.Object
	e.try(c, next)
	e.wantErr("a new run with an object above the limit", c.Err, backend.ErrTooLarge)
	e.wantErr("a step with an object above the limit", next.Err, backend.ErrTooLarge)
	e.wantNoRun("run-large")
	e.wantRun(rec)
}

func times(e *env) {
	kiritimati := time.FixedZone("far east", 14*3600)
	for i, at := range []time.Time{
		birth(),
		birth().In(kiritimati),
		birth().In(time.FixedZone("odd", -(3*3600 + 29*60 + 7))),
		time.Unix(0, 0),
		time.Unix(0, 1),
		time.Unix(0, -1),
		time.Date(1901, time.December, 13, 20, 45, 51, 999999999, time.UTC),
		time.Date(2038, time.January, 19, 3, 14, 8, 1, time.UTC),
		time.Date(2200, time.February, 29, 0, 0, 0, 123456789, time.UTC),
	} {
		c := run(fmt.Sprintf("time-%d", i))
		c.Record.CreatedAt = at
		c.Record.UpdatedAt = at.Add(time.Nanosecond)
		c.Hold = []backend.Delivery{timer(c.Record, 1, at.Add(2*time.Nanosecond))}
		e.put(c)
		e.wantRun(c.Record)
		e.sameDeliveries("a delivery due "+at.String(), e.held(c.Record.RunID), c.Hold...)
	}
}

// absurdTimes are stored exactly or refused, never mangled.
func absurdTimes(e *env) {
	for i, at := range []time.Time{
		{},
		time.Date(1, time.January, 1, 0, 0, 0, 1, time.UTC),
		time.Date(1677, time.January, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2262, time.April, 11, 23, 47, 16, 854775808, time.UTC), // one nanosecond beyond what an int64 counts
		time.Date(9999, time.December, 31, 23, 59, 59, 999999999, time.UTC),
	} {
		c := run(fmt.Sprintf("absurd-%d", i))
		c.Record.CreatedAt, c.Record.UpdatedAt = at, at
		e.storedExactlyOrRefused(c)

		rec := e.start(fmt.Sprintf("absurd-due-%d", i))
		if at.IsZero() {
			continue // a delivery without a due time is not absurd
		}
		hold := &backend.Change{Hold: []backend.Delivery{timer(rec, 1, at)}}
		e.try(hold)
		held := e.held(rec.RunID)
		if hold.Err != nil {
			e.sameDeliveries("after a refusal", held)
			continue
		}
		e.sameDeliveries("a delivery due "+at.String(), held, hold.Hold...)
	}
}

// storedExactlyOrRefused commits a first version that a store may refuse.
func (e *env) storedExactlyOrRefused(c *backend.Change) {
	e.Helper()
	e.try(c)
	if c.Err != nil {
		e.wantNoRun(c.Record.RunID)
		return
	}
	e.wantRun(c.Record)
}

func statuses(e *env) {
	for i, status := range []int{0, -1, math.MaxInt32, math.MinInt32, math.MaxInt, math.MinInt} {
		c := run(fmt.Sprintf("status-%d", i))
		c.Record.Status = status
		e.put(c)
		e.wantRun(c.Record)
	}
}

func storeKeepsNoPointers(e *env) {
	rec := run("mine").Record
	want := rec.Clone()
	if err := e.classic().Store(e.Context(), rec); err != nil {
		e.Fatalf("store: %v", err)
	}
	copy(rec.Object, "scribble")
	rec.Status, rec.RunState, rec.ForeignID, rec.Meta.Version = 99, backend.RunStateCancelled, "scribble", 77
	e.wantRun(want)
	looked, err := e.classic().Lookup(e.Context(), want.RunID)
	if err != nil {
		e.Fatalf("lookup: %v", err)
	}
	copy(looked.Object, "SCRIBBLE")
	looked.Status = 98
	e.wantRun(want)
	entries := e.log()
	if len(entries) != 1 {
		e.Fatalf("the log holds %d entries, want 1", len(entries))
	}
	e.sameRecord("the log's entry", entries[0].Record, want)
}
