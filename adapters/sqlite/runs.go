package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"

	"github.com/stillwater-go/workflow/backend"
)

// Lookup returns the run, or ErrRecordNotFound.
func (b *Backend) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	return b.one(ctx, "look up run "+backend.Quote(runID),
		"SELECT "+entryColumns+" FROM sw_runs r JOIN sw_log l ON l.pos = r.head WHERE r.run_id = ?", runID)
}

// Latest returns the newest created run of the foreign id, or ErrRecordNotFound.
func (b *Backend) Latest(ctx context.Context, workflowName, foreignID string) (*backend.Record, error) {
	return b.one(ctx, "look up foreign id "+backend.Quote(foreignID), "SELECT "+entryColumns+` FROM
		(SELECT r.* FROM sw_workflows w CROSS JOIN sw_runs r ON r.workflow = w.id
			WHERE w.name = ? AND r.foreign_id = ? ORDER BY r.id DESC LIMIT 1) r
		CROSS JOIN sw_log l ON l.pos = r.head`, workflowName, foreignID)
}

func (b *Backend) one(ctx context.Context, op, query string, args ...driver.Value) (*backend.Record, error) {
	entries, err := b.entries(ctx, op, query, args...)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, &backend.Error{Op: op, Err: backend.ErrRecordNotFound}
	}
	return entries[0].Record, nil
}

// entries runs a query of entryColumns.
func (b *Backend) entries(ctx context.Context, op, query string, args ...driver.Value) ([]entry, error) {
	var entries []entry
	err := b.read(ctx, op, func(c *conn) error {
		s := scan{b: b, c: c, ctx: ctx}
		err := c.query(ctx, func(row []driver.Value) error { s.entry(row); return nil }, query, args...)
		if err == nil {
			entries, err = s.named()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// History returns the kept versions of a run above after, in order, at most limit; see [WithHistory]. A run at version 0 has that one alone.
// An unknown run gives ErrRecordNotFound.
func (b *Backend) History(ctx context.Context, runID string, after uint, limit int) ([]entry, error) {
	op := "read history of run " + backend.Quote(runID)
	if limit <= 0 || int64(after) < 0 {
		return nil, nil
	}
	entries, err := b.entries(ctx, op, historyText, runID, int64(after), int64(min(limit, math.MaxInt32)))
	if err != nil || len(entries) > 0 {
		return entries, err
	}
	return nil, b.mustExist(ctx, op, runID)
}

// historyText walks back over positions alone, and reads the wanted rows afterwards. It begins at the first post behind the page, or at the
// newest version, so that a page costs the same wherever it lies. Nothing is kept below the oldest post by more than a post's distance.
const historyText = `WITH RECURSIVE h(pos, prev, version) AS (
		SELECT l.pos, l.prev, l.version FROM sw_runs r CROSS JOIN sw_log l ON l.pos = coalesce(
			(SELECT p.pos FROM sw_posts p WHERE p.run = r.id AND p.version >=
				max(?2, coalesce((SELECT min(version) FROM sw_posts WHERE run = r.id), 0) - 100) + ?3 ORDER BY p.version LIMIT 1), r.head)
			WHERE r.run_id = ?1
		UNION ALL
		SELECT l.pos, l.prev, l.version FROM h CROSS JOIN sw_log l ON l.pos = h.prev WHERE h.version > ?2 + 1)
	SELECT ` + entryColumns + ` FROM (SELECT pos FROM h WHERE version > ?2 OR (?2 = 0 AND version = 0) ORDER BY pos LIMIT ?3) p
	CROSS JOIN sw_log l ON l.pos = p.pos CROSS JOIN sw_runs r ON r.id = l.run ORDER BY l.pos`

// mustExist returns ErrRecordNotFound for an unknown run.
func (b *Backend) mustExist(ctx context.Context, op, runID string) error {
	return b.read(ctx, op, func(c *conn) error {
		_, ok, err := c.queryInt(ctx, "SELECT id FROM sw_runs WHERE run_id = ?", runID)
		if err == nil && !ok {
			err = fmt.Errorf("%s: %w", op, backend.ErrRecordNotFound)
		}
		return err
	})
}

// Attempts returns the failed attempts kept of a run, oldest first; at most limit. The last 100 of a run are kept.
func (b *Backend) Attempts(ctx context.Context, runID string, limit int) ([]backend.Attempt, error) {
	if limit <= 0 {
		return nil, nil
	}
	var attempts []backend.Attempt
	var flows []int64
	err := b.read(ctx, "read attempts of run "+backend.Quote(runID), func(c *conn) error {
		err := c.query(ctx, func(row []driver.Value) error {
			flows = append(flows, asInt(row[0]))
			attempts = append(attempts, backend.Attempt{
				RunID: runID, Receiver: backend.Receiver(asText(row[1])), Version: uint(asInt(row[2])), Number: int(asInt(row[3])),
				At: timeOf(asInt(row[4])), Took: duration(row[5]), Error: asText(row[6]), Stack: asText(row[7]), Actor: asText(row[8]),
			})
			return nil
		}, `SELECT a.workflow, a.receiver, a.version, a.number, a.at, a.took, a.error, a.stack, a.actor
			FROM sw_runs r CROSS JOIN sw_attempts a ON a.run = r.id WHERE r.run_id = ? ORDER BY a.id LIMIT ?`, runID, int64(limit))
		for i := 0; err == nil && i < len(attempts); i++ {
			attempts[i].WorkflowName, err = b.names.get(ctx, c, flows[i])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return attempts, nil
}
