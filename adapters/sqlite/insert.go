package sqlite

import (
	"context"
	"database/sql/driver"
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

const logColumns = 17

// insertTexts are the statements that write many log rows at once, by how many.
type insertTexts struct {
	texts map[int]string
}

func (s *insertTexts) get(rows int) string {
	if text, ok := s.texts[rows]; ok {
		return text
	}
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", logColumns), ",") + ")"
	text := `INSERT INTO sw_log (pos, run, prev, version, status, state, from_status, from_state, visit, paused_by, cause,
		actor, reason, description, updated_at, object, deadline) VALUES ` + strings.TrimSuffix(strings.Repeat(one+",", rows), ",")
	if s.texts == nil {
		s.texts = map[int]string{}
	}
	s.texts[rows] = text
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
		args := make([]driver.Value, 0, n*logColumns)
		for _, r := range t.rows[t.flushed : t.flushed+n] {
			m := &r.rec.Meta
			args = append(args, r.pos, r.run, r.prev, r.version, int64(r.rec.Status), int64(r.rec.RunState), int64(r.from.Status),
				int64(r.from.RunState), int64(m.Visit), int64(m.PausedBy), int64(r.cause), r.actor, m.RunStateReason,
				m.StatusDescription, r.updatedAt, blob(r.rec.Object), orNull(r.deadline))
		}
		if _, err := t.c.exec(context.Background(), t.w.text.get(n), args...); err != nil {
			return &memberError{err: err}
		}
		t.flushed += n
	}
	return nil
}
