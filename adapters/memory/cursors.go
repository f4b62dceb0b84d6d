package memory

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// cursors is how far the roles of one workflow have come.
type cursors struct {
	buckets int           // fixed by the first Join; zero before
	first   int64         // position of the workflow's first entry; zero before
	stored  map[int]int64 // by bucket
	low     int64         // what every cursor has passed
}

// saw notes an entry of the workflow.
func (c *cursors) saw(pos int64) {
	if c.first == 0 {
		c.first = pos
		c.settle()
	}
}

// at returns where the bucket's role stands. head is the head of the log, where one without entries stands.
func (c *cursors) at(bucket int, head int64) int64 {
	if pos, ok := c.stored[bucket]; ok {
		return pos
	}
	if c.first == 0 {
		return head
	}
	return c.first - 1
}

// move moves a cursor, if that is forward.
func (c *cursors) move(bucket int, pos int64) {
	if pos <= c.at(bucket, 0) {
		return
	}
	if c.stored == nil {
		c.stored = make(map[int]int64, backend.DefaultBuckets)
	}
	c.stored[bucket] = pos
	c.settle()
}

// count is the number of buckets.
func (c *cursors) count() int {
	if c.buckets == 0 {
		return backend.DefaultBuckets
	}
	return c.buckets
}

// settle computes what every cursor has passed.
func (c *cursors) settle() {
	c.low = c.at(0, 0)
	for bucket := 1; bucket < c.count(); bucket++ {
		c.low = min(c.low, c.at(bucket, 0))
	}
}

// LoadCursors returns one position per bucket. A role without a stored cursor stands just before the first entry of its workflow,
// and at the head of the log where the workflow has none.
func (b *Backend) LoadCursors(ctx context.Context, workflowName string, buckets int) ([]int64, error) {
	if buckets < 1 {
		return nil, fmt.Errorf("load cursors: %d buckets", buckets)
	}
	if err := b.table.read(ctx, "load cursors"); err != nil {
		return nil, err
	}
	defer b.table.mu.RUnlock()
	c := &cursors{}
	if w := b.table.workflows[workflowName]; w != nil {
		c = &w.cursors
	}
	out := make([]int64, buckets)
	for i := range out {
		out[i] = c.at(i, b.table.log.head)
	}
	return out, nil
}

// SaveCursors moves cursors forward; a position behind the stored one is ignored. Entries that every cursor of their workflow
// has passed are forgotten by the log then, up to the oldest that waits for one. It fails with backend.ErrInvalidID, and saves
// none, where a workflow's name cannot be one or a bucket is negative.
func (b *Backend) SaveCursors(ctx context.Context, moved []backend.Cursor) error {
	for _, c := range moved {
		if err := backend.ValidateID("workflow name", c.WorkflowName, backend.MaxNameBytes); err != nil {
			return fmt.Errorf("save cursors: %w", err)
		}
		if c.Bucket < 0 {
			return fmt.Errorf("save cursors: %w: bucket %d", backend.ErrInvalidID, c.Bucket)
		}
	}
	t := b.table
	if err := t.write(ctx, "save cursors"); err != nil {
		return err
	}
	defer t.mu.Unlock()
	for _, c := range moved {
		t.workflow(c.WorkflowName).cursors.move(c.Bucket, c.Pos)
	}
	t.log.trim()
	for _, c := range moved {
		for r := range t.workflow(c.WorkflowName).late {
			if backend.BucketOf(r.record.RunID, r.workflow.cursors.count()) == c.Bucket {
				t.forget(r)
			}
		}
	}
	return nil
}
