package adaptertest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// The classic suites' own statuses.
const (
	classicStarted = 1
	classicMiddle  = 2
	classicEnd     = 3
)

const (
	classicWorkflow = "my_workflow"
	classicOther    = "my_second_workflow"
	// classicTimeSlack is how far a stored time may lie from the one given.
	classicTimeSlack = 10 * time.Second
)

// RunRecordStoreTest tests a classic RecordStore. It demands what it always demanded: records of version 0 that are stored
// again and again, found again, listed, and announced in the outbox. factory gives an empty store each time. The sharper rules
// of backend.RecordStore are demanded by [Run].
func RunRecordStoreTest(t *testing.T, factory func() backend.RecordStore) {
	t.Run("Latest", func(t *testing.T) { classicLatest(t, factory()) })
	t.Run("Lookup", func(t *testing.T) { classicLookup(t, factory()) })
	t.Run("Store", func(t *testing.T) { classicStoreAgain(t, factory()) })
	t.Run("ListOutboxEvents", func(t *testing.T) { classicListOutbox(t, factory()) })
	t.Run("DeleteOutboxEvent", func(t *testing.T) { classicDeleteOutbox(t, factory()) })
	t.Run("List of all workflows", func(t *testing.T) { classicListAll(t, factory()) })
	t.Run("List of one workflow", func(t *testing.T) { classicListOne(t, factory()) })
	t.Run("List by foreign id", func(t *testing.T) { classicListByForeignID(t, factory()) })
	t.Run("List by run state", func(t *testing.T) { classicListByRunState(t, factory()) })
	t.Run("List by status", func(t *testing.T) { classicListByStatus(t, factory()) })
}

// classicRecord makes a fresh record of version 0.
func classicRecord(t T, workflowName string) *backend.Record {
	t.Helper()
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		t.Fatalf("make a run id: %v", err)
	}
	at := now()
	return &backend.Record{
		WorkflowName: workflowName,
		ForeignID:    "order 66",
		RunID:        hex.EncodeToString(id[:]),
		RunState:     backend.RunStateInitiated,
		Status:       classicStarted,
		Object:       []byte(`{"name":"order 66"}`),
		CreatedAt:    at,
		UpdatedAt:    at,
	}
}

func classicPut(t T, store backend.RecordStore, rec *backend.Record) {
	t.Helper()
	if err := store.Store(t.Context(), rec); err != nil {
		t.Fatalf("store: %v", err)
	}
}

// wantClassic compares the fields that a classic store has to keep; times may be rounded.
func wantClassic(t T, what string, got, want *backend.Record, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	near := func(a, b time.Time) bool { return a.Sub(b).Abs() <= classicTimeSlack }
	same := got.WorkflowName == want.WorkflowName && got.ForeignID == want.ForeignID && got.RunID == want.RunID &&
		got.Status == want.Status && got.RunState == want.RunState && bytes.Equal(got.Object, want.Object) &&
		near(got.CreatedAt, want.CreatedAt) && near(got.UpdatedAt, want.UpdatedAt)
	if !same {
		t.Errorf("%s: %s", what, diffRecord(got, want))
	}
}

func classicLatest(t T, store backend.RecordStore) {
	rec := classicRecord(t, classicWorkflow)
	classicPut(t, store, rec)
	got, err := store.Latest(t.Context(), rec.WorkflowName, rec.ForeignID)
	wantClassic(t, "latest", got, rec, err)

	rec.Status, rec.RunState = classicEnd, backend.RunStateCompleted
	classicPut(t, store, rec)
	got, err = store.Latest(t.Context(), rec.WorkflowName, rec.ForeignID)
	wantClassic(t, "latest of an ended run", got, rec, err)
}

func classicLookup(t T, store backend.RecordStore) {
	rec := classicRecord(t, classicWorkflow)
	classicPut(t, store, rec)
	got, err := store.Lookup(t.Context(), rec.RunID)
	wantClassic(t, "lookup", got, rec, err)
}

// classicStoreAgain stores what it looked up, with another status each time.
func classicStoreAgain(t T, store backend.RecordStore) {
	rec := classicRecord(t, classicWorkflow)
	classicPut(t, store, rec)
	for _, status := range []int{classicMiddle, classicEnd} {
		got, err := store.Lookup(t.Context(), rec.RunID)
		wantClassic(t, "lookup", got, rec, err)
		got.Status, rec.Status = status, status
		classicPut(t, store, got)
		got, err = store.Lookup(t.Context(), rec.RunID)
		wantClassic(t, "lookup after another store", got, rec, err)
	}
}

func classicListOutbox(t T, store backend.RecordStore) {
	rec := classicRecord(t, classicWorkflow)
	classicPut(t, store, rec)
	events, err := store.ListOutboxEvents(t.Context(), rec.WorkflowName, 1000)
	if err != nil || len(events) != 1 {
		t.Fatalf("the outbox lists %d events, %v; want 1", len(events), err)
	}
	event := events[0]
	if !strings.Contains(event.ID, backend.OutboxIDPrefix) || event.WorkflowName != rec.WorkflowName {
		t.Errorf("the event has id %q and workflow %q, want %s… and %q", event.ID, event.WorkflowName, backend.OutboxIDPrefix, rec.WorkflowName)
	}
	m, err := backend.ParseOutboxEventData(event.Data)
	if err != nil {
		t.Fatalf("read the event: %v", err)
	}
	if m.Type != classicStarted {
		t.Errorf("the event is of status %d, want %d", m.Type, classicStarted)
	}
	for header, want := range map[backend.Header]string{
		backend.HeaderTopic:        backend.Topic(classicWorkflow, classicStarted),
		backend.HeaderForeignID:    rec.ForeignID,
		backend.HeaderWorkflowName: classicWorkflow,
	} {
		if got := m.Headers[header]; got != want {
			t.Errorf("the event's header %s is %q, want %q", header, got, want)
		}
	}
}

func classicDeleteOutbox(t T, store backend.RecordStore) {
	rec := classicRecord(t, classicWorkflow)
	classicPut(t, store, rec)
	events, err := store.ListOutboxEvents(t.Context(), rec.WorkflowName, 1000)
	if err != nil || len(events) == 0 {
		t.Fatalf("the outbox lists %d events, %v", len(events), err)
	}
	if err := store.DeleteOutboxEvent(t.Context(), events[0].ID); err != nil {
		t.Fatalf("delete the event: %v", err)
	}
	events, err = store.ListOutboxEvents(t.Context(), rec.WorkflowName, 1000)
	if err != nil || len(events) != 0 {
		t.Errorf("after the delete the outbox lists %d events, %v", len(events), err)
	}
}

// classicList lists, and demands the number of runs.
func classicList(t T, store backend.RecordStore, name string, offset int64, limit int, order backend.OrderType, want int, filters ...backend.RecordFilter) []backend.Record {
	t.Helper()
	got, err := store.List(t.Context(), name, offset, limit, order, filters...)
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	if len(got) != want {
		t.Fatalf("list of %q, %d from %d: %d runs, want %d", name, limit, offset, len(got), want)
	}
	return got
}

// classicListAll pages through a thousand unfinished runs of one foreign id and two workflows.
func classicListAll(t T, store backend.RecordStore) {
	const seeds = 1000
	for i := range seeds {
		name := classicWorkflow
		if i > seeds/2 {
			name = classicOther
		}
		classicPut(t, store, classicRecord(t, name))
	}
	first := classicList(t, store, "", 0, 53, backend.OrderTypeAscending, 53)
	second := classicList(t, store, "", 53, 100, backend.OrderTypeAscending, 100)
	if first[52].RunID == second[0].RunID {
		t.Errorf("the second page begins with the last run of the first")
	}
	rest := classicList(t, store, "", 153, seeds-153, backend.OrderTypeAscending, seeds-153)
	if rest[152].RunID == rest[0].RunID {
		t.Errorf("a page holds one run twice")
	}
	classicList(t, store, "", 950, 1000, backend.OrderTypeAscending, 50)
	classicList(t, store, "", 950, 1000, backend.OrderTypeDescending, 50)
}

func classicListOne(t T, store backend.RecordStore) {
	for range 100 {
		classicPut(t, store, classicRecord(t, classicWorkflow))
		classicPut(t, store, classicRecord(t, classicOther))
	}
	for _, rec := range classicList(t, store, classicWorkflow, 0, 2000, backend.OrderTypeAscending, 100) {
		if rec.WorkflowName != classicWorkflow {
			t.Errorf("a run of %q is listed", rec.WorkflowName)
		}
	}
}

func classicListByForeignID(t T, store backend.RecordStore) {
	foreignIDs := []string{"QWPOEI-ZMXNCB", "ALSKDJ-RUTYGH"}
	for _, id := range foreignIDs {
		for range 20 {
			rec := classicRecord(t, classicWorkflow)
			rec.ForeignID = id
			classicPut(t, store, rec)
		}
	}
	for _, id := range foreignIDs {
		classicList(t, store, classicWorkflow, 0, 2000, backend.OrderTypeAscending, 20, backend.FilterByForeignID(id))
	}
	classicList(t, store, classicWorkflow, 0, 100, backend.OrderTypeAscending, 0, backend.FilterByForeignID("random"))
}

func classicListByRunState(t T, store backend.RecordStore) {
	counts := map[backend.RunState]int{
		backend.RunStateInitiated: 10, backend.RunStateRunning: 100, backend.RunStateCompleted: 20,
		backend.RunStatePaused: 3, backend.RunStateCancelled: 1, backend.RunStateDataDeleted: 15,
	}
	for state, n := range counts {
		for range n {
			rec := classicRecord(t, classicWorkflow)
			rec.RunState = state
			classicPut(t, store, rec)
		}
	}
	for state, n := range counts {
		for _, rec := range classicList(t, store, classicWorkflow, 0, 2000, backend.OrderTypeAscending, n, backend.FilterByRunState(state)) {
			if rec.RunState != state {
				t.Errorf("a run that is %v is listed among those that are %v", rec.RunState, state)
			}
		}
	}
	both := backend.FilterByRunState(backend.RunStateRunning, backend.RunStatePaused)
	for _, rec := range classicList(t, store, classicWorkflow, 0, 2000, backend.OrderTypeAscending, 103, both) {
		if rec.RunState != backend.RunStateRunning && rec.RunState != backend.RunStatePaused {
			t.Errorf("a run that is %v is listed among the running and the paused", rec.RunState)
		}
	}
}

func classicListByStatus(t T, store backend.RecordStore) {
	counts := map[int]int{classicStarted: 10, classicMiddle: 100, classicEnd: 20}
	for status, n := range counts {
		for range n {
			rec := classicRecord(t, classicWorkflow)
			rec.Status = status
			classicPut(t, store, rec)
		}
	}
	for status, n := range counts {
		for _, rec := range classicList(t, store, classicWorkflow, 0, 100, backend.OrderTypeAscending, n, backend.FilterByStatus(status)) {
			if rec.Status != status {
				t.Errorf("a run in status %d is listed among those in %d", rec.Status, status)
			}
		}
	}
}
