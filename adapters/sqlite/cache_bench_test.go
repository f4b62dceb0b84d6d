package sqlite

import (
	"fmt"
	"testing"
)

// BenchmarkRunCache measures what a commit asks of the cache for each run that it moves: get and put. Runs within the bound are all found; of
// more than it holds, in turn, none are.
func BenchmarkRunCache(b *testing.B) {
	for _, runs := range []int{1000, 3 * cachedRuns} {
		b.Run(fmt.Sprintf("runs=%d", runs), func(b *testing.B) {
			ids := make([]string, runs)
			for i := range ids {
				ids[i] = fmt.Sprintf("run-%012d", i)
			}
			var c runCache
			round := func(i int) bool {
				info, ok := c.get(ids[i%runs])
				info.version++
				c.put(ids[i%runs], info)
				return ok
			}
			for i := range runs {
				round(i)
			}
			found, asked := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				if round(asked) {
					found++
				}
				asked++
			}
			b.ReportMetric(100*float64(found)/float64(asked), "%found")
		})
	}
}
