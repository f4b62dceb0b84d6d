package memrecordstore_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/backend"
)

func TestClassicConformance(t *testing.T) {
	adaptertest.RunRecordStoreTest(t, func() backend.RecordStore { return memrecordstore.New() })
}

// TestTheStoreFollowsTheRules looks at each method once; the rules themselves are tested in package memory.
func TestTheStoreFollowsTheRules(t *testing.T) {
	s := memrecordstore.New(memrecordstore.WithClock(stopped{}))
	notified := 0
	stop := s.NotifyOutbox(func() { notified++ })
	store(t, s, record(orders, "a", 1), record(orders, "a", 2), record(orders, "b", 0))
	stop()
	if notified != 3 {
		t.Errorf("three Stores notified %d times", notified)
	}
	if err := s.Store(t.Context(), record(orders, "a", 2)); !errors.Is(err, backend.ErrVersionConflict) {
		t.Errorf("version 2 over version 2: %v", err)
	}
	second := record(orders, "a", 1)
	second.RunID = "run-second"
	if err := s.Store(t.Context(), second); !errors.Is(err, backend.ErrWorkflowInProgress) {
		t.Errorf("a second unfinished run: %v", err)
	}
	if rec := must[*backend.Record](t)(s.Lookup(t.Context(), "run-a")); rec.Meta.Version != 2 {
		t.Errorf("lookup finds version %d", rec.Meta.Version)
	}
	if rec := must[*backend.Record](t)(s.Latest(t.Context(), orders, "b")); rec.RunID != "run-b" {
		t.Errorf("latest is run %s", rec.RunID)
	}
	list := must[[]backend.Record](t)(s.List(t.Context(), orders, 0, 1, backend.OrderTypeDescending, backend.FilterByForeignID("a", "b")))
	if len(list) != 1 || list[0].RunID != "run-b" {
		t.Errorf("the newest run is %+v", list)
	}
	if n := len(s.Snapshots(orders, "a", "run-a")); n != 2 {
		t.Errorf("there are %d snapshots", n)
	}
	events := must[[]backend.OutboxEvent](t)(s.ListOutboxEvents(t.Context(), orders, 2))
	if len(events) != 2 || !events[0].CreatedAt.Equal(stopped{}.Now()) {
		t.Fatalf("the oldest events are %+v", events)
	}
	if err := s.DeleteOutboxEvent(t.Context(), events[0].ID); err != nil {
		t.Error(err)
	}
	if err := s.DeleteOutboxEvent(t.Context(), events[0].ID); !errors.Is(err, backend.ErrOutboxRecordNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

// stopped is a clock that stands still.
type stopped struct{}

func (stopped) Now() time.Time                       { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }
func (stopped) After(time.Duration) <-chan time.Time { return nil }

func TestSnapshotOffsetsAreBookKeeping(t *testing.T) {
	s := memrecordstore.New()
	if got := s.SnapshotOffset(orders, "a", "run-a"); got != 0 {
		t.Errorf("an offset that nobody set is %d", got)
	}
	s.SetSnapshotOffset(orders, "a", "run-a", 3)
	s.SetSnapshotOffset(orders, "a-run", "a", 9) // must not be mixed up with it
	s.SetSnapshotOffset(orders, "a", "run-a", 4)
	if got := s.SnapshotOffset(orders, "a", "run-a"); got != 4 {
		t.Errorf("the offset is %d, want 4", got)
	}
	if got := s.SnapshotOffset(orders, "a-run", "a"); got != 9 {
		t.Errorf("the other offset is %d, want 9", got)
	}
}

func TestRacingTriggersOfOneForeignID(t *testing.T) {
	s := memrecordstore.New()
	var wg sync.WaitGroup
	var started atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			rec := record(orders, "a", 1)
			rec.RunID = fmt.Sprint(i)
			switch err := s.Store(t.Context(), rec); {
			case err == nil:
				started.Add(1)
			case !errors.Is(err, backend.ErrWorkflowInProgress):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if started.Load() != 1 {
		t.Errorf("%d runs were started", started.Load())
	}
}

// TestListKnowsTheExtendedFilters narrows by the time of the last version and by the reason.
func TestListKnowsTheExtendedFilters(t *testing.T) {
	s := memrecordstore.New()
	at := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	for i, reason := range []string{"", "out of stock", "Out of stock", "100%"} {
		rec := record(orders, string(rune('a'+i)), 1)
		rec.UpdatedAt, rec.Meta.RunStateReason = at.Add(time.Duration(i)*time.Hour), reason
		store(t, s, rec)
	}
	for want, filters := range map[string][]backend.RecordFilter{
		"b":   {backend.FilterByReason("out of")},
		"d":   {backend.FilterByReason("%")},
		"cd":  {backend.FilterByUpdatedAtAfter(at.Add(time.Hour))},
		"ab":  {backend.FilterByUpdatedAtBefore(at.Add(2 * time.Hour))},
		"bc":  {backend.FilterByUpdatedAtAfter(at), backend.FilterByReason("stock")},
		"abc": {backend.FilterByUpdatedAtBefore(at.Add(3 * time.Hour)), backend.FilterByReason("")},
	} {
		got := ""
		for _, rec := range must[[]backend.Record](t)(s.List(t.Context(), orders, 0, 10, backend.OrderTypeAscending, filters...)) {
			got += rec.ForeignID
		}
		if got != want {
			t.Errorf("listed are the runs of %q, want %q", got, want)
		}
	}
}
