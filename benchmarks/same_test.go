package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/benchmarks/load"
	"github.com/stillwater-go/workflow/benchmarks/raw"
)

// TestRawWritesWhatTheEngineWrites takes the same number of runs to their ends with the engine and, in every form, without it, and compares all
// tables. The limit is one of the same work only as long as this holds.
func TestRawWritesWhatTheEngineWrites(t *testing.T) {
	// Few in flight make small statements; of many, a quarter is of each kind, which makes the largest.
	for _, c := range []struct{ runs, inFlight int }{{50, 3}, {300, 300}} {
		want := contents(t, byEngine(t, c.runs))
		for _, form := range raw.Forms() {
			t.Run(form.Name+"/"+strconv.Itoa(c.inFlight), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "raw.db")
				s, err := raw.Open(t.Context(), path, flowName, form)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Write(t.Context(), c.runs, c.inFlight); err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if got := contents(t, path); got != want {
					t.Errorf("without an engine:\n%s\nwith it:\n%s", got, want)
				}
				sound(t, path)
			})
		}
	}
}

// byEngine has the engine do the runs, many at once, and returns the file.
func byEngine(t *testing.T, runs int) string {
	t.Helper()
	job := load.Job{Dir: t.TempDir()}
	on, closed, settings, err := openSQLite(job)
	if err != nil {
		t.Fatal(err)
	}
	w, err := steps().BuildOn(on)
	if err != nil {
		t.Fatal(err)
	}
	e := start(t.Context(), w, 64, settings, closed)
	var group sync.WaitGroup
	for g := range 10 {
		group.Go(func() {
			for n := range runs / 10 {
				if err := e.Run(t.Context(), fmt.Sprintf("load-%d-%d", g, n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return storePath(job)
}

// sound has the adapter check its invariants.
func sound(t *testing.T, path string) {
	t.Helper()
	b, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Check(context.Background(), func(v backend.Violation) { t.Error(v) }); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// contents describes all tables: how many rows they have, and of the columns what must not differ. Ids, times and positions differ from run to
// run; of them the type is told, and how they hang together. Texts that cannot be the same have the same length, or nearly.
func contents(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var b strings.Builder
	tables := column1(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
	for _, table := range tables {
		fmt.Fprintln(&b, table, column1(t, db, "SELECT count(*) FROM "+table))
	}
	for _, query := range []string{
		`SELECT name, buckets, first_pos FROM sw_workflows`,
		`SELECT workflow, version, status, state, live, typeof(created_at), created_at > 1e18, length(run_id), substr(run_id, 15, 1), length(foreign_id) BETWEEN 8 AND 14,
			length(replace(trace, 'github.com/stillwater-go/workflow/benchmarks.', 'main.')), head = (SELECT max(pos) FROM sw_log WHERE run = r.id), id = (SELECT min(pos) FROM sw_log WHERE run = r.id), count(*)
			FROM sw_runs r GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13`,
		`SELECT l.version, l.status, l.state, from_status, from_state, visit, paused_by, cause, actor, reason, description, typeof(object), length(object), replace(object, 'x', ''),
			deadline, typeof(updated_at), updated_at > 1e18, prev = coalesce((SELECT max(pos) FROM sw_log WHERE run = l.run AND pos < l.pos), 0), count(*)
			FROM sw_log l GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18`,
		`SELECT workflow, count(*), min(pos) = max(pos), max(pos) = (SELECT max(pos) FROM sw_log) FROM sw_cursors GROUP BY 1`,
		`SELECT max(pos) - min(pos) + 1, count(DISTINCT updated_at) > 100 FROM sw_log`,
	} {
		for _, row := range rowsOf(t, db, query) {
			fmt.Fprintln(&b, row)
		}
	}
	return b.String()
}

func column1(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	var list []string
	for _, row := range rowsOf(t, db, query) {
		list = append(list, row[0])
	}
	return list
}

func rowsOf(t *testing.T, db *sql.DB, query string) [][]string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var list [][]string
	for rows.Next() {
		values, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(names))
		for i, v := range values {
			row[i] = v.String
			if !v.Valid {
				row[i] = "NULL"
			}
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
