package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// RecordStore returns the classic view of the same runs. Its Store commits like any other and also leaves an outbox event,
// which a Commit of the Backend does not.
func (b *Backend) RecordStore() backend.RecordStore { return recordStore{b} }

type recordStore struct{ b *Backend }

// Store writes the record and its outbox event in one transaction; see backend.RecordStore.
func (s recordStore) Store(ctx context.Context, record *backend.Record) error {
	if record == nil {
		return &backend.Error{Op: "store", Err: fmt.Errorf("%w: nil record", backend.ErrInvalidID)}
	}
	c := &backend.Change{Record: record.Clone(), Cause: backend.CauseStore}
	if err := validate(c); err != nil {
		return &backend.Error{Op: "store", Workflow: record.WorkflowName, Err: err}
	}
	u := &unit{change: c, classic: true}
	if err := s.b.submit(ctx, "store", []*unit{u}); err != nil {
		return err
	}
	return u.err
}

// Lookup returns the run, or ErrRecordNotFound.
func (s recordStore) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	return s.b.Lookup(ctx, runID)
}

// Latest returns the newest created run of the foreign id, or ErrRecordNotFound.
func (s recordStore) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	return s.b.Latest(ctx, workflowName, foreignID)
}

// List returns runs in the order of their creation; see backend.RecordStore.
func (s recordStore) List(ctx context.Context, workflowName string, offsetID int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	return s.b.List(ctx, workflowName, offsetID, limit, order, filters...)
}

// ListOutboxEvents returns the oldest events of the workflow that wait to be sent, in the order in which they were stored.
func (s recordStore) ListOutboxEvents(ctx context.Context, workflowName string, limit int64) ([]backend.OutboxEvent, error) {
	if limit <= 0 {
		return nil, nil
	}
	var events []backend.OutboxEvent
	err := s.b.read(ctx, "list outbox events", func(c *conn) error {
		return c.query(ctx, func(row []driver.Value) error {
			events = append(events, backend.OutboxEvent{
				ID: asText(row[0]), WorkflowName: workflowName, Data: asBlob(row[1]), CreatedAt: timeOf(asInt(row[2])),
			})
			return nil
		}, `SELECT event_id, data, created_at FROM sw_outbox
			WHERE workflow = (SELECT id FROM sw_workflows WHERE name = ?) ORDER BY id LIMIT ?`, workflowName, limit)
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// DeleteOutboxEvent removes an event that was sent, or returns ErrOutboxRecordNotFound.
func (s recordStore) DeleteOutboxEvent(ctx context.Context, id string) error {
	return s.b.write(ctx, "delete outbox event", func(t *txn) error {
		n, err := t.c.execN(context.Background(), "DELETE FROM sw_outbox WHERE event_id = ?", id)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: %s", backend.ErrOutboxRecordNotFound, backend.Quote(id))
		}
		t.dirty = t.dirty || n > 0
		return err
	})
}
