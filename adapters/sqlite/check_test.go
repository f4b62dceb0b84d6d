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

// damage is one kind of damage, as statements, and what Check has to say of it.
type damage struct {
	name, statements, invariant, run, detail string
}

// mustBeFound does the damage to the file, which the test owns, and has Check find it.
func (d damage) mustBeFound(t *testing.T, path string) {
	t.Helper()
	mustExec(t, path, d.statements)
	b, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var all []string
	found := false
	err = b.Check(t.Context(), func(v backend.Violation) {
		all = append(all, v.String())
		found = found || v.Invariant == d.invariant && v.RunID == d.run && strings.Contains(v.Detail, d.detail)
	})
	if err != nil || !found {
		t.Errorf("err %v; want %s of run %q with %q, found:\n%s", err, d.invariant, d.run, d.detail, strings.Join(all, "\n"))
	}
}

// TestCheckFinds: every kind of damage that Check promises to see, done by hand, is seen, and names the run.
func TestCheckFinds(t *testing.T) {
	cases := []damage{
		{"head is behind", "UPDATE sw_runs SET head = 2 WHERE run_id = 'b'", "I2", "b", "newest log row 1"},
		{"head is another run's", "UPDATE sw_runs SET head = 5 WHERE run_id = 'b'", "I2", "b", "belongs to another run"},
		{"head is missing", "DELETE FROM sw_log WHERE pos = 4", "I2", "b", "missing"},
		{"version", "UPDATE sw_runs SET version = 7 WHERE run_id = 'b'", "I2", "b", "run has version 7"},
		{"status", "UPDATE sw_runs SET status = 9 WHERE run_id = 'b'", "I2", "b", "status 9"},
		{"gap in the middle", "DELETE FROM sw_log WHERE pos = 3", "I2", "a", "follows 3"},
		{"version twice", "UPDATE sw_log SET version = 1 WHERE pos = 3", "I2", "a", "version 1 after 1"},
		{"first version is no 1", "UPDATE sw_log SET version = 2 WHERE pos = 1", "I2", "a", "version 2 after 0"},
		{"link to another run", "UPDATE sw_log SET prev = 2 WHERE pos = 3", "I2", "a", "another run's"},
		{"a row beside the chain", "INSERT INTO sw_log SELECT 99, run, 0, 1, status, state, 0, 0, visit, 0, cause, '', '', '', 0, NULL, NULL FROM sw_log WHERE pos = 1",
			"I2", "a", "do not form one chain"},
		{"a row of no run", "INSERT INTO sw_log SELECT 99, 77, 0, 1, status, state, 0, 0, visit, 0, cause, '', '', '', 0, NULL, NULL FROM sw_log WHERE pos = 1",
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
			c.mustBeFound(t, path)
		})
	}
}

// long makes a store with a run of 450 versions, of which 100 objects and 200 versions are kept beside what nobody has passed, and closes it.
// The rest: versions 101 and up, the objects of 301 and up.
func long(t *testing.T, path string) {
	t.Helper()
	b, err := Open(path, WithHistory(100, 300))
	if err != nil {
		t.Fatal(err)
	}
	grow(t, b, "r", 0, 350)
	passAll(t, b, 350)
	grow(t, b, "r", 350, 450)
	hook := held("r", "hook:Paused", 320)
	signal := &backend.Change{Hold: []backend.Delivery{held("r", "signal:x", 9000)}, SignalID: "s1", Attempt: &backend.Attempt{RunID: "r",
		WorkflowName: testFlow, Receiver: "signal:x", Version: 9000, Number: 1}}
	commit(t, b, &backend.Change{Hold: []backend.Delivery{hook}}, signal)
	if err := b.RecordStore().Store(t.Context(), record("plain", "plain", 1)); err != nil {
		t.Fatal(err)
	}
	mustHistory(t, b, "r", 101, 301, 450, 500)
	mustBeSound(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCheckFindsInLongHistories: damage to what schema 2 has brought is seen: only the oldest rows and objects may be missing, and what
// stands beside them belongs to them.
func TestCheckFindsInLongHistories(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole.db")
	long(t, whole)
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []damage{
		{"a gap at a post", "DELETE FROM sw_log WHERE pos = 200", "I2", "r", "has 349 log rows"},
		{"a gap elsewhere", "DELETE FROM sw_log WHERE pos = 250", "I2", "r", "log row 251 follows 250, which is missing"},
		{"cut beside a post", "DELETE FROM sw_log WHERE pos = 101", "I2", "r", "log row 102 follows 101, which is missing"},
		{"dropped object of the newest", "UPDATE sw_log SET object = 0 WHERE pos = 450", "I6", "r", "version 450 has lost its object"},
		{"dropped object in the middle", "UPDATE sw_log SET object = 0 WHERE pos = 350", "I6", "r", "version 350 has lost its object"},
		{"kept object among the dropped", "UPDATE sw_log SET object = x'7b7d' WHERE pos = 150", "I6", "r", "version 151 has lost its object"},
		{"no object among the dropped", "UPDATE sw_log SET object = NULL WHERE pos = 150", "I6", "r", "version 151 has lost its object"},
		{"post at another row", "UPDATE sw_posts SET pos = 399 WHERE version = 400", "I6", "r", "post of version 400"},
		{"post of a row that is gone", "INSERT INTO sw_posts SELECT run, 100, 100, 1 FROM sw_posts LIMIT 1", "I6", "r", "post of version 100"},
		{"post says kept", "UPDATE sw_posts SET bare = 0 WHERE version = 300", "I6", "r", "post of version 300"},
		{"post of no run", "UPDATE sw_posts SET run = 77 WHERE version = 300", "I6", "", "post of version 300"},
		{"no post", "DELETE FROM sw_posts WHERE version = 400", "I6", "r", "version 400 has no post"},
		{"a hook's object", "UPDATE sw_deliveries SET version = 300 WHERE receiver = 'hook:Paused'", "I6", "r", "tells of version 300"},
		{"a step's delivery of the future", "UPDATE sw_deliveries SET receiver = 'signals' WHERE receiver = 'signal:x'", "I4", "r", "of version 9000"},
		{"a step's attempt of the future", "UPDATE sw_attempts SET receiver = 'step'", "I4", "r", "version 9000"},
		{"signal of no run", "UPDATE sw_signals SET run = 77", "I4", "", `no run 77, and signal "s1"`},
		{"outbox event of no run", "UPDATE sw_outbox SET run = 77", "I4", "", "is of no run (77)"},
		{"no marks", "DELETE FROM sw_marks", "I5", "", "0 rows in sw_marks"},
		{"a key ahead of the log", "UPDATE sw_log SET run = 900 WHERE run = 451; UPDATE sw_runs SET id = 900 WHERE run_id = 'plain'", "I2", "plain", "key 900"},
		{"the workflow's beginning is gone", "UPDATE sw_workflows SET first_pos = NULL", "I5", "", "begins at log row <nil>"},
		{"the workflow begins late", "UPDATE sw_workflows SET first_pos = 451", "I5", "", "begins at log row 451"},
		{"a step leaves the end", "UPDATE sw_log SET state = 5 WHERE pos = 440; UPDATE sw_log SET from_state = 5 WHERE pos = 441", "I3", "r", "leaves the finished state 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			write(t, path, string(data))
			c.mustBeFound(t, path)
		})
	}
}

// TestCheckLetsOperatorsReopen: an operator, and a plain Store, may take a run out of its end.
func TestCheckLetsOperatorsReopen(t *testing.T) {
	b := openTest(t) // is checked at the end
	first, reopened, ended := change("r", "f", 1), change("r", "f", 2), finished("r", "f", 3)
	first.Record.RunState = backend.RunStateCancelled
	reopened.From.RunState, reopened.Cause = backend.RunStateCancelled, backend.CauseOperator
	commit(t, b, first, reopened, ended)
	if err := b.RecordStore().Store(t.Context(), record("r", "f", 4)); err != nil {
		t.Fatal(err)
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
