package memstreamer_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// TestManySendersManyReceivers sends from several goroutines while every receiver reads and acks; each must get all events, by
// growing ids without gap, and each sender's in the order in which they were sent.
func TestManySendersManyReceivers(t *testing.T) {
	const senders, perSender, receivers = 4, 500, 50
	s := memstreamer.New()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	failures := make(chan error, senders+receivers)
	var wg sync.WaitGroup
	for i := range receivers {
		receiver := newReceiver(t, s, topic, fmt.Sprint("name-", i/2)) // two of each name
		wg.Go(func() {
			seen := make(map[string]int)
			for id := int64(1); id <= senders*perSender; id++ {
				e, ack, err := receiver.Recv(ctx)
				if err != nil {
					failures <- fmt.Errorf("receiver %d, event %d: %w", i, id, err)
					return
				}
				seen[e.ForeignID]++
				if e.ID != id || e.Type != seen[e.ForeignID] {
					failures <- fmt.Errorf("receiver %d: got event %d, type %d of %s; want event %d, type %d", i, e.ID, e.Type, e.ForeignID, id, seen[e.ForeignID])
					return
				}
				if err := ack(); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	for i := range senders {
		sender := newSender(t, s, topic)
		wg.Go(func() {
			for n := 1; n <= perSender; n++ {
				if err := sender.Send(ctx, "sender-"+strconv.Itoa(i), n, nil); err != nil {
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
}

// TestConcurrentRecvOnOneReceiver: several goroutines on one receiver share its events, each of which comes exactly once.
func TestConcurrentRecvOnOneReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, events = 8, 1000
		s := memstreamer.New()
		sender, receiver := newSender(t, s, topic), newReceiver(t, s, topic, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		times := make(map[int64]int)
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for {
					e, _, err := receiver.Recv(ctx)
					if err != nil {
						if !errors.Is(err, context.Canceled) {
							t.Errorf("Recv: %v", err)
						}
						return
					}
					mu.Lock()
					times[e.ID]++
					mu.Unlock()
				}
			})
		}
		for n := 1; n <= events; n++ {
			send(t, sender, n, n)
			if n%100 == 0 {
				synctest.Wait() // all parked again: the next event has to wake them
			}
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if len(times) != events {
			t.Errorf("%d of %d events were received", len(times), events)
		}
		for id, n := range times {
			if n != 1 {
				t.Errorf("event %d came %d times", id, n)
			}
		}
	})
}

// TestParkedRecvEndsWithItsContext covers both ends of a context, with the clock of the bubble: at the very instant, and with the
// context's own error. The receiver stays usable and has lost nothing.
func TestParkedRecvEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstreamer.New()
		receiver := newReceiver(t, s, topic, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		if _, _, err := receiver.Recv(ctx); err != context.DeadlineExceeded { //nolint:errorlint // the context's own error is promised
			t.Errorf("Recv = %v, want context.DeadlineExceeded itself", err)
		}
		if waited := time.Since(start); waited != time.Hour {
			t.Errorf("Recv returned after %v, want the hour of its context", waited)
		}

		ctx, cancel = context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			_, _, err := receiver.Recv(ctx)
			result <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-result; err != context.Canceled { //nolint:errorlint // the context's own error is promised
			t.Errorf("Recv = %v, want context.Canceled itself", err)
		}
		send(t, newSender(t, s, topic), 1, 1)
		recvTypes(t, receiver, 1, 1)
	})
}
