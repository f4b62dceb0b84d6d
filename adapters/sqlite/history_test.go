package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// grow commits the versions of a run after from up to to, in batches.
func grow(t testing.TB, b *Backend, run string, from, to uint) {
	t.Helper()
	for v := from + 1; v <= to; {
		batch := make([]*backend.Change, 0, 200)
		for ; v <= to && len(batch) < cap(batch); v++ {
			batch = append(batch, change(run, run, v))
		}
		commit(t, b, batch...)
	}
}

// passAll stores that every cursor has passed the position.
func passAll(t testing.TB, b *Backend, pos int64) {
	t.Helper()
	cursors := make([]backend.Cursor, backend.DefaultBuckets)
	for i := range cursors {
		cursors[i] = backend.Cursor{WorkflowName: testFlow, Bucket: i, Pos: pos}
	}
	if err := b.SaveCursors(t.Context(), cursors); err != nil {
		t.Fatal(err)
	}
}

// mustHistory reads the whole history in pages and compares the oldest version kept, and the oldest one with its object.
func mustHistory(t *testing.T, b *Backend, run string, oldest, object, newest uint, page int) {
	t.Helper()
	next := oldest
	for after := uint(0); ; {
		entries, err := b.History(t.Context(), run, after, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			v := e.Record.Meta.Version
			if v != next {
				t.Fatalf("version %d, want %d", v, next)
			}
			if trimmed := v < object; e.Trimmed != trimmed || (e.Record.Object == nil) != trimmed || e.Record.Status != int(v) {
				t.Fatalf("version %d is trimmed %v, want %v, with %q", v, e.Trimmed, trimmed, e.Record.Object)
			}
			next, after = v+1, v
		}
		if len(entries) < page {
			break
		}
	}
	if next != newest+1 {
		t.Errorf("history ends before %d, want %d", next, newest)
	}
}

// TestHistoryIsBounded: objects and then whole versions go by the hundred, oldest first, once the cursor of the run's bucket has passed.
func TestHistoryIsBounded(t *testing.T) {
	b := openTest(t, WithHistory(100, 300))
	grow(t, b, "r", 0, 250)
	mustHistory(t, b, "r", 1, 1, 250, 500) // no cursor: somebody may need them
	passAll(t, b, 150)                     // position and version are the same here
	grow(t, b, "r", 250, 299)
	mustHistory(t, b, "r", 1, 1, 299, 500)
	grow(t, b, "r", 299, 300)
	mustHistory(t, b, "r", 1, 101, 300, 70) // 101 to 200 lie behind the cursor
	passAll(t, b, 299)
	grow(t, b, "r", 300, 399)
	mustHistory(t, b, "r", 1, 101, 399, 70)
	grow(t, b, "r", 399, 400)
	mustHistory(t, b, "r", 101, 201, 400, 500) // 201 to 300 have a post at 300, beyond the cursor
	mustBeSound(t, b)
	passAll(t, b, 400)
	grow(t, b, "r", 400, 1000)
	mustHistory(t, b, "r", 401, 401, 1000, 0x7fffffff)
	passAll(t, b, 1000)
	grow(t, b, "r", 1000, 1100)
	mustHistory(t, b, "r", 801, 801, 1100, 500) // what has gathered goes four hundred at a time
	passAll(t, b, 1100)
	grow(t, b, "r", 1100, 1200)
	mustHistory(t, b, "r", 901, 1101, 1200, 500)
}

// TestHistoryWaitsForHooks: what a stored delivery to a hook tells of stays, whatever the bounds say, and goes when the hook is through.
func TestHistoryWaitsForHooks(t *testing.T) {
	b := openTest(t, WithHistory(100, 200))
	grow(t, b, "r", 0, 150)
	commit(t, b, &backend.Change{Hold: []backend.Delivery{held("r", "hook:Paused", 150), held("r", "step", 20)}})
	for to := uint(200); to <= 600; to += 100 {
		grow(t, b, "r", max(150, to-100), to-1)
		passAll(t, b, int64(to-1))
		grow(t, b, "r", to-1, to)
	}
	mustHistory(t, b, "r", 101, 101, 600, 64)
	mustBeSound(t, b)
	commit(t, b, &backend.Change{Done: []backend.DeliveryKey{key("r", "hook:Paused", 150)}})
	grow(t, b, "r", 600, 699)
	passAll(t, b, 699)
	grow(t, b, "r", 699, 700)
	mustHistory(t, b, "r", 501, 501, 700, 64)
	passAll(t, b, 700)
	grow(t, b, "r", 700, 800)
	mustHistory(t, b, "r", 601, 701, 800, 64)
}

// TestHistoryOfOneRunOnly: the neighbours of a long run in the log, and runs of another workflow, keep what is theirs.
func TestHistoryOfOneRunOnly(t *testing.T) {
	b := openTest(t, WithHistory(100, 100))
	passAll(t, b, 1)
	for v := uint(1); v <= 350; v++ {
		other := change("b", "b", v)
		other.Record.WorkflowName = "another" // no cursor
		commit(t, b, change("a", "a", v), other)
		if v%50 == 49 {
			passAll(t, b, 1<<40) // beyond everything
		}
	}
	mustHistory(t, b, "a", 201, 201, 350, 100)
	mustHistory(t, b, "b", 1, 1, 350, 100)
	r, err := b.Lookup(t.Context(), "a")
	if err != nil || string(r.Object) != `{"v":350}` {
		t.Errorf("%+v, %v", r, err)
	}
	mustExec(t, b.Path(), "UPDATE sw_cursors SET pos = 700") // what Check demands
	// Scrubbing and erasing know a chain that ends early.
	scrub := finished("a", "a", 351)
	scrub.Record.Object, scrub.Scrub = []byte("{}"), true
	commit(t, b, scrub)
	history, err := b.History(t.Context(), "a", 0, 999)
	if err != nil || len(history) != 151 {
		t.Fatal(len(history), err)
	}
	for _, e := range history {
		if string(e.Record.Object) != "{}" || e.Trimmed {
			t.Fatalf("version %d: %q, trimmed %v", e.Record.Meta.Version, e.Record.Object, e.Trimmed)
		}
	}
	mustBeSound(t, b)
	eraseAll(t, b, &backend.Erasure{RunID: "a", Version: 351})
	for _, table := range []string{"sw_posts", "sw_log"} {
		n := 0
		if err := otherDB(t, b.Path()).QueryRow("SELECT count(*) FROM " + table + " x WHERE run NOT IN (SELECT id FROM sw_runs)").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows are left in %s, %v", n, table, err)
		}
	}
}

// TestHistoryWithinOneCommit: rows that are dropped by the transaction that writes them are written first.
func TestHistoryWithinOneCommit(t *testing.T) {
	b := openTest(t, WithHistory(100, 200))
	passAll(t, b, 1<<40) // beyond everything
	batch := make([]*backend.Change, 450)
	for i := range batch {
		batch[i] = change("r", "r", uint(i+1))
	}
	commit(t, b, batch...)
	mustHistory(t, b, "r", 201, 301, 450, 100)
	mustExec(t, b.Path(), "UPDATE sw_cursors SET pos = 450") // what Check demands
}

// TestScrubKeepsWhatWasDropped: an object that was dropped does not come back as the scrubbed one.
func TestScrubKeepsWhatWasDropped(t *testing.T) {
	b := openTest(t, WithHistory(100, 1000))
	grow(t, b, "r", 0, 150)
	passAll(t, b, 150)
	grow(t, b, "r", 150, 200)
	scrub := change("r", "r", 201)
	scrub.Record.Object, scrub.Scrub = []byte("{}"), true
	commit(t, b, scrub)
	history, err := b.History(t.Context(), "r", 0, 999)
	if err != nil || len(history) != 201 {
		t.Fatal(len(history), err)
	}
	for _, e := range history {
		if trimmed := e.Record.Meta.Version <= 100; e.Trimmed != trimmed || (e.Record.Object == nil) != trimmed {
			t.Errorf("version %d: %q, trimmed %v", e.Record.Meta.Version, e.Record.Object, e.Trimmed)
		}
	}
}

// TestHistoryPageIsLocal: what a page of a long history reads does not depend on where it lies.
func TestHistoryPageIsLocal(t *testing.T) {
	b := openTest(t, WithHistory(20_000, 20_000))
	const n = 5000
	grow(t, b, "r", 0, n)
	for _, after := range []int64{0, 130, 2500, n - 100} {
		var walked int64
		err := b.read(t.Context(), "test", func(c *conn) (err error) {
			walk := historyText[:strings.Index(historyText, "SELECT "+entryColumns)] + "SELECT count(*) FROM h"
			walked, _, err = c.queryInt(t.Context(), walk, "r", after, int64(50))
			return err
		})
		if err != nil || walked < 50 || walked > 50+2*postEvery {
			t.Errorf("a page of 50 after %d walks over %d rows, %v", after, walked, err)
		}
	}
	mustHistory(t, b, "r", 1, 1, n, 500)
}

// TestHistoryOfVersionZero: rows from before the version rule go with the first hundred.
func TestHistoryOfVersionZero(t *testing.T) {
	b := openTest(t, WithHistory(1, 1))
	s := b.RecordStore()
	for range 3 {
		if err := s.Store(t.Context(), record("r", "r", 0)); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := b.History(t.Context(), "r", 0, 9); err != nil || len(h) != 1 {
		t.Errorf("%d entries at version 0, %v", len(h), err)
	}
	if err := s.Store(t.Context(), record("r", "r", 1)); err != nil {
		t.Fatal(err)
	}
	grow(t, b, "r", 1, 150)
	mustHistory(t, b, "r", 1, 1, 150, 33)
	passAll(t, b, 153)
	grow(t, b, "r", 150, 200)
	mustHistory(t, b, "r", 101, 101, 200, 33)
	if entries, err := b.ReadLog(t.Context(), 0, 1); err != nil || len(entries) != 1 || entries[0].Record.Meta.Version != 101 {
		t.Errorf("the log begins with %+v, %v", entries, err)
	}
	if _, err := b.History(t.Context(), "nobody", 0, 9); !errors.Is(err, backend.ErrRecordNotFound) {
		t.Errorf("unknown run: %v", err)
	}
}

// TestHistoryDefaults: what is not set, or makes no sense, is what the comment says.
func TestHistoryDefaults(t *testing.T) {
	for _, c := range []struct{ objects, versions, wantObjects, wantVersions int }{
		{0, 0, 100, 10_000}, {-1, 50, 100, 100}, {500, 200, 500, 500}, {7, 70, 7, 70},
	} {
		cfg := newConfig([]Option{WithHistory(c.objects, c.versions)})
		if got := fmt.Sprint(cfg.history); got != fmt.Sprintf("{%d %d}", c.wantObjects, c.wantVersions) {
			t.Errorf("WithHistory(%d, %d) is %s", c.objects, c.versions, got)
		}
	}
	if newConfig(nil).history != (kept{}).orDefault() {
		t.Error("without the option")
	}
}
