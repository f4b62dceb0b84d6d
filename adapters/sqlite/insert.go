package sqlite

import (
	"context"
	"slices"
	"strings"

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

// bulkTexts are the statements that write many rows at once.
type bulkTexts struct {
	logs  map[insertSize]string
	moves map[moveSize]string
}

// insertSize is how many rows of which kind.
type insertSize struct {
	rows int
	kind logKind
}

// logKind says what a statement's rows have beside the columns that every version fills: only what is bound costs time.
type logKind struct {
	rare     bool // who paused it, who did it and why
	deadline bool
}

// kindOf is the kind of statement that writes some rows.
func kindOf(rows []logRow) (k logKind) {
	for i := range rows {
		r := &rows[i]
		k.rare = k.rare || r.actor != "" || r.rec.Meta.RunStateReason != "" || r.rec.Meta.PausedBy != 0
		k.deadline = k.deadline || r.deadline != noTime
	}
	return k
}

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
	row := "(?,?,?,?,?,?,?,?,?,?,?,?,?"
	if size.kind.rare {
		row += ",?,?,?"
	} else {
		row += ",0,'',''"
	}
	columns := ""
	if size.kind.deadline {
		columns, row = ", deadline", row+",?"
	}
	row += ")"
	text := `INSERT INTO sw_log (pos, run, prev, version, status, state, from_status, from_state, visit, cause, description, updated_at,
		object, paused_by, actor, reason` + columns + `) VALUES ` + row + strings.Repeat(","+row, size.rows-1)
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
		kind := kindOf(rows)
		args := slices.Grow(t.args[:0], 17*n)
		for i := range rows {
			r := &rows[i]
			m := &r.rec.Meta
			args = append(args, r.pos, r.run, r.prev, r.version, int64(r.rec.Status), int64(r.rec.RunState), int64(r.from.Status),
				int64(r.from.RunState), int64(m.Visit), int64(r.cause), m.StatusDescription, r.updatedAt, blob(r.rec.Object))
			if kind.rare {
				args = append(args, int64(m.PausedBy), r.actor, m.RunStateReason)
			}
			if kind.deadline {
				args = append(args, orNull(r.deadline))
			}
		}
		_, err := t.c.exec(context.Background(), t.w.text.log(insertSize{n, kind}), args...)
		clear(args)
		t.args = args
		if err != nil {
			return &memberError{err: err}
		}
		t.flushed += n
	}
	return nil
}
