package memstreamer_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

// TestMemoryStaysFlat sends millions of events that all receivers read, one acking each event and one the last of many, and
// measures that the heap does not grow with them.
func TestMemoryStaysFlat(t *testing.T) {
	const batch, slack = 500, 1 << 20
	s := memstreamer.New()
	sender := newSender(t, s, topic)
	each, last := newReceiver(t, s, topic, "acks each"), newReceiver(t, s, topic, "acks the last")
	var atFirst uint64
	for sent := 0; sent < flatEvents; sent += batch {
		if sent == flatEvents/10 {
			atFirst = liveHeap()
		}
		send(t, sender, sent+1, sent+batch)
		drain(t, each, batch, true)
		drain(t, last, batch, false)
	}
	if atLast := liveHeap(); atLast > atFirst+slack {
		t.Errorf("the heap grew from %d to %d bytes over the last nine tenths of %d events", atFirst, atLast, flatEvents)
	}
	runtime.KeepAlive(s)
}

// TestMemoryOfABacklogIsFreed lets a slow name hold back events, and measures that they are gone once it has read and acked them.
func TestMemoryOfABacklogIsFreed(t *testing.T) {
	const events, eventBytes = 50_000, 200
	s := memstreamer.New()
	sender := newSender(t, s, topic)
	quick, slow := newReceiver(t, s, topic, "quick"), newReceiver(t, s, topic, "slow")
	empty := liveHeap()
	for n := range events {
		if err := sender.Send(t.Context(), "run", n, map[backend.Header]string{backend.HeaderRunID: "run"}); err != nil {
			t.Fatal(err)
		}
	}
	drain(t, quick, events, false)
	if held := liveHeap(); held < empty+events*eventBytes/2 {
		t.Fatalf("the heap holds %d bytes more for %d unread events; the measurement sees nothing", held-empty, events)
	}
	drain(t, slow, events, false)
	if left := liveHeap(); left > empty+2*memstreamer.MaxPassed*eventBytes*4 {
		t.Errorf("the heap still holds %d bytes more after all %d events were acked", left-empty, events)
	}
	runtime.KeepAlive(s)
}

// TestMemoryWithoutNamesIsBounded sends far more than a topic without names keeps.
func TestMemoryWithoutNamesIsBounded(t *testing.T) {
	s := memstreamer.New()
	sender := newSender(t, s, topic)
	send(t, sender, 1, 2*memstreamer.MaxUnnamed)
	full := liveHeap()
	send(t, sender, 1, 20*memstreamer.MaxUnnamed)
	if now := liveHeap(); now > full+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes with events that nobody asked for", full, now)
	}
	runtime.KeepAlive(s)
}

// drain receives n events and acks each, or only the last.
func drain(t *testing.T, receiver backend.EventReceiver, n int, each bool) {
	t.Helper()
	ctx := context.Background()
	for i := range n {
		_, ack, err := receiver.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if each || i == n-1 {
			if err := ack(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// liveHeap returns the bytes that are still in use after a collection.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
