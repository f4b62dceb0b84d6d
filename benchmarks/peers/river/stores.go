package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/stillwater-go/workflow/benchmarks/load"
	_ "modernc.org/sqlite"
)

// way is how runs are made of jobs.
type way int

const (
	startChain way = iota
	startResumable
)

// openSQLite opens a pool of one connection, as the driver's page advises, at synchronous=FULL.
func openSQLite(as way) load.Opener {
	return func(ctx context.Context, job load.Job) (*load.Engine, error) {
		file := url.URL{Path: filepath.ToSlash(filepath.Join(job.Dir, "river.db"))}
		db, err := sql.Open("sqlite", "file:"+file.EscapedPath()+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		var level int
		if err := db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil || level != 2 {
			return nil, errors.Join(fmt.Errorf("synchronous is %d, not 2 (FULL)", level), err, db.Close())
		}
		in := transactions[*sql.Tx]{
			begin:    func(ctx context.Context) (*sql.Tx, error) { return db.BeginTx(ctx, nil) },
			commit:   func(_ context.Context, tx *sql.Tx) error { return tx.Commit() },
			rollback: func(_ context.Context, tx *sql.Tx) error { return tx.Rollback() },
		}
		driver := riversqlite.New(db)
		var e *load.Engine
		if as == startChain {
			e, err = chain(ctx, driver, in)
		} else {
			e, err = resumable(ctx, driver, in)
		}
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return finish(e, db.Close, map[string]string{"synchronous": "FULL (asked its only connection)", "journal_mode": "wal", "connections": "1"}), nil
	}
}

// openPostgres opens a pool with a connection for a part of the workers: more only wait for each other.
func openPostgres(as way) load.Opener {
	return func(ctx context.Context, job load.Job) (*load.Engine, error) {
		if job.Postgres == nil {
			return nil, errors.New("the job has no Postgres")
		}
		config, err := pgxpool.ParseConfig(job.Postgres.URL)
		if err != nil {
			return nil, err
		}
		config.MaxConns = 32
		pool, err := pgxpool.NewWithConfig(ctx, config)
		if err != nil {
			return nil, err
		}
		in := transactions[pgx.Tx]{
			begin:    pool.Begin,
			commit:   func(ctx context.Context, tx pgx.Tx) error { return tx.Commit(ctx) },
			rollback: func(ctx context.Context, tx pgx.Tx) error { return tx.Rollback(ctx) },
		}
		driver := riverpgxv5.New(pool)
		var e *load.Engine
		if as == startChain {
			e, err = chain(ctx, driver, in)
		} else {
			e, err = resumable(ctx, driver, in)
		}
		if err != nil {
			pool.Close()
			return nil, err
		}
		closed := func() error {
			pool.Close()
			return nil
		}
		return finish(e, closed, map[string]string{"connections": fmt.Sprint(config.MaxConns)}), nil
	}
}

// finish adds to an engine what both stores have in common.
func finish(e *load.Engine, closed func() error, settings map[string]string) *load.Engine {
	ends := e.Close
	e.Close = func() error { return errors.Join(ends(), closed()) }
	e.InFlight = workers
	settings["workers"] = fmt.Sprint(workers)
	settings["fetch cooldown"] = cooldown.String()
	e.Settings = settings
	e.Modules = load.Named("github.com/riverqueue/river", "github.com/riverqueue/river/riverdriver/riversqlite", "github.com/riverqueue/river/riverdriver/riverpgxv5",
		"modernc.org/sqlite", "modernc.org/libc", "github.com/jackc/pgx/v5")
	return e
}
