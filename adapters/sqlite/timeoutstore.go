package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// TimeoutStore returns the classic store of timeouts, in a table of its own in the same file. The engine itself keeps timers as
// deliveries and does not use it.
func (b *Backend) TimeoutStore() backend.TimeoutStore { return timeoutStore{b} }

type timeoutStore struct{ b *Backend }

// Create adds a timeout.
func (s timeoutStore) Create(ctx context.Context, workflowName, foreignID, runID string, status int, expireAt time.Time) error {
	for _, err := range [...]error{
		backend.ValidateID("workflow name", workflowName, backend.MaxNameBytes),
		backend.ValidateID("foreign id", foreignID, backend.MaxIDBytes),
		backend.ValidateID("run id", runID, backend.MaxIDBytes),
	} {
		if err != nil {
			return err
		}
	}
	expire, err := nanos("expiry", expireAt)
	if err != nil {
		return &backend.Error{Op: "create timeout", Workflow: workflowName, RunID: runID, Err: err}
	}
	return s.b.write(ctx, "create timeout", func(t *txn) error {
		t.dirty = true
		_, err := t.c.exec(context.Background(), `INSERT INTO sw_timeouts
			(workflow, foreign_id, run_id, status, completed, expire_at, created_at) VALUES (?, ?, ?, ?, 0, ?, ?)`,
			workflowName, foreignID, runID, int64(status), expire, time.Now().UnixNano())
		return err
	})
}

// Complete marks the timeout as done, or returns ErrTimeoutNotFound.
func (s timeoutStore) Complete(ctx context.Context, id int64) error {
	return s.alter(ctx, "complete timeout", "UPDATE sw_timeouts SET completed = 1 WHERE id = ?", id)
}

// Cancel removes the timeout, or returns ErrTimeoutNotFound.
func (s timeoutStore) Cancel(ctx context.Context, id int64) error {
	return s.alter(ctx, "cancel timeout", "DELETE FROM sw_timeouts WHERE id = ?", id)
}

func (s timeoutStore) alter(ctx context.Context, op, statement string, id int64) error {
	return s.b.write(ctx, op, func(t *txn) error {
		n, err := t.c.execN(context.Background(), statement, id)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: id %d", backend.ErrTimeoutNotFound, id)
		}
		t.dirty = t.dirty || n > 0
		return err
	})
}

// List returns all timeouts of the workflow, oldest first, those completed too.
func (s timeoutStore) List(ctx context.Context, workflowName string) ([]backend.TimeoutRecord, error) {
	return s.list(ctx, "SELECT "+timeoutColumns+" FROM sw_timeouts WHERE workflow = ? ORDER BY id", workflowName)
}

// ListValid returns those of the status that are not completed and expired at or before now, in the order of their expiry.
func (s timeoutStore) ListValid(ctx context.Context, workflowName string, status int, now time.Time) ([]backend.TimeoutRecord, error) {
	return s.list(ctx, "SELECT "+timeoutColumns+` FROM sw_timeouts
		WHERE workflow = ? AND status = ? AND completed = 0 AND expire_at <= ? ORDER BY expire_at, id`,
		workflowName, int64(status), clampNanos(now))
}

const timeoutColumns = "id, workflow, foreign_id, run_id, status, completed, expire_at, created_at"

func (s timeoutStore) list(ctx context.Context, query string, args ...driver.Value) ([]backend.TimeoutRecord, error) {
	var found []backend.TimeoutRecord
	err := s.b.read(ctx, "list timeouts", func(c *conn) error {
		return c.query(ctx, func(row []driver.Value) error {
			found = append(found, backend.TimeoutRecord{
				ID: asInt(row[0]), WorkflowName: asText(row[1]), ForeignID: asText(row[2]), RunID: asText(row[3]),
				Status: int(asInt(row[4])), Completed: asInt(row[5]) == 1, ExpireAt: timeOf(asInt(row[6])), CreatedAt: timeOf(asInt(row[7])),
			})
			return nil
		}, query, args...)
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
