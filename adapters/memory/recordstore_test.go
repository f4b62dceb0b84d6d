package memory_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// stores are the two ways to get a classic store; the rules are the same.
func stores(t *testing.T, test func(t *testing.T, s *memory.RecordStore)) {
	t.Helper()
	t.Run("alone", func(t *testing.T) { test(t, memory.NewRecordStore()) })
	t.Run("of a backend", func(t *testing.T) { test(t, open(t).RecordStore().(*memory.RecordStore)) })
}

func record(foreignID, runID string, version uint, state backend.RunState) *backend.Record {
	rec := newRun(orders, foreignID, runID).Record
	rec.Meta.Version, rec.RunState = version, state
	return rec
}

func store(t testing.TB, s backend.RecordStore, records ...*backend.Record) {
	t.Helper()
	for _, rec := range records {
		if err := s.Store(t.Context(), rec); err != nil {
			t.Fatalf("store version %d of run %s: %v", rec.Meta.Version, rec.RunID, err)
		}
	}
}

func TestStoreOfVersionZero(t *testing.T) {
	stores(t, func(t *testing.T, s *memory.RecordStore) {
		version := func() uint {
			return must[*backend.Record](t)(s.Lookup(t.Context(), "run")).Meta.Version
		}
		for range 3 { // again and again, and beside others of the foreign id
			store(t, s, record("a", "run", 0, backend.RunStateRunning), record("a", "other", 0, backend.RunStateRunning))
			if v := version(); v != 0 {
				t.Fatalf("version 0 over version 0 is version %d", v)
			}
		}
		store(t, s, record("a", "run", 1, backend.RunStateRunning)) // a row at version 0 counts as none
		store(t, s, record("a", "run", 0, backend.RunStateRunning), record("a", "run", 0, backend.RunStatePaused))
		if v := version(); v != 3 {
			t.Fatalf("two upserts over version 1 make version %d, want 3", v)
		}
		store(t, s, record("a", "run", 4, backend.RunStateRunning))
		var got []uint
		for _, rec := range s.Snapshots(orders, "a", "run") {
			got = append(got, rec.Meta.Version)
		}
		if want := []uint{0, 0, 0, 1, 2, 3, 4}; !reflect.DeepEqual(got, want) {
			t.Errorf("the snapshots have versions %v, want %v", got, want)
		}
	})
}

func TestStoreChecksTheVersion(t *testing.T) {
	stores(t, func(t *testing.T, s *memory.RecordStore) {
		for _, v := range []uint{2, 3, 100} {
			if err := s.Store(t.Context(), record("a", "run", v, backend.RunStateRunning)); !errors.Is(err, backend.ErrVersionConflict) {
				t.Errorf("version %d of a new run: %v", v, err)
			}
		}
		store(t, s, record("a", "run", 1, backend.RunStateRunning), record("a", "run", 2, backend.RunStateRunning))
		for _, v := range []uint{1, 2, 4} {
			err := s.Store(t.Context(), record("a", "run", v, backend.RunStateRunning))
			var conflict *backend.ConflictError
			if !errors.As(err, &conflict) || conflict.Want != v-1 || conflict.Have != 2 {
				t.Errorf("version %d over version 2: %v", v, err)
			}
		}
		if n := len(s.Snapshots(orders, "a", "run")); n != 2 {
			t.Errorf("refused stores left %d snapshots", n)
		}
		if n := len(must[[]backend.OutboxEvent](t)(s.ListOutboxEvents(t.Context(), orders, 100))); n != 2 {
			t.Errorf("refused stores left %d outbox events", n)
		}
	})
}

func TestStoreAllowsOneUnfinishedVersionedRun(t *testing.T) {
	stores(t, func(t *testing.T, s *memory.RecordStore) {
		store(t, s, record("a", "free", 0, backend.RunStateRunning), record("a", "first", 1, backend.RunStateRunning))
		err := s.Store(t.Context(), record("a", "second", 1, backend.RunStateInitiated))
		var in *backend.InProgressError
		if !errors.As(err, &in) || in.RunID != "first" {
			t.Fatalf("a second unfinished run: %v", err)
		}
		if err := s.Store(t.Context(), record("a", "free", 1, backend.RunStateRunning)); !errors.Is(err, backend.ErrWorkflowInProgress) {
			t.Errorf("the unversioned run becomes versioned: %v", err)
		}
		store(t, s, record("a", "first", 2, backend.RunStateCompleted), record("a", "second", 1, backend.RunStateInitiated))
		if err := s.Store(t.Context(), record("a", "first", 0, backend.RunStateRunning)); !errors.Is(err, backend.ErrWorkflowInProgress) {
			t.Errorf("a hand edit brings the first run back: %v", err)
		}
		store(t, s, record("a", "first", 0, backend.RunStateCancelled))
	})
}

func TestStoreRefusesBadRecords(t *testing.T) {
	stores(t, func(t *testing.T, s *memory.RecordStore) {
		store(t, s, record("a", "run", 1, backend.RunStateRunning))
		large := record("b", "large", 1, backend.RunStateRunning)
		large.Object = make([]byte, backend.MaxObjectBytes+1)
		foreign := record("elsewhere", "run", 2, backend.RunStateRunning)
		workflow := record("a", "run", 2, backend.RunStateRunning)
		workflow.WorkflowName = "billing"
		for name, c := range map[string]struct {
			rec  *backend.Record
			want error
		}{
			"empty run id":         {record("b", "", 1, backend.RunStateRunning), backend.ErrInvalidID},
			"NUL in foreign id":    {record("b\x00", "b", 1, backend.RunStateRunning), backend.ErrInvalidID},
			"too large":            {large, backend.ErrTooLarge},
			"another foreign id":   {foreign, backend.ErrInvalidID},
			"another workflow":     {workflow, backend.ErrInvalidID},
			"nothing of that kind": {nil, nil},
		} {
			if err := s.Store(t.Context(), c.rec); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Store(ended, record("b", "b", 1, backend.RunStateRunning)); !errors.Is(err, context.Canceled) {
			t.Errorf("under an ended context: %v", err)
		}
		if n := len(must[[]backend.Record](t)(s.List(t.Context(), "", 0, 10, backend.OrderTypeAscending))); n != 1 {
			t.Errorf("%d runs exist", n)
		}
	})
}

func TestTheStoreSharesNoBytes(t *testing.T) {
	stores(t, func(t *testing.T, s *memory.RecordStore) {
		rec := record("a", "run", 1, backend.RunStateRunning)
		store(t, s, rec)
		rec.Object[0], rec.Status = 'X', 99
		want := newRun(orders, "a", "run").Record
		want.RunState = backend.RunStateRunning
		reads := func() map[string]*backend.Record {
			list := must[[]backend.Record](t)(s.List(t.Context(), orders, 0, 1, backend.OrderTypeAscending))
			return map[string]*backend.Record{
				"Lookup":    must[*backend.Record](t)(s.Lookup(t.Context(), "run")),
				"Latest":    must[*backend.Record](t)(s.Latest(t.Context(), orders, "a")),
				"List":      &list[0],
				"Snapshots": s.Snapshots(orders, "a", "run")[0],
			}
		}
		for range 2 {
			for name, got := range reads() {
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s returns %+v, want %+v", name, got, want)
				}
				got.Object[0], got.Status = 'X', 99 // must not be seen by the second round
			}
		}
	})
}

func TestSnapshotsKeepTheLastThousand(t *testing.T) {
	s := memory.NewRecordStore()
	for v := range uint(1203) {
		store(t, s, record("a", "run", v+1, backend.RunStateRunning))
	}
	got := s.Snapshots(orders, "a", "run")
	if len(got) != 1000 || got[0].Meta.Version != 204 || got[999].Meta.Version != 1203 {
		t.Errorf("%d snapshots, from version %d", len(got), got[0].Meta.Version)
	}
	for _, names := range [][3]string{{orders, "a", "other"}, {orders, "b", "run"}, {"billing", "a", "run"}} {
		if got := s.Snapshots(names[0], names[1], names[2]); len(got) != 0 {
			t.Errorf("%v has %d snapshots", names, len(got))
		}
	}
}

func TestNotFound(t *testing.T) {
	stores(t, func(t *testing.T, s *memory.RecordStore) {
		store(t, s, record("a", "run", 1, backend.RunStateRunning))
		rec, err := s.Lookup(t.Context(), "nowhere")
		if rec != nil || !errors.Is(err, backend.ErrRecordNotFound) {
			t.Errorf("lookup: %v, %v", rec, err)
		}
		for _, names := range [][2]string{{orders, "b"}, {"billing", "a"}} {
			if rec, err := s.Latest(t.Context(), names[0], names[1]); rec != nil || !errors.Is(err, backend.ErrRecordNotFound) {
				t.Errorf("latest of %v: %v, %v", names, rec, err)
			}
		}
	})
}

func TestTheOutboxIsAQueuePerWorkflow(t *testing.T) {
	at := birth().Add(time.Hour)
	s := memory.NewRecordStore(memory.WithClock(stopped{at}))
	const n = 60
	for i := range n {
		rec := record(fmt.Sprint(i), fmt.Sprintf("run-%d", i), 1, backend.RunStateRunning)
		rec.Status = i
		if i%3 == 2 {
			rec.WorkflowName = "billing"
		}
		store(t, s, rec)
	}
	read := func(name string, limit int64) (types []int, ids []string) {
		t.Helper()
		for _, e := range must[[]backend.OutboxEvent](t)(s.ListOutboxEvents(t.Context(), name, limit)) {
			msg := must[backend.OutboxMessage](t)(backend.ParseOutboxEventData(e.Data))
			if e.WorkflowName != name || !e.CreatedAt.Equal(at) || msg.RunID != fmt.Sprintf("run-%d", msg.Type) {
				t.Errorf("event %+v says %+v", e, msg)
			}
			e.Data[0] = 0xff // the next reader must not see it
			types, ids = append(types, msg.Type), append(ids, e.ID)
		}
		return types, ids
	}
	if names := must[[]string](t)(s.WaitingWorkflows(t.Context())); !reflect.DeepEqual(names, []string{"billing", orders}) {
		t.Errorf("events wait of %v", names)
	}
	billing, _ := read("billing", 5)
	if !reflect.DeepEqual(billing, []int{2, 5, 8, 11, 14}) {
		t.Errorf("the oldest events are %v", billing)
	}
	types, ids := read(orders, 1000)
	if len(types) != 40 {
		t.Fatalf("%d events wait", len(types))
	}
	for _, i := range []int{20, 39, 0, 19, 21, 1} { // from the middle, the end and the front
		if err := s.DeleteOutboxEvent(t.Context(), ids[i]); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteOutboxEvent(t.Context(), ids[i]); !errors.Is(err, backend.ErrOutboxRecordNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
	}
	left, ids := read(orders, 1000)
	want := append(append([]int(nil), types[2:19]...), types[22:39]...)
	if !reflect.DeepEqual(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
	for _, id := range ids {
		if err := s.DeleteOutboxEvent(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}

	if names := must[[]string](t)(s.WaitingWorkflows(t.Context())); !reflect.DeepEqual(names, []string{"billing"}) {
		t.Errorf("events wait of %v", names)
	}
}

// stopped is a clock that stands still.
type stopped struct{ at time.Time }

func (c stopped) Now() time.Time                       { return c.at }
func (c stopped) After(time.Duration) <-chan time.Time { return nil }

func TestTheEventSaysWhichVersionWasStored(t *testing.T) {
	stores(t, func(t *testing.T, s *memory.RecordStore) {
		store(t, s, record("a", "run", 1, backend.RunStateRunning), record("a", "run", 0, backend.RunStateCompleted))
		events := must[[]backend.OutboxEvent](t)(s.ListOutboxEvents(t.Context(), orders, 10))
		var got []string
		for _, e := range events {
			h := must[backend.OutboxMessage](t)(backend.ParseOutboxEventData(e.Data)).Headers
			got = append(got, h[backend.HeaderRecordVersion]+" to "+h[backend.HeaderTopic])
		}
		if want := []string{"1 to orders-1", "2 to orders-run-state-change"}; !reflect.DeepEqual(got, want) {
			t.Errorf("the events say %q, want %q", got, want)
		}
	})
}

func TestCommitLeavesNoOutboxEvent(t *testing.T) {
	b := open(t)
	start(t, b, "a")
	if events := must[[]backend.OutboxEvent](t)(b.RecordStore().ListOutboxEvents(t.Context(), orders, 10)); len(events) != 0 {
		t.Errorf("it left %+v", events)
	}
	next := step(lookup(t, b, "run-a")).Record
	store(t, b.RecordStore(), next)
	got := lookup(t, b, "run-a")
	if got == next || !reflect.DeepEqual(got, next) {
		t.Errorf("the Backend sees %+v after a Store on its classic view", got)
	}
}

func TestNotifyOutbox(t *testing.T) {
	stores(t, func(t *testing.T, s *memory.RecordStore) {
		seen := 0
		stop := s.NotifyOutbox(func() {
			seen += len(must[[]backend.OutboxEvent](t)(s.ListOutboxEvents(t.Context(), orders, 10))) // no lock is held
		})
		store(t, s, record("a", "run", 1, backend.RunStateRunning), record("a", "run", 2, backend.RunStateRunning))
		if seen != 1+2 {
			t.Errorf("the calls saw %d events, want the first one event and the second two", seen)
		}
		stop()
		store(t, s, record("a", "run", 3, backend.RunStateRunning))
		if seen != 3 {
			t.Error("it was called after stop")
		}
	})
}

func TestTheClassicPartsAreMadeOnce(t *testing.T) {
	b := open(t)
	parts := func() [5]any {
		return [5]any{b.RecordStore(), b.EventStreamer(), b.RoleScheduler(), b.TimeoutStore(), b.Slot()}
	}
	if first, again := parts(), parts(); first != again {
		t.Errorf("a part was made twice: %v, then %v", first, again)
	}
}
