package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// oldVersions is how many versions the long run of a file of schema 1 has.
const oldVersions = 250

// schemaOne makes a file as the first schema's library left it: run "a" with 250 versions and a timer, run "b" that has ended, and two
// outbox events, one of which cannot be read.
func schemaOne(t *testing.T, path string) {
	t.Helper()
	ctx := t.Context()
	c, err := dial(dsn(path, false))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	all, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(query string, args ...driverValue) {
		t.Helper()
		_, err := c.exec(ctx, query, args...)
		must(err)
	}
	must(enterWAL(ctx, c, time.Second))
	must(all[0].apply(ctx, c))
	exec("BEGIN")
	exec("INSERT INTO sw_workflows (id, name, buckets, first_pos) VALUES (1, ?, 16, 1)", testFlow)
	row := func(pos, run, prev int64, r *backend.Record, from backend.Point) {
		exec(`INSERT INTO sw_log (pos, run, prev, version, status, state, from_status, from_state, visit, paused_by, cause, actor, reason,
			description, updated_at, object) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 2, '', '', 'd', ?, ?)`, pos, run, prev, int64(r.Meta.Version),
			int64(r.Status), int64(r.RunState), int64(from.Status), int64(from.RunState), int64(r.Meta.Visit), r.UpdatedAt.UnixNano(), r.Object)
	}
	for v := uint(1); v <= oldVersions; v++ {
		c := change("a", "fa", v)
		row(int64(v), 1, int64(v)-1, c.Record, c.From)
	}
	b := change("b", "fb", 1)
	b.Record.RunState = backend.RunStateCompleted
	row(oldVersions+1, 2, 0, b.Record, b.From)
	run := "INSERT INTO sw_runs (id, run_id, workflow, foreign_id, version, status, state, head, live, created_at, trace) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, 'old')"
	exec(run, int64(1), "a", "fa", int64(oldVersions), int64(oldVersions), int64(2), int64(oldVersions), int64(1), int64(5))
	exec(run, int64(2), "b", "fb", int64(1), int64(1), int64(5), int64(oldVersions+1), int64(0), int64(6))
	exec(`INSERT INTO sw_deliveries (run, receiver, version, run_id, workflow, bucket, attempts, due, state, last_error, first_at)
		VALUES (1, 'step', 250, 'a', 1, 3, 2, 77, 1, 'e', 5), (1, 'hook:Paused', 9, 'a', 1, 3, 2, NULL, 5, 'e', 5)`)
	event, err := backend.MakeOutboxEventData(*b.Record)
	must(err)
	exec("INSERT INTO sw_outbox (event_id, workflow, data, created_at) VALUES (?, 1, ?, 5), ('garbled', 1, x'ff', 6)", event.ID, event.Data)
	exec("COMMIT")
}

// TestMigrateFromOne: a file of the first schema opens, keeps what it had, and can do all that is new.
func TestMigrateFromOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	schemaOne(t, path)
	if _, err := OpenReadOnly(path); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("OpenReadOnly of the old schema: %v", err)
	}
	b := openAt(t, path)
	mustBeSound(t, b)
	a, err := b.Lookup(t.Context(), "a")
	if err != nil || a.Meta.Version != oldVersions || a.Meta.TraceOrigin != "old" || !a.Meta.Deadline.IsZero() {
		t.Fatalf("run a is %+v, %v", a, err)
	}
	if due, err := b.Due(t.Context(), testFlow, backend.DueMark{}, 9); err != nil || len(due) != 1 || due[0].Attempts != 2 {
		t.Errorf("due: %+v, %v", due, err)
	}
	if held, err := b.ListHeld(t.Context(), testFlow, backend.DeliveryKey{}, 9); err != nil || len(held) != 1 || held[0].Version != 9 {
		t.Errorf("given up: %+v, %v", held, err)
	}
	if page, err := b.History(t.Context(), "a", 120, 10); err != nil || len(page) != 10 || page[0].Record.Meta.Version != 121 {
		t.Errorf("%d entries of the history, %v", len(page), err)
	}
	erasure := &backend.Erasure{RunID: "b", Version: 1}
	if err := errors.Join(b.Erase(t.Context(), []*backend.Erasure{erasure}), erasure.Err); err != nil {
		t.Fatal(err)
	}
	left, err := b.RecordStore().ListOutboxEvents(t.Context(), testFlow, 9)
	if err != nil || len(left) != 1 || left[0].ID != "garbled" {
		t.Errorf("outbox: %+v, %v", left, err)
	}
	next := change("a", "fa", oldVersions+1)
	next.Record.CreatedAt, next.SignalID, next.Record.Meta.Deadline = a.CreatedAt, "s1", time.Unix(99, 0)
	commit(t, b, next, change("c", "fc", 1))
	found, err := b.Find(t.Context(), backend.Query{WorkflowName: testFlow, Limit: 9})
	if err != nil || len(found) != 2 || found[0].Key != 1 || found[1].Record.RunID != "c" {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestMigrateTogether: any number of Backends may open an old file at the same time.
func TestMigrateTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	schemaOne(t, path)
	child := startChild(t, "commit", path, "x", "3")
	var opens sync.WaitGroup
	for i := range 4 {
		opens.Go(func() {
			b, err := Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			id := fmt.Sprint("r", i)
			commit(t, b, change(id, id, 1))
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	opens.Wait()
	child.expect("open")
	child.say("go")
	child.expect("done 3")
	child.end()
	b := openAt(t, path)
	if n, err := b.Count(t.Context(), testFlow); err != nil || len(n) != 4 {
		t.Errorf("counts: %+v, %v", n, err)
	}
}

// TestMigrationFromOneIsAtomic: a second step that fails at its very end leaves the first schema as it was.
func TestMigrationFromOneIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	schemaOne(t, path)
	c, err := dial(dsn(path, false))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	schema := func() (text string) {
		err := c.query(t.Context(), func(row []driverValue) error { text += asText(row[0]) + "\n"; return nil },
			"SELECT sql FROM sqlite_schema ORDER BY name")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := schema()
	all, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("killed")
	second := all[1]
	second.fill = func(ctx context.Context, c *conn) error { return errors.Join(fillOutbox(ctx, c), broken) }
	if err := second.apply(t.Context(), c); !errors.Is(err, broken) {
		t.Fatalf("the broken step gave %v", err)
	}
	version, err := c.pragma(t.Context(), "user_version")
	if after := schema(); err != nil || version != "1" || after != before {
		t.Errorf("version %s (%v), schema is now\n%s", version, err, after)
	}
	openAt(t, path)
}
