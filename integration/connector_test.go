package integration

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/sqlite"
)

// TestParkedEventsOutliveTheProcess: events that failed are in the file, are tried again by whoever opens it next, and go on when an
// operator asks for them. Two programs on one file share one consumer.
func TestParkedEventsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parked.db")
	events := make([]workflow.ConnectorEvent, 200)
	for i := range events {
		events[i] = workflow.ConnectorEvent{ID: fmt.Sprint(i), ForeignID: fmt.Sprint("order-", i%20)}
	}
	stream := memstreamer.NewConnector(events)
	var healed atomic.Bool
	var done atomic.Int32
	open := func() (*sqlite.Backend, *workflow.Workflow[parcel, idleStatus]) {
		store, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		b := workflow.NewBuilder[parcel, idleStatus]("orders")
		b.AddStep(1, func(context.Context, *workflow.Run[parcel, idleStatus]) (idleStatus, error) { return idleLast, nil }, idleLast)
		b.AddConnector("shop", stream, func(ctx context.Context, api workflow.API[parcel, idleStatus], e *workflow.ConnectorEvent) error {
			if e.ID == "77" && !healed.Load() {
				return errors.New("unknown currency")
			}
			if _, err := api.Trigger(ctx, "event-"+e.ID); err != nil {
				return err
			}
			done.Add(1)
			return nil
		}).WithOptions(workflow.PauseAfterErrCount(2), workflow.ErrBackOff(time.Millisecond), workflow.ParallelCount(4))
		w, err := b.BuildOn(store, workflow.WithLogger(discard{}))
		if err != nil {
			t.Fatal(err)
		}
		w.Run(context.Background())
		return store, w
	}
	parked := func(w *workflow.Workflow[parcel, idleStatus]) (out []workflow.ParkedEvent) {
		for e, err := range w.ParkedEvents(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, e)
		}
		return out
	}
	reach := func(what string, ok func() bool) {
		t.Helper()
		for end := time.After(time.Minute); !ok(); {
			select {
			case <-end:
				t.Fatalf("it never came true that %s", what)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	store, w := open()
	other, second := open()
	const process = "shop-connector-to-orders-consumer-1-of-1"
	reach("199 events are done and one is parked", func() bool {
		all := parked(w)
		return done.Load() == 199 && len(all) == 1 && all[0].State == workflow.RunStatePaused && all[0].Event.ID == "77" && all[0].Attempts == 2
	})
	if a, b := w.States()[process], second.States()[process]; a+b != workflow.StateRunning+workflow.StateIdle {
		t.Errorf("the connector is %v here and %v there", a, b)
	}
	w.Stop()
	second.Stop()
	for _, s := range []*sqlite.Backend{store, other} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}

	healed.Store(true)
	store, w = open()
	defer func() {
		w.Stop()
		adaptertest.Check(t, store)
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	if all := parked(w); len(all) != 1 || all[0].LastError != "unknown currency" {
		t.Fatalf("parked after the restart: %+v", all)
	}
	if err := w.RetryEvent(context.Background(), "shop", "77"); err != nil {
		t.Fatal(err)
	}
	reach("all events are done", func() bool { return done.Load() == 200 && len(parked(w)) == 0 })
}

type discard struct{}

func (discard) Debug(context.Context, string, map[string]string) {}
func (discard) Error(context.Context, error)                     {}
