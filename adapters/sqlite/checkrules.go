package sqlite

import (
	"database/sql/driver"
	"fmt"
)

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
			WHERE l.prev <> 0 AND (p.pos IS NULL AND NOT (l.version > 100 AND l.version % 100 = 1) OR p.run <> l.run OR p.pos >= l.pos)`,
			"log row %d follows %d, which is missing, later, or another run's"},
		{"I2", `SELECT r.run_id, n.oldest, r.version, n.rows FROM
			(SELECT run, min(version) AS oldest, count(*) AS rows FROM sw_log WHERE version > 0 GROUP BY run) n
			JOIN sw_runs r ON r.id = n.run WHERE n.rows <> r.version - n.oldest + 1 AND r.version > 0`,
			"its history from version %d to %d has %d log rows; only the oldest may be dropped"},
		{"I2", `SELECT coalesce(r.run_id, ''), l.pos, l.version, coalesce(p.version, 0)
			FROM sw_log l LEFT JOIN sw_runs r ON r.id = l.run LEFT JOIN sw_log p ON p.pos = l.prev
			WHERE l.version <> coalesce(p.version, 0) + 1 AND NOT (l.version = 0 AND coalesce(p.version, 0) = 0)
				AND NOT (l.prev <> 0 AND p.pos IS NULL)`,
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
			WHERE p.version > 0 AND p.state IN (4, 5, 6, 7) AND l.state NOT IN (6, 7) AND l.cause NOT IN (5, 7)`,
			"log row %d leaves the finished state %d for %d"},
		{"I2", `SELECT min(run_id), count(*), foreign_id FROM sw_runs WHERE version > 0 AND state NOT IN (4, 5, 6, 7)
			GROUP BY workflow, foreign_id HAVING count(*) > 1`,
			"%d unfinished runs of foreign id %q"},
		{"I2", `SELECT run_id, live FROM sw_runs NOT INDEXED WHERE live <> (version > 0 AND state NOT IN (4, 5, 6, 7))`,
			"it counts as unfinished (%d) against its state"},
		{"I2", `SELECT r.run_id, r.workflow FROM sw_runs r LEFT JOIN sw_workflows w ON w.id = r.workflow WHERE w.id IS NULL`,
			"its workflow %d is missing"},
		{"I4", `SELECT d.run_id, d.receiver, d.version FROM sw_deliveries d LEFT JOIN sw_runs r ON r.id = d.run
			WHERE r.id IS NULL OR r.run_id <> d.run_id OR d.version > r.version AND d.receiver NOT GLOB 'signal:*'`,
			"delivery to %q of version %d has no such run or version"},
		{"I4", `SELECT coalesce(r.run_id, ''), a.receiver, a.version FROM sw_attempts a LEFT JOIN sw_runs r ON r.id = a.run
			WHERE r.id IS NULL OR a.version > r.version AND a.receiver NOT GLOB 'signal:*'`,
			"attempt of %q at version %d has no such run or version"},
		{"I5", `SELECT '', coalesce(w.name, ''), c.bucket, c.pos FROM sw_cursors c LEFT JOIN sw_workflows w ON w.id = c.workflow
			WHERE w.id IS NULL OR c.pos > (SELECT ` + headTerm + `)`,
			"cursor of workflow %q, bucket %d, stands at %d, beyond the log"},
		// Where a workflow begins stays as it is when its first runs are erased. It must not lie behind a version that is there.
		{"I5", `SELECT '', w.name, w.first_pos FROM sw_workflows w LEFT JOIN (SELECT workflow, min(head) AS pos FROM sw_runs GROUP BY workflow) h
			ON h.workflow = w.id WHERE w.first_pos > coalesce(h.pos, (SELECT ` + headTerm + `)) OR w.first_pos IS NULL AND h.pos IS NOT NULL`,
			"workflow %q begins at log row %v, behind its first"},
	}
}

// checkSideRules lists what must hold of what stands beside runs and log.
func checkSideRules() []checkRule {
	return []checkRule{
		{"I2", `SELECT run_id, id FROM sw_runs WHERE id > (SELECT ` + headTerm + `)`,
			"its key %d lies beyond the log, where another run may get it"},
		{"I4", `SELECT '', s.run, s.id FROM sw_signals s LEFT JOIN sw_runs r ON r.id = s.run WHERE r.id IS NULL`,
			"no run %d, and signal %q is remembered for it"},
		{"I4", `SELECT '', o.event_id, o.run FROM sw_outbox o LEFT JOIN sw_runs r ON r.id = o.run WHERE o.run IS NOT NULL AND r.id IS NULL`,
			"outbox event %s is of no run (%d)"},
		{"I5", `SELECT '', count(*) FROM sw_marks HAVING count(*) <> 1`,
			"%d rows in sw_marks, want one"},
		{"I6", `SELECT coalesce(r.run_id, ''), p.version, p.pos, p.bare FROM sw_posts p LEFT JOIN sw_log l ON l.pos = p.pos LEFT JOIN sw_runs r ON r.id = p.run
			WHERE r.id IS NULL OR l.pos IS NULL OR l.run <> p.run OR l.version <> p.version OR p.version % 100 <> 0
				OR p.bare <> (typeof(l.object) = 'integer')`,
			"post of version %d at log row %d (objects dropped: %d) does not fit that row"},
		{"I6", `SELECT coalesce(r.run_id, ''), l.version FROM sw_log l LEFT JOIN sw_posts p ON p.run = l.run AND p.version = l.version
			LEFT JOIN sw_runs r ON r.id = l.run WHERE l.version > 0 AND l.version % 100 = 0 AND p.run IS NULL`,
			"version %d has no post"},
		{"I6", `SELECT coalesce(r.run_id, ''), l.version FROM sw_log l LEFT JOIN sw_log p ON p.pos = l.prev LEFT JOIN sw_runs r ON r.id = l.run
			WHERE typeof(l.object) = 'integer' AND (r.head = l.pos OR typeof(p.object) IN ('blob', 'text') OR p.pos IS NOT NULL AND p.object IS NULL)`,
			"version %d has lost its object; an older one has not, or it is the newest"},
		{"I6", `SELECT d.run_id, d.receiver, d.version FROM sw_deliveries d WHERE d.receiver GLOB 'hook:*'
			AND EXISTS (SELECT 1 FROM sw_posts p WHERE p.run = d.run AND p.bare = 1 AND p.version >= d.version)`,
			"delivery to %q tells of version %d, whose object was dropped"},
	}
}
