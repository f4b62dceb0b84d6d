package sqlite

import (
	"context"
	"database/sql/driver"
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

// logColumns is how many columns of a log row are always written; the deadline, which most runs have not, is one more.
const logColumns = 16

// insertTexts are the statements that write many log rows at once.
type insertTexts struct {
	texts map[insertSize]string
}

// insertSize is how many rows of how many columns.
type insertSize struct{ rows, columns int }

func (s *insertTexts) get(size insertSize) string {
	if text, ok := s.texts[size]; ok {
		return text
	}
	deadline := ""
	if size.columns > logColumns {
		deadline = ", deadline"
	}
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", size.columns), ",") + ")"
	text := `INSERT INTO sw_log (pos, run, prev, version, status, state, from_status, from_state, visit, paused_by, cause,
		actor, reason, description, updated_at, object` + deadline + `) VALUES ` + strings.TrimSuffix(strings.Repeat(one+",", size.rows), ",")
	if s.texts == nil {
		s.texts = map[insertSize]string{}
	}
	s.texts[size] = text
	return text
}

// flush writes the log rows that wait, in statements of a few fixed sizes.
func (t *txn) flush() error {
	for t.flushed < len(t.rows) {
		n := 1
		for _, size := range [...]int{64, 8} {
			if len(t.rows)-t.flushed >= size {
				n = size
				break
			}
		}
		rows := t.rows[t.flushed : t.flushed+n]
		columns := logColumns
		if slices.ContainsFunc(rows, func(r logRow) bool { return r.deadline != noTime }) {
			columns++
		}
		args := make([]driver.Value, 0, n*columns)
		for _, r := range rows {
			m := &r.rec.Meta
			args = append(args, r.pos, r.run, r.prev, r.version, int64(r.rec.Status), int64(r.rec.RunState), int64(r.from.Status),
				int64(r.from.RunState), int64(m.Visit), int64(m.PausedBy), int64(r.cause), r.actor, m.RunStateReason,
				m.StatusDescription, r.updatedAt, blob(r.rec.Object))
			if columns > logColumns {
				args = append(args, orNull(r.deadline))
			}
		}
		if _, err := t.c.exec(context.Background(), t.w.text.get(insertSize{n, columns}), args...); err != nil {
			return &memberError{err: err}
		}
		t.flushed += n
	}
	return nil
}
