package demo

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// books is the demo's own connection to the store's file, for its two tables: the ledger, and what the demo was started with.
type books struct{ db *sql.DB }

// charge is one line of the ledger.
type charge struct {
	OrderID string
	RunID   string
	Cents   int64
}

// fingerprintKey is the line of demo_meta that says which orders the store is for.
const fingerprintKey = "orders"

// openBooks connects to the file. The store must be open already: it makes the file what it is. The driver is the store's own.
func openBooks(path string, readOnly bool) (*books, error) {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // a drive letter
	}
	dsn := "file://" + (&url.URL{Path: p}).EscapedPath() + "?_pragma=busy_timeout(5000)&_pragma=cache_size(-256)&_txlock=immediate"
	if readOnly {
		dsn += "&mode=ro"
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	db.SetMaxOpenConns(1)
	return &books{db: db}, nil
}

func (b *books) close() error { return b.db.Close() }

// create makes the tables where they are not there yet, and notes the fingerprint of the orders in the same commit.
func (b *books) create(ctx context.Context, fingerprint string) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("create the ledger: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS demo_ledger (order_id TEXT PRIMARY KEY, run_id TEXT NOT NULL, amount_cents INTEGER NOT NULL, charged_at TEXT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS demo_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("create the ledger: %w", err)
		}
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO demo_meta (key, value) VALUES (?, ?)", fingerprintKey, fingerprint); err != nil {
		return fmt.Errorf("note what the demo was started with: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("create the ledger: %w", err)
	}
	return nil
}

// fingerprint returns what the demo was started with; ok is false where no demo has used the file.
func (b *books) fingerprint(ctx context.Context) (value string, ok bool, err error) {
	var tables int
	err = b.db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('demo_ledger', 'demo_meta')").Scan(&tables)
	if err != nil || tables < 2 {
		return "", false, err
	}
	err = b.db.QueryRowContext(ctx, "SELECT value FROM demo_meta WHERE key = ?", fingerprintKey).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return value, err == nil, err
}

// charges shows the ledger's lines of these orders, or of all where ids is nil, one at a time. An error of see ends it.
func (b *books) charges(ctx context.Context, ids []string, see func(charge) error) (err error) {
	query, args := "SELECT order_id, run_id, amount_cents FROM demo_ledger", []any{}
	if ids != nil {
		list, err := json.Marshal(ids)
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		query, args = query+" WHERE order_id IN (SELECT value FROM json_each(?))", append(args, string(list))
	}
	rows, err := b.db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c charge
		if err := rows.Scan(&c.OrderID, &c.RunID, &c.Cents); err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		if err := see(c); err != nil {
			return err
		}
	}
	return rows.Err()
}

// count returns how many lines the ledger has.
func (b *books) count(ctx context.Context) (lines int, err error) {
	if err := b.db.QueryRowContext(ctx, "SELECT count(*) FROM demo_ledger").Scan(&lines); err != nil {
		return 0, fmt.Errorf("count the ledger: %w", err)
	}
	return lines, nil
}

// writeCharge adds a line to the ledger. The primary key refuses a second one for the order, whatever else goes wrong.
func writeCharge(ctx context.Context, tx *sql.Tx, orderID, runID string, cents int64, at time.Time) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO demo_ledger (order_id, run_id, amount_cents, charged_at) VALUES (?, ?, ?, ?)",
		orderID, runID, cents, at.Format(time.RFC3339Nano))
	return err
}
