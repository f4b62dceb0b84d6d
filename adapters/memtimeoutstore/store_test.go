package memtimeoutstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/backend"
)

var (
	_ backend.TimeoutStore = (*memtimeoutstore.Store)(nil)

	epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

func create(t *testing.T, s *memtimeoutstore.Store, workflowName, runID string, status int, expireAt time.Time) {
	t.Helper()
	if err := s.Create(t.Context(), workflowName, "foreign-"+runID, runID, status, expireAt); err != nil {
		t.Fatalf("Create: %v", err)
	}
}

func list(t *testing.T, s *memtimeoutstore.Store, workflowName string) []backend.TimeoutRecord {
	t.Helper()
	records, err := s.List(t.Context(), workflowName)
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	return records
}

func listValid(t *testing.T, s *memtimeoutstore.Store, workflowName string, status int, now time.Time) []backend.TimeoutRecord {
	t.Helper()
	records, err := s.ListValid(t.Context(), workflowName, status, now)
	if err != nil {
		t.Fatalf("ListValid: %v", err)
	}
	return records
}

// wantIDs checks the ids of a listing, and their order.
func wantIDs(t *testing.T, what string, records []backend.TimeoutRecord, want ...int64) {
	t.Helper()
	var got []int64
	for _, r := range records {
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s lists ids %v, want %v", what, got, want)
	}
}

func TestCreateStoresEverything(t *testing.T) {
	at := time.Date(2031, 5, 4, 3, 2, 1, 0, time.UTC)
	s := memtimeoutstore.New(memtimeoutstore.WithClock(fixedClock{at: at}))
	create(t, s, "orders", "r1", 3, epoch)
	want := backend.TimeoutRecord{ID: 1, WorkflowName: "orders", ForeignID: "foreign-r1", RunID: "r1", Status: 3, ExpireAt: epoch, CreatedAt: at}
	for what, records := range map[string][]backend.TimeoutRecord{"List": list(t, s, "orders"), "ListValid": listValid(t, s, "orders", 3, epoch)} {
		if len(records) != 1 || records[0] != want {
			t.Errorf("%s = %+v, want %+v", what, records, want)
		}
	}
	create(t, s, "orders", "r1", 3, epoch) // the same again is another one
	wantIDs(t, "List", list(t, s, "orders"), 1, 2)
	wantIDs(t, "ListValid", listValid(t, s, "orders", 3, epoch), 1, 2)
}

func TestTheDefaultClockIsTheMachines(t *testing.T) {
	for name, s := range map[string]*memtimeoutstore.Store{"default": memtimeoutstore.New(), "nil": memtimeoutstore.New(memtimeoutstore.WithClock(nil))} {
		before := time.Now()
		create(t, s, "orders", "r1", 1, epoch)
		if at := list(t, s, "orders")[0].CreatedAt; at.Before(before) || at.After(time.Now()) {
			t.Errorf("%s clock: CreatedAt = %v, want now", name, at)
		}
	}
}

type fixedClock struct {
	backend.RealClock
	at time.Time
}

func (c fixedClock) Now() time.Time { return c.at }

func TestListValidIsOrderedByExpiryAndEndsAtNow(t *testing.T) {
	s := memtimeoutstore.New()
	for i, minutes := range []int{5, 1, 3, 1, 4, 2} { // ids 1 … 6
		create(t, s, "orders", fmt.Sprint("r", i), 1, epoch.Add(time.Duration(minutes)*time.Minute))
	}
	create(t, s, "orders", "other status", 2, epoch)
	create(t, s, "payments", "other workflow", 1, epoch)

	wantIDs(t, "ListValid before all", listValid(t, s, "orders", 1, epoch))
	wantIDs(t, "ListValid a nanosecond early", listValid(t, s, "orders", 1, epoch.Add(3*time.Minute-1)), 2, 4, 6)
	wantIDs(t, "ListValid at the expiry", listValid(t, s, "orders", 1, epoch.Add(3*time.Minute)), 2, 4, 6, 3)
	wantIDs(t, "ListValid in another zone", listValid(t, s, "orders", 1, epoch.Add(time.Minute).In(time.FixedZone("", 3600))), 2, 4)
	wantIDs(t, "ListValid after all", listValid(t, s, "orders", 1, epoch.Add(time.Hour)), 2, 4, 6, 3, 5, 1)
	wantIDs(t, "ListValid of the other status", listValid(t, s, "orders", 2, epoch.Add(time.Hour)), 7)
	wantIDs(t, "ListValid of the other workflow", listValid(t, s, "payments", 1, epoch.Add(time.Hour)), 8)
	wantIDs(t, "ListValid of none", listValid(t, s, "refunds", 1, epoch.Add(time.Hour)))
	wantIDs(t, "List", list(t, s, "orders"), 1, 2, 3, 4, 5, 6, 7)
	wantIDs(t, "List of none", list(t, s, "refunds"))
}

func TestCompleteMarksAndKeeps(t *testing.T) {
	s := memtimeoutstore.New()
	for i := range 3 {
		create(t, s, "orders", fmt.Sprint("r", i), 1, epoch)
	}
	for range 2 { // again changes nothing
		if err := s.Complete(t.Context(), 2); err != nil {
			t.Fatalf("Complete: %v", err)
		}
		wantIDs(t, "ListValid", listValid(t, s, "orders", 1, epoch), 1, 3)
		all := list(t, s, "orders")
		wantIDs(t, "List", all, 1, 2, 3)
		for _, r := range all {
			if r.Completed != (r.ID == 2) {
				t.Errorf("timeout %d has Completed = %v", r.ID, r.Completed)
			}
		}
	}
}

func TestCancelRemoves(t *testing.T) {
	s := memtimeoutstore.New()
	for i := range 4 {
		create(t, s, "orders", fmt.Sprint("r", i), 1, epoch)
	}
	if err := s.Complete(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{2, 3} { // an open one and a completed one
		if err := s.Cancel(t.Context(), id); err != nil {
			t.Fatalf("Cancel %d: %v", id, err)
		}
		if err := s.Cancel(t.Context(), id); !errors.Is(err, backend.ErrTimeoutNotFound) {
			t.Errorf("Cancel %d again = %v, want ErrTimeoutNotFound", id, err)
		}
		if err := s.Complete(t.Context(), id); !errors.Is(err, backend.ErrTimeoutNotFound) {
			t.Errorf("Complete %d after Cancel = %v, want ErrTimeoutNotFound", id, err)
		}
	}
	wantIDs(t, "List", list(t, s, "orders"), 1, 4)
	wantIDs(t, "ListValid", listValid(t, s, "orders", 1, epoch), 1, 4)
	create(t, s, "orders", "new", 1, epoch)
	wantIDs(t, "List", list(t, s, "orders"), 1, 4, 5) // ids are not used again
}

func TestUnknownIDsAreNotFoundAndChangeNothing(t *testing.T) {
	s := memtimeoutstore.New()
	check := func(when string) {
		t.Helper()
		for _, id := range []int64{-1, 0, 2, 99} {
			if err := s.Cancel(t.Context(), id); !errors.Is(err, backend.ErrTimeoutNotFound) {
				t.Errorf("%s: Cancel %d = %v, want ErrTimeoutNotFound", when, id, err)
			}
			if err := s.Complete(t.Context(), id); !errors.Is(err, backend.ErrTimeoutNotFound) {
				t.Errorf("%s: Complete %d = %v, want ErrTimeoutNotFound", when, id, err)
			}
		}
	}
	check("empty store")
	create(t, s, "orders", "r", 1, epoch)
	check("one timeout")
	wantIDs(t, "ListValid", listValid(t, s, "orders", 1, epoch), 1)
}

func TestListingsAreCopies(t *testing.T) {
	s := memtimeoutstore.New()
	create(t, s, "orders", "r", 1, epoch)
	list(t, s, "orders")[0].Completed = true
	listValid(t, s, "orders", 1, epoch)[0].ExpireAt = epoch.Add(time.Hour)
	before := list(t, s, "orders")
	if got := listValid(t, s, "orders", 1, epoch); len(got) != 1 || got[0].Completed || !got[0].ExpireAt.Equal(epoch) {
		t.Errorf("a caller's change reached the store: %+v", got)
	}
	if err := s.Complete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if before[0].Completed {
		t.Error("the store changed a listing that it had handed out")
	}
}

func TestAnEndedContextIsHonoured(t *testing.T) {
	s := memtimeoutstore.New()
	create(t, s, "orders", "r", 1, epoch)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func() error{
		"Create":    func() error { return s.Create(ctx, "orders", "f", "r", 1, epoch) },
		"Complete":  func() error { return s.Complete(ctx, 1) },
		"Cancel":    func() error { return s.Cancel(ctx, 1) },
		"List":      func() error { _, err := s.List(ctx, "orders"); return err },
		"ListValid": func() error { _, err := s.ListValid(ctx, "orders", 1, epoch); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v, want context.Canceled", name, err)
		}
	}
	wantIDs(t, "ListValid", listValid(t, s, "orders", 1, epoch), 1)
}

// TestConcurrentUse lets many goroutines create, complete and cancel timeouts of a few shared places, and checks that what is
// left is exactly what should be.
func TestConcurrentUse(t *testing.T) {
	const workers, each = 16, 150
	s := memtimeoutstore.New()
	ctx := t.Context()
	failures := make(chan error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		workflowName := fmt.Sprint("workflow-", w%3)
		wg.Go(func() {
			runID := fmt.Sprint("run-", w)
			for i := range each {
				if err := s.Create(ctx, workflowName, "f", runID, w%2, epoch.Add(time.Duration((i*37)%each)*time.Second)); err != nil {
					failures <- err
					return
				}
			}
			mine, err := s.List(ctx, workflowName)
			if err != nil {
				failures <- err
				return
			}
			mine = slices.DeleteFunc(mine, func(r backend.TimeoutRecord) bool { return r.RunID != runID })
			if len(mine) != each {
				failures <- fmt.Errorf("worker %d finds %d of its %d timeouts", w, len(mine), each)
			}
			for i, r := range mine {
				var err error
				switch i % 3 {
				case 0:
					err = s.Complete(ctx, r.ID)
				case 1:
					err = s.Cancel(ctx, r.ID)
				}
				if err != nil {
					failures <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	var listed, valid int
	ids := make(map[int64]bool)
	for w := range 3 {
		workflowName := fmt.Sprint("workflow-", w)
		for _, r := range list(t, s, workflowName) {
			listed++
			ids[r.ID] = true
		}
		for status := range 2 {
			records := listValid(t, s, workflowName, status, epoch.Add(time.Hour))
			valid += len(records)
			if !slices.IsSortedFunc(records, func(a, b backend.TimeoutRecord) int { return a.ExpireAt.Compare(b.ExpireAt) }) {
				t.Errorf("ListValid of %s, status %d is not in the order of expiry", workflowName, status)
			}
		}
	}
	if want := workers * each * 2 / 3; listed != want || len(ids) != want {
		t.Errorf("%d timeouts with %d ids are listed, want %d", listed, len(ids), want)
	}
	if want := workers * each / 3; valid != want {
		t.Errorf("%d timeouts are valid, want %d", valid, want)
	}
}
