package memstreamer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

const recvFrame = "github.com/stillwater-go/workflow/adapters/memstreamer.(*Stream).Recv"

// idle is a crowd of goroutines that sit in Recv, one receiver each.
type idle struct {
	end    context.CancelFunc
	joined sync.WaitGroup
	errs   []error
}

// park opens n receivers and returns once all of them sit in the select of Recv.
func park(t testing.TB, s *memstreamer.StreamConstructor, topics, n int) *idle {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	crowd := &idle{end: cancel, errs: make([]error, n)}
	for i := range n {
		receiver := newReceiver(t, s, fmt.Sprint(topic, "-", i%topics), fmt.Sprint("name-", i))
		crowd.joined.Go(func() {
			defer receiver.Close()
			_, _, crowd.errs[i] = receiver.Recv(ctx)
		})
	}
	eventually(t, fmt.Sprintf("%d receivers are parked", n), func() bool { return parkedIn(recvFrame) == n })
	return crowd
}

// leave ends the crowd's context, joins everybody, and checks how they left.
func (c *idle) leave(t testing.TB) {
	t.Helper()
	c.end()
	c.joined.Wait()
	for i, err := range c.errs {
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("receiver %d left with %v, want context.Canceled", i, err)
		}
	}
}

// TestNoCallLeavesAGoroutineBehind counts what is there after receivers have parked, were ended, and were closed: a parked Recv is
// its caller's goroutine and no other.
func TestNoCallLeavesAGoroutineBehind(t *testing.T) {
	baseline := runtime.NumGoroutine()
	s := memstreamer.New()
	for _, n := range []int{8, 1000} {
		crowd := park(t, s, 4, n)
		if extra := runtime.NumGoroutine() - baseline - n; extra > 0 {
			t.Errorf("%d parked receivers have %d goroutines beside their own", n, extra)
		}
		crowd.leave(t)
		eventually(t, "the goroutines are back at the baseline", func() bool { return runtime.NumGoroutine() <= baseline })
	}
}

// TestRecvStartsNoGoroutine reads the runtime's own count of goroutines ever created, over hot and over parked calls.
func TestRecvStartsNoGoroutine(t *testing.T) {
	const calls = 5000
	s := memstreamer.New()
	sender, receiver := newSender(t, s, topic), newReceiver(t, s, topic, "a")
	send(t, sender, 1, calls)
	runtime.GC() // the collector's own workers are there from now on

	before := goroutinesCreated()
	for range calls {
		_, ack, err := receiver.Recv(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		mustAck(t, ack)
	}
	if n := goroutinesCreated() - before; n > calls/100 {
		t.Errorf("%d hot Recv created %d goroutines", calls, n)
	}

	before = goroutinesCreated()
	for range calls / 50 {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
		if _, _, err := receiver.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Recv = %v, want context.DeadlineExceeded", err)
		}
		cancel()
	}
	// The end of a timed context runs in a goroutine of package time, so one for each call is not Recv's.
	if n := goroutinesCreated() - before; n > calls/50+calls/100 {
		t.Errorf("%d parked Recv created %d goroutines", calls/50, n)
	}
}

func goroutinesCreated() uint64 {
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestHotRecvAllocatesTheCopyAlone: the event's copy and its ack; with headers, the copy of the map too.
func TestHotRecvAllocatesTheCopyAlone(t *testing.T) {
	const runs = 2000
	for _, c := range []struct {
		name    string
		headers map[backend.Header]string
		want    float64
	}{
		{"no headers", nil, 2},
		{"headers", map[backend.Header]string{backend.HeaderRunID: "r", backend.HeaderForeignID: "f", backend.HeaderTopic: "t"}, 4},
	} {
		s := memstreamer.New()
		sender, receiver := newSender(t, s, topic), newReceiver(t, s, topic, "a")
		for range runs + 1 {
			if err := sender.Send(t.Context(), "run", 1, c.headers); err != nil {
				t.Fatal(err)
			}
		}
		ctx := context.Background()
		got := testing.AllocsPerRun(runs, func() {
			_, ack, err := receiver.Recv(ctx)
			if err != nil || ack() != nil {
				t.Fatal("Recv or ack failed")
			}
		})
		if got > c.want {
			t.Errorf("%s: a hot Recv allocates %v times, want at most %v", c.name, got, c.want)
		}
	}
}

// TestParkedRecvReturnsAtOnce measures, in real time, how long after a Send and after the end of its context a parked Recv
// returns. The median must be well within 100 ms; what polls or looks at its context now and then is not.
func TestParkedRecvReturnsAtOnce(t *testing.T) {
	const rounds, bound = 15, 50 * time.Millisecond
	s := memstreamer.New()
	sender, receiver := newSender(t, s, topic), newReceiver(t, s, topic, "a")
	returned := make(chan error)
	var bySend, byContext []time.Duration
	for range rounds {
		for _, wake := range []struct {
			with func(end context.CancelFunc)
			want error
			took *[]time.Duration
		}{
			{func(context.CancelFunc) { send(t, sender, 1, 1) }, nil, &bySend},
			{func(end context.CancelFunc) { end() }, context.Canceled, &byContext},
		} {
			ctx, end := context.WithCancel(context.Background())
			go func() {
				_, _, err := receiver.Recv(ctx)
				returned <- err
			}()
			eventually(t, "the receiver is parked", func() bool { return parkedIn(recvFrame) == 1 })
			start := time.Now()
			wake.with(end)
			err := <-returned
			*wake.took = append(*wake.took, time.Since(start))
			end()
			if !errors.Is(err, wake.want) {
				t.Fatalf("Recv = %v, want %v", err, wake.want)
			}
		}
	}
	for what, took := range map[string][]time.Duration{"Send": bySend, "the end of its context": byContext} {
		slices.Sort(took)
		if median := took[len(took)/2]; median > bound {
			t.Errorf("a parked Recv returned %v after %s (median), want within %v", median, what, bound)
		}
	}
}
