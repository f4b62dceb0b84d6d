package adaptertest

import (
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// logSaysWhatIsCurrentAndHeld reads what keeps a restart from starting on overtaken versions, and from forgetting attempts: an entry
// that is wrongly not current is never delivered.
func logSaysWhatIsCurrentAndHeld(e *env) {
	overtaken, lone := e.start("overtaken"), e.start("lone")
	newest := step(overtaken, 2)
	newest.Hold = []backend.Delivery{backoff(newest.Record, 1, birth().Add(time.Hour))}
	e.put(newest)
	e.wantFlags("with a held delivery", map[*backend.Record][2]bool{
		overtaken: {false, true}, lone: {true, false}, newest.Record: {true, true},
	})
	e.put(&backend.Change{Done: []backend.DeliveryKey{newest.Hold[0].DeliveryKey}})
	e.wantFlags("after it was done", map[*backend.Record][2]bool{
		overtaken: {false, false}, lone: {true, false}, newest.Record: {true, false},
	})
}

// wantFlags compares Current and Held of every entry of the log. Held may be true without a delivery; that is only slow.
func (e *env) wantFlags(when string, want map[*backend.Record][2]bool) {
	e.Helper()
	entries := e.log()
	if len(entries) != len(want) {
		e.Errorf("%s: the log has %d entries, want %d", when, len(entries), len(want))
	}
	for _, en := range entries {
		for rec, flags := range want {
			if rec.RunID != en.Record.RunID || rec.Meta.Version != en.Record.Meta.Version {
				continue
			}
			if en.Current != flags[0] {
				e.Errorf("%s: version %d of %s says current %v, want %v", when, rec.Meta.Version, rec.RunID, en.Current, flags[0])
			}
			if flags[1] && !en.Held {
				e.Errorf("%s: version %d of %s does not say that a delivery is held", when, rec.Meta.Version, rec.RunID)
			}
		}
	}
}
