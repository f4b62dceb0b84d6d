package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

const testFlow = "orders"

// openTest opens a store in a folder of the test's own and checks it at the end.
func openTest(t testing.TB, opts ...Option) *Backend {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "store.db"), opts...)
}

// openAt opens the store at path; at the end of the test it is checked and closed.
func openAt(t testing.TB, path string, opts ...Option) *Backend {
	t.Helper()
	b, err := Open(path, opts...)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if !b.isClosed() {
			mustBeSound(t, b)
		}
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

func mustBeSound(t testing.TB, b *Backend) {
	t.Helper()
	if err := b.Check(context.Background(), func(v backend.Violation) { t.Errorf("Check: %v", v) }); err != nil {
		t.Errorf("Check failed: %v", err)
	}
}

// record makes version v of a run: initiated at 1, running after.
func record(runID, foreignID string, version uint) *backend.Record {
	state := backend.RunStateRunning
	if version == 1 {
		state = backend.RunStateInitiated
	}
	at := time.Date(2026, 3, 1, 12, 0, int(version%60), 7, time.UTC)
	return &backend.Record{
		WorkflowName: testFlow, ForeignID: foreignID, RunID: runID, RunState: state, Status: int(version),
		Object: []byte(fmt.Sprintf(`{"v":%d}`, version)), CreatedAt: at.Add(-time.Hour), UpdatedAt: at,
		Meta: backend.Meta{Version: version, Visit: version, TraceOrigin: "help_test.go:1", StatusDescription: "status"},
	}
}

// change makes the change to version v of a run as record makes them.
func change(runID, foreignID string, version uint) *backend.Change {
	c := &backend.Change{Record: record(runID, foreignID, version), Cause: backend.CauseStep}
	if version > 1 {
		before := record(runID, foreignID, version-1)
		c.From = backend.Point{RunState: before.RunState, Status: before.Status}
	}
	return c
}

func commit(t testing.TB, b *Backend, batch ...*backend.Change) {
	t.Helper()
	if err := b.Commit(context.Background(), batch); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	for i, c := range batch {
		if c.Err != nil {
			t.Fatalf("change %d of the batch: %v", i, c.Err)
		}
	}
}

// otherDB opens a connection of the user's own to the file.
func otherDB(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path, false)+"&_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func bellSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path + bellSuffix)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
