package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// mustBeGone fails when the bytes are in the database or its write-ahead log.
func mustBeGone(t *testing.T, b *Backend, canary string) {
	t.Helper()
	if inFiles(t, b, canary) {
		t.Errorf("%q is still in the files", canary)
	}
}

func inFiles(t *testing.T, b *Backend, canary string) bool {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(b.Path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(canary)) {
			return true
		}
	}
	return false
}

// talkative makes a run that says the canary wherever it can, of as many versions, and ends it with the last.
func talkative(t *testing.T, b *Backend, run, canary string, versions uint) {
	t.Helper()
	for v := uint(1); v <= versions; v++ {
		c := change(run, run, v)
		if v == versions {
			c = finished(run, run, v)
		}
		c.Record.Object, c.Record.Meta.RunStateReason = []byte(strings.Repeat(canary, 300)), "because "+canary
		d, s := held(run, "step", v), held(run, "signal:paid", 1000+v)
		d.LastError, d.Data, s.Data = canary, []byte(canary), []byte(strings.Repeat(canary, 300))
		c.Hold, c.SignalID = []backend.Delivery{d, s}, fmt.Sprint(canary, v)
		c.Attempt = &backend.Attempt{RunID: run, WorkflowName: testFlow, Receiver: "step", Version: v, Number: 1, Error: canary, Stack: canary}
		commit(t, b, c)
	}
	if !inFiles(t, b, canary) {
		t.Fatal("the canary is not in the files to begin with")
	}
}

// TestScrubAll: whatever a run's data may be in is emptied, in the tables and in the files; what is left says when it moved where.
func TestScrubAll(t *testing.T) {
	b := openTest(t)
	const canary = "card-4111-1111"
	talkative(t, b, "r", canary, 5)
	commit(t, b, change("other", "other", 1))
	commit(t, b, &backend.Change{Hold: []backend.Delivery{held("other", "signal:paid", 1)}, SignalID: "kept"})
	scrub := finished("r", "r", 6)
	scrub.From.RunState = backend.RunStateCompleted
	scrub.Record.RunState, scrub.Record.Object, scrub.Scrub = backend.RunStateDataDeleted, []byte("{}"), true
	scrub.Record.Meta.RunStateReason = "asked for"
	commit(t, b, scrub)
	mustBeGone(t, b, canary)
	history, err := b.History(t.Context(), "r", 0, 100)
	if err != nil || len(history) != 6 {
		t.Fatal(len(history), err)
	}
	for i, e := range history {
		reason := ""
		if i == 5 {
			reason = "asked for"
		}
		if string(e.Record.Object) != "{}" || e.Record.Meta.RunStateReason != reason || e.Record.Status != i+1 {
			t.Errorf("version %d is %+v with object %q", i+1, e.Record.Meta, e.Record.Object)
		}
	}
	left, err := b.Held(t.Context(), "r")
	if err != nil || len(left) != 5 {
		t.Errorf("%d deliveries, %v", len(left), err)
	}
	for _, d := range left {
		if d.Receiver != "step" || d.LastError != "" || d.Data != nil || d.Due.IsZero() {
			t.Errorf("delivery %+v", d)
		}
	}
	attempts, err := b.Attempts(t.Context(), "r", 100)
	if err != nil || len(attempts) != 5 || attempts[0].Error != "" || attempts[0].Stack != "" {
		t.Errorf("attempts %+v, %v", attempts, err)
	}
	commit(t, b, &backend.Change{SignalID: canary + "1", Done: []backend.DeliveryKey{key("r", "step", 1)}}) // forgotten, so it is no duplicate
	again := &backend.Change{SignalID: "kept", Done: []backend.DeliveryKey{key("other", "step", 1)}}
	if err := b.Commit(t.Context(), []*backend.Change{again}); err != nil || !errors.Is(again.Err, backend.ErrDuplicateSignal) {
		t.Errorf("another run's signal: %v, %v", err, again.Err)
	}
}

// TestErase: runs go with everything about them, in the tables and in the files, and nothing else goes.
func TestErase(t *testing.T) {
	b := openTest(t)
	const canary = "iban-DE02-1203"
	talkative(t, b, "first", canary, 3)
	commit(t, b, change("kept", "kept", 1), change("kept", "kept", 2))
	for v := uint(1); v <= 2; v++ {
		r := record("plain", canary, v)
		if v == 2 {
			r.RunState = backend.RunStateCancelled
		}
		if err := errors.Join(b.RecordStore().Store(t.Context(), r), b.RecordStore().Store(t.Context(), record("kept", "kept", v+2))); err != nil {
			t.Fatal(err)
		}
	}
	talkative(t, b, "last", canary, 120) // past a post
	if err := b.SaveCursors(t.Context(), []backend.Cursor{{WorkflowName: testFlow, Bucket: 1, Pos: 120}}); err != nil {
		t.Fatal(err)
	}
	runs := []*backend.Erasure{
		{RunID: "first", Version: 3}, {RunID: "kept", Version: 4}, {RunID: "plain", Version: 1}, {RunID: "plain", Version: 2},
		{RunID: "nobody", Version: 1}, {RunID: "last", Version: 120}, {RunID: "first", Version: 3},
	}
	if err := b.Erase(t.Context(), runs); err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, backend.ErrUnfinished, backend.ErrVersionConflict, nil, backend.ErrRecordNotFound, nil, backend.ErrRecordNotFound} {
		if !errors.Is(runs[i].Err, want) {
			t.Errorf("run %d (%s): %v, want %v", i, runs[i].RunID, runs[i].Err, want)
		}
	}
	mustBeSound(t, b)
	mustBeGone(t, b, canary)
	for _, run := range []string{"first", "plain", "last"} {
		_, err := b.Lookup(t.Context(), run)
		_, err2 := b.History(t.Context(), run, 0, 9)
		left, _ := b.Held(t.Context(), run)
		attempts, _ := b.Attempts(t.Context(), run, 9)
		if !errors.Is(err, backend.ErrRecordNotFound) || !errors.Is(err2, backend.ErrRecordNotFound) || len(left)+len(attempts) != 0 {
			t.Errorf("run %s: %v, %v, %v, %v", run, err, err2, left, attempts)
		}
	}
	entries, err := b.ReadLog(t.Context(), 0, 1000)
	if err != nil || len(entries) != 4 || slices.ContainsFunc(entries, func(e entry) bool { return e.Record.RunID != "kept" }) {
		t.Errorf("log: %+v, %v", entries, err)
	}
	events, err := b.RecordStore().ListOutboxEvents(t.Context(), testFlow, 99)
	if err != nil || len(events) != 2 {
		t.Errorf("%d outbox events, %v", len(events), err)
	}
	if positions, err := b.LoadCursors(t.Context(), testFlow, 2); err != nil || positions[0] != 0 || positions[1] != 120 {
		t.Errorf("cursors %v, %v", positions, err)
	}
	// Its foreign id is free, and a new run has nothing of the old one.
	commit(t, b, change("first", "first", 1))
	if left, err := b.Held(t.Context(), "first"); err != nil || len(left) != 0 {
		t.Errorf("held: %+v, %v", left, err)
	}
}

// TestEraseInAGroup: an erasure shares its transaction with commits of the same run that come before and after it.
func TestEraseInAGroup(t *testing.T) {
	b := openTest(t)
	commit(t, b, change("r", "f", 1))
	running, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	transactions := 0
	b.writer.settle.beforeCommit = func() error {
		transactions++
		once.Do(func() { close(running); <-goOn })
		return nil
	}
	var calls sync.WaitGroup
	calls.Go(func() { commit(t, b, change("x", "x", 1)) })
	<-running
	end, late := finished("r", "f", 2), &backend.Change{Hold: []backend.Delivery{held("r", "step", 2)}}
	anew := change("s", "f", 1)
	calls.Go(func() { commit(t, b, end) })
	awaitQueue(b, 1)
	calls.Go(func() { eraseAll(t, b, &backend.Erasure{RunID: "r", Version: 2}) })
	awaitQueue(b, 2)
	calls.Go(func() {
		if err := b.Commit(t.Context(), []*backend.Change{late, anew}); err != nil {
			t.Error(err)
		}
	})
	awaitQueue(b, 3)
	close(goOn)
	calls.Wait()
	if !errors.Is(late.Err, backend.ErrRecordNotFound) || anew.Err != nil || transactions != 2 {
		t.Errorf("late %v, anew %v, %d transactions", late.Err, anew.Err, transactions)
	}
	if _, err := b.Lookup(t.Context(), "r"); !errors.Is(err, backend.ErrRecordNotFound) {
		t.Errorf("the run: %v", err)
	}
}

// TestEraseAnswerLost: when the answer to the commit is lost, nobody is told that something is gone or is not; a version that went into
// the same transaction is known by a row that was not erased.
func TestEraseAnswerLost(t *testing.T) {
	broken := errors.New("the disk went away")
	b := openTest(t)
	commit(t, b, finished("r", "f", 1))
	b.writer.settle.afterCommit = once(broken)
	e := &backend.Erasure{RunID: "r", Version: 1}
	if err := b.Erase(t.Context(), []*backend.Erasure{e}); !errors.Is(err, backend.ErrOutcomeUnknown) || !errors.Is(e.Err, backend.ErrOutcomeUnknown) {
		t.Errorf("erase: %v, %v", err, e.Err)
	}
	if err := b.Erase(t.Context(), []*backend.Erasure{e}); err != nil || !errors.Is(e.Err, backend.ErrRecordNotFound) {
		t.Errorf("again: %v, %v", err, e.Err)
	}
	// In one transaction: a version, the erasure of its run, and another run's version.
	gone, kept := finished("r", "f", 1), change("s", "g", 1)
	op := func(tx *txn) error { return tx.erase(&backend.Erasure{RunID: "r", Version: 1}) }
	b.writer.settle.afterCommit = once(broken)
	if err := b.submit(t.Context(), "test", []*unit{{change: gone}, {op: op}, {change: kept}}); err != nil {
		t.Errorf("stored after all: %v", err)
	}
	if r, err := b.Lookup(t.Context(), "s"); err != nil || r.Meta.Version != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestEnded: finished runs come in stretches of the log, oldest first, and it is known when there will be more.
func TestEnded(t *testing.T) {
	b := openTest(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(c *backend.Change, hour int) *backend.Change {
		c.Record.UpdatedAt = start.Add(time.Duration(hour) * time.Hour)
		return c
	}
	const n = 3 * endedStretch
	for hour := 0; hour < n; {
		batch := make([]*backend.Change, 0, 500)
		for range 250 {
			id := fmt.Sprint("r", hour)
			c := at(finished(id, id, 1), hour)
			if hour%3 == 1 {
				c = at(change(id, id, 1), hour) // unfinished
			}
			other := at(finished("o"+id, id, 1), hour)
			other.Record.WorkflowName = "another"
			batch = append(batch, c, other)
			hour++
		}
		commit(t, b, batch...)
	}
	commit(t, b, at(finished("r1", "r1", 2), 9*n)) // ends late
	before := start.Add(2 * endedStretch * time.Hour)
	var got []string
	mark, pages := int64(0), 0
	for {
		page, err := b.Ended(t.Context(), testFlow, mark, before)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Runs {
			got = append(got, r.RunID)
			if !r.UpdatedAt.Before(before) || !r.RunState.Finished() || r.WorkflowName != testFlow {
				t.Errorf("found %+v", r)
			}
		}
		if pages++; page.Mark == 0 {
			if want := start.Add((2*endedStretch + 1) * time.Hour); !page.Next.Equal(want) { // 2*endedStretch is 1 modulo 3: unfinished
				t.Errorf("next is %v, want %v", page.Next, want)
			}
			break
		}
		if page.Mark <= mark || !page.Next.IsZero() {
			t.Fatalf("mark %d after %d, next %v", page.Mark, mark, page.Next)
		}
		mark = page.Mark
	}
	if want := 2*endedStretch - (2*endedStretch)/3; len(got) != want || got[0] != "r0" || got[1] != "r2" || pages > 5 {
		t.Errorf("%d runs in %d pages, want %d: %v...", len(got), pages, want, got[:min(5, len(got))])
	}
	page, err := b.Ended(t.Context(), testFlow, 0, start)
	if err != nil || len(page.Runs) != 0 || page.Mark != 0 || !page.Next.Equal(start) {
		t.Errorf("before the first: %+v, %v", page, err)
	}
	if page, err = b.Ended(t.Context(), "nobody", 0, before); err != nil || len(page.Runs) != 0 || !page.Next.IsZero() {
		t.Errorf("an unknown workflow: %+v, %v", page, err)
	}
}

// TestEndedBesideAWrongClock: one version from the future does not keep the runs behind it for ever.
func TestEndedBesideAWrongClock(t *testing.T) {
	b := openTest(t)
	future := finished("future", "future", 1)
	future.Record.UpdatedAt = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	commit(t, b, future, finished("old", "old", 1))
	page, err := b.Ended(t.Context(), testFlow, 0, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil || len(page.Runs) != 1 || page.Runs[0].RunID != "old" || !page.Next.Equal(future.Record.UpdatedAt) {
		t.Errorf("%+v, %v", page, err)
	}
}
