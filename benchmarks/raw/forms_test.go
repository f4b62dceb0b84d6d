package raw_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stillwater-go/workflow/benchmarks/load"
	"github.com/stillwater-go/workflow/benchmarks/raw"
)

// BenchmarkForms measures what a transition costs in every form of the statements, with small, middling and large commits. The processor time
// is the figure to look at: it does not depend on the mood of the disk.
func BenchmarkForms(b *testing.B) {
	for _, form := range raw.Forms() {
		for _, size := range []int{8, 64, 512} {
			b.Run(fmt.Sprintf("%s/%d", form.Name, size), func(b *testing.B) {
				s, err := raw.Open(b.Context(), filepath.Join(b.TempDir(), "raw.db"), "bench", form)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				s.Spread(size)
				before, n := load.OwnUsage(), 0
				b.ResetTimer()
				for n < b.N {
					moved, err := s.Commit(b.Context(), -1)
					if err != nil {
						b.Fatal(err)
					}
					n += moved
				}
				b.StopTimer()
				spent := load.OwnUsage().Less(before)
				b.ReportMetric(float64(spent.CPU.Nanoseconds())/float64(max(n, 1)), "cpu-ns/transition")
			})
		}
	}
}
