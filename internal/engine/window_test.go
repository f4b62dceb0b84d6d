package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestWindow compares the window with a list that is searched: events come and are released in any order, some twice.
func TestWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var w window
	type event struct {
		n    uint64
		pos  int64
		safe bool
	}
	var all []event
	for i := range 20_000 {
		if rng.IntN(2) == 0 || len(all) == 0 {
			all = append(all, event{n: w.add(int64(10 * i)), pos: int64(10 * i)})
		} else {
			at := &all[max(0, len(all)-1-rng.IntN(50))]
			at.safe = true
			w.release(at.n)
		}
		w.release(0)
		oldest := slices.IndexFunc(all, func(e event) bool { return !e.safe })
		pos, ok := w.low()
		if ok != (oldest >= 0) || ok && pos != all[oldest].pos {
			t.Fatalf("after %d: low %d, %v; the oldest unsafe one is %d of %d", i, pos, ok, oldest, len(all))
		}
		if oldest > 0 {
			all = all[oldest:]
		}
	}
}
