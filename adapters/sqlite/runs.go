package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

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

// List pages through runs in the order of their creation (descending: newest first), skipping the first offsetID, at most
// limit. An empty workflow name lists all workflows.
func (b *Backend) List(ctx context.Context, workflowName string, offsetID int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	if limit <= 0 {
		return nil, nil
	}
	where, args, err := conditions(workflowName, backend.MakeFilter(filters...))
	if err != nil {
		return nil, &backend.Error{Op: "list runs", Err: err}
	}
	direction := "ASC"
	if order == backend.OrderTypeDescending {
		direction = "DESC"
	}
	// The page is found on the runs alone; only its own rows are looked up in the log.
	query := "SELECT " + entryColumns + " FROM (SELECT * FROM sw_runs r" + where + " ORDER BY r.id " + direction + " LIMIT ? OFFSET ?) r " +
		"CROSS JOIN sw_log l ON l.pos = r.head ORDER BY r.id " + direction
	args = append(args, int64(limit), max(0, offsetID))
	entries, err := b.entries(ctx, "list runs", query, args...)
	if err != nil {
		return nil, err
	}
	records := make([]backend.Record, len(entries))
	for i := range entries {
		records[i] = *entries[i].Record
	}
	return records, nil
}

// conditions turns filters into SQL. There are few texts, so that each is prepared once: lists of values go in as JSON.
func conditions(workflowName string, f *backend.RecordFilters) (string, []driver.Value, error) {
	var terms []string
	var args []driver.Value
	add := func(term string, arg driver.Value) {
		terms = append(terms, term)
		args = append(args, arg)
	}
	if workflowName != "" {
		add("r.workflow = (SELECT id FROM sw_workflows WHERE name = ?)", workflowName)
	}
	if by := f.ByForeignID(); by.Enabled {
		ids := []string{}
		for _, id := range by.MultiValues() {
			if utf8.ValidString(id) {
				ids = append(ids, id)
			}
		}
		list, err := json.Marshal(ids)
		if err != nil {
			return "", nil, err
		}
		add("r.foreign_id IN (SELECT value FROM json_each(?))", string(list))
	}
	for _, by := range [...]struct {
		column string
		filter backend.Filter
	}{{"r.status", f.ByStatus()}, {"r.state", f.ByRunState()}} {
		if by.filter.Enabled {
			add(by.column+" IN (SELECT value FROM json_each(?))", numbers(by.filter.MultiValues()))
		}
	}
	if after := f.ByCreatedAtAfter(); after.Enabled {
		add("r.created_at > ?", clampNanos(after.Value()))
	}
	if before := f.ByCreatedAtBefore(); before.Enabled {
		add("r.created_at < ?", clampNanos(before.Value()))
	}
	if len(terms) == 0 {
		return "", nil, nil
	}
	return " WHERE " + strings.Join(terms, " AND "), args, nil
}

// numbers writes the values that are numbers as a JSON list; another one matches nothing.
func numbers(values []string) string {
	list := make([]string, 0, len(values))
	for _, v := range values {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			list = append(list, strconv.FormatInt(n, 10))
		}
	}
	return "[" + strings.Join(list, ",") + "]"
}

// History returns the versions of a run above after, in order, at most limit. A run at version 0 has that one alone. An unknown
// run gives ErrRecordNotFound.
func (b *Backend) History(ctx context.Context, runID string, after uint, limit int) ([]entry, error) {
	op := "read history of run " + backend.Quote(runID)
	if limit <= 0 || int64(after) < 0 {
		return nil, nil
	}
	// The walk goes back from the newest version over positions alone; the wanted rows are read afterwards.
	entries, err := b.entries(ctx, op, `WITH RECURSIVE h(pos, prev, version) AS (
			SELECT l.pos, l.prev, l.version FROM sw_runs r CROSS JOIN sw_log l ON l.pos = r.head WHERE r.run_id = ?1
			UNION ALL
			SELECT l.pos, l.prev, l.version FROM h CROSS JOIN sw_log l ON l.pos = h.prev WHERE h.version > ?2 + 1)
		SELECT `+entryColumns+` FROM (SELECT pos FROM h WHERE version > ?2 OR (?2 = 0 AND version = 0) ORDER BY pos LIMIT ?3) p
		CROSS JOIN sw_log l ON l.pos = p.pos CROSS JOIN sw_runs r ON r.id = l.run ORDER BY l.pos`, runID, int64(after), int64(limit))
	if err != nil || len(entries) > 0 {
		return entries, err
	}
	return nil, b.mustExist(ctx, op, runID)
}

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
				At: timeOf(asInt(row[4])), Took: duration(row[5]), Error: asText(row[6]), Stack: asText(row[7]),
			})
			return nil
		}, `SELECT a.workflow, a.receiver, a.version, a.number, a.at, a.took, a.error, a.stack
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
