package workflow_test

import (
	"context"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// tapped is a backend whose calls a test can watch, delay and fail. A nil function passes the call on. Set them before the backend is used.
type tapped struct {
	backend.Backend
	commit func(batch []*backend.Change, do func() error) error
	head   func(do func() (int64, error)) (int64, error)
	held   func(runID string, do func() ([]backend.Delivery, error)) ([]backend.Delivery, error)
	due    func(do func() ([]backend.Delivery, error)) ([]backend.Delivery, error)
	lookup func(runID string, do func() (*backend.Record, error)) (*backend.Record, error)
	join   func(granted func(backend.Grant)) (leave func())
}

func (b *tapped) Commit(ctx context.Context, batch []*backend.Change) error {
	do := func() error { return b.Backend.Commit(ctx, batch) }
	if b.commit == nil {
		return do()
	}
	return b.commit(batch, do)
}

func (b *tapped) Head(ctx context.Context) (int64, error) {
	do := func() (int64, error) { return b.Backend.Head(ctx) }
	if b.head == nil {
		return do()
	}
	return b.head(do)
}

func (b *tapped) Held(ctx context.Context, runID string) ([]backend.Delivery, error) {
	do := func() ([]backend.Delivery, error) { return b.Backend.Held(ctx, runID) }
	if b.held == nil {
		return do()
	}
	return b.held(runID, do)
}

func (b *tapped) Due(ctx context.Context, name string, after backend.DueMark, limit int) ([]backend.Delivery, error) {
	do := func() ([]backend.Delivery, error) { return b.Backend.Due(ctx, name, after, limit) }
	if b.due == nil {
		return do()
	}
	return b.due(do)
}

func (b *tapped) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	do := func() (*backend.Record, error) { return b.Backend.Lookup(ctx, runID) }
	if b.lookup == nil {
		return do()
	}
	return b.lookup(runID, do)
}

func (b *tapped) Join(ctx context.Context, name string, buckets int, granted func(backend.Grant)) (func(), error) {
	if b.join == nil {
		return b.Backend.Join(ctx, name, buckets, granted)
	}
	return b.join(granted), nil
}

// refuse makes a whole batch fail.
func refuse(batch []*backend.Change, err error) error {
	for _, c := range batch {
		c.Err, c.Pos = err, 0
	}
	return err
}

// storesVersion reports whether the batch stores that version of some run.
func storesVersion(batch []*backend.Change, version uint) bool {
	for _, c := range batch {
		if c.Record != nil && c.Record.Meta.Version == version {
			return true
		}
	}
	return false
}

// impatience bounds the waits for what a broken engine never does.
const impatience = 5 * time.Second

// eventually waits until ok says so, and fails the test with what when it never does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(impatience)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("it never came true that %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// stuckUnless fails the test unless the run reaches the status.
func stuckUnless(t testing.TB, on backend.Backend, runID string, s status) {
	t.Helper()
	end := time.Now().Add(impatience)
	for {
		rec, err := on.Lookup(context.Background(), runID)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Status == int(s) {
			return
		}
		if time.Now().After(end) {
			held, _ := on.Held(context.Background(), runID)
			t.Fatalf("the run is stuck in version %d, %v, status %v, %q; its deliveries: %+v", rec.Meta.Version, rec.RunState, status(rec.Status), rec.Meta.RunStateReason, held)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// heldIn waits until the run has a stored delivery in that state.
func heldIn(t testing.TB, on backend.Backend, runID string, state backend.DeliveryState) (found backend.Delivery) {
	t.Helper()
	eventually(t, "a delivery is "+state.String(), func() bool {
		held, err := on.Held(context.Background(), runID)
		for _, d := range held {
			if d.State == state {
				found = d
				return err == nil
			}
		}
		return false
	})
	return found
}
