package load

import (
	"slices"
	"time"
)

// Latencies sums up how long runs took.
func Latencies(took []time.Duration) *Latency {
	slices.Sort(took)
	return &Latency{N: len(took), P50: ms(Percentile(took, 50)), P99: ms(Percentile(took, 99))}
}

// Percentile returns the smallest of the sorted durations that at least p per cent of them do not exceed; zero of none.
func Percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
