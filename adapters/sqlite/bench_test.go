package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// BenchmarkCommit measures transitions in batches of different runs, with an object of 600 bytes and everything forced to the disk.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := openTest(b)
			object := bytes.Repeat([]byte("x"), 600)
			versions := make([]uint, size)
			b.ResetTimer()
			for done := 0; done < b.N; done += size {
				batch := make([]*backend.Change, size)
				for i := range batch {
					versions[i]++
					batch[i] = change(fmt.Sprintf("run-%d", i), fmt.Sprintf("foreign-%d", i), versions[i])
					batch[i].Record.Object = object
				}
				commit(b, s, batch...)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transitions/s")
		})
	}
}

// BenchmarkTrigger measures new runs.
func BenchmarkTrigger(b *testing.B) {
	s := openTest(b)
	object := bytes.Repeat([]byte("x"), 600)
	const size = 64
	b.ResetTimer()
	for done := 0; done < b.N; done += size {
		batch := make([]*backend.Change, size)
		for i := range batch {
			id := fmt.Sprintf("run-%012d", done+i)
			batch[i] = change(id, id, 1)
			batch[i].Record.Object = object
		}
		commit(b, s, batch...)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// BenchmarkDue measures a hundred thousand timers that come due at once: to read them in pages of 500, and to remove them in commits of
// 512 members, each a new version of its run.
func BenchmarkDue(b *testing.B) {
	const n, page, size = 100_000, 500, 512
	name := func(i int) string { return fmt.Sprintf("run-%06d", i) }
	for b.Loop() {
		b.StopTimer()
		s := openTest(b, WithSynchronous(SynchronousFull))
		for i := 0; i < n; i += size {
			var batch []*backend.Change
			for j := i; j < min(i+size, n); j++ {
				c := change(name(j), name(j), 1)
				c.Record.Object = bytes.Repeat([]byte("x"), 600)
				c.Hold = []backend.Delivery{{DeliveryKey: backend.DeliveryKey{RunID: name(j), Receiver: "timeout:0", Version: 1}, WorkflowName: testFlow,
					State: backend.DeliveryTimer, Due: time.Unix(int64(j%7), 0)}}
				batch = append(batch, c)
			}
			commit(b, s, batch...)
		}
		b.StartTimer()
		var keys []backend.DeliveryKey
		began := time.Now()
		for mark := (backend.DueMark{}); ; {
			due, err := s.Due(b.Context(), testFlow, mark, page)
			if err != nil {
				b.Fatal(err)
			}
			for _, d := range due {
				keys = append(keys, d.DeliveryKey)
				mark = backend.DueMark{Due: d.Due, Key: d.DeliveryKey}
			}
			if len(due) < page {
				break
			}
		}
		if len(keys) != n {
			b.Fatal(len(keys))
		}
		read := time.Since(began)
		began = time.Now()
		for len(keys) > 0 {
			var batch []*backend.Change
			for _, k := range keys[:min(size, len(keys))] {
				c := change(k.RunID, k.RunID, 2)
				c.Record.Object, c.Done = bytes.Repeat([]byte("x"), 600), []backend.DeliveryKey{k}
				batch = append(batch, c)
			}
			keys = keys[len(batch):]
			commit(b, s, batch...)
		}
		b.ReportMetric(read.Seconds(), "s/read")
		b.ReportMetric(time.Since(began).Seconds(), "s/remove")
	}
}

// BenchmarkHistory measures a run of 20,000 versions read in pages of 500.
func BenchmarkHistory(b *testing.B) {
	s := openTest(b, WithHistory(20_000, 20_000))
	grow(b, s, "r", 0, 20_000)
	for b.Loop() {
		n := 0
		for after := uint(0); ; {
			page, err := s.History(b.Context(), "r", after, 500)
			if err != nil {
				b.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			n += len(page)
			after = page[len(page)-1].Record.Meta.Version
		}
		if n != 20_000 {
			b.Fatal(n)
		}
	}
}

// BenchmarkFsync measures what the disk needs to force out 4 KiB, for comparison with a lone commit.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for i := 0; b.Loop(); i++ {
		if _, err := f.WriteAt(page, int64(i)*4096); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	s := openTest(b)
	for i := range 100 {
		commit(b, s, change(fmt.Sprintf("run-%d", i), fmt.Sprintf("foreign-%d", i), 1))
	}
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if _, err := s.Lookup(context.Background(), fmt.Sprintf("run-%d", i%100)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadLog(b *testing.B) {
	s := openTest(b)
	for i := range 500 {
		commit(b, s, change(fmt.Sprintf("run-%d", i), fmt.Sprintf("foreign-%d", i), 1))
	}
	b.ResetTimer()
	for b.Loop() {
		if entries, err := s.ReadLog(context.Background(), 0, 500); err != nil || len(entries) != 500 {
			b.Fatal(len(entries), err)
		}
	}
	b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "entries/s")
}
