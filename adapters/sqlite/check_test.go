package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// sound makes a store with a bit of everything and closes it.
func sound(t *testing.T, path string) {
	t.Helper()
	b, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, b, change("a", "fa", 1), change("b", "fb", 1), change("a", "fa", 2), change("b", "fb", 2))
	done := change("a", "fa", 3)
	done.Record.RunState = backend.RunStateCompleted
	done.Hold = []backend.Delivery{{DeliveryKey: backend.DeliveryKey{RunID: "a", Receiver: "hook", Version: 3}, WorkflowName: testFlow, Due: time.Unix(9, 0)}}
	done.Attempt = &backend.Attempt{RunID: "a", WorkflowName: testFlow, Receiver: "hook", Version: 2, Number: 1, At: time.Unix(8, 0)}
	commit(t, b, done)
	if err := b.SaveCursors(t.Context(), []backend.Cursor{{WorkflowName: testFlow, Bucket: 1, Pos: 3}}); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCheckFinds: every kind of damage that Check promises to see, done by hand, is seen, and names the run.
func TestCheckFinds(t *testing.T) {
	cases := []struct {
		name, damage, invariant, run, detail string
	}{
		{"head is behind", "UPDATE sw_runs SET head = 2 WHERE run_id = 'b'", "I2", "b", "newest log row 1"},
		{"head is another run's", "UPDATE sw_runs SET head = 5 WHERE run_id = 'b'", "I2", "b", "belongs to another run"},
		{"head is missing", "DELETE FROM sw_log WHERE pos = 4", "I2", "b", "missing"},
		{"version", "UPDATE sw_runs SET version = 7 WHERE run_id = 'b'", "I2", "b", "run has version 7"},
		{"status", "UPDATE sw_runs SET status = 9 WHERE run_id = 'b'", "I2", "b", "status 9"},
		{"gap in the middle", "DELETE FROM sw_log WHERE pos = 3", "I2", "a", "follows 3"},
		{"version twice", "UPDATE sw_log SET version = 1 WHERE pos = 3", "I2", "a", "version 1 after 1"},
		{"first version is no 1", "UPDATE sw_log SET version = 2 WHERE pos = 1", "I2", "a", "version 2 after 0"},
		{"link to another run", "UPDATE sw_log SET prev = 2 WHERE pos = 3", "I2", "a", "another run's"},
		{"a row beside the chain", "INSERT INTO sw_log SELECT 99, run, 0, 1, status, state, 0, 0, visit, 0, cause, '', '', '', 0, NULL FROM sw_log WHERE pos = 1",
			"I2", "a", "do not form one chain"},
		{"a row of no run", "INSERT INTO sw_log SELECT 99, 77, 0, 1, status, state, 0, 0, visit, 0, cause, '', '', '', 0, NULL FROM sw_log WHERE pos = 1",
			"I2", "", "belongs to no run"},
		{"origin", "UPDATE sw_log SET from_status = 8 WHERE pos = 3", "I2", "a", "comes from"},
		{"resurrection", "UPDATE sw_log SET state = 4 WHERE pos = 3; UPDATE sw_log SET from_state = 4 WHERE pos = 5", "I3", "a", "leaves the finished state 4"},
		{"live", "PRAGMA ignore_check_constraints = ON; UPDATE sw_runs SET live = 0 WHERE run_id = 'b'", "I2", "b", "against its state"},
		{"two unfinished runs", "PRAGMA ignore_check_constraints = ON; UPDATE sw_runs SET foreign_id = 'fb', state = 2, live = 0 WHERE run_id = 'a'",
			"I2", "a", "2 unfinished runs"},
		{"workflow", "UPDATE sw_runs SET workflow = 55 WHERE run_id = 'b'", "I2", "b", "workflow 55 is missing"},
		{"delivery of no run", "UPDATE sw_deliveries SET run = 77", "I4", "a", "no such run"},
		{"delivery of the future", "UPDATE sw_deliveries SET version = 4", "I4", "a", "of version 4"},
		{"attempt of the future", "UPDATE sw_attempts SET version = 4", "I4", "a", "version 4"},
		{"attempt of no run", "UPDATE sw_attempts SET run = 77", "I4", "", "no such run"},
		{"cursor", "UPDATE sw_cursors SET pos = 6", "I5", "", "stands at 6"},
		{"first position", "UPDATE sw_workflows SET first_pos = 66", "I5", "", "begins at log row 66"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			sound(t, path)
			mustExec(t, path, c.damage)
			b, err := OpenReadOnly(path)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			var all []string
			found := false
			err = b.Check(t.Context(), func(v backend.Violation) {
				all = append(all, v.String())
				found = found || v.Invariant == c.invariant && v.RunID == c.run && strings.Contains(v.Detail, c.detail)
			})
			if err != nil || !found {
				t.Errorf("err %v; want %s of run %q with %q, found:\n%s", err, c.invariant, c.run, c.detail, strings.Join(all, "\n"))
			}
		})
	}
}

// TestCheckFindsBrokenPages: damage below the tables is reported, or reading fails by name; it is never called sound (F3).
func TestCheckFindsBrokenPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	b, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for v := uint(1); v <= 200; v++ {
		commit(t, b, change("a", "fa", v))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	for n := 1; n*page < len(data); n++ {
		broken := append([]byte(nil), data...)
		clear(broken[n*page : n*page+16]) // the page's header
		path := filepath.Join(t.TempDir(), "broken.db")
		write(t, path, string(broken))
		b, err := OpenReadOnly(path)
		if errors.Is(err, backend.ErrCorrupt) || errors.Is(err, backend.ErrNotOurs) {
			continue
		}
		if err != nil {
			t.Errorf("page %d: %v", n+1, err)
			continue
		}
		violations := 0
		err = b.Check(t.Context(), func(backend.Violation) { violations++ })
		if violations == 0 && !errors.Is(err, backend.ErrCorrupt) {
			t.Errorf("page %d is broken, and Check said %v", n+1, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
