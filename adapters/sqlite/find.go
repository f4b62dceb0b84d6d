package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stillwater-go/workflow/backend"
)

// search is what a listing is narrowed by, as SQL. There are few texts, so that each is prepared once: a bound that is not set is the widest
// one, and lists of values go in as JSON.
type search struct {
	// from names the runs r and, where their newest log row is asked for, that row e; where narrows them.
	from, where string
	args        []driver.Value // parameters 1 to 9
}

// newSearch turns filters into SQL. Without a foreign id it goes along the runs by id; with one, along the index of foreign ids.
func newSearch(workflowName string, f *backend.RecordFilters) (search, error) {
	s := search{from: " FROM sw_runs r NOT INDEXED", where: " WHERE (?1 IS NULL OR r.workflow = (SELECT id FROM sw_workflows WHERE name = ?1))"}
	var workflow, foreign driver.Value
	if workflowName != "" {
		workflow = workflowName
	}
	if by := f.ByForeignID(); by.Enabled {
		s.from = " FROM sw_runs r INDEXED BY sw_runs_latest"
		if values := by.MultiValues(); len(values) == 1 && workflowName != "" {
			s.where = " WHERE r.workflow = (SELECT id FROM sw_workflows WHERE name = ?1) AND r.foreign_id = ?6"
			foreign = values[0]
		} else {
			s.where = ` WHERE r.workflow IN (SELECT id FROM sw_workflows WHERE ?1 IS NULL OR name = ?1)
				AND r.foreign_id IN (SELECT value FROM json_each(?6))`
			list, err := texts(values)
			if err != nil {
				return search{}, err
			}
			foreign = list
		}
	}
	s.where += ` AND r.created_at >= ?2 AND r.created_at <= ?3 AND (?4 IS NULL OR r.status IN (SELECT value FROM json_each(?4)))
		AND (?5 IS NULL OR r.state IN (SELECT value FROM json_each(?5)))`
	from, to := window(f.ByCreatedAtAfter(), f.ByCreatedAtBefore())
	s.args = []driver.Value{workflow, from, to, numbers(f.ByStatus()), numbers(f.ByRunState()), foreign, nil, nil, nil}
	if f.Extended() {
		s.from += " CROSS JOIN sw_log e ON e.pos = r.head"
		// As bytes, because of texts SQLite would compare whole characters.
		s.where += " AND e.updated_at >= ?7 AND e.updated_at <= ?8 AND (?9 IS NULL OR instr(CAST(e.reason AS BLOB), ?9) > 0)"
		s.args[6], s.args[7] = window(f.ByUpdatedAtAfter(), f.ByUpdatedAtBefore())
		if reason := f.ByReason(); reason != "" {
			s.args[8] = []byte(reason)
		}
	}
	return s, nil
}

// page is the text that reads one page. The runs are found by themselves; only those of the page are looked up in the log.
func (s search) page(key, order string) string {
	return "SELECT " + entryColumns + ", r.id FROM (SELECT r.*" + s.from + s.where + key + " ORDER BY r.id " + order + ") r CROSS JOIN sw_log l ON l.pos = r.head"
}

// byKey is the text of a page past a key (parameter 10), and byOffset that of one that skips runs.
func (s search) byKey(descending bool) string {
	if descending {
		return s.page(" AND r.id < ?10", "DESC LIMIT ?11")
	}
	return s.page(" AND r.id > ?10", "ASC LIMIT ?11")
}

func (s search) byOffset(descending bool) string {
	order := "ASC"
	if descending {
		order = "DESC"
	}
	return s.page("", order+" LIMIT ?11 OFFSET ?10")
}

// count is the text that counts by status and run state.
func (s search) count() string {
	return "SELECT r.status, r.state, count(*)" + s.from + s.where + " GROUP BY r.status, r.state ORDER BY r.status, r.state"
}

// Find returns at most q.Limit runs that match, in the order of their creation, past q.After. A run's key is never another's, also when
// the run has been erased.
func (b *Backend) Find(ctx context.Context, q backend.Query) ([]backend.Found, error) {
	op, descending := "find runs", q.Order == backend.OrderTypeDescending
	s, err := newSearch(q.WorkflowName, backend.MakeFilter(q.Filters...))
	if err != nil {
		return nil, &backend.Error{Op: op, Err: err}
	}
	after := max(0, q.After)
	if descending && after == 0 {
		after = math.MaxInt64
	}
	return b.found(ctx, op, descending, q.Limit, s.byKey(descending), append(s.args, after, int64(q.Limit)))
}

// List pages through runs in the order of their creation (descending: newest first), skipping the first offsetID, at most
// limit. An empty workflow name lists all workflows. A page far behind costs what all before it cost; Find does not.
func (b *Backend) List(ctx context.Context, workflowName string, offsetID int64, limit int, order backend.OrderType, filters ...backend.RecordFilter) ([]backend.Record, error) {
	op, descending := "list runs", order == backend.OrderTypeDescending
	s, err := newSearch(workflowName, backend.MakeFilter(filters...))
	if err != nil {
		return nil, &backend.Error{Op: op, Err: err}
	}
	found, err := b.found(ctx, op, descending, limit, s.byOffset(descending), append(s.args, max(0, offsetID), int64(limit)))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	records := make([]backend.Record, len(found))
	for i := range found {
		records[i] = *found[i].Record
	}
	return records, nil
}

// found runs a page's text.
func (b *Backend) found(ctx context.Context, op string, descending bool, limit int, query string, args []driver.Value) ([]backend.Found, error) {
	if limit <= 0 {
		return nil, nil
	}
	var found []backend.Found
	err := b.read(ctx, op, func(c *conn) error {
		s := scan{b: b, c: c, ctx: ctx}
		err := c.query(ctx, func(row []driver.Value) error {
			s.entry(row)
			found = append(found, backend.Found{Key: asInt(row[20]), Record: s.entries[len(s.entries)-1].Record})
			return nil
		}, query, args...)
		if err == nil {
			_, err = s.named()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	// The order of the inner query is not promised to last through the outer one.
	slices.SortFunc(found, func(a, b backend.Found) int {
		if descending {
			a, b = b, a
		}
		return cmp.Compare(a.Key, b.Key)
	})
	return found, nil
}

// Count counts the runs that match, by status and run state, in the order of (status, run state). An empty workflow name counts those
// of all workflows.
func (b *Backend) Count(ctx context.Context, workflowName string, filters ...backend.RecordFilter) ([]backend.Count, error) {
	s, err := newSearch(workflowName, backend.MakeFilter(filters...))
	if err != nil {
		return nil, &backend.Error{Op: "count runs", Err: err}
	}
	var counts []backend.Count
	err = b.read(ctx, "count runs", func(c *conn) error {
		return c.query(ctx, func(row []driver.Value) error {
			counts = append(counts, backend.Count{Status: int(asInt(row[0])), RunState: backend.RunState(asInt(row[1])), Runs: asInt(row[2])})
			return nil
		}, s.count(), s.args...)
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}

// window returns the first and the last stored time that lie strictly between two bounds. Nothing lies in an empty one.
func window(after, before backend.FilterTime) (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if after.Enabled {
		if from = clampNanos(after.Value()); from == math.MaxInt64 {
			return 1, 0
		}
		from++
	}
	if before.Enabled {
		if to = clampNanos(before.Value()); to == math.MinInt64 {
			return 1, 0
		}
		to--
	}
	return from, to
}

// texts writes values as a JSON list. One that is not UTF-8 is no stored id.
func texts(values []string) (string, error) {
	ids := []string{}
	for _, id := range values {
		if utf8.ValidString(id) {
			ids = append(ids, id)
		}
	}
	list, err := json.Marshal(ids)
	return string(list), err
}

// numbers writes the values that are numbers as a JSON list, NULL for any; a value that is none matches nothing.
func numbers(by backend.Filter) driver.Value {
	if !by.Enabled {
		return nil
	}
	values := by.MultiValues()
	list := make([]string, 0, len(values))
	for _, v := range values {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			list = append(list, strconv.FormatInt(n, 10))
		}
	}
	return "[" + strings.Join(list, ",") + "]"
}
