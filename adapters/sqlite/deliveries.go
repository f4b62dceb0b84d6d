package sqlite

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

const deliveryColumns = "workflow, run_id, receiver, version, bucket, attempts, due, state, last_error, first_at, data"

// Due returns at most limit stored deliveries of the workflow that have a due time, past the mark, in the order of
// (due, run id, receiver, version).
func (b *Backend) Due(ctx context.Context, workflowName string, after backend.DueMark, limit int) ([]backend.Delivery, error) {
	if limit <= 0 {
		return nil, nil
	}
	mark := int64(noTime)
	if !after.Due.IsZero() {
		mark = clampNanos(after.Due)
	}
	return b.deliveries(ctx, "read due deliveries", "SELECT "+deliveryColumns+` FROM sw_deliveries
		WHERE workflow = (SELECT id FROM sw_workflows WHERE name = ?) AND due IS NOT NULL
			AND (due, run_id, receiver, version) > (?, ?, ?, ?)
		ORDER BY due, run_id, receiver, version LIMIT ?`,
		workflowName, mark, after.Key.RunID, string(after.Key.Receiver), int64(after.Key.Version), int64(limit))
}

// ListHeld returns at most limit deliveries of the workflow that are given up (state backend.DeliveryHeld, no due time), past the key, in
// the order of (run id, receiver, version).
func (b *Backend) ListHeld(ctx context.Context, workflowName string, after backend.DeliveryKey, limit int) ([]backend.Delivery, error) {
	if limit <= 0 {
		return nil, nil
	}
	return b.deliveries(ctx, "list held deliveries", listHeldText, workflowName, after.RunID, string(after.Receiver), int64(after.Version),
		int64(limit))
}

// listHeldText names the state in the words of the index (sw_deliveries_given_up), without which it would not be used.
const listHeldText = "SELECT " + deliveryColumns + ` FROM sw_deliveries
	WHERE workflow = (SELECT id FROM sw_workflows WHERE name = ?) AND state = 5 AND due IS NULL
		AND (run_id, receiver, version) > (?, ?, ?)
	ORDER BY run_id, receiver, version LIMIT ?`

// Held returns the stored deliveries of a run, in the order of (receiver, version).
func (b *Backend) Held(ctx context.Context, runID string) ([]backend.Delivery, error) {
	return b.deliveries(ctx, "read deliveries of run "+backend.Quote(runID), "SELECT "+deliveryColumns+` FROM sw_deliveries
		WHERE run = (SELECT id FROM sw_runs WHERE run_id = ?) ORDER BY receiver, version`, runID)
}

func (b *Backend) deliveries(ctx context.Context, op, query string, args ...driver.Value) ([]backend.Delivery, error) {
	var found []backend.Delivery
	var flows []int64
	err := b.read(ctx, op, func(c *conn) error {
		err := c.query(ctx, func(row []driver.Value) error {
			d := backend.Delivery{
				DeliveryKey: backend.DeliveryKey{RunID: asText(row[1]), Receiver: backend.Receiver(asText(row[2])), Version: uint(asInt(row[3]))},
				Bucket:      int(asInt(row[4])), Attempts: int(asInt(row[5])), State: backend.DeliveryState(asInt(row[7])),
				LastError: asText(row[8]), FirstAt: timeOf(asInt(row[9])), Data: asBlob(row[10]),
			}
			if due, ok := row[6].(int64); ok {
				d.Due = timeOf(due)
			}
			flows = append(flows, asInt(row[0]))
			found = append(found, d)
			return nil
		}, query, args...)
		for i := 0; err == nil && i < len(found); i++ {
			found[i].WorkflowName, err = b.names.get(ctx, c, flows[i])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func duration(v driver.Value) time.Duration { return time.Duration(asInt(v)) }
