package sqlite

import (
	"context"
	"slices"

	"github.com/stillwater-go/workflow/backend"
)

// logRow is one row of the log that waits to be written.
type logRow struct {
	pos, run, prev int64
	version        int64
	updatedAt      int64
	deadline       int64 // noTime for none
	rec            *backend.Record
	from           backend.Point
	cause          backend.Cause
	actor          string
}

// logColumns is how many columns of a log row are always written; the deadline, which most runs have not, is one more.
const logColumns = 16

// bulkTexts are the statements that write many rows at once.
type bulkTexts struct {
	logs  map[insertSize]string
	moves map[moveSize]string
}

// insertSize is how many rows of how many columns.
type insertSize struct{ rows, columns int }

// moveSize is how many runs are moved, and whether they end by it.
type moveSize struct {
	rows int
	ends bool
}

// log is the statement that writes log rows.
func (s *bulkTexts) log(size insertSize) string {
	if text, ok := s.logs[size]; ok {
		return text
	}
	deadline := ""
	if size.columns > logColumns {
		deadline = ", deadline"
	}
	text := `INSERT INTO sw_log (pos, run, prev, version, status, state, from_status, from_state, visit, paused_by, cause,
		actor, reason, description, updated_at, object` + deadline + `) VALUES ` + tuples(size.rows, size.columns)
	if s.logs == nil {
		s.logs = map[insertSize]string{}
	}
	s.logs[size] = text
	return text
}

// move is the statement that moves runs on. Only where they end it touches an index.
func (s *bulkTexts) move(rows int, ends bool) string {
	size := moveSize{rows, ends}
	if text, ok := s.moves[size]; ok {
		return text
	}
	live := ""
	if ends {
		live = ", live = 0"
	}
	text := `UPDATE sw_runs SET version = v.column2 + 1, status = v.column4, state = v.column5, head = v.column6` + live +
		` FROM (VALUES ` + tuples(rows, 6) + `) v WHERE sw_runs.id = v.column1 AND sw_runs.version = v.column2 AND sw_runs.head = v.column3`
	if s.moves == nil {
		s.moves = map[moveSize]string{}
	}
	s.moves[size] = text
	return text
}

// flush writes the moves and the log rows that wait.
func (t *txn) flush() error {
	if err := t.writeMoves(); err != nil {
		return err
	}
	for t.flushed < len(t.rows) {
		n := chunk(len(t.rows) - t.flushed)
		rows := t.rows[t.flushed : t.flushed+n]
		columns := logColumns
		if slices.ContainsFunc(rows, func(r logRow) bool { return r.deadline != noTime }) {
			columns++
		}
		args := slices.Grow(t.args[:0], n*columns)
		for i := range rows {
			r := &rows[i]
			m := &r.rec.Meta
			args = append(args, r.pos, r.run, r.prev, r.version, int64(r.rec.Status), int64(r.rec.RunState), int64(r.from.Status),
				int64(r.from.RunState), int64(m.Visit), int64(m.PausedBy), int64(r.cause), r.actor, m.RunStateReason,
				m.StatusDescription, r.updatedAt, blob(r.rec.Object))
			if columns > logColumns {
				args = append(args, orNull(r.deadline))
			}
		}
		_, err := t.c.exec(context.Background(), t.w.text.log(insertSize{n, columns}), args...)
		clear(args)
		t.args = args
		if err != nil {
			return &memberError{err: err}
		}
		t.flushed += n
	}
	return nil
}
