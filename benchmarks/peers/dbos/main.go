// Command dbos measures DBOS Transact on SQLite and on Postgres, as a child of the harness two folders above.
//
// The work is a workflow of three steps. Each step's result, the object, is stored by the engine before the next step begins.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite"
	"github.com/stillwater-go/workflow/benchmarks/load"
)

func main() {
	os.Exit(load.Main(map[string]load.Task{
		"dbos-sqlite":   load.Measure(openSQLite),
		"dbos-postgres": load.Measure(openPostgres),
	}))
}

// flow is the measured workflow.
func flow(ctx dbos.Context, o load.Object) (load.Object, error) {
	for range load.Steps {
		next, err := dbos.RunAsStep(ctx, func(context.Context) (load.Object, error) {
			o.Count++
			return o, nil
		}, dbos.WithStepName("count"))
		if err != nil {
			return o, err
		}
		o = next
	}
	return o, nil
}

// openSQLite hands the engine a pool that is set up as it does for itself, but for synchronous, which it would set to NORMAL: a commit that a
// power failure can take back is not what the others are measured at.
func openSQLite(ctx context.Context, job load.Job) (*load.Engine, error) {
	file := url.URL{Path: filepath.ToSlash(filepath.Join(job.Dir, "dbos.db"))}
	db, err := sql.Open("sqlite", "file:"+file.EscapedPath()+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=foreign_keys(ON)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	const connections = 8 // the engine's own number
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	level, err := synchronous(ctx, db, connections)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	e, err := open(ctx, dbos.Config{SQLiteSystemDB: db})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	ends := e.Close
	e.Close = func() error { return errors.Join(ends(), db.Close()) }
	e.InFlight = 64
	e.Settings = map[string]string{"synchronous": level, "journal_mode": "wal", "connections": fmt.Sprint(connections), "driver": "modernc.org/sqlite"}
	return e, nil
}

// synchronous asks every connection of the pool.
func synchronous(ctx context.Context, db *sql.DB, connections int) (string, error) {
	var held []*sql.Conn
	defer func() {
		for _, c := range held {
			_ = c.Close() // it goes back to the pool
		}
	}()
	for range connections {
		c, err := db.Conn(ctx)
		if err != nil {
			return "", err
		}
		held = append(held, c)
		var level int
		if err := c.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
			return "", err
		}
		if level != 2 {
			return "", fmt.Errorf("synchronous is %d, not 2 (FULL)", level)
		}
	}
	return "FULL (asked every connection of its pool)", nil
}

func openPostgres(ctx context.Context, job load.Job) (*load.Engine, error) {
	if job.Postgres == nil {
		return nil, errors.New("the job has no Postgres")
	}
	e, err := open(ctx, dbos.Config{DatabaseURL: job.Postgres.URL})
	if err != nil {
		return nil, err
	}
	e.InFlight = 128
	e.Settings = map[string]string{"connections": "20, the engine's default"}
	return e, nil
}

// open launches the engine with its defaults.
func open(ctx context.Context, config dbos.Config) (*load.Engine, error) {
	config.AppName = "bench"
	config.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	engine, err := dbos.NewContext(ctx, config)
	if err != nil {
		return nil, err
	}
	dbos.RegisterWorkflow(engine, flow)
	if err := dbos.Launch(engine); err != nil {
		return nil, err
	}
	return &load.Engine{
		Modules: load.Named("github.com/dbos-inc/dbos-transact-golang", "modernc.org/sqlite", "modernc.org/libc", "github.com/jackc/pgx/v5"),
		Run: func(_ context.Context, key string) error {
			h, err := dbos.RunWorkflow(engine, flow, load.NewObject(), dbos.WithWorkflowID(key))
			if err != nil {
				return fmt.Errorf("start: %w", err)
			}
			o, err := h.GetResult()
			if err != nil {
				return fmt.Errorf("result: %w", err)
			}
			return o.Check()
		},
		Close: func() error { return dbos.Shutdown(engine, 30*time.Second) },
	}, nil
}
