package memrecordstore_test

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/backend"
)

// purge runs PurgeOutboxForever over the store beside the test; the returned function ends it and gives its answer.
func purge(t *testing.T, s *memrecordstore.Store, lister memrecordstore.OutboxLister, deleter memrecordstore.OutboxDeleter, es *stream, l backend.Logger) (end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	if lister == nil {
		lister = func(limit int64) ([]backend.OutboxEvent, error) {
			return s.ListOutboxEvents(t.Context(), orders, limit)
		}
	}
	if deleter == nil {
		deleter = s.DeleteOutboxEvent
	}
	done := make(chan error, 1)
	go func() {
		done <- memrecordstore.PurgeOutboxForever(ctx, lister, deleter, es, l, time.Second, 2)
	}()
	return func() error {
		cancel()
		return <-done
	}
}

func TestPurgeSendsAndPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, es, l := memrecordstore.New(), &stream{}, &log{}
		limits := map[int64]int{}
		store(t, s, record(orders, "a", 1), record(orders, "a", 2), record(orders, "a", 3))
		end := purge(t, s, func(limit int64) ([]backend.OutboxEvent, error) {
			limits[limit]++
			return s.ListOutboxEvents(t.Context(), orders, limit)
		}, nil, es, l)
		synctest.Wait()
		if sent, _ := es.take(); !reflect.DeepEqual(sent, []string{"orders-1 run-a 1 v1", "orders-2 run-a 2 v2", "orders-3 run-a 3 v3"}) {
			t.Errorf("sent were %q", sent)
		}
		begun := time.Now()
		store(t, s, record(orders, "a", 4))
		<-time.After(1500 * time.Millisecond)
		if sent, at := es.take(); len(sent) != 1 || at[0].Sub(begun) != time.Second {
			t.Errorf("sent were %q after %v, want at the next poll", sent, at)
		}
		if n := waiting(t, s, orders); n != 0 {
			t.Errorf("%d events still wait", n)
		}
		if err := end(); err != nil {
			t.Errorf("a cancelled context gives %v, want nil", err)
		}
		// two batches, an empty one that waits, one event and an empty one again
		if want := map[int64]int{2: 5}; !reflect.DeepEqual(limits, want) || len(l.take()) != 0 || es.open() != 0 {
			t.Errorf("listed by limit %v, want %v; %d senders are open", limits, want, es.open())
		}
	})
}

func TestPurgeTriesAgain(t *testing.T) {
	boom := errors.New("boom")
	synctest.Test(t, func(t *testing.T) {
		s, es, l := memrecordstore.New(), &stream{}, &log{}
		store(t, s, record(orders, "a", 1))
		var listed atomic.Int32
		var deleted int
		lister := func(limit int64) ([]backend.OutboxEvent, error) {
			if listed.Add(1) <= 3 {
				return nil, boom
			}
			return s.ListOutboxEvents(t.Context(), orders, limit)
		}
		deleter := func(ctx context.Context, id string) error {
			if deleted++; deleted == 1 {
				return boom
			}
			if err := s.DeleteOutboxEvent(ctx, id); err != nil {
				return err
			}
			return backend.ErrOutboxRecordNotFound // somebody else was faster: no failure
		}
		end := purge(t, s, lister, deleter, es, l)
		<-time.After(10*time.Millisecond + 20*time.Millisecond + 40*time.Millisecond)
		synctest.Wait()
		if sent, _ := es.take(); len(sent) != 1 || listed.Load() != 4 {
			t.Errorf("after three pauses %q were sent, listed %d times", sent, listed.Load())
		}
		<-time.After(80 * time.Millisecond)
		synctest.Wait()
		if sent, _ := es.take(); len(sent) != 1 || waiting(t, s, orders) != 0 {
			t.Errorf("what could not be deleted was sent again %d times, want once", len(sent))
		}
		errs := l.take()
		if err := end(); err != nil {
			t.Error(err)
		}
		if len(errs) != 4 {
			t.Fatalf("logged were %v", errs)
		}
		for _, err := range errs {
			if !errors.Is(err, boom) {
				t.Errorf("logged was %v", err)
			}
		}
	})
}

func TestPurgePassesOverWhatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		es, l := &stream{}, &log{}
		s := memrecordstore.New()
		store(t, s, record(orders, "a", 1))
		poison := backend.OutboxEvent{ID: "poison", Data: []byte{0xff}}
		end := purge(t, s, func(limit int64) ([]backend.OutboxEvent, error) {
			events, err := s.ListOutboxEvents(t.Context(), orders, limit)
			return append([]backend.OutboxEvent{poison}, events...), err
		}, nil, es, l)
		synctest.Wait()
		if sent, _ := es.take(); len(sent) != 1 {
			t.Errorf("behind a poisoned event, sent were %q", sent)
		}
		if errs := l.take(); len(errs) != 1 || !errors.Is(errs[0], backend.ErrMalformedOutbox) {
			t.Errorf("logged were %v", errs)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestPurgeReturnsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		none := func(int64) ([]backend.OutboxEvent, error) { return nil, nil }
		calls := 0
		count := func(limit int64) ([]backend.OutboxEvent, error) {
			if calls++; limit != 100 {
				t.Errorf("the default limit is %d", limit)
			}
			return none(limit)
		}
		err := memrecordstore.PurgeOutboxForever(ctx, count, nil, &stream{}, nil, 0, 0)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a deadline that passed gives %v", err)
		}
		if calls < 59 || calls > 61 {
			t.Errorf("it polled %d times in a minute; the default is once a second", calls)
		}
	})
}
