package adaptertest

import "time"

const (
	// idleFor is how long the suites watch what idleness costs.
	idleFor = 300 * time.Millisecond
	// idleShare is the part of idleFor that may be computed meanwhile. One spinning goroutine takes all of it, and on a machine
	// that is busy with other things still several times this much.
	idleShare = 0.05
	// idleTries is how often the suites look, because another part of the process may have work of its own.
	idleTries = 4
)

// wantStill fails the case when the process computes although nothing is to be done.
func wantStill(t T, what string) {
	t.Helper()
	var share float64
	for range idleTries {
		before, ok := processorTime()
		if !ok {
			t.Logf("this platform does not tell the processor time; idleness was not measured")
			return
		}
		elapsed := stopwatch()
		linger(t.Context(), idleFor)
		after, _ := processorTime()
		if share = float64(after-before) / float64(elapsed()); share < idleShare {
			return
		}
	}
	t.Errorf("%s costs %.0f %% of a processor, want less than %.0f %%", what, 100*share, 100*idleShare)
}
