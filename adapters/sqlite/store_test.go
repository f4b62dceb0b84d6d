package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// TestOutbox: a plain Store leaves one event per version, oldest first per workflow; a Commit leaves none.
func TestOutbox(t *testing.T) {
	b := openTest(t)
	s := b.RecordStore()
	commit(t, b, change("native", "native", 1))
	for v := uint(1); v <= 3; v++ {
		if err := s.Store(t.Context(), record("r", "f", v)); err != nil {
			t.Fatal(err)
		}
	}
	other := record("x", "f", 1)
	other.WorkflowName = "another"
	if err := s.Store(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	events, err := s.ListOutboxEvents(t.Context(), testFlow, 10)
	if err != nil || len(events) != 3 {
		t.Fatalf("%d events, %v, want 3", len(events), err)
	}
	for i, e := range events {
		m, err := backend.ParseOutboxEventData(e.Data)
		if err != nil || m.RunID != "r" || m.Type != i+1 || m.Headers[backend.HeaderRecordVersion] != fmt.Sprint(i+1) {
			t.Errorf("event %d says %+v, %v", i, m, err)
		}
		if e.WorkflowName != testFlow || !strings.HasPrefix(e.ID, backend.OutboxIDPrefix) || time.Since(e.CreatedAt) > time.Minute {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	if err := s.DeleteOutboxEvent(t.Context(), events[1].ID); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteOutboxEvent(t.Context(), events[1].ID); !errors.Is(err, backend.ErrOutboxRecordNotFound) {
		t.Errorf("second delete: %v", err)
	}
	left, err := s.ListOutboxEvents(t.Context(), testFlow, 1)
	if err != nil || len(left) != 1 || left[0].ID != events[0].ID {
		t.Errorf("left: %+v, %v", left, err)
	}
}

// TestStoreVersionZero: the row stays at version 0, or becomes the next version; it is outside the rule of one unfinished run.
func TestStoreVersionZero(t *testing.T) {
	b := openTest(t)
	s := b.RecordStore()
	store := func(r *backend.Record) error { return s.Store(t.Context(), r) }
	zero := func(run string, status int) *backend.Record {
		r := record(run, "f", 0)
		r.Status = status
		return r
	}
	version := func(run string, want uint, status int) {
		t.Helper()
		r, err := b.Lookup(t.Context(), run)
		if err != nil || r.Meta.Version != want || r.Status != status {
			t.Errorf("run %s is %+v (%v), want version %d, status %d", run, r, err, want, status)
		}
	}
	for i := range 3 {
		if err := store(zero("a", i)); err != nil {
			t.Fatal(err)
		}
	}
	version("a", 0, 2)
	if err := store(zero("b", 1)); err != nil { // the same foreign id, both unfinished
		t.Fatal(err)
	}
	if err := store(record("a", "f", 2)); !errors.Is(err, backend.ErrVersionConflict) {
		t.Errorf("version 2 over 0: %v", err)
	}
	if err := store(record("a", "f", 1)); err != nil {
		t.Errorf("version 1 over 0: %v", err)
	}
	if err := store(zero("a", 9)); err != nil {
		t.Fatal(err)
	}
	version("a", 2, 9)
	err := store(record("b", "f", 1))
	var taken *backend.InProgressError
	if !errors.As(err, &taken) || taken.RunID != "a" || taken.ForeignID != "f" {
		t.Errorf("second unfinished run: %v", err)
	}
	history, err := b.History(t.Context(), "a", 0, 10)
	if err != nil || len(history) != 2 || history[0].Record.Meta.Version != 1 || history[1].From.Status != 1 {
		t.Errorf("history is %+v, %v", history, err)
	}
}

// TestRecordRoundTrip: odd values come back as they went in, and what cannot is refused.
func TestRecordRoundTrip(t *testing.T) {
	b := openTest(t)
	odd := record("run '\";--%_\n", "ключ 🔑 a,b", 1)
	odd.Status, odd.Meta.Visit, odd.Meta.PausedBy = math.MinInt32, 12, backend.PausedByEngine
	odd.CreatedAt = time.Date(1678, 1, 1, 0, 0, 0, 1, time.UTC)
	odd.UpdatedAt = time.Date(2261, 12, 31, 23, 59, 59, 999999999, time.FixedZone("X", 3600))
	odd.Meta.RunStateReason, odd.Meta.TraceOrigin = "because\x01", "trace"
	for i, object := range [][]byte{nil, {}, {0}, bytes.Repeat([]byte{0, 255}, backend.MaxObjectBytes/2)} {
		r := odd.Clone()
		r.RunID, r.ForeignID, r.Object = fmt.Sprint(r.RunID, i), fmt.Sprint(r.ForeignID, i), object
		if i == 0 {
			r.CreatedAt, r.UpdatedAt = time.Time{}, time.Time{}
		}
		commit(t, b, &backend.Change{Record: r, Cause: backend.CauseTrigger, Actor: "me"})
		got, err := b.Lookup(t.Context(), r.RunID)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Object, object) || (got.Object == nil) != (object == nil) {
			t.Errorf("object %d came back with %d bytes, nil %v", i, len(got.Object), got.Object == nil)
		}
		if !got.CreatedAt.Equal(r.CreatedAt) || !got.UpdatedAt.Equal(r.UpdatedAt) || got.CreatedAt.IsZero() != r.CreatedAt.IsZero() {
			t.Errorf("times came back as %v, %v", got.CreatedAt, got.UpdatedAt)
		}
		got.Object, got.CreatedAt, got.UpdatedAt = r.Object, r.CreatedAt, r.UpdatedAt
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", r) {
			t.Errorf("came back as %+v, want %+v", got, r)
		}
	}
	for _, year := range []int{1, 1600, 2300, 9999} {
		c := change("late", "late", 1)
		c.Record.UpdatedAt = time.Date(year, 2, 3, 4, 5, 6, 7, time.UTC)
		if err := b.Commit(t.Context(), []*backend.Change{c}); err != nil || !errors.Is(c.Err, errTimeRange) {
			t.Errorf("year %d: %v, %v", year, err, c.Err)
		}
	}
}

// TestScrub: the object is gone from every earlier version, and from the files.
func TestScrub(t *testing.T) {
	b := openTest(t)
	const secret = "card-4111-1111-1111-1111"
	for v := uint(1); v <= 5; v++ {
		c := change("r", "f", v)
		c.Record.Object = []byte(strings.Repeat(secret, 200))
		commit(t, b, c)
	}
	keep := change("other", "other", 1)
	keep.Record.Object = []byte("kept")
	c6, c7 := change("r", "f", 6), change("r", "f", 7)
	c6.Record.Object, c7.Record.Object, c7.Scrub = []byte(secret), []byte("{}"), true
	commit(t, b, keep, c6, c7) // one of the versions to scrub is in the same transaction
	history, err := b.History(t.Context(), "r", 0, 100)
	if err != nil || len(history) != 7 {
		t.Fatal(len(history), err)
	}
	for _, e := range history {
		if string(e.Record.Object) != "{}" {
			t.Errorf("version %d still has %d bytes", e.Record.Meta.Version, len(e.Record.Object))
		}
	}
	if r, err := b.Lookup(t.Context(), "other"); err != nil || string(r.Object) != "kept" {
		t.Errorf("the other run's object is %q, %v", r.Object, err)
	}
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(b.Path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("the object is still in the file %s", suffix)
		}
	}
}

// TestWatch: watchers hear of plain Stores and of other Backends, not of their own Commits, and not after stop.
func TestWatch(t *testing.T) {
	b := openTest(t)
	other := openAt(t, b.Path())
	heard := make(chan struct{}, 100)
	stop := b.Watch(func() { heard <- struct{}{} })
	wake := func(what string) {
		t.Helper()
		select {
		case <-heard:
		case <-time.After(patience):
			t.Fatalf("%s was not heard", what)
		}
	}
	if err := b.RecordStore().Store(t.Context(), record("r", "f", 1)); err != nil {
		t.Fatal(err)
	}
	wake("a plain Store")
	commit(t, other, change("s", "g", 1))
	wake("another Backend's Commit")
	// An own commit right behind another's must not hide it: position 3 is heard of, although 4 is our own.
	commit(t, other, change("s", "g", 2))
	commit(t, b, change("r", "f", 2))
	wake("what came before the own Commit")
	stop()
	drainChan(heard)
	commit(t, other, change("s", "g", 3))
	if err := b.RecordStore().Store(t.Context(), record("r", "f", 3)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-heard:
		t.Error("called after stop")
	case <-time.After(20 * time.Millisecond):
	}
}

// TestOwnCommitIsNotAnnounced: a Backend that is alone does not wake its own watchers.
func TestOwnCommitIsNotAnnounced(t *testing.T) {
	b := openTest(t)
	heard := make(chan struct{}, 100)
	stop := b.Watch(func() { heard <- struct{}{} })
	for v := uint(1); v <= 20; v++ {
		commit(t, b, change("r", "f", v))
	}
	stop() // waits for a running call
	if len(heard) > 0 {
		t.Errorf("woken %d times by its own commits", len(heard))
	}
}

// TestOwnCommitHidesNothing: positions that another Backend committed before an own Commit are announced with it, also when its ring
// has not been heard yet, or comes when the head is an own position already.
func TestOwnCommitHidesNothing(t *testing.T) {
	b := openTest(t)
	other := openAt(t, b.Path())
	b.watch.started = true // deaf to the doorbell
	heard := make(chan struct{}, 100)
	stop := b.Watch(func() { heard <- struct{}{} })
	defer stop()
	commit(t, b, change("r", "f", 1))
	commit(t, other, change("s", "g", 1))
	if len(heard) != 0 {
		t.Fatal("heard before anything could be known")
	}
	commit(t, b, change("r", "f", 2))
	if len(heard) != 1 {
		t.Errorf("announced %d times, want once", len(heard))
	}
	commit(t, b, change("r", "f", 3))
	if len(heard) != 1 {
		t.Errorf("announced %d times after one more own Commit, want once", len(heard))
	}
}

func drainChan(ch chan struct{}) {
	for len(ch) > 0 {
		<-ch
	}
}

// TestWatchWithoutNotification: where nothing can notify, looking once a second finds it.
func TestWatchWithoutNotification(t *testing.T) {
	b := openTest(t, func(c *config) { c.noInotify = true })
	heard := make(chan struct{}, 100)
	stop := b.Watch(func() { heard <- struct{}{} })
	defer stop()
	commit(t, openAt(t, b.Path()), change("r", "f", 1))
	select {
	case <-heard:
	case <-time.After(patience):
		t.Fatal("the commit was not found")
	}
}

// TestRolesWithinAndBetweenBackends: one member at a time holds a workflow's roles, whether they share a Backend or a file.
func TestRolesWithinAndBetweenBackends(t *testing.T) {
	one := openTest(t)
	two := openAt(t, one.Path())
	var mu sync.Mutex
	holders, grants := 0, map[int64]bool{}
	var members sync.WaitGroup
	for i := range 12 {
		b := one
		if i%2 == 1 {
			b = two
		}
		members.Go(func() {
			turn := make(chan backend.Grant, 1)
			leave, err := b.Join(context.Background(), testFlow, 4, func(g backend.Grant) {
				mu.Lock()
				defer mu.Unlock()
				if holders++; holders != 1 || grants[g.Epoch] || len(g.Buckets) != 4 {
					t.Errorf("%d holders at grant %+v", holders, g)
				}
				grants[g.Epoch] = true
				turn <- g
			})
			if err != nil {
				t.Error(err)
				return
			}
			g := <-turn
			pause(5 * time.Millisecond) // long enough for another to be granted the same by mistake
			mu.Lock()
			holders--
			mu.Unlock()
			leave()
			if g.Context.Err() == nil {
				t.Error("the grant's context goes on after leave")
			}
			leave()
		})
	}
	members.Wait()
	if len(grants) != 12 {
		t.Errorf("%d grants, want 12", len(grants))
	}
	if _, err := one.Join(t.Context(), testFlow, 8, nil); err == nil || !strings.Contains(err.Error(), "4 buckets") {
		t.Errorf("another number of buckets: %v", err)
	}
	if _, err := two.LoadCursors(t.Context(), testFlow, 8); err == nil {
		t.Error("cursors were loaded for another number of buckets")
	}
}

// TestCloseGivesRolesBack: what a Backend holds is free when it is closed, and its grants end.
func TestCloseGivesRolesBack(t *testing.T) {
	one := openTest(t)
	two := openAt(t, one.Path())
	held := make(chan backend.Grant, 2)
	if _, err := one.Join(t.Context(), testFlow, 4, func(g backend.Grant) { held <- g }); err != nil {
		t.Fatal(err)
	}
	first := <-held
	role, _, err := one.RoleScheduler().Await(t.Context(), "relay")
	if err != nil {
		t.Fatal(err)
	}
	leave, err := two.Join(t.Context(), testFlow, 4, func(g backend.Grant) { held <- g })
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if first.Context.Err() == nil || role.Err() == nil {
		t.Error("roles go on after Close")
	}
	select {
	case <-held:
	case <-time.After(patience):
		t.Fatal("the roles were not handed over")
	}
	again, cancel, err := two.RoleScheduler().Await(t.Context(), "relay")
	if err != nil || again.Err() != nil {
		t.Fatal(err)
	}
	cancel()
}

// TestRoleScheduler: a named role has one holder over all Backends, and waiting ends with the context.
func TestRoleScheduler(t *testing.T) {
	one := openTest(t)
	two := openAt(t, one.Path())
	ctx, end := context.WithCancel(t.Context())
	held, _, err := one.RoleScheduler().Await(ctx, "r")
	if err != nil {
		t.Fatal(err)
	}
	if _, cancel, err := two.RoleScheduler().Await(t.Context(), "another"); err != nil {
		t.Fatal(err)
	} else {
		cancel()
	}
	for _, b := range []*Backend{one, two} {
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if _, _, err := b.RoleScheduler().Await(short, "r"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting gave %v", err)
		}
		cancel()
	}
	end() // the caller's context ends, and with it the role
	<-held.Done()
	got, cancel, err := two.RoleScheduler().Await(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	cancel()
	if got.Err() == nil {
		t.Error("the role's context goes on after cancel")
	}
}

func TestTimeoutStore(t *testing.T) {
	b := openTest(t)
	s := b.TimeoutStore()
	base := time.Date(2026, 5, 1, 0, 0, 0, 5, time.UTC)
	for i := range 4 {
		if err := s.Create(t.Context(), testFlow, "f", fmt.Sprint("r", i), 2, base.Add(time.Duration(3-i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	valid, err := s.ListValid(t.Context(), testFlow, 2, base.Add(2*time.Hour))
	if err != nil || len(valid) != 3 || valid[0].RunID != "r3" || !valid[0].ExpireAt.Equal(base) || valid[2].RunID != "r1" {
		t.Fatalf("valid: %+v, %v", valid, err)
	}
	if err := errors.Join(s.Complete(t.Context(), valid[0].ID), s.Cancel(t.Context(), valid[1].ID)); err != nil {
		t.Fatal(err)
	}
	for _, f := range []func(context.Context, int64) error{s.Complete, s.Cancel} {
		if err := f(t.Context(), valid[1].ID); !errors.Is(err, backend.ErrTimeoutNotFound) {
			t.Errorf("cancelled timeout: %v", err)
		}
	}
	if valid, err = s.ListValid(t.Context(), testFlow, 2, base.Add(2*time.Hour)); err != nil || len(valid) != 1 {
		t.Errorf("valid afterwards: %+v, %v", valid, err)
	}
	if all, err := s.List(t.Context(), testFlow); err != nil || len(all) != 3 || !all[2].Completed || all[0].Completed {
		t.Errorf("all: %+v, %v", all, err)
	}
}

// TestAttemptsAreBounded: the newest hundred are kept.
func TestAttemptsAreBounded(t *testing.T) {
	b := openTest(t)
	commit(t, b, change("r", "f", 1))
	batch := make([]*backend.Change, keptAttempts+20)
	for i := range batch {
		batch[i] = &backend.Change{Attempt: &backend.Attempt{RunID: "r", WorkflowName: testFlow, Receiver: "step", Version: 1,
			Number: i + 1, At: time.Unix(int64(i), 0), Took: time.Second, Error: strings.Repeat("e", 2*backend.MaxTextBytes)}}
	}
	commit(t, b, batch...)
	kept, err := b.Attempts(t.Context(), "r", 1000)
	if err != nil || len(kept) != keptAttempts || kept[0].Number != 21 || len(kept[0].Error) > backend.MaxTextBytes {
		t.Errorf("%d kept, %v", len(kept), err)
	}
	unknown := &backend.Change{Attempt: &backend.Attempt{RunID: "nobody", WorkflowName: testFlow, Receiver: "step", Number: 1}}
	if err := b.Commit(t.Context(), []*backend.Change{unknown}); err != nil || !errors.Is(unknown.Err, backend.ErrRecordNotFound) {
		t.Errorf("attempt of an unknown run: %v, %v", err, unknown.Err)
	}
}

// TestPlans: the queries of the hot paths, and those that page, use an index and sort nothing. The counters of AUTOINCREMENT are a table of
// a few rows without an index.
func TestPlans(t *testing.T) {
	b := openTest(t)
	commit(t, b, change("r", "f", 1))
	queries := map[string]string{
		"lookup": "SELECT " + entryColumns + " FROM sw_runs r JOIN sw_log l ON l.pos = r.head WHERE r.run_id = 'r'",
		"log":    "SELECT " + entryColumns + " FROM sw_log l CROSS JOIN sw_runs r ON r.id = l.run WHERE l.pos > 1 ORDER BY l.pos LIMIT 5",
		"due": "SELECT " + deliveryColumns + ` FROM sw_deliveries WHERE workflow = (SELECT id FROM sw_workflows WHERE name = 'o') AND due IS NOT NULL
			AND (due, run_id, receiver, version) > (1, 'a', 'b', 1) ORDER BY due, run_id, receiver, version LIMIT 5`,
		"given up": listHeldText,
		"outbox":   "SELECT event_id FROM sw_outbox WHERE workflow = 1 ORDER BY id LIMIT 5",
		"head":     "SELECT " + headTerm,
		"latest":   "SELECT r.* FROM sw_workflows w CROSS JOIN sw_runs r ON r.workflow = w.id WHERE w.name = 'o' AND r.foreign_id = 'f' ORDER BY r.id DESC LIMIT 1",
		"expired":  "SELECT id FROM sw_timeouts WHERE workflow = 'o' AND status = 1 AND completed = 0 AND expire_at <= 5 ORDER BY expire_at, id",
		"ended":    endedText,
	}
	for name, filters := range map[string][]backend.RecordFilter{
		"all": nil, "reason": {backend.FilterByReason("x")}, "status": {backend.FilterByStatus(1)},
		"foreign": {backend.FilterByForeignID("f")}, "foreign and reason": {backend.FilterByForeignID("f"), backend.FilterByReason("x")},
	} {
		s, err := newSearch(testFlow, backend.MakeFilter(filters...))
		if err != nil {
			t.Fatal(err)
		}
		queries["find "+name], queries["find newest "+name] = s.byKey(false), s.byKey(true)
	}
	for name, query := range queries {
		details := plan(t, b, query)
		if i := slices.Index(details, "CO-ROUTINE r"); i >= 0 { // the page itself is gone through, once
			if j := slices.Index(details, "SCAN r"); j > i {
				details = slices.Delete(details, j, j+1)
			}
		}
		for _, detail := range details {
			if strings.Contains(detail, "TEMP B-TREE") || strings.HasPrefix(detail, "SCAN") && !harmlessScan(detail) {
				t.Errorf("%s: %s", name, detail)
			}
		}
	}
}

// TestFindGoesByKey: a page begins at its key, however far behind it lies, and nothing is skipped to get there.
func TestFindGoesByKey(t *testing.T) {
	b := openTest(t)
	for name, want := range map[string]string{
		"": "SEARCH r USING INTEGER PRIMARY KEY (rowid>?)", "f": "SEARCH r USING INDEX sw_runs_latest (workflow=? AND foreign_id=? AND id>?)",
	} {
		var filters []backend.RecordFilter
		if name != "" {
			filters = append(filters, backend.FilterByForeignID(name))
		}
		s, err := newSearch(testFlow, backend.MakeFilter(filters...))
		if err != nil {
			t.Fatal(err)
		}
		text := s.byKey(false)
		if got := plan(t, b, text); !slices.Contains(got, want) && !slices.Contains(got, strings.Replace(want, "id>?)", "rowid>?)", 1)) {
			t.Errorf("plan is %q, want %q in it", got, want)
		}
		if strings.Contains(text, "OFFSET") {
			t.Error("it skips rows")
		}
	}
}

// harmlessScan reports whether what is scanned is small: a list of values, the counters.
func harmlessScan(detail string) bool {
	for _, small := range []string{"SCAN json_each VIRTUAL TABLE INDEX 1:", "SCAN sqlite_sequence", "SCAN CONSTANT ROW"} {
		if detail == small {
			return true
		}
	}
	return false
}

// plan returns what SQLite would do for a query.
func plan(t *testing.T, b *Backend, query string) (details []string) {
	t.Helper()
	err := b.read(t.Context(), "test", func(c *conn) error {
		return c.query(t.Context(), func(row []driver.Value) error {
			details = append(details, asText(row[3]))
			return nil
		}, "EXPLAIN QUERY PLAN "+query, make([]driver.Value, 11)...) // as many as the longest text has
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return details
}
