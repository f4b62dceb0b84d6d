package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// endedStretch is how many log rows one call of Ended looks at.
const endedStretch = 2000

// Erase removes runs with everything about them: record, history, log entries, deliveries, attempts, signal ids, outbox events. What the
// user's own tables and the classic TimeoutStore say of them stays. The bytes are overwritten, and the write-ahead log is emptied as soon
// as no reader is in the way. Their positions in the log stay empty.
//
// Each run is judged by itself, in order: Err is ErrRecordNotFound (also for a run that is named a second time), ErrVersionConflict or
// ErrUnfinished, or nil where the run is gone. All are erased in one transaction, durable on return; the returned error says that nothing
// was, and every Err is set to it. It is one of those of [Backend.Commit]. After ErrOutcomeUnknown, erase again: what is gone is not found.
func (b *Backend) Erase(ctx context.Context, runs []*backend.Erasure) error {
	verdicts := make([]error, len(runs))
	err := b.write(ctx, "erase", func(t *txn) error {
		for i, e := range runs { // again from the start where the transaction is tried again
			verdicts[i] = t.erase(e)
			if verdicts[i] != nil && !isVerdict(verdicts[i]) {
				return verdicts[i]
			}
		}
		return nil
	})
	for i, e := range runs {
		if e.Err = err; err == nil {
			e.Err = verdicts[i]
		}
	}
	return err
}

// erase removes one run, or says why it must not.
func (t *txn) erase(e *backend.Erasure) error {
	info, found, err := t.find(e.RunID, true)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("%w: run %s", backend.ErrRecordNotFound, backend.Quote(e.RunID))
	case uint64(info.version) != uint64(e.Version):
		return &backend.ConflictError{RunID: e.RunID, Want: e.Version, Have: uint(info.version)}
	case !info.state.Finished():
		return fmt.Errorf("%w: run %s is %v", backend.ErrUnfinished, backend.Quote(e.RunID), info.state)
	}
	if err := t.flush(); err != nil { // some of its log rows may still wait to be written
		return err
	}
	ctx := context.Background()
	t.dirty, t.scrub = true, true
	if t.now.erasures == t.base.erasures {
		t.now.erasures++
		if _, err := t.c.exec(ctx, "UPDATE sw_marks SET erasures = erasures + 1 WHERE id = 1"); err != nil {
			return err
		}
	}
	if _, err := t.c.exec(ctx, stretch+"DELETE FROM sw_log WHERE pos IN (SELECT pos FROM h)", info.head, int64(-1), info.id); err != nil {
		return err
	}
	for _, statement := range [...]string{
		"DELETE FROM sw_deliveries WHERE run = ?",
		"DELETE FROM sw_attempts WHERE run = ?",
		"DELETE FROM sw_signals WHERE run = ?",
		"DELETE FROM sw_posts WHERE run = ?",
		"DELETE FROM sw_outbox WHERE run = ?",
		"DELETE FROM sw_runs WHERE id = ?",
	} {
		if _, err := t.c.exec(ctx, statement, info.id); err != nil {
			return err
		}
	}
	t.erased = append(t.erased, info.id)
	t.undoable(e.RunID)
	delete(t.runs, e.RunID)
	t.w.cache.drop(e.RunID)
	return nil
}

// Ended returns finished runs of the workflow whose last version was made before the time, oldest version first, from the next 2,000 rows
// of the log that begin at the mark. Versions are taken to be in the log in the order of their times: where the last one of a stretch is
// not before the time, none behind it is looked at. Single ones whose clock was wrong do not end the walk.
func (b *Backend) Ended(ctx context.Context, workflowName string, mark int64, before time.Time) (backend.EndedPage, error) {
	s := endedScan{bound: clampNanos(before)}
	var entries []entry
	err := b.read(ctx, "look for ended runs", func(c *conn) error {
		if err := c.query(ctx, s.row, endedText, workflowName, mark, int64(endedStretch)); err != nil || len(s.hits) == 0 {
			return err
		}
		found := scan{b: b, c: c, ctx: ctx}
		err := c.query(ctx, func(row []driver.Value) error { found.entry(row); return nil },
			"SELECT "+entryColumns+` FROM json_each(?) j CROSS JOIN sw_log l ON l.pos = j.value
				CROSS JOIN sw_runs r ON r.id = l.run WHERE r.head = l.pos`, "["+strings.Join(s.hits, ",")+"]")
		if err == nil {
			entries, err = found.named()
		}
		return err
	})
	page := backend.EndedPage{}
	if err != nil {
		return page, err
	}
	for _, e := range entries {
		page.Runs = append(page.Runs, e.Record)
	}
	slices.SortStableFunc(page.Runs, func(a, b *backend.Record) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	page.Mark, page.Next = s.end()
	return page, nil
}

// endedText reads a stretch of the log, without the objects. A finished run shows in the row of its newest version.
const endedText = `SELECT l.pos, l.updated_at, r.workflow = (SELECT id FROM sw_workflows WHERE name = ?1),
		l.pos = r.head AND l.state IN (4, 5, 6, 7)
	FROM sw_log l CROSS JOIN sw_runs r ON r.id = l.run WHERE l.pos > ?2 ORDER BY l.pos LIMIT ?3`

// endedScan is one stretch of Ended.
type endedScan struct {
	bound int64
	rows  int
	pos   int64 // of the last row
	last  int64 // time of the workflow's last row
	young bool  // that row is not before the bound
	hits  []string
	next  int64 // time of the oldest finished run that is not before the bound; zero for none
}

// row takes one row of endedText.
func (s *endedScan) row(row []driver.Value) error {
	s.rows++
	s.pos = asInt(row[0])
	if asInt(row[2]) != 1 {
		return nil
	}
	s.last = asInt(row[1])
	s.young = s.last >= s.bound
	switch {
	case asInt(row[3]) != 1:
	case !s.young:
		s.hits = append(s.hits, fmt.Sprint(s.pos))
	case s.next == 0 || s.last < s.next:
		s.next = s.last
	}
	return nil
}

// end returns where the next stretch begins, or when there will be more to find.
func (s *endedScan) end() (mark int64, next time.Time) {
	full := s.rows == endedStretch
	switch {
	case full && !s.young:
		return s.pos, time.Time{}
	case s.next != 0:
		return 0, timeOf(s.next)
	case full: // whatever ends behind this stretch ends later than its last version
		return 0, timeOf(s.last)
	}
	return 0, time.Time{}
}
