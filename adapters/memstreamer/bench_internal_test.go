package memstreamer

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

var benchHeaders = map[backend.Header]string{
	backend.HeaderWorkflowName:  "orders",
	backend.HeaderForeignID:     "order-1",
	backend.HeaderTopic:         "orders-1",
	backend.HeaderRunID:         "run-1",
	backend.HeaderRunState:      "2",
	backend.HeaderRecordVersion: "3",
}

// BenchmarkWakeup measures the time from the call of Send to the return of Recv in a receiver that was parked; with several
// receivers, in each of them.
func BenchmarkWakeup(b *testing.B) {
	for _, receivers := range []int{1, 100} {
		b.Run(fmt.Sprintf("receivers=%d", receivers), func(b *testing.B) { benchmarkWakeup(b, receivers) })
	}
}

func benchmarkWakeup(b *testing.B, receivers int) {
	s := New()
	ctx, cancel := context.WithCancel(context.Background())
	sender, _ := s.NewSender(ctx, "t")
	var start time.Time // written before Send, read after Recv
	took := make(chan time.Duration, receivers)
	var wg sync.WaitGroup
	for i := range receivers {
		receiver, _ := s.NewReceiver(ctx, "t", fmt.Sprint("name-", i))
		wg.Go(func() {
			for {
				_, ack, err := receiver.Recv(ctx)
				if err != nil {
					return
				}
				took <- time.Since(start)
				_ = ack()
			}
		})
	}
	t, _ := s.topic("t")
	all := make([]time.Duration, 0, b.N*receivers)
	for b.Loop() {
		for parked := 0; parked < receivers; runtime.Gosched() {
			parked = t.asleep()
		}
		for settled := time.Now(); time.Since(settled) < 20*time.Microsecond; runtime.Gosched() {
			// from the look at the topic to the select it is a few instructions
		}
		start = time.Now()
		if err := sender.Send(ctx, "run", 1, benchHeaders); err != nil {
			b.Fatal(err)
		}
		for range receivers {
			all = append(all, <-took)
		}
	}
	cancel()
	wg.Wait()
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds())/1e3, "p99-µs")
}

// asleep counts the receivers that have read and acked everything.
func (t *topic) asleep() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wake == nil {
		return 0
	}
	for _, c := range t.cursors {
		if c.next == t.log.next {
			n++
		}
	}
	return n
}

// BenchmarkSend measures Send alone, on a topic without names.
func BenchmarkSend(b *testing.B) {
	b.ReportAllocs()
	ctx := context.Background()
	sender, _ := New().NewSender(ctx, "t")
	for b.Loop() {
		if err := sender.Send(ctx, "run", 1, benchHeaders); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSendRecvAck measures an event's whole way with one receiver that is never parked.
func BenchmarkSendRecvAck(b *testing.B) {
	for name, headers := range map[string]map[backend.Header]string{"headers=0": nil, "headers=6": benchHeaders} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := context.Background()
			s := New()
			sender, _ := s.NewSender(ctx, "t")
			receiver, _ := s.NewReceiver(ctx, "t", "a")
			for b.Loop() {
				if err := sender.Send(ctx, "run", 1, headers); err != nil {
					b.Fatal(err)
				}
				_, ack, err := receiver.Recv(ctx)
				if err != nil {
					b.Fatal(err)
				}
				if err := ack(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
