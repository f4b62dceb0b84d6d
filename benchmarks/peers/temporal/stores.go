package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"go.temporal.io/server/common/config"
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	sqltool "go.temporal.io/server/tools/sql"
	"modernc.org/sqlite"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

// store is where a server keeps its runs.
type store struct {
	persistence config.Persistence
	inFlight    int
	settings    func() map[string]string
}

// persistence puts everything into one store, and what is listed into another if there is one.
func persistence(shards int32, main config.SQL, listed *config.SQL) config.Persistence {
	p := config.Persistence{DefaultStore: "main", VisibilityStore: "main", NumHistoryShards: shards,
		DataStores: map[string]config.DataStore{"main": {SQL: &main}}}
	if listed != nil {
		p.VisibilityStore = "listed"
		p.DataStores["listed"] = config.DataStore{SQL: listed}
	}
	return p
}

// sqliteInMemory is what temporaltest uses.
func sqliteInMemory(context.Context, load.Job) (*store, error) {
	main := config.SQL{PluginName: sqliteplugin.PluginName, DatabaseName: "bench", ConnectAttributes: map[string]string{"mode": "memory", "cache": "shared"}}
	return &store{persistence: persistence(1, main, nil), inFlight: 16, settings: func() map[string]string {
		return map[string]string{"durable": "no: SQLite in memory, as in temporaltest", "shards": "1"}
	}}, nil
}

// sqliteFile keeps everything in a file, with a write-ahead log that every commit forces to the disk.
func sqliteFile(_ context.Context, job load.Job) (*store, error) {
	seen := &levels{}
	sqlite.RegisterConnectionHook(seen.ask)
	main := config.SQL{PluginName: sqliteplugin.PluginName, DatabaseName: filepath.ToSlash(filepath.Join(job.Dir, "temporal.db")),
		ConnectAttributes: map[string]string{"mode": "rwc", "setup": "true", "journal_mode": "wal", "synchronous": "FULL", "busy_timeout": "5000"}}
	return &store{persistence: persistence(1, main, nil), inFlight: 16, settings: func() map[string]string {
		return map[string]string{"synchronous": seen.String(), "journal_mode": "wal", "connections": "1, the plugin's default", "shards": "1"}
	}}, nil
}

// levels notes how the server's own connections are set, by asking each when it has been opened.
type levels struct {
	mu   sync.Mutex
	seen []string
}

func (l *levels) ask(c sqlite.ExecQuerierContext, _ string) (err error) {
	rows, err := c.QueryContext(context.Background(), "PRAGMA synchronous", nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, fmt.Sprint(row[0]))
	return nil
}

// String says FULL only where every connection said so.
func (l *levels) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen) == 0 || strings.Trim(strings.Join(l.seen, ""), "2") != "" {
		return "UNKNOWN: its connections answered " + strings.Join(l.seen, ", ")
	}
	return "FULL (asked every connection when it was opened)"
}

// postgres keeps runs in the job's database and what is listed in another beside it, as the server's own documentation does.
func postgres(ctx context.Context, job load.Job) (*store, error) {
	if job.Postgres == nil {
		return nil, errors.New("the job has no Postgres")
	}
	at, err := url.Parse(job.Postgres.URL)
	if err != nil {
		return nil, err
	}
	listed := job.Postgres.Database + "_listed"
	out, err := exec.CommandContext(ctx, job.Postgres.Psql, "-XAtq", job.Postgres.AdminURL, "-c", "CREATE DATABASE "+listed).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("make the second database: %w: %s", err, out)
	}
	for name, schema := range map[string]string{job.Postgres.Database: "postgresql/v12/temporal", listed: "postgresql/v12/visibility"} {
		tool := []string{"temporal-sql-tool", "--plugin", plugin, "--endpoint", at.Hostname(), "--port", at.Port(), "--user", at.User.Username(), "--database", name}
		for _, call := range [][]string{{"setup-schema", "--version", "0.0"}, {"update-schema", "--schema-name", schema}} {
			if err := sqltool.RunTool(append(tool, call...)); err != nil {
				return nil, fmt.Errorf("%s of %s: %w", call[0], schema, err)
			}
		}
	}
	database := func(name string) config.SQL {
		return config.SQL{PluginName: plugin, DatabaseName: name, ConnectAddr: at.Host, ConnectProtocol: "tcp", User: at.User.Username(),
			MaxConns: connections, MaxIdleConns: connections}
	}
	second := database(listed)
	return &store{persistence: persistence(shards, database(job.Postgres.Database), &second), inFlight: 128, settings: func() map[string]string {
		return map[string]string{"connections": fmt.Sprint(connections), "shards": fmt.Sprint(shards)}
	}}, nil
}

const (
	plugin      = "postgres12"
	shards      = 4 // as in the server's own configuration for development
	connections = 20
)
