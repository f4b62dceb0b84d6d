package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// group is a batch that is large enough for its moves to be gathered: the version of n runs.
func group(n int, version uint) []*backend.Change {
	batch := make([]*backend.Change, n)
	for i := range batch {
		batch[i] = change(fmt.Sprintf("run-%d", i), fmt.Sprintf("foreign-%d", i), version)
	}
	return batch
}

// TestOneOfAGroupWasMovedByAnotherProcess: what this store remembers of one run is old. That one alone fails, with a conflict that tells where
// the run stands, and the others are stored.
func TestOneOfAGroupWasMovedByAnotherProcess(t *testing.T) {
	const n = 3*minGrouped + 3
	path := filepath.Join(t.TempDir(), "store.db")
	b, other := openAt(t, path), openAt(t, path)
	commit(t, b, group(n, 1)...)
	commit(t, other, group(n, 2)[7])
	batch := group(n, 2)
	if err := b.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for i, c := range batch {
		var conflict *backend.ConflictError
		switch {
		case i != 7 && c.Err != nil:
			t.Errorf("run %d: %v", i, c.Err)
		case i == 7 && (!errors.As(c.Err, &conflict) || conflict.Have != 2 || c.Pos != 0):
			t.Errorf("run 7: %v at position %d, want a conflict with version 2", c.Err, c.Pos)
		}
	}
	commit(t, b, group(n, 3)...)
}

// TestGroupKeepsTheOrderOfItsMembers: a run that is moved twice, a foreign id that is taken again behind the end of the run that had it, and
// the same the wrong way round, all in one batch.
func TestGroupKeepsTheOrderOfItsMembers(t *testing.T) {
	b := openTest(t)
	commit(t, b, group(minGrouped+2, 1)...)
	ended := func(runID, foreignID string) *backend.Change {
		c := change(runID, foreignID, 2)
		c.Record.RunState = backend.RunStateCompleted
		return c
	}
	early := change("early", "foreign-1", 1)
	batch := append(group(minGrouped+2, 2)[2:],
		change("run-2", "foreign-2", 3), change("run-2", "foreign-2", 4),
		ended("run-0", "foreign-0"), change("next", "foreign-0", 1), change("next", "foreign-0", 2),
		early, ended("run-1", "foreign-1"))
	if err := b.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	last := int64(0)
	for i, c := range batch {
		var taken *backend.InProgressError
		switch {
		case c == early:
			if !errors.As(c.Err, &taken) || taken.RunID != "run-1" {
				t.Errorf("a run that came before the end of the one in its way: %v", c.Err)
			}
		case c.Err != nil:
			t.Errorf("member %d, %s at version %d: %v", i, c.Record.RunID, c.Record.Meta.Version, c.Err)
		case last > 0 && c.Pos != last+1:
			t.Errorf("member %d stands at %d, the one before it at %d", i, c.Pos, last)
		}
		if c.Err == nil {
			last = c.Pos
		}
	}
	for runID, version := range map[string]uint{"run-0": 2, "run-1": 2, "run-2": 4, "next": 2} {
		if rec, err := b.Lookup(t.Context(), runID); err != nil || rec.Meta.Version != version {
			t.Errorf("%s: %v, %v; want version %d", runID, rec, err, version)
		}
	}
}

// TestMovesGoByKey: a gathered move finds each row by its key, and touches an index only where the run ends.
func TestMovesGoByKey(t *testing.T) {
	b := openTest(t)
	var s bulkTexts
	for _, ends := range []bool{false, true} {
		details := plan(t, b, s.move(1, ends))
		if !slices.Contains(details, "SEARCH sw_runs USING INTEGER PRIMARY KEY (rowid=?)") {
			t.Errorf("ends %v: plan is %q", ends, details)
		}
	}
}
