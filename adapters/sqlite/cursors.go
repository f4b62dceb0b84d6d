package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// LoadCursors returns one position per bucket. A role without a stored cursor stands just before the first event of its
// workflow. The number of buckets is fixed by the first Join; another one is an error.
func (b *Backend) LoadCursors(ctx context.Context, workflowName string, buckets int) ([]int64, error) {
	if buckets <= 0 {
		return nil, &backend.Error{Op: "load cursors", Workflow: workflowName, Err: fmt.Errorf("%d buckets", buckets)}
	}
	positions := make([]int64, buckets)
	err := b.read(ctx, "load cursors", func(c *conn) error {
		fixed, start := int64(0), int64(-1)
		// One statement sees one state of the store. A workflow without an event starts at the head: its first lies behind.
		err := c.query(ctx, func(row []driver.Value) error {
			fixed = asInt(row[1])
			if start < 0 {
				start = asInt(row[0])
				for i := range positions {
					positions[i] = start
				}
			}
			if bucket, ok := row[2].(int64); ok && bucket >= 0 && bucket < int64(buckets) {
				positions[bucket] = asInt(row[3])
			}
			return nil
		}, `SELECT coalesce(w.first_pos - 1, h.head), w.buckets, c.bucket, c.pos
			FROM (SELECT `+headTerm+` AS head) h
			LEFT JOIN sw_workflows w ON w.name = ?
			LEFT JOIN sw_cursors c ON c.workflow = w.id`, workflowName)
		if err == nil && fixed != 0 && fixed != int64(buckets) {
			err = bucketsErr(workflowName, fixed, buckets)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return positions, nil
}

func bucketsErr(workflowName string, fixed int64, buckets int) error {
	return &backend.Error{Op: "check buckets", Workflow: workflowName,
		Err:  fmt.Errorf("the store divides this workflow's runs into %d buckets, not %d", fixed, buckets),
		Hint: "use the number that the workflow was first run with"}
}

// SaveCursors moves cursors forward, all in one commit. A position behind the stored one is ignored.
func (b *Backend) SaveCursors(ctx context.Context, cursors []backend.Cursor) error {
	if len(cursors) == 0 {
		return nil
	}
	for _, cur := range cursors {
		if err := backend.ValidateID("workflow name", cur.WorkflowName, backend.MaxNameBytes); err != nil {
			return err
		}
		if cur.Bucket < 0 || cur.Pos < 0 {
			return &backend.Error{Op: "save cursors", Workflow: cur.WorkflowName, Err: fmt.Errorf("bucket %d, position %d", cur.Bucket, cur.Pos)}
		}
	}
	return b.write(ctx, "save cursors", func(t *txn) error {
		for _, cur := range cursors {
			workflow, err := t.workflow(cur.WorkflowName)
			if err != nil {
				return err
			}
			n, err := t.c.execN(context.Background(), `INSERT INTO sw_cursors (workflow, bucket, pos) VALUES (?, ?, ?)
				ON CONFLICT DO UPDATE SET pos = excluded.pos WHERE excluded.pos > sw_cursors.pos`, workflow, int64(cur.Bucket), cur.Pos)
			if err != nil {
				return err
			}
			t.dirty = t.dirty || n > 0
		}
		return nil
	})
}

// write commits one operation that is no change.
func (b *Backend) write(ctx context.Context, op string, fn func(t *txn) error) error {
	u := &unit{op: fn}
	if err := b.submit(ctx, op, []*unit{u}); err != nil {
		return err
	}
	return u.err
}
