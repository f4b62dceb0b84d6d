package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

func TestConformance(t *testing.T) {
	adaptertest.Run(t, newStore, adaptertest.Guarantees{})
}

func newStore(t *testing.T) adaptertest.Store {
	path := filepath.Join(t.TempDir(), "store.db")
	b, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	// The suite closes what it uses; a Backend that it "crashed" is closed here, at the very end.
	t.Cleanup(func() { _ = b.Close() })
	return adaptertest.Store{
		Backend: b,
		Reopen:  func() (backend.Backend, error) { return opened(sqlite.Open(path)) },
		Peer:    func() (backend.Backend, error) { return opened(sqlite.Open(path)) },
		Crash: func() (backend.Backend, error) {
			// A process that dies leaves the files as they are: the database and its write-ahead log.
			again := filepath.Join(t.TempDir(), "crashed.db")
			for _, suffix := range []string{"", "-wal"} {
				data, err := os.ReadFile(path + suffix)
				if errors.Is(err, fs.ErrNotExist) && suffix != "" {
					continue
				}
				if err != nil {
					return nil, err
				}
				if err := os.WriteFile(again+suffix, data, 0o600); err != nil {
					return nil, err
				}
			}
			return opened(sqlite.Open(again))
		},
		Tx: func(do func(ctx context.Context) error) any {
			return func(ctx context.Context, _ *sql.Tx) error { return do(ctx) }
		},
	}
}

func opened(b *sqlite.Backend, err error) (backend.Backend, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

func openPlain(t *testing.T) *sqlite.Backend {
	b, err := sqlite.Open(filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestClassicRecordStore(t *testing.T) {
	adaptertest.RunRecordStoreTest(t, func() backend.RecordStore { return openPlain(t).RecordStore() })
}

func TestClassicTimeoutStore(t *testing.T) {
	adaptertest.RunTimeoutStoreTest(t, func() backend.TimeoutStore { return openPlain(t).TimeoutStore() })
}

func TestClassicRoleScheduler(t *testing.T) {
	adaptertest.RunRoleSchedulerTest(t, func(t *testing.T, instances int) []backend.RoleScheduler {
		path := filepath.Join(t.TempDir(), "store.db")
		all := make([]backend.RoleScheduler, instances)
		for i := range all { // each has the file open as a process of its own would
			b, err := sqlite.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			all[i] = b.RoleScheduler()
		}
		return all
	})
}
