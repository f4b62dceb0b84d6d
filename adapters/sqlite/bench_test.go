package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

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
