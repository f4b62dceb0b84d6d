package raw

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"

	modernc "modernc.org/sqlite"
)

// conn is one connection of the driver with its kept statements, below database/sql as in the adapter.
type conn struct {
	raw   driver.Conn
	stmts map[string]driver.StmtExecContext
	args  []driver.NamedValue
}

// settings are what the adapter sets on its writing connection, in this order.
func settings() []string {
	return []string{
		"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA secure_delete=ON", "PRAGMA foreign_keys=OFF", "PRAGMA trusted_schema=OFF",
		"PRAGMA cell_size_check=ON", "PRAGMA wal_autocheckpoint=4000", "PRAGMA journal_size_limit=67108864", "PRAGMA cache_size=-4096",
		"PRAGMA temp_store=MEMORY", "PRAGMA busy_timeout=0",
	}
}

// dial opens a file that the adapter has made.
func dial(ctx context.Context, path string) (*conn, error) {
	connector, err := modernc.NewConnector("file://" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?mode=rw")
	if err != nil {
		return nil, err
	}
	raw, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{raw: raw, stmts: map[string]driver.StmtExecContext{}}
	for _, s := range settings() {
		if _, err := c.ask(ctx, s); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// exec runs a kept statement and returns how many rows it changed. It takes no context, as the adapter gives none: for one that can end, the
// driver starts a goroutine at every call.
func (c *conn) exec(text string, args []driver.Value) (int64, error) {
	s, ok := c.stmts[text]
	if !ok {
		made, err := c.raw.Prepare(text)
		if err != nil {
			return 0, fmt.Errorf("prepare %.60s: %w", text, err)
		}
		if s, ok = made.(driver.StmtExecContext); !ok {
			return 0, errors.Join(fmt.Errorf("the driver's statement %T lacks what is needed", made), made.Close())
		}
		c.stmts[text] = s
	}
	for i := len(c.args); i < len(args); i++ {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1})
	}
	for i, a := range args {
		c.args[i].Value = a
	}
	r, err := s.ExecContext(context.Background(), c.args[:len(args)])
	if err != nil {
		return 0, fmt.Errorf("%.60s: %w", text, err)
	}
	return r.RowsAffected()
}

// ask runs a statement once and returns the first value of its first row.
func (c *conn) ask(ctx context.Context, text string) (value driver.Value, err error) {
	q, ok := c.raw.(driver.QueryerContext)
	if !ok {
		return nil, fmt.Errorf("the driver's connection %T lacks what is needed", c.raw)
	}
	rows, err := q.QueryContext(ctx, text, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return value, nil
		case err != nil:
			return nil, err
		}
		if value == nil && len(row) > 0 {
			value = row[0]
		}
	}
}

// dataVersion is what the adapter asks at every transaction, to learn whether somebody else wrote.
func (c *conn) dataVersion() error {
	f, ok := c.raw.(modernc.FileControl)
	if !ok {
		return fmt.Errorf("the driver's connection %T lacks what is needed", c.raw)
	}
	_, err := f.FileControlDataVersion("main")
	return err
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		if closer, ok := s.(driver.Stmt); ok {
			errs = append(errs, closer.Close())
		}
	}
	return errors.Join(append(errs, c.raw.Close())...)
}
