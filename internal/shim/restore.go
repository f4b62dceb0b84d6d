package shim

import (
	"context"

	"github.com/stillwater-go/workflow/backend"
)

// restorePaused makes deliveries of what paused runs wait for: a crash has lost them, while the pause is stored.
func (b *Backend) restorePaused(ctx context.Context, buckets int) error {
	for offset := int64(0); ; {
		page, err := b.store.List(ctx, b.cfg.WorkflowName, offset, scanPage, backend.OrderTypeAscending,
			backend.FilterByRunState(backend.RunStatePaused))
		if err != nil {
			return err
		}
		for i := range page {
			b.restoreWaits(&page[i], buckets)
		}
		if len(page) < scanPage {
			return nil
		}
		offset += int64(len(page))
	}
}

// restoreWaits makes the deliveries that an unfinished run's record tells of: its deadline, and the resume that is still to come. Only a pause
// by the engine is undone, so a store that does not keep who paused a run gets none back. It reports whether this process did not know one.
func (b *Backend) restoreWaits(rec *backend.Record, buckets int) (added bool) {
	if b.cache.overtaken(rec.RunID, rec.Meta.Version) {
		return false // it was listed before this process moved it
	}
	of := backend.Delivery{
		WorkflowName: b.cfg.WorkflowName, Bucket: backend.BucketOf(rec.RunID, buckets), State: backend.DeliveryTimer,
	}
	if !rec.Meta.Deadline.IsZero() && !rec.RunState.Finished() {
		d := of
		d.DeliveryKey = backend.DeliveryKey{RunID: rec.RunID, Receiver: backend.ReceiverDeadline, Version: 1}
		d.Due = rec.Meta.Deadline
		added = b.held.setDeadline(&delivery{Delivery: d})
	}
	if b.cfg.AutoResume > 0 && rec.RunState == backend.RunStatePaused && rec.Meta.PausedBy == backend.PausedByEngine {
		d := of
		d.DeliveryKey = backend.DeliveryKey{RunID: rec.RunID, Receiver: backend.ReceiverResume, Version: rec.Meta.Version}
		d.Due = rec.UpdatedAt.Add(b.cfg.AutoResume)
		added = b.held.addIfNew(&delivery{Delivery: d}) || added
	}
	return added
}

// WatchDue calls changed when due deliveries were brought back without a log entry; see backend.DueWatcher. changed must not call stop.
func (b *Backend) WatchDue(changed func()) (stop func()) { return b.dueWatchers.add(changed) }
