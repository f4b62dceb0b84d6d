package shim

import (
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// scan looks through unfinished runs: when a receiver gets its role, for all of its topic, because retries of the role's
// former holder lived in that one's memory; and periodically for those that nothing has touched for long. A run's entry comes only
// where this process holds the role of its topic, so that no two processes work on it.
func (t *tenure) scan() {
	b := t.b
	var wait backoff
	var errs streak
	periodic := realNow().Add(b.cfg.Scan)
	for {
		if !waitFor(t.ctx, t.scanWake, max(periodic.Sub(realNow()), 0)) {
			return
		}
		fresh := make(map[*receiver]bool)
		for _, r := range t.receivers {
			if r.holding.Load() && r.wantScan.Swap(false) {
				fresh[r] = true
			}
		}
		due := !periodic.After(realNow())
		if len(fresh) == 0 && !due {
			continue
		}
		if err := t.scanOnce(fresh, due); err != nil {
			if t.ctx.Err() != nil {
				return
			}
			errs.report(t.ctx, b, "scan unfinished runs", err)
			for r := range fresh {
				r.wantScan.Store(true)
			}
			if !wait.wait(t.ctx) {
				return
			}
			poke(t.scanWake)
			continue
		}
		for r := range fresh {
			if !r.holding.Load() { // it was opened anew: some of its runs may have been passed over
				r.wantScan.Store(true)
			}
		}
		wait.reset()
		errs.reset()
		if due {
			periodic = realNow().Add(b.cfg.Scan)
		}
	}
}

// scanOnce walks over the unfinished runs. What it finds that has a due time is told to those who watch for that.
func (t *tenure) scanOnce(fresh map[*receiver]bool, periodic bool) error {
	b := t.b
	restored := false
	defer func() {
		if restored {
			b.dueWatchers.tell()
		}
	}()
	before := b.cfg.Clock.Now().Add(-b.cfg.Scan)
	states := []backend.RunState{backend.RunStateInitiated, backend.RunStateRunning, backend.RunStateRequestedDataDeleted}
	if periodic {
		states = append(states, backend.RunStatePaused)
	}
	wanted := backend.FilterByRunState(states...)
	var last map[string]bool // the page before: a corrected offset shows some of it again
	for offset := int64(0); ; {
		ended := b.log.endedSoFar()
		page, err := b.store.List(t.ctx, b.cfg.WorkflowName, offset, scanPage, backend.OrderTypeAscending, wanted)
		if err != nil {
			return err
		}
		seen := make(map[string]bool, len(page))
		for i := range page {
			rec := &page[i]
			seen[rec.RunID] = true
			restored = b.restoreWaits(rec, t.buckets) || restored
			if last[rec.RunID] || rec.RunState == backend.RunStatePaused || !t.forgotten(rec, fresh, periodic, before) {
				continue
			}
			if !b.log.waitScanRoom(t.ctx) {
				return t.ctx.Err()
			}
			if b.store.copies {
				rec = rec.Clone()
			}
			b.log.append(&line{record: b.complete(rec), current: true, scan: true})
		}
		if len(page) < scanPage {
			return nil
		}
		// Runs that ended meanwhile have left the listing, and what follows has moved up. Half a page is progress enough.
		moved := min(b.log.endedSoFar()-ended, scanPage/2)
		offset += int64(len(page) - moved)
		last = seen
	}
}

// forgotten reports whether a run has to be brought in by the scan.
func (t *tenure) forgotten(rec *backend.Record, fresh map[*receiver]bool, periodic bool, before time.Time) bool {
	b := t.b
	r := t.receiverOf(rec)
	switch {
	case r == nil || b.log.has(rec.RunID):
		return false
	case fresh[r]:
		return b.held.hasWork(rec.RunID) || !b.log.hasSettled(rec)
	default:
		return periodic && !rec.UpdatedAt.After(before) && !b.held.hasWork(rec.RunID) && !b.log.hasSettled(rec)
	}
}

// receiverOf returns the open receiver that the run's event belongs to, or nil.
func (t *tenure) receiverOf(rec *backend.Record) *receiver {
	topic := backend.EventTopic(rec)
	for _, r := range t.receivers {
		if r.spec.Topic == topic && r.spec.takes(rec.RunID) && r.holding.Load() {
			return r
		}
	}
	return nil
}
