package memory_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

func positions(entries []backend.Entry) []int64 {
	var out []int64
	for _, e := range entries {
		out = append(out, e.Pos)
	}
	return out
}

func TestReadLogPages(t *testing.T) {
	b := open(t)
	const n = 1300 // more than two segments
	for i := range n {
		start(t, b, fmt.Sprint(i))
	}
	var got []int64
	for after := int64(0); ; after = got[len(got)-1] {
		page := must[[]backend.Entry](t)(b.ReadLog(t.Context(), after, 97))
		if len(page) == 0 {
			break
		}
		got = append(got, positions(page)...)
	}
	if len(got) != n {
		t.Fatalf("%d entries were read, want %d", len(got), n)
	}
	for i, pos := range got {
		if pos != int64(i)+1 {
			t.Fatalf("entry %d has position %d", i, pos)
		}
	}
	if head := must[int64](t)(b.Head(t.Context())); head != n {
		t.Errorf("the head is %d, want %d", head, n)
	}
	for _, limit := range []int{0, -1} {
		if page := must[[]backend.Entry](t)(b.ReadLog(t.Context(), 0, limit)); len(page) != 0 {
			t.Errorf("limit %d gives %d entries", limit, len(page))
		}
	}
	if page := must[[]backend.Entry](t)(b.ReadLog(t.Context(), n+5, 10)); len(page) != 0 {
		t.Errorf("%d entries lie behind the head", len(page))
	}
}

func TestReadLogSaysWhatIsCurrentAndHeld(t *testing.T) {
	b := open(t)
	rec, other := start(t, b, "a"), start(t, b, "b")
	next := step(rec)
	next.Hold = []backend.Delivery{delivery(next.Record, 2, 1)}
	commit(t, b, next)
	type flags struct{ current, held bool }
	read := func() (out []flags) {
		for _, e := range readAll(t, b) {
			out = append(out, flags{e.Current, e.Held})
		}
		return out
	}
	if got, want := read(), []flags{{false, true}, {true, false}, {true, true}}; !reflect.DeepEqual(got, want) {
		t.Errorf("current and held are %v, want %v", got, want)
	}
	commit(t, b, &backend.Change{Done: []backend.DeliveryKey{next.Hold[0].DeliveryKey}}, step(other))
	if got, want := read(), []flags{{false, false}, {false, false}, {true, false}, {true, false}}; !reflect.DeepEqual(got, want) {
		t.Errorf("current and held are %v, want %v", got, want)
	}
}

func TestCursorsStartBeforeTheFirstEntryAndOnlyMoveForward(t *testing.T) {
	b := open(t)
	load := func(name string, buckets int) []int64 {
		t.Helper()
		return must[[]int64](t)(b.LoadCursors(t.Context(), name, buckets))
	}
	save := func(cursors ...backend.Cursor) {
		t.Helper()
		if err := b.SaveCursors(t.Context(), cursors); err != nil {
			t.Fatal(err)
		}
	}
	if got := load(orders, 2); !reflect.DeepEqual(got, []int64{0, 0}) {
		t.Errorf("in an empty log cursors stand at %v", got)
	}
	for i := range 5 {
		commit(t, b, newRun("billing", fmt.Sprint(i), fmt.Sprintf("bill-%d", i)))
	}
	if got := load(orders, 2); !reflect.DeepEqual(got, []int64{5, 5}) {
		t.Errorf("a workflow without entries stands at %v, want the head", got)
	}
	start(t, b, "a")
	start(t, b, "b")
	if got := load(orders, 3); !reflect.DeepEqual(got, []int64{5, 5, 5}) {
		t.Errorf("cursors stand at %v, want just before the first entry", got)
	}
	save(backend.Cursor{WorkflowName: orders, Bucket: 1, Pos: 6}, backend.Cursor{WorkflowName: "billing", Bucket: 0, Pos: 2})
	save(backend.Cursor{WorkflowName: orders, Bucket: 0, Pos: 3}, backend.Cursor{WorkflowName: "billing", Bucket: 0, Pos: 1})
	if got := load(orders, 3); !reflect.DeepEqual(got, []int64{5, 6, 5}) {
		t.Errorf("cursors stand at %v, want 5, 6, 5", got)
	}
	if got := load("billing", 2); !reflect.DeepEqual(got, []int64{2, 0}) {
		t.Errorf("cursors of the other workflow stand at %v, want 2, 0", got)
	}
}

func TestBadCursorsSaveNone(t *testing.T) {
	b := open(t)
	start(t, b, "a")
	for _, bad := range []backend.Cursor{{WorkflowName: "", Pos: 1}, {WorkflowName: orders, Bucket: -1, Pos: 1}} {
		err := b.SaveCursors(t.Context(), []backend.Cursor{{WorkflowName: orders, Bucket: 2, Pos: 1}, bad})
		if !errors.Is(err, backend.ErrInvalidID) {
			t.Errorf("cursor %+v: %v", bad, err)
		}
	}
	if got := must[[]int64](t)(b.LoadCursors(t.Context(), orders, 3)); got[2] != 0 {
		t.Errorf("a refused call moved a cursor to %d", got[2])
	}
	if _, err := b.LoadCursors(t.Context(), orders, 0); err == nil {
		t.Error("cursors of zero buckets were loaded")
	}
}

// fill stores n runs of a workflow and returns the position of the last.
func fill(t *testing.T, b *memory.Backend, workflowName string, from, n int) int64 {
	t.Helper()
	var batch []*backend.Change
	for i := range n {
		batch = append(batch, newRun(workflowName, fmt.Sprint(from+i), fmt.Sprintf("%s-%d", workflowName, from+i)))
	}
	commit(t, b, batch...)
	return batch[n-1].Pos
}

func first(t *testing.T, b *memory.Backend) int64 {
	t.Helper()
	page := must[[]backend.Entry](t)(b.ReadLog(t.Context(), 0, 1))
	if len(page) == 0 {
		return must[int64](t)(b.Head(t.Context())) + 1
	}
	return page[0].Pos
}

func TestTheLogForgetsWhatEveryCursorHasPassed(t *testing.T) {
	b := open(t)
	fill(t, b, orders, 0, 2000)
	for bucket := range backend.DefaultBuckets - 1 {
		if err := b.SaveCursors(t.Context(), []backend.Cursor{{WorkflowName: orders, Bucket: bucket, Pos: 1500}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := first(t, b); got != 1 {
		t.Fatalf("the log begins at %d while one bucket has not moved", got)
	}
	saveAll(t, b, orders, 1500)
	if got := first(t, b); got != 1501 {
		t.Fatalf("the log begins at %d, want 1501", got)
	}
	if got := readAll(t, b); len(got) != 500 || got[499].Pos != 2000 {
		t.Errorf("the log holds %d entries", len(got))
	}
	if got := history(t, b, "orders-0", 0, 10); len(got) != 1 || got[0].Pos != 1 {
		t.Errorf("the history lost what the log has forgotten: %+v", got)
	}
	saveAll(t, b, orders, 2000)
	if got := readAll(t, b); len(got) != 0 {
		t.Errorf("the log still holds %d entries", len(got))
	}
	if pos := fill(t, b, orders, 2000, 1); pos != 2001 || first(t, b) != 2001 {
		t.Errorf("the next entry has position %d, the log begins at %d", pos, first(t, b))
	}
}

func TestAWorkflowThatNobodyServesKeepsItsEntries(t *testing.T) {
	b := open(t)
	fill(t, b, orders, 0, 10)
	fill(t, b, "billing", 0, 10)
	last := fill(t, b, orders, 10, 10)
	saveAll(t, b, orders, last)
	if got := first(t, b); got != 11 {
		t.Fatalf("the log begins at %d, want the first entry of the workflow that nobody serves", got)
	}
	saveAll(t, b, "billing", last)
	if got := first(t, b); got != last+1 {
		t.Errorf("the log begins at %d, want %d", got, last+1)
	}
}

func TestTheBucketsOfAJoinCountForForgetting(t *testing.T) {
	b := open(t)
	leave, err := b.Join(t.Context(), orders, 2, func(backend.Grant) {})
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	fill(t, b, orders, 0, 10)
	for bucket, want := range []int64{1, 11} {
		if err := b.SaveCursors(t.Context(), []backend.Cursor{{WorkflowName: orders, Bucket: bucket, Pos: 10}}); err != nil {
			t.Fatal(err)
		}
		if got := first(t, b); got != want {
			t.Errorf("the log begins at %d after bucket %d moved, want %d", got, bucket, want)
		}
	}
}

func TestWatchHearsOfStoresAlone(t *testing.T) {
	b := open(t)
	calls := 0
	stop := b.Watch(func() { calls++ })
	rec := start(t, b, "a")
	if calls != 0 {
		t.Errorf("a Commit called the watcher")
	}
	next := step(rec).Record
	if err := b.RecordStore().Store(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if calls != 1 {
		t.Errorf("a Store called the watcher %d times", calls)
	}
	if err := b.RecordStore().Store(t.Context(), next); !errors.Is(err, backend.ErrVersionConflict) || calls != 1 {
		t.Errorf("a Store that failed with %v called the watcher %d times in all", err, calls)
	}
	entries := readAll(t, b)
	if e := entries[1]; e.Cause != backend.CauseStore || e.From != (backend.Point{RunState: backend.RunStateInitiated, Status: 1}) || e.Record.Meta.Version != 2 {
		t.Errorf("the entry of the Store is %+v", e)
	}
	stop()
	stop()
	if err := b.RecordStore().Store(t.Context(), step(next).Record); err != nil || calls != 1 {
		t.Errorf("after stop a Store (%v) called the watcher", err)
	}
}

func TestWatchCallsDoNotOverlapAndStopWaits(t *testing.T) {
	b := open(t)
	entered, release := make(chan struct{}), make(chan struct{})
	calls, running := 0, false // no lock: the race detector sees an overlap
	stop := b.Watch(func() {
		calls++
		running = true
		if calls == 1 {
			close(entered)
			<-release
		}
		running = false
	})
	stored := make(chan error, 4)
	for i := range cap(stored) {
		go func() {
			stored <- b.RecordStore().Store(t.Context(), newRun(orders, fmt.Sprint(i), fmt.Sprint(i)).Record)
		}()
	}
	<-entered
	go close(release)
	stop()
	if running || calls < 1 || calls > cap(stored) {
		t.Errorf("stop returned after %d calls, one running: %v", calls, running)
	}
	for range cap(stored) {
		if err := <-stored; err != nil {
			t.Error(err)
		}
	}
}
