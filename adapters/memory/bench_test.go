package memory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// stored is how many runs a store holds before something is measured.
const stored = 100_000

func filled(b *testing.B) *memory.Backend {
	b.Helper()
	m := memory.New()
	batch := make([]*backend.Change, stored)
	for i := range batch {
		batch[i] = newRun(orders, fmt.Sprintf("f-%d", i), fmt.Sprintf("run-%d", i))
	}
	commit(b, m, batch...)
	return m
}

// BenchmarkCommit measures one change in a commit of its own, at 100,000 stored runs, without the making of the change.
func BenchmarkCommit(b *testing.B) {
	b.Run("step", func(b *testing.B) {
		m := filled(b)
		benchCommit(b, m, func(i int) *backend.Change {
			rec := lookup(b, m, fmt.Sprintf("run-%d", i%stored))
			return move(rec, backend.RunStateRunning, rec.Status)
		})
	})
	b.Run("new", func(b *testing.B) {
		benchCommit(b, filled(b), func(i int) *backend.Change {
			return newRun(orders, fmt.Sprintf("new-%d", i), fmt.Sprintf("run-new-%d", i))
		})
	})
	b.Run("hold", func(b *testing.B) {
		m := filled(b)
		benchCommit(b, m, func(i int) *backend.Change {
			rec := lookup(b, m, fmt.Sprintf("run-%d", i%stored))
			return &backend.Change{Hold: []backend.Delivery{delivery(rec, 1, (i*7919)%stored)}}
		})
	})
}

// benchCommit commits what next makes, in rounds, so that only the commits are measured.
func benchCommit(b *testing.B, m *memory.Backend, next func(i int) *backend.Change) {
	b.Helper()
	const round = 10_000
	ctx := context.Background()
	batches := make([][]*backend.Change, round)
	b.ReportAllocs()
	b.StopTimer()
	for i := 0; i < b.N; i += round {
		n := min(round, b.N-i)
		for j := range n {
			batches[j] = []*backend.Change{next(i + j)}
		}
		b.StartTimer()
		for _, batch := range batches[:n] {
			if err := m.Commit(ctx, batch); err != nil || batch[0].Err != nil {
				b.Fatal(err, batch[0].Err)
			}
		}
		b.StopTimer()
	}
}

// BenchmarkSteps takes runs through commits, reads of the log and moves of cursors, as an engine does.
func BenchmarkSteps(b *testing.B) {
	m := memory.New()
	ctx := context.Background()
	const group = 64
	records := make([]*backend.Record, group)
	for i := range records {
		records[i] = start(b, m, fmt.Sprint(i))
	}
	cursors := make([]backend.Cursor, backend.DefaultBuckets)
	b.ReportAllocs()
	b.ResetTimer()
	pos := int64(0)
	batch := make([]*backend.Change, group)
	for i := 0; i < b.N; i += group {
		for j, rec := range records {
			next := *rec
			next.Meta.Version++
			batch[j] = &backend.Change{Record: &next, From: backend.Point{RunState: rec.RunState, Status: rec.Status}}
			records[j] = &next
		}
		if err := m.Commit(ctx, batch); err != nil {
			b.Fatal(err)
		}
		entries, err := m.ReadLog(ctx, pos, 2*group)
		if err != nil {
			b.Fatal(err)
		}
		pos = entries[len(entries)-1].Pos
		if i%(64*group) == 0 {
			for bucket := range cursors {
				cursors[bucket] = backend.Cursor{WorkflowName: orders, Bucket: bucket, Pos: pos}
			}
			if err := m.SaveCursors(ctx, cursors); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkStore measures the classic Store of a next version at 100,000 stored runs.
func BenchmarkStore(b *testing.B) {
	s := filled(b).RecordStore()
	ctx := context.Background()
	rec := newRun(orders, "f-7", "run-7").Record
	b.ReportAllocs()
	for b.Loop() {
		rec.Meta.Version++
		if err := s.Store(ctx, rec); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOutboxCycle measures Store, ListOutboxEvents and DeleteOutboxEvent of one event at 100,000 stored runs, with as many
// events waiting.
func BenchmarkOutboxCycle(b *testing.B) {
	s := memory.NewRecordStore()
	ctx := context.Background()
	for i := range stored {
		store(b, s, newRun(orders, fmt.Sprintf("f-%d", i), fmt.Sprintf("run-%d", i)).Record)
	}
	rec := newRun(orders, "f-7", "run-7").Record
	b.ReportAllocs()
	for b.Loop() {
		rec.Meta.Version++
		if err := s.Store(ctx, rec); err != nil {
			b.Fatal(err)
		}
		events, err := s.ListOutboxEvents(ctx, orders, 1)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.DeleteOutboxEvent(ctx, events[0].ID); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDue measures a page of 500 out of 100,000 deliveries.
func BenchmarkDue(b *testing.B) {
	m := filled(b)
	ctx := context.Background()
	c := &backend.Change{}
	for i := range stored {
		d := delivery(&backend.Record{RunID: fmt.Sprintf("run-%d", i), WorkflowName: orders}, 1, (i*7919)%stored)
		d.Data = nil
		c.Hold = append(c.Hold, d)
	}
	commit(b, m, c)
	mark := backend.DueMark{Due: birth().Add(stored / 2 * time.Minute)}
	b.ReportAllocs()
	for b.Loop() {
		if page, err := m.Due(ctx, orders, mark, 500); err != nil || len(page) != 500 {
			b.Fatal(len(page), err)
		}
	}
}

// BenchmarkReads measures what the engine and its users read while steps run, at 100,000 stored runs of two versions.
func BenchmarkReads(b *testing.B) {
	m := filled(b)
	ctx := context.Background()
	ids, foreign := make([]string, 1000), make([]string, 1000)
	for i := range ids {
		ids[i], foreign[i] = fmt.Sprintf("run-%d", i*97), fmt.Sprintf("f-%d", i*97)
		commit(b, m, step(lookup(b, m, ids[i])))
	}
	head, err := m.Head(ctx)
	if err != nil {
		b.Fatal(err)
	}
	measure := func(name string, read func(i int) (n int, err error)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if n, err := read(i % len(ids)); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
		})
	}
	measure("lookup", func(i int) (int, error) {
		rec, err := m.Lookup(ctx, ids[i])
		return int(rec.Meta.Version), err
	})
	measure("latest", func(i int) (int, error) {
		rec, err := m.Latest(ctx, orders, foreign[i])
		return int(rec.Meta.Version), err
	})
	measure("history", func(i int) (int, error) {
		entries, err := m.History(ctx, ids[i], 0, 10)
		return len(entries), err
	})
	measure("log", func(int) (int, error) {
		entries, err := m.ReadLog(ctx, head-64, 64)
		return len(entries), err
	})
}
