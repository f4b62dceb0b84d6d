package shim

import "github.com/stillwater-go/workflow/backend"

// scrub deletes what this process remembers of a run's data. next is the run without them; nil where no version says so. Versions that a
// store keeps for tests are that store's.
func (b *Backend) scrub(runID string, next *backend.Record) {
	b.attempts.scrub(runID)
	b.held.scrub(runID)
	if next == nil {
		return
	}
	b.cache.scrub(next)
	b.log.scrub(next)
}

// scrub empties the errors and stacks of a run's attempts.
func (l *attemptLog) scrub(runID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.byRun[runID] {
		a := &l.byRun[runID][i]
		a.Error, a.Stack = "", ""
	}
}

// scrub empties the errors and data of a run's deliveries.
func (ds *deliveries) scrub(runID string) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range ds.byRun[runID] {
		d.LastError, d.Data = "", nil
	}
}

// scrub replaces the earlier versions of the run.
func (c *recordCache) scrub(next *backend.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.ring {
		if k.runID == next.RunID && k.version < next.Meta.Version {
			c.byKey[k] = scrubbed(c.byKey[k], next)
		}
	}
}

// scrub replaces the earlier versions of the run that are not finished.
func (l *privateLog) scrub(next *backend.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ln := range l.runs[next.RunID] {
		if ln.record.Meta.Version < next.Meta.Version {
			ln.record = scrubbed(ln.record, next)
		}
	}
}

// scrubbed is an earlier version of the run without its data; records are immutable.
func scrubbed(r, next *backend.Record) *backend.Record {
	c := *r
	c.Object, c.Meta.RunStateReason = next.Object, ""
	return &c
}
