package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// Check walks the file and reports every broken invariant: SQLite's own structure, then what the store promises. It reads rows
// one at a time and holds none, so its memory does not grow with the file. While it runs the write-ahead log cannot be
// emptied. The error says that the walk itself failed.
func (b *Backend) Check(ctx context.Context, report func(backend.Violation)) error {
	return b.read(ctx, "check", func(c *conn) (err error) {
		// One transaction: everything is seen as of one moment.
		if _, err := c.exec(ctx, "BEGIN"); err != nil {
			return err
		}
		defer func() {
			if _, rerr := c.exec(context.WithoutCancel(ctx), "ROLLBACK"); err == nil {
				err = rerr
			}
		}()
		if err := checkStructure(ctx, c, report); err != nil {
			return err
		}
		for _, rule := range checkRules() {
			err := c.query(ctx, func(row []driver.Value) error {
				report(backend.Violation{Invariant: rule.invariant, RunID: asText(row[0]), Detail: rule.detail(row[1:])})
				return nil
			}, rule.query)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// checkStructure has SQLite look at its own pages.
func checkStructure(ctx context.Context, c *conn, report func(backend.Violation)) error {
	return c.query(ctx, func(row []driver.Value) error {
		if text := asText(row[0]); text != "ok" {
			report(backend.Violation{Invariant: "I0", Detail: "file structure: " + text})
		}
		return nil
	}, "PRAGMA quick_check")
}

// checkRule is one invariant as a query that returns what breaks it: the run id first, then what the detail is made of.
type checkRule struct {
	invariant string
	query     string
	format    string
}

func (r checkRule) detail(values []driver.Value) string {
	if len(values) == 0 {
		return r.format
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return fmt.Sprintf(r.format, args...)
}

// checkRules lists what must hold. The scans go along the primary key of the large tables; each row looks up at most a few others by key.
func checkRules() []checkRule {
	return []checkRule{
		{"I2", `SELECT r.run_id, r.head FROM sw_runs r LEFT JOIN sw_log l ON l.pos = r.head WHERE l.pos IS NULL OR l.run <> r.id`,
			"its newest log row %d is missing or belongs to another run"},
		{"I2", `SELECT r.run_id, r.version, r.state, r.status, l.version, l.state, l.status FROM sw_runs r JOIN sw_log l ON l.pos = r.head
			WHERE l.version <> r.version OR l.state <> r.state OR l.status <> r.status`,
			"run has version %d, state %d, status %d, its newest log row %d, %d, %d"},
		{"I2", `SELECT coalesce(r.run_id, ''), l.pos, l.run FROM sw_log l LEFT JOIN sw_runs r ON r.id = l.run WHERE r.id IS NULL`,
			"log row %d belongs to no run (%d)"},
		{"I2", `SELECT coalesce(r.run_id, ''), l.pos, l.prev FROM sw_log l LEFT JOIN sw_runs r ON r.id = l.run LEFT JOIN sw_log p ON p.pos = l.prev
			WHERE l.prev <> 0 AND (p.pos IS NULL OR p.run <> l.run OR p.pos >= l.pos)`,
			"log row %d follows %d, which is missing, later, or another run's"},
		{"I2", `SELECT coalesce(r.run_id, ''), l.pos, l.version, coalesce(p.version, 0)
			FROM sw_log l LEFT JOIN sw_runs r ON r.id = l.run LEFT JOIN sw_log p ON p.pos = l.prev
			WHERE l.version <> coalesce(p.version, 0) + 1 AND NOT (l.version = 0 AND coalesce(p.version, 0) = 0)`,
			"log row %d has version %d after %d"},
		{"I2", `SELECT r.run_id, n.rows, n.prevs, n.newest, r.head FROM
			(SELECT run, count(*) AS rows, count(DISTINCT prev) AS prevs, max(pos) AS newest FROM sw_log GROUP BY run) n
			JOIN sw_runs r ON r.id = n.run WHERE n.rows <> n.prevs OR n.newest <> r.head`,
			"its %d log rows, with %d links and %d as the newest, do not form one chain that ends at %d"},
		{"I2", `SELECT coalesce(r.run_id, ''), l.pos, l.from_state, l.from_status, p.state, p.status
			FROM sw_log l JOIN sw_log p ON p.pos = l.prev LEFT JOIN sw_runs r ON r.id = l.run
			WHERE l.version > 0 AND p.version > 0 AND (l.from_state <> p.state OR l.from_status <> p.status)`,
			"log row %d comes from state %d, status %d; the version before it had %d, %d"},
		{"I3", `SELECT coalesce(r.run_id, ''), l.pos, p.state, l.state
			FROM sw_log l JOIN sw_log p ON p.pos = l.prev LEFT JOIN sw_runs r ON r.id = l.run
			WHERE p.version > 0 AND p.state IN (4, 5, 6, 7) AND l.state NOT IN (6, 7)`,
			"log row %d leaves the finished state %d for %d"},
		{"I2", `SELECT min(run_id), count(*), foreign_id FROM sw_runs WHERE version > 0 AND state NOT IN (4, 5, 6, 7)
			GROUP BY workflow, foreign_id HAVING count(*) > 1`,
			"%d unfinished runs of foreign id %q"},
		{"I2", `SELECT run_id, live FROM sw_runs NOT INDEXED WHERE live <> (version > 0 AND state NOT IN (4, 5, 6, 7))`,
			"it counts as unfinished (%d) against its state"},
		{"I2", `SELECT r.run_id, r.workflow FROM sw_runs r LEFT JOIN sw_workflows w ON w.id = r.workflow WHERE w.id IS NULL`,
			"its workflow %d is missing"},
		{"I4", `SELECT d.run_id, d.receiver, d.version FROM sw_deliveries d LEFT JOIN sw_runs r ON r.id = d.run
			WHERE r.id IS NULL OR r.run_id <> d.run_id OR d.version > r.version`,
			"delivery to %q of version %d has no such run or version"},
		{"I4", `SELECT coalesce(r.run_id, ''), a.receiver, a.version FROM sw_attempts a LEFT JOIN sw_runs r ON r.id = a.run
			WHERE r.id IS NULL OR a.version > r.version`,
			"attempt of %q at version %d has no such run or version"},
		{"I5", `SELECT '', coalesce(w.name, ''), c.bucket, c.pos FROM sw_cursors c LEFT JOIN sw_workflows w ON w.id = c.workflow
			WHERE w.id IS NULL OR c.pos > (SELECT coalesce(max(pos), 0) FROM sw_log)`,
			"cursor of workflow %q, bucket %d, stands at %d, beyond the log"},
		{"I5", `SELECT '', w.name, w.first_pos FROM sw_workflows w WHERE w.first_pos IS NOT NULL AND NOT EXISTS
			(SELECT 1 FROM sw_log l JOIN sw_runs r ON r.id = l.run WHERE l.pos = w.first_pos)`,
			"workflow %q begins at log row %d, which is missing"},
	}
}
