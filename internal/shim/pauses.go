package shim

import (
	"context"

	"github.com/stillwater-go/workflow/backend"
)

// restorePauses makes deliveries of the resumes that are still to come: a crash has lost them, while the pause is stored. Only
// a pause by the engine is undone, so a store that does not keep who paused a run gets none back.
func (b *Backend) restorePauses(ctx context.Context, buckets int) error {
	if b.cfg.AutoResume <= 0 {
		return nil
	}
	for offset := int64(0); ; {
		page, err := b.store.List(ctx, b.cfg.WorkflowName, offset, scanPage, backend.OrderTypeAscending,
			backend.FilterByRunState(backend.RunStatePaused))
		if err != nil {
			return err
		}
		for i := range page {
			rec := &page[i]
			if rec.Meta.PausedBy != backend.PausedByEngine {
				continue
			}
			b.held.addIfNew(&delivery{Delivery: backend.Delivery{
				DeliveryKey:  backend.DeliveryKey{RunID: rec.RunID, Receiver: backend.ReceiverResume, Version: rec.Meta.Version},
				WorkflowName: b.cfg.WorkflowName, Bucket: backend.BucketOf(rec.RunID, buckets),
				Due: rec.UpdatedAt.Add(b.cfg.AutoResume), State: backend.DeliveryTimer,
			}})
		}
		if len(page) < scanPage {
			return nil
		}
		offset += int64(len(page))
	}
}
