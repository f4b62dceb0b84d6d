package shim_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/shim"
)

// BenchmarkTravel measures one event from Commit to the log and its acknowledgement, over the classic triple.
func BenchmarkTravel(b *testing.B) {
	for _, inFlight := range []int{1, 64} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			ctx := context.Background()
			s := shim.New(shim.Config{
				WorkflowName: name, Store: memrecordstore.New(), Streamer: memstreamer.New(), Scheduler: memrolescheduler.New(),
				OutboxRole: "outbox", Receivers: []shim.ReceiverSpec{hookSpec()},
			})
			wake := make(chan struct{}, 1)
			defer s.Watch(func() {
				select {
				case wake <- struct{}{}:
				default:
				}
			})()
			leave, err := s.Join(ctx, name, buckets, func(backend.Grant) {})
			if err != nil {
				b.Fatal(err)
			}
			defer leave()
			b.ReportAllocs()
			pos := int64(0)
			sent, got := 0, 0
			for b.Loop() {
				id := fmt.Sprintf("run-%d", sent)
				c := &backend.Change{Record: record(id, 1, completed, 1)}
				if err := s.Commit(ctx, []*backend.Change{c}); err != nil || c.Err != nil {
					b.Fatal(err, c.Err)
				}
				sent++
				for sent-got >= inFlight {
					entries, err := s.ReadLog(ctx, pos, 512)
					if err != nil {
						b.Fatal(err)
					}
					if len(entries) == 0 {
						<-wake
						continue
					}
					got += len(entries)
					pos = entries[len(entries)-1].Pos
					cursors := make([]backend.Cursor, buckets)
					for i := range cursors {
						cursors[i] = backend.Cursor{WorkflowName: name, Bucket: i, Pos: pos}
					}
					if err := s.SaveCursors(ctx, cursors); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
