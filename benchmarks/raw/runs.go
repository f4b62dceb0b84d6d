package raw

import (
	"encoding/json"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

const (
	insertRuns = `INSERT INTO sw_runs (id, run_id, workflow, foreign_id, version, status, state, head, live, created_at, trace) VALUES `
	updateRun  = "UPDATE sw_runs SET version = ?, status = ?, state = ?, head = ? WHERE id = ? AND version = ? AND head = ?"
	// narrowEnd leaves alone what cannot have changed, and with it an index.
	narrowEnd = "UPDATE sw_runs SET version = ?, status = ?, state = ?, head = ?, live = ? WHERE id = ? AND version = ? AND head = ?"
	// wideEnd is the adapter's statement for a run that begins or ceases to count as unfinished.
	wideEnd = `UPDATE OR IGNORE sw_runs SET version = ?, status = ?, state = ?, head = ?, live = ?, workflow = ?, foreign_id = ?, created_at = ?,
		trace = ? WHERE id = ? AND version = ? AND head = ?`
)

// chunks are the sizes of the statements that write many rows of runs.
func chunks() []int { return []int{64, 16, 4, 1} }

func (s *Store) insertArgs(m move, live int64) {
	s.args = append(s.args, m.id, m.runID, s.workflow, m.foreignID, m.version, m.status(), m.state(), m.pos, live, m.created, trace)
}

func live(m move) int64 {
	if m.version == load.Transitions {
		return 0
	}
	return 1
}

// rowByRow writes a statement for every run.
func rowByRow(end string) func(*Store, []move) error {
	return func(s *Store, moves []move) error {
		for _, m := range moves {
			s.args = s.args[:0]
			text := updateRun
			switch {
			case m.version == 1:
				text = insertRuns + rows(1, places(11)) + " ON CONFLICT DO NOTHING"
				s.insertArgs(m, 1)
			case m.version == load.Transitions && end == wideEnd:
				text = end
				s.args = append(s.args, m.version, m.status(), m.state(), m.pos, int64(0), s.workflow, m.foreignID, m.created, trace, m.id, m.version-1, m.prev)
			case m.version == load.Transitions:
				text = end
				s.args = append(s.args, m.version, m.status(), m.state(), m.pos, int64(0), m.id, m.version-1, m.prev)
			default:
				s.args = append(s.args, m.version, m.status(), m.state(), m.pos, m.id, m.version-1, m.prev)
			}
			if err := s.expect(1, text); err != nil {
				return err
			}
		}
		return nil
	}
}

// insertStarts writes new runs, many in a statement.
func insertStarts(s *Store, starts []move) error {
	return inChunks(starts, chunks(), func(chunk []move) error {
		s.args = s.args[:0]
		for _, m := range chunk {
			s.insertArgs(m, 1)
		}
		return s.expect(len(chunk), insertRuns+rows(len(chunk), places(11))+" ON CONFLICT DO NOTHING")
	})
}

// startsTogether writes new runs together and the others one by one.
func startsTogether(s *Store, moves []move) error {
	starts, goes, ends := byKind(moves)
	if err := insertStarts(s, starts); err != nil {
		return err
	}
	if err := rowByRow(narrowEnd)(s, goes); err != nil {
		return err
	}
	return rowByRow(narrowEnd)(s, ends)
}

// fromValues joins the table with the new values, many in a statement.
func fromValues(s *Store, moves []move) error { return valuesFrom(s, moves, 1) }

// together does that only where enough moves are of a kind; a join of few costs more than it saves.
func together(s *Store, moves []move) error { return valuesFrom(s, moves, 16) }

// valuesFrom writes new runs together, and of the others those chunks that have at least so many rows.
func valuesFrom(s *Store, moves []move, least int) error {
	starts, goes, ends := byKind(moves)
	if err := insertStarts(s, starts); err != nil {
		return err
	}
	update := func(moves []move, set string) error {
		return inChunks(moves, chunks(), func(chunk []move) error {
			if len(chunk) < least {
				return rowByRow(narrowEnd)(s, chunk)
			}
			s.args = s.args[:0]
			for _, m := range chunk {
				s.args = append(s.args, m.id, m.version, m.status(), m.state(), m.pos, m.version-1, m.prev)
			}
			return s.expect(len(chunk), `UPDATE sw_runs SET version = v.column2, status = v.column3, state = v.column4, head = v.column5`+set+`
				FROM (VALUES `+rows(len(chunk), places(7))+`) AS v WHERE sw_runs.id = v.column1 AND sw_runs.version = v.column6 AND sw_runs.head = v.column7`)
		})
	}
	if err := update(goes, ""); err != nil {
		return err
	}
	return update(ends, ", live = 0")
}

// fromJSON joins the table with the new values, all in one argument.
func fromJSON(s *Store, moves []move) error {
	starts, goes, ends := byKind(moves)
	if err := insertStarts(s, starts); err != nil {
		return err
	}
	update := func(moves []move, set string) error {
		if len(moves) == 0 {
			return nil
		}
		list := make([][]int64, len(moves))
		for i, m := range moves {
			list[i] = []int64{m.id, m.version, m.status(), m.state(), m.pos, m.version - 1, m.prev}
		}
		text, err := json.Marshal(list)
		if err != nil {
			return err
		}
		s.args = append(s.args[:0], string(text))
		return s.expect(len(moves), `UPDATE sw_runs SET version = j.value->>1, status = j.value->>2, state = j.value->>3, head = j.value->>4`+set+`
			FROM json_each(?) AS j WHERE sw_runs.id = j.value->>0 AND sw_runs.version = j.value->>5 AND sw_runs.head = j.value->>6`)
	}
	if err := update(goes, ""); err != nil {
		return err
	}
	return update(ends, ", live = 0")
}

// upsert writes every run as if it were new, and has the conflict move it on.
func upsert(s *Store, moves []move) error {
	return inChunks(moves, chunks(), func(chunk []move) error {
		s.args = s.args[:0]
		for _, m := range chunk {
			s.insertArgs(m, live(m))
		}
		return s.expect(len(chunk), insertRuns+rows(len(chunk), places(11))+` ON CONFLICT (id) DO UPDATE SET version = excluded.version,
			status = excluded.status, state = excluded.state, head = excluded.head, live = excluded.live WHERE sw_runs.version = excluded.version - 1`)
	})
}
