package adaptertest

import "github.com/stillwater-go/workflow/backend"

// idleCases measure what a Backend costs while nothing is to be done.
func idleCases() []testCase {
	return []testCase{{name: "Idle/CostsNothing", needs: []string{"NoStillness"}, alone: true, run: idleCostsNothing}}
}

// idleCostsNothing holds roles, waits for others, watches the log and keeps a far timer; and computes nothing.
func idleCostsNothing(e *env) {
	c := run("a")
	c.Hold = []backend.Delivery{timer(c.Record, 1, birth().AddDate(100, 0, 0))}
	e.put(c)
	holder := newContest(e, orders).join(e.b, "holder")
	holder.awaitAll()
	others := newContest(e, billing)
	for range 8 {
		defer e.b.Watch(func() {})()
		others.join(e.b, "one of many")
	}
	wantStill(e, "an idle backend")
}
