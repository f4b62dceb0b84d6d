package adaptertest

import (
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// RunTimeoutStoreTest tests a classic TimeoutStore. It demands what it always demanded: ids count from 1, what is cancelled or
// completed is no longer valid, and creation times come from the machine's clock. factory gives an empty store each time.
func RunTimeoutStoreTest(t *testing.T, factory func() backend.TimeoutStore) {
	t.Run("Cancel", func(t *testing.T) {
		store := factory()
		classicWithout(t, store, func() error { return store.Cancel(t.Context(), 2) })
	})
	t.Run("Complete", func(t *testing.T) {
		store := factory()
		classicWithout(t, store, func() error { return store.Complete(t.Context(), 2) })
	})
	t.Run("List", func(t *testing.T) { classicListTimeouts(t, factory()) })
}

// classicWithout creates three timeouts that have expired, takes the second away, and looks at what is valid.
func classicWithout(t T, store backend.TimeoutStore, takeAway func() error) {
	t.Helper()
	expired := now().Add(-time.Hour)
	for _, runID := range []string{"1", "2", "3"} {
		if err := store.Create(t.Context(), "example", "customer", runID, classicStarted, expired); err != nil {
			t.Fatalf("create: %v", err)
		}
	}
	wantValid(t, store, expired, "1", "2", "3")
	if err := takeAway(); err != nil {
		t.Fatalf("take timeout 2 away: %v", err)
	}
	wantValid(t, store, expired, "1", "3")
}

func wantValid(t T, store backend.TimeoutStore, expired time.Time, runIDs ...string) {
	t.Helper()
	got, err := store.ListValid(t.Context(), "example", classicStarted, now())
	if err != nil {
		t.Fatalf("list the valid: %v", err)
	}
	if len(got) != len(runIDs) {
		t.Fatalf("%d timeouts are valid, want %d", len(got), len(runIDs))
	}
	for i, runID := range runIDs {
		g := got[i]
		if g.WorkflowName != "example" || g.ForeignID != "customer" || g.RunID != runID || g.Completed {
			t.Errorf("timeout %d is of %q, %q, run %q, completed: %t; want run %q, not completed", i+1, g.WorkflowName, g.ForeignID, g.RunID, g.Completed, runID)
		}
		if g.ExpireAt.Sub(expired).Abs() > time.Second || now().Sub(g.CreatedAt).Abs() > time.Second {
			t.Errorf("timeout %d expires at %v and was created at %v, want %v and just now", i+1, g.ExpireAt, g.CreatedAt, expired)
		}
	}
}

func classicListTimeouts(t T, store backend.TimeoutStore) {
	for i, at := range []time.Duration{-time.Hour, time.Hour, 2 * time.Hour} {
		if err := store.Create(t.Context(), "example", "customer", string(rune('1'+i)), classicStarted+i, now().Add(at)); err != nil {
			t.Fatalf("create: %v", err)
		}
	}
	got, err := store.List(t.Context(), "example")
	if err != nil || len(got) != 3 {
		t.Errorf("%d timeouts are listed, %v; want 3", len(got), err)
	}
}
