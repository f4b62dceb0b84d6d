package memory_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

func TestCommitKeepsTheRecordItIsGiven(t *testing.T) {
	b := open(t)
	c := newRun(orders, "a", "run-a")
	c.Actor = "ann"
	commit(t, b, c)
	next := step(c.Record)
	commit(t, b, next)

	if got := lookup(t, b, "run-a"); got != next.Record {
		t.Errorf("lookup returns %+v, not the record that was committed", got)
	}
	if got := must[*backend.Record](t)(b.Latest(t.Context(), orders, "a")); got != next.Record {
		t.Errorf("latest returns %+v, not the record that was committed", got)
	}
	want := []backend.Entry{
		{Pos: 1, Record: c.Record, Cause: backend.CauseTrigger, Actor: "ann"},
		{Pos: 2, Record: next.Record, From: backend.Point{RunState: backend.RunStateInitiated, Status: 1}, Cause: backend.CauseStep},
	}
	if got := history(t, b, "run-a", 0, 10); !reflect.DeepEqual(got, want) {
		t.Errorf("the history is %+v, want %+v", got, want)
	}
	want[1].Current = true
	if got := readAll(t, b); !reflect.DeepEqual(got, want) {
		t.Errorf("the log is %+v, want %+v", got, want)
	}
	if c.Pos != 1 || next.Pos != 2 {
		t.Errorf("the positions are %d and %d, want 1 and 2", c.Pos, next.Pos)
	}
}

func TestCommitChecksTheVersion(t *testing.T) {
	b := open(t)
	rec := start(t, b, "a")
	rec2 := step(rec)
	commit(t, b, rec2)
	for name, version := range map[string]uint{"repeated": 1, "same": 2, "ahead": 4, "far ahead": 1 << 40} {
		t.Run(name, func(t *testing.T) {
			c := step(rec2.Record)
			c.Record.Meta.Version = version
			refuse(t, b, c, backend.ErrVersionConflict)
			var conflict *backend.ConflictError
			if !errors.As(c.Err, &conflict) || *conflict != (backend.ConflictError{RunID: "run-a", Want: version - 1, Have: 2}) {
				t.Errorf("the error says %+v", conflict)
			}
		})
	}
	c := newRun(orders, "b", "run-b")
	c.Record.Meta.Version = 2
	refuse(t, b, c, backend.ErrVersionConflict)
	if got := lookup(t, b, "run-a"); got != rec2.Record {
		t.Errorf("refused changes left %+v", got)
	}
	if n := len(readAll(t, b)); n != 2 {
		t.Errorf("the log holds %d entries, want 2", n)
	}
}

func TestCommitAllowsOneUnfinishedRunPerForeignID(t *testing.T) {
	b := open(t)
	rec := start(t, b, "a")
	for _, state := range []backend.RunState{backend.RunStateRunning, backend.RunStatePaused, backend.RunStateRunning} {
		second := newRun(orders, "a", "run-second")
		refuse(t, b, second, backend.ErrWorkflowInProgress)
		var in *backend.InProgressError
		if !errors.As(second.Err, &in) || *in != (backend.InProgressError{WorkflowName: orders, ForeignID: "a", RunID: "run-a"}) {
			t.Errorf("the error says %+v", in)
		}
		c := move(rec, state, 2)
		commit(t, b, c)
		rec = c.Record
	}
	commit(t, b, newRun("billing", "a", "run-billing"))
	for i, end := range []backend.RunState{backend.RunStateCompleted, backend.RunStateCancelled, backend.RunStateRequestedDataDeleted} {
		commit(t, b, move(rec, end, 2))
		c := newRun(orders, "a", "run-again-"+string(rune('a'+i)))
		commit(t, b, c)
		rec = c.Record
	}
}

func TestARunThatComesBackIsRefusedWhileAnotherIsUnfinished(t *testing.T) {
	b := open(t)
	done := complete(start(t, b, "a"))
	commit(t, b, done)
	commit(t, b, newRun(orders, "a", "run-second"))
	back := move(done.Record, backend.RunStateRunning, 1)
	refuse(t, b, back, backend.ErrWorkflowInProgress)
}

func TestLatestIsTheNewestCreatedRun(t *testing.T) {
	b := open(t)
	done := complete(start(t, b, "a"))
	commit(t, b, done)
	young := newRun(orders, "a", "run-young")
	commit(t, b, young)
	commit(t, b, move(done.Record, backend.RunStateRequestedDataDeleted, 1)) // touches the old one
	if got := must[*backend.Record](t)(b.Latest(t.Context(), orders, "a")); got != young.Record {
		t.Errorf("latest is run %s, want run-young", got.RunID)
	}
}

func TestBadMembersLeaveNoTrace(t *testing.T) {
	b := open(t)
	rec := start(t, b, "a")
	hold := func(c *backend.Change) *backend.Change {
		c.Hold = []backend.Delivery{delivery(c.Record, 1, 1)}
		c.Attempt = &backend.Attempt{RunID: c.Record.RunID, Number: 1}
		return c
	}
	stale := hold(step(rec))
	stale.Record.Meta.Version = 1
	taken := hold(newRun(orders, "a", "run-taken"))
	nameless := hold(newRun(orders, "", "run-nameless"))
	large := hold(newRun(orders, "large", "run-large"))
	large.Record.Object = make([]byte, backend.MaxObjectBytes+1)
	stranger := newRun(orders, "stranger", "run-stranger")
	stranger.Hold = []backend.Delivery{delivery(&backend.Record{RunID: "run-nowhere"}, 1, 1)}
	lost := newRun(orders, "lost", "run-lost")
	lost.Attempt = &backend.Attempt{RunID: "run-nowhere"}
	failing := hold(newRun(orders, "failing", "run-failing"))
	failing.Tx = func(context.Context) error { return errors.New("no") }
	odd := hold(newRun(orders, "odd", "run-odd"))
	odd.Tx = 7
	moved := hold(step(rec))
	moved.Record.ForeignID = "elsewhere"

	good, more := newRun(orders, "good", "run-good"), newRun(orders, "more", "run-more")
	batch := []*backend.Change{stale, taken, good, nameless, large, stranger, lost, failing, odd, moved, more}
	if err := b.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	var txErr *backend.TxError
	for i, want := range []error{backend.ErrVersionConflict, backend.ErrWorkflowInProgress, nil, backend.ErrInvalidID, backend.ErrTooLarge,
		backend.ErrRecordNotFound, backend.ErrRecordNotFound, nil, backend.ErrTxUnsupported, backend.ErrInvalidID, nil} {
		switch c := batch[i]; {
		case c == failing:
			if !errors.As(c.Err, &txErr) {
				t.Errorf("a failing function gives %v, want a *TxError", c.Err)
			}
		case !errors.Is(c.Err, want):
			t.Errorf("member %d: %v, want %v", i, c.Err, want)
		}
	}
	if got := readAll(t, b); len(got) != 3 || got[1].Record != good.Record || got[2].Record != more.Record {
		t.Errorf("the log holds %+v", got)
	}
	if n := len(due(t, b, backend.DueMark{}, 100)); n != 0 {
		t.Errorf("%d deliveries of refused changes are due", n)
	}
	for _, c := range batch {
		if c.Err == nil {
			continue
		}
		if n := len(must[[]backend.Attempt](t)(b.Attempts(t.Context(), c.Record.RunID, 10))); n != 0 {
			t.Errorf("run %s has %d attempts of a refused change", c.Record.RunID, n)
		}
		if _, err := b.Lookup(t.Context(), c.Record.RunID); c.Record.RunID != rec.RunID && !errors.Is(err, backend.ErrRecordNotFound) {
			t.Errorf("run %s exists after its change was refused: %v", c.Record.RunID, err)
		}
	}
}

func TestTwoChangesOfOneRunInABatch(t *testing.T) {
	b := open(t)
	first := newRun(orders, "a", "run-a")
	second := step(first.Record)
	third := complete(second.Record)
	other := newRun(orders, "a", "run-other") // free by then
	commit(t, b, first, second, third, other)
	if got := lookup(t, b, "run-a"); got != third.Record {
		t.Errorf("the run is at version %d, want 3", got.Meta.Version)
	}
	again := step(third.Record)
	again.Record.Meta.Version = 3
	refuse(t, b, again, backend.ErrVersionConflict)
}

func TestCommitFailsAsAWhole(t *testing.T) {
	b := memory.New()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c, d := newRun(orders, "a", "run-a"), newRun(orders, "b", "run-b")
	if err := b.Commit(ended, []*backend.Change{c, d}); !errors.Is(err, context.Canceled) {
		t.Errorf("a commit under an ended context: %v", err)
	}
	for _, m := range []*backend.Change{c, d} {
		if !errors.Is(m.Err, context.Canceled) {
			t.Errorf("its member says %v", m.Err)
		}
	}
	if n := len(readAll(t, b)); n != 0 {
		t.Fatalf("the log holds %d entries", n)
	}
	commit(t, b, c) // the same change, used again, forgets its error
	if err := b.Commit(t.Context(), nil); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(t.Context(), []*backend.Change{d}); !errors.Is(err, backend.ErrClosed) || !errors.Is(d.Err, backend.ErrClosed) {
		t.Errorf("a commit after Close: %v, its member %v", err, d.Err)
	}
}

// TestCommitOfVersionZero shows that Commit and Store share one rule, and that the record given is left alone.
func TestCommitOfVersionZero(t *testing.T) {
	b := open(t)
	rec := start(t, b, "a")
	edit := move(rec, backend.RunStatePaused, 5)
	edit.Record.Meta.Version = 0
	commit(t, b, edit)
	if got := lookup(t, b, "run-a"); got.Meta.Version != 2 || got.Status != 5 {
		t.Errorf("the run is %+v", got)
	}
	if edit.Record.Meta.Version != 0 {
		t.Errorf("the caller's record was given version %d", edit.Record.Meta.Version)
	}
}

func TestScrubReplacesEveryEarlierObject(t *testing.T) {
	b := open(t)
	c := newRun(orders, "a", "run-a")
	commit(t, b, c)
	before := lookup(t, b, "run-a")
	rec := c.Record
	const versions = 1500 // no cursor has passed them
	for range versions {
		next := step(rec)
		commit(t, b, next)
		rec = next.Record
	}
	other := start(t, b, "other")
	scrub := complete(rec)
	scrub.Record.Object, scrub.Scrub = []byte("gone"), true
	commit(t, b, scrub)

	log := readAll(t, b)
	if len(log) != versions+3 {
		t.Fatalf("the log holds %d entries", len(log))
	}
	for _, e := range log {
		if want := "gone"; e.Record.RunID == "run-a" && string(e.Record.Object) != want {
			t.Fatalf("version %d in the log still says %s", e.Record.Meta.Version, e.Record.Object)
		}
	}
	for _, e := range history(t, b, "run-a", 0, versions*2) {
		if string(e.Record.Object) != "gone" {
			t.Fatalf("version %d in the history still says %s", e.Record.Meta.Version, e.Record.Object)
		}
	}
	if string(before.Object) != `{"v":1}` {
		t.Errorf("a record that was read before has changed to %s", before.Object)
	}
	if got := lookup(t, b, other.RunID); string(got.Object) != `{"v":1}` {
		t.Errorf("another run's object became %s", got.Object)
	}
}

func TestAttemptsKeepTheLastHundred(t *testing.T) {
	b := open(t)
	rec := start(t, b, "a")
	for i := range 130 {
		commit(t, b, &backend.Change{Attempt: &backend.Attempt{RunID: rec.RunID, Number: i + 1, Error: strings.Repeat("e", i)}})
	}
	got := must[[]backend.Attempt](t)(b.Attempts(t.Context(), rec.RunID, 1000))
	if len(got) != 100 || got[0].Number != 31 || got[99].Number != 130 || len(got[99].Error) != 129 {
		t.Errorf("%d attempts are kept, from %d", len(got), got[0].Number)
	}
	if got := must[[]backend.Attempt](t)(b.Attempts(t.Context(), rec.RunID, 2)); len(got) != 2 || got[0].Number != 31 {
		t.Errorf("the two oldest are %+v", got)
	}
	if head := must[int64](t)(b.Head(t.Context())); head != 1 {
		t.Errorf("attempts moved the log to %d", head)
	}
}
