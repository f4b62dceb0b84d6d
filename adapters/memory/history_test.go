package memory_test

import (
	"strings"
	"testing"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// advance commits n more versions of a run and returns the last.
func advance(t testing.TB, b *memory.Backend, rec *backend.Record, n int) *backend.Record {
	t.Helper()
	for range n {
		c := step(rec)
		commit(t, b, c)
		rec = c.Record
	}
	return rec
}

// advancePassed does the same, and moves the cursor of the run's bucket behind it.
func advancePassed(t testing.TB, b *memory.Backend, rec *backend.Record, n int) *backend.Record {
	t.Helper()
	rec = advance(t, b, rec, n)
	passBucket(t, b, rec, must[int64](t)(b.Head(t.Context())))
	return rec
}

// passBucket moves the cursor of the run's bucket.
func passBucket(t testing.TB, b *memory.Backend, rec *backend.Record, pos int64) {
	t.Helper()
	c := backend.Cursor{WorkflowName: rec.WorkflowName, Bucket: backend.BucketOf(rec.RunID, backend.DefaultBuckets), Pos: pos}
	if err := b.SaveCursors(t.Context(), []backend.Cursor{c}); err != nil {
		t.Fatal(err)
	}
}

// wantKept fails the test unless the history begins with the version, and objects begin with another.
func wantKept(t testing.TB, b *memory.Backend, runID string, version, object uint) {
	t.Helper()
	all := history(t, b, runID, 0, 1<<20)
	if len(all) == 0 || all[0].Record.Meta.Version != version {
		t.Fatalf("%d versions are kept, want them from %d", len(all), version)
	}
	for _, e := range all {
		v := e.Record.Meta.Version
		if kept := v >= object; e.Trimmed == kept || (e.Record.Object != nil) != kept {
			t.Fatalf("version %d: trimmed is %t, the object has %d bytes; want objects from version %d", v, e.Trimmed, len(e.Record.Object), object)
		}
	}
	for _, e := range readAll(t, b) {
		if v := e.Record.Meta.Version; e.Record.RunID == runID && v >= version && e.Trimmed != (v < object) {
			t.Fatalf("the log says that version %d is trimmed: %t", v, e.Trimmed)
		}
	}
}

func TestHistoryKeepsItsBounds(t *testing.T) {
	b := open(t)
	rec := start(t, b, "a")
	rec = advancePassed(t, b, rec, 5_000)
	rec = advancePassed(t, b, rec, 5_199)
	wantKept(t, b, "run-a", 201, 10_101)
	if got := lookup(t, b, "run-a"); got != rec {
		t.Errorf("the run is %+v", got)
	}
	page := history(t, b, "run-a", 700, 3)
	if len(page) != 3 || page[0].Record.Meta.Version != 701 || page[2].Record.Meta.Version != 703 {
		t.Errorf("a page after version 700 is %+v", page)
	}
	if page := history(t, b, "run-a", 10_200, 3); len(page) != 0 {
		t.Errorf("a page after the newest version is %+v", page)
	}
	if page := history(t, b, "run-nowhere", 0, 3); len(page) != 0 {
		t.Errorf("an unknown run has the history %+v", page)
	}
}

func TestHistoryBoundsAreOptions(t *testing.T) {
	for _, c := range []struct{ objects, versions, wantObjects, wantVersions int }{
		{2, 5, 2, 5}, {7, 3, 7, 7}, {1, 1, 1, 1}, {-1, 120, 100, 120}, {3, 0, 3, 150},
	} {
		b := open(t, memory.WithHistory(c.objects, c.versions))
		rec := start(t, b, "a")
		rec = advancePassed(t, b, rec, 70)
		advancePassed(t, b, rec, 79)
		wantKept(t, b, "run-a", uint(151-c.wantVersions), uint(151-c.wantObjects))
	}
	s := memory.NewRecordStore(memory.WithHistory(2, 4))
	for v := range uint(6) {
		if err := s.Store(t.Context(), &backend.Record{WorkflowName: orders, ForeignID: "a", RunID: "a", Object: []byte("o"), Meta: backend.Meta{Version: v + 1}}); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Snapshots(orders, "a", "a")
	if len(got) != 4 || got[1].Object != nil || got[2].Object == nil {
		t.Errorf("%d snapshots are kept: %+v", len(got), got)
	}
}

// TestObjectsStayForTheCursor shows that no object goes before the cursor of the run's own bucket has passed it, and that it goes then,
// although the run does not move any more.
func TestObjectsStayForTheCursor(t *testing.T) {
	b := open(t, memory.WithHistory(2, 5))
	rec := advance(t, b, start(t, b, "a"), 9)
	wantKept(t, b, "run-a", 1, 1)
	passBucket(t, b, rec, 4)
	wantKept(t, b, "run-a", 5, 5)
	passBucket(t, b, rec, 7)
	wantKept(t, b, "run-a", 6, 8)
	passBucket(t, b, rec, 10)
	wantKept(t, b, "run-a", 6, 9)
	if log := readAll(t, b); len(log) != 10 {
		t.Errorf("the log holds %d entries, although other buckets have passed none", len(log))
	}
}

func TestObjectsStayForHooks(t *testing.T) {
	b := open(t, memory.WithHistory(2, 5))
	rec := advancePassed(t, b, start(t, b, "a"), 2)
	hook := func(version uint) backend.Delivery {
		d := delivery(rec, version, 1)
		d.Receiver = "hook:Paused"
		return d
	}
	commit(t, b, &backend.Change{Hold: []backend.Delivery{hook(3), hook(2)}})
	rec = advancePassed(t, b, rec, 6)
	wantKept(t, b, "run-a", 2, 2)
	commit(t, b, &backend.Change{Done: []backend.DeliveryKey{hook(2).DeliveryKey}})
	wantKept(t, b, "run-a", 3, 3)
	commit(t, b, &backend.Change{Done: []backend.DeliveryKey{hook(3).DeliveryKey}})
	wantKept(t, b, "run-a", 5, 8)
	advancePassed(t, b, rec, 1)
	wantKept(t, b, "run-a", 6, 9)
}

// TestScrubReachesWhatTheHistoryForgot scrubs a run with versions that are in the log only.
func TestScrubReachesWhatTheHistoryForgot(t *testing.T) {
	b := open(t, memory.WithHistory(2, 5))
	rec := start(t, b, "a")
	other := start(t, b, "other")
	for range 9 {
		c := step(rec)
		c.Record.Meta.RunStateReason = "secret"
		commit(t, b, c)
		rec = c.Record
	}
	commit(t, b, step(other))
	passBucket(t, b, rec, 11)
	gone := complete(rec)
	gone.Record.Object, gone.Record.Meta.RunStateReason, gone.Scrub = []byte("gone"), "asked for", true
	commit(t, b, gone)
	log := readAll(t, b)
	if len(log) != 13 {
		t.Fatalf("the log holds %d entries", len(log))
	}
	for _, e := range append(log, history(t, b, "run-a", 0, 100)...) {
		if rec := e.Record; rec.RunID == "run-a" && (strings.Contains(string(rec.Object), `"v"`) || strings.Contains(rec.Meta.RunStateReason, "secret")) {
			t.Errorf("version %d still says %s, for %q", rec.Meta.Version, rec.Object, rec.Meta.RunStateReason)
		}
	}
	if got := lookup(t, b, "run-a").Meta.RunStateReason; got != "asked for" {
		t.Errorf("the newest version has the reason %q", got)
	}
}
