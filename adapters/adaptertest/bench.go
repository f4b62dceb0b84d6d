package adaptertest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// benchObjectBytes is the size of the object that the benchmarks store.
const benchObjectBytes = 600

// Bench measures a Backend in the same way for all adapters. factory is called once for each benchmark and gives an open and
// empty Backend, which Bench closes.
//
//   - Commit/batch=n: transitions of n runs, each batch one call of Commit; the time is that of one batch, and "transitions/s"
//     is reported beside it.
//   - Commit/parallel: lone commits of many goroutines at once.
//   - Lookup, ReadLog (pages of 256) and Due (pages of 500, out of 10,000 held): reads of a store with 1,000 runs.
func Bench(b *testing.B, factory func(b *testing.B) backend.Backend) {
	for _, size := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("Commit/batch=%d", size), func(b *testing.B) { benchCommit(b, openBench(b, factory), size) })
	}
	b.Run("Commit/parallel", func(b *testing.B) { benchParallel(b, openBench(b, factory)) })
	b.Run("Lookup", func(b *testing.B) { benchLookup(b, openBench(b, factory)) })
	b.Run("ReadLog", func(b *testing.B) { benchReadLog(b, openBench(b, factory)) })
	b.Run("Due", func(b *testing.B) { benchDue(b, openBench(b, factory)) })
}

func openBench(b *testing.B, factory func(b *testing.B) backend.Backend) backend.Backend {
	store := factory(b)
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Errorf("close: %v", err)
		}
	})
	return store
}

// benchRuns starts n runs and returns them.
func benchRuns(b *testing.B, store backend.Backend, prefix string, n int) []*backend.Record {
	b.Helper()
	recs := make([]*backend.Record, n)
	for from := 0; from < n; from += 256 {
		var batch []*backend.Change
		for i := from; i < min(n, from+256); i++ {
			c := run(fmt.Sprintf("%s-%06d", prefix, i))
			c.Record.Object = make([]byte, benchObjectBytes)
			batch = append(batch, c)
			recs[i] = c.Record
		}
		putIn(b, store, batch...)
	}
	return recs
}

// benchStep is step without the cost of formatting an object.
func benchStep(rec *backend.Record) *backend.Change {
	next := *rec
	next.Status = 2 + rec.Status%5
	next.RunState = backend.RunStateRunning
	next.Meta.Version++
	next.Meta.Visit = next.Meta.Version
	next.UpdatedAt = rec.UpdatedAt.Add(time.Millisecond)
	return &backend.Change{Record: &next, From: pointOf(rec), Cause: backend.CauseStep}
}

// passCursors tells the store that everything is done, as an engine does, so that a store that forgets may forget.
func passCursors(b *testing.B, store backend.Backend, pos int64) {
	b.Helper()
	if err := store.SaveCursors(b.Context(), allAt(orders, pos)); err != nil {
		b.Fatalf("save cursors: %v", err)
	}
}

func benchCommit(b *testing.B, store backend.Backend, size int) {
	recs := benchRuns(b, store, "run", size)
	batch := make([]*backend.Change, size)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		for i, rec := range recs {
			batch[i] = benchStep(rec)
			recs[i] = batch[i].Record
		}
		putIn(b, store, batch...)
		if n%(1+2048/size) == 0 {
			passCursors(b, store, batch[size-1].Pos)
		}
	}
	b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "transitions/s")
}

func benchParallel(b *testing.B, store backend.Backend) {
	const runs = 64
	recs := benchRuns(b, store, "run", runs)
	var next, pos atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(runs / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		i := next.Add(1) - 1
		if i >= runs {
			return // more goroutines than runs: the others do the work
		}
		rec := recs[i]
		for n := 0; pb.Next(); n++ {
			c := benchStep(rec)
			if err := store.Commit(b.Context(), []*backend.Change{c}); err != nil || c.Err != nil {
				b.Errorf("commit: %v, %v", err, c.Err)
				return
			}
			rec = c.Record
			pos.Store(c.Pos)
			if i == 0 && n%128 == 0 {
				if err := store.SaveCursors(b.Context(), allAt(orders, c.Pos)); err != nil {
					b.Errorf("save cursors: %v", err)
				}
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transitions/s")
}

func benchLookup(b *testing.B, store backend.Backend) {
	recs := benchRuns(b, store, "run", 1000)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, err := store.Lookup(b.Context(), recs[n%len(recs)].RunID); err != nil {
			b.Fatalf("lookup: %v", err)
		}
	}
}

func benchReadLog(b *testing.B, store backend.Backend) {
	benchRuns(b, store, "run", 1000)
	b.ReportAllocs()
	after := int64(0)
	for b.Loop() {
		page, err := store.ReadLog(b.Context(), after, 256)
		if err != nil {
			b.Fatalf("read the log: %v", err)
		}
		after = 0
		if len(page) == 256 {
			after = page[255].Pos
		}
	}
}

func benchDue(b *testing.B, store backend.Backend) {
	var batch []*backend.Change
	for i, rec := range benchRuns(b, store, "run", 1000) {
		c := &backend.Change{}
		for d := range 10 {
			c.Hold = append(c.Hold, timer(rec, d, birth().Add(time.Duration(d*1000+i)*time.Second)))
		}
		if batch = append(batch, c); len(batch) == 100 {
			putIn(b, store, batch...)
			batch = nil
		}
	}
	b.ReportAllocs()
	var mark backend.DueMark
	for b.Loop() {
		page, err := store.Due(b.Context(), orders, mark, 500)
		if err != nil {
			b.Fatalf("due: %v", err)
		}
		mark = backend.DueMark{}
		if len(page) == 500 {
			mark = markOf(page[499])
		}
	}
}
