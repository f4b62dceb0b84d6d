package sqlite

import (
	"context"

	"github.com/stillwater-go/workflow/backend"
)

// signalEnd is the first text behind all receivers of signals.
const signalEnd = "signal;"

// scrubRun deletes the data of a run, all but what the row of its newest version says. Objects that were dropped stay dropped.
func (t *txn) scrubRun(row logRow) error {
	if err := t.flush(); err != nil {
		return err
	}
	t.scrub = true
	ctx := context.Background()
	_, err := t.c.exec(ctx, `WITH RECURSIVE h(pos, prev) AS (
			SELECT pos, prev FROM sw_log WHERE pos = ?1
			UNION ALL SELECT l.pos, l.prev FROM h CROSS JOIN sw_log l ON l.pos = h.prev)
		UPDATE sw_log SET reason = '', object = CASE typeof(object) WHEN 'integer' THEN object ELSE ?2 END WHERE pos IN (SELECT pos FROM h)`,
		row.prev, blob(row.rec.Object))
	if err != nil {
		return err
	}
	if _, err := t.c.exec(ctx, "DELETE FROM sw_deliveries WHERE run = ? AND receiver >= ? AND receiver < ?", row.run,
		backend.SignalPrefix, signalEnd); err != nil {
		return err
	}
	for _, statement := range [...]string{
		"UPDATE sw_attempts SET error = '', stack = '' WHERE run = ?",
		"UPDATE sw_deliveries SET last_error = '', data = NULL WHERE run = ?",
		"DELETE FROM sw_signals WHERE run = ?",
	} {
		if _, err := t.c.exec(ctx, statement, row.run); err != nil {
			return err
		}
	}
	return nil
}
