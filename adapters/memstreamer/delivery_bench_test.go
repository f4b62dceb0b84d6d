package memstreamer_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// BenchmarkDelivery measures what a delivery costs where every receiver of a topic gets every event: its part of Send, the wake-up, Recv and Ack.
// An operation is one event at one receiver.
//
//   - parked: the next event is sent when all receivers are through with the one before, so that each delivery wakes a goroutine;
//   - behind: the events are there before the receivers begin.
func BenchmarkDelivery(b *testing.B) {
	b.Run("receivers=1/parked", handOff)
	b.Run("receivers=1000/parked", func(b *testing.B) { deliver(b, 1000, true) })
	b.Run("receivers=1000/behind", func(b *testing.B) { deliver(b, 1000, false) })
}

// handOff has two goroutines send to each other: with a single receiver, any other way of telling the sender that the event has come would
// cost as much as the event.
func handOff(b *testing.B) {
	b.ReportAllocs()
	s := memstreamer.New()
	var joined sync.WaitGroup
	play := func(in, out string, first bool) {
		receiver, sender := newReceiver(b, s, in, "a"), newSender(b, s, out)
		if first {
			send(b, sender, 1, 1)
		}
		joined.Go(func() {
			for range (b.N + 1) / 2 {
				_, ack, err := receiver.Recv(context.Background())
				if err != nil || ack() != nil || sender.Send(context.Background(), "run", 1, nil) != nil {
					b.Error("Recv, Ack or Send failed")
				}
			}
		})
	}
	cpu := cpuTime(b)
	b.ResetTimer()
	play("there", "back", false)
	play("back", "there", true)
	joined.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
}

func deliver(b *testing.B, receivers int, parked bool) {
	b.ReportAllocs()
	s := memstreamer.New()
	events := (b.N + receivers - 1) / receivers
	sender := newSender(b, s, topic)
	var left atomic.Int64 // receivers that are not through with the present event
	through := make(chan struct{})
	begin := make(chan struct{})
	var joined sync.WaitGroup
	for i := range receivers {
		receiver := newReceiver(b, s, topic, fmt.Sprint("name-", i))
		joined.Go(func() {
			<-begin
			for range events {
				_, ack, err := receiver.Recv(context.Background())
				if err != nil || ack() != nil {
					b.Error("Recv or Ack failed")
				}
				if parked && left.Add(-1) == 0 {
					through <- struct{}{}
				}
			}
		})
	}
	if parked {
		close(begin)
		eventually(b, "all receivers are parked", func() bool { return parkedIn(recvFrame) == receivers })
	}
	cpu := cpuTime(b)
	b.ResetTimer()
	for n := range events {
		left.Store(int64(receivers))
		send(b, sender, n, n)
		if parked {
			<-through
		}
	}
	if !parked {
		close(begin)
	}
	joined.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(events*receivers), "cpu-ns/op")
}
