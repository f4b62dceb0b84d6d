package adaptertest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/backend"
)

// TestFaultyRecordStorePassesWithoutFaults shows that the wrapper itself changes nothing.
func TestFaultyRecordStorePassesWithoutFaults(t *testing.T) {
	adaptertest.RunRecordStoreTest(t, func() backend.RecordStore { return adaptertest.NewFaultyRecordStore(memrecordstore.New(), 1) })
}

func classicRun(version uint) *backend.Record {
	return &backend.Record{
		WorkflowName: "orders", ForeignID: "a", RunID: "run-a", RunState: backend.RunStateRunning, Status: int(version), Object: []byte(`{}`),
		Meta: backend.Meta{Version: version},
	}
}

// TestFaultyRecordStoreFailsEachMethod fails every method before and after its work, and looks at what was done all the same.
func TestFaultyRecordStoreFailsEachMethod(t *testing.T) {
	ctx := t.Context()
	inner := memrecordstore.New()
	f := adaptertest.NewFaultyRecordStore(inner, 1)
	version := uint(0)
	calls := map[adaptertest.Method]func() error{
		adaptertest.MethodStore:             func() error { version++; return f.Store(ctx, classicRun(version)) },
		adaptertest.MethodLookup:            func() error { _, err := f.Lookup(ctx, "run-a"); return err },
		adaptertest.MethodLatest:            func() error { _, err := f.Latest(ctx, "orders", "a"); return err },
		adaptertest.MethodList:              func() error { _, err := f.List(ctx, "", 0, 1, backend.OrderTypeAscending); return err },
		adaptertest.MethodListOutboxEvents:  func() error { _, err := f.ListOutboxEvents(ctx, "orders", 1); return err },
		adaptertest.MethodDeleteOutboxEvent: func() error { return f.DeleteOutboxEvent(ctx, oldest(t, inner)) },
	}
	for range 4 { // something to look up and to delete
		if err := calls[adaptertest.MethodStore](); err != nil {
			t.Fatal(err)
		}
	}
	for m, call := range calls {
		for _, fault := range []adaptertest.Fault{{Before: 1}, {After: 1}} {
			f.Set(m, fault)
			before := len(inner.Snapshots("orders", "a", "run-a"))
			if err := call(); !errors.Is(err, adaptertest.ErrInjected) {
				t.Errorf("%s with %+v gives %v", m, fault, err)
			}
			stored := len(inner.Snapshots("orders", "a", "run-a")) - before
			if want := m == adaptertest.MethodStore && fault.After > 0; (stored == 1) != want || stored > 1 {
				t.Errorf("%s with %+v stored %d versions", m, fault, stored)
			}
			if m == adaptertest.MethodStore && fault.Before > 0 {
				version-- // it is still to be stored
			}
		}
		if f.Injected(m) != 2 {
			t.Errorf("%s has %d faults counted, want 2", m, f.Injected(m))
		}
	}
	f.Heal()
	for m, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s gives %v after it was healed", m, err)
		}
	}
}

// oldest is the id of the oldest event that waits.
func oldest(t *testing.T, store backend.RecordStore) string {
	t.Helper()
	events, err := store.ListOutboxEvents(t.Context(), "orders", 1)
	if err != nil || len(events) != 1 {
		t.Fatalf("the outbox lists %d events, %v", len(events), err)
	}
	return events[0].ID
}

// TestFaultyRecordStoreTwice stores twice: the second time the version is taken, and the caller does not learn of it.
func TestFaultyRecordStoreTwice(t *testing.T) {
	inner := memrecordstore.New()
	f := adaptertest.NewFaultyRecordStore(inner, 1)
	f.Set(adaptertest.MethodStore, adaptertest.Fault{Twice: 1})
	if err := f.Store(t.Context(), classicRun(1)); err != nil {
		t.Fatal(err)
	}
	if n := len(f.Snapshots("orders", "a", "run-a")); n != 1 || f.Injected(adaptertest.MethodStore) != 1 {
		t.Errorf("%d versions are stored and %d faults counted, want 1 and 1", n, f.Injected(adaptertest.MethodStore))
	}
}

// TestFaultyRecordStoreDelay holds a call back until the test lets it go.
func TestFaultyRecordStoreDelay(t *testing.T) {
	f := adaptertest.NewFaultyRecordStore(memrecordstore.New(), 1)
	held, goOn := make(chan struct{}), make(chan struct{})
	f.Set(adaptertest.MethodStore, adaptertest.Fault{Delay: func(ctx context.Context) error {
		close(held)
		<-goOn
		return ctx.Err()
	}})
	stored := make(chan error, 1)
	go func() { stored <- f.Store(t.Context(), classicRun(1)) }()
	<-held
	if _, err := f.Lookup(t.Context(), "run-a"); !errors.Is(err, backend.ErrRecordNotFound) {
		t.Errorf("the held record is found: %v", err)
	}
	close(goOn)
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lookup(t.Context(), "run-a"); err != nil {
		t.Error(err)
	}
}

// TestFaultyRecordStoreIsAsPlainAsItsInside wraps a store that can do no more than it must.
func TestFaultyRecordStoreIsAsPlainAsItsInside(t *testing.T) {
	inner := memrecordstore.New()
	plain := adaptertest.NewFaultyRecordStore(struct{ backend.RecordStore }{inner}, 1)
	if plain.ChecksVersions() {
		t.Error("the wrapper promises a version check that the store inside does not promise")
	}
	for version := range uint(2) {
		if err := plain.Store(t.Context(), classicRun(version+1)); err != nil {
			t.Fatal(err)
		}
	}
	if kept := plain.Snapshots("orders", "a", "run-a"); len(kept) != 1 || kept[0].Meta.Version != 2 {
		t.Errorf("a store without snapshots shows %d versions", len(kept))
	}
	if kept := plain.Snapshots("orders", "a", "run-b"); kept != nil {
		t.Errorf("an unknown run shows %d versions", len(kept))
	}
	if plain.Unwrap() == backend.RecordStore(inner) {
		t.Error("Unwrap goes too deep")
	}
	if _, notifies := backend.RecordStore(plain).(backend.Notifier); notifies {
		t.Error("the wrapper says that it notifies")
	}
}
