package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	moderncsqlite "modernc.org/sqlite"
)

// rawConn is what a connection of the driver can do.
type rawConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	moderncsqlite.AuthorizerRegisterer
}

// rawStmt is what a statement of the driver can do.
type rawStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// conn is one connection with its kept statements. It works below database/sql, which would cost more than the
// statements themselves. One goroutine uses it at a time.
type conn struct {
	raw   rawConn
	stmts map[string]rawStmt
	args  []driver.NamedValue
	dest  []driver.Value
}

// dial opens a connection.
func dial(dsn string) (*conn, error) {
	connector, err := moderncsqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("sqlite driver: %w", err)
	}
	c, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	raw, ok := c.(rawConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlite driver: connection of type %T lacks what is needed", c), c.Close())
	}
	return &conn{raw: raw, stmts: map[string]rawStmt{}}, nil
}

// prepare returns the kept statement of that text. Texts are constants or come from a small fixed set, which bounds the map.
func (c *conn) prepare(query string) (rawStmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.raw.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	st, ok := s.(rawStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlite driver: statement of type %T lacks what is needed", s), s.Close())
	}
	c.stmts[query] = st
	return st, nil
}

// exec runs a kept statement and returns the driver's result. Arguments are int64, string, []byte or nil.
func (c *conn) exec(ctx context.Context, query string, args ...driver.Value) (driver.Result, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	r, err := s.ExecContext(ctx, c.bind(args))
	c.forget(len(args))
	return r, err
}

// execN runs a kept statement and returns how many rows it changed.
func (c *conn) execN(ctx context.Context, query string, args ...driver.Value) (int64, error) {
	r, err := c.exec(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// query runs a kept statement and calls each for every row. The row is reused; its []byte and string values are not.
func (c *conn) query(ctx context.Context, each func(row []driver.Value) error, query string, args ...driver.Value) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, c.bind(args))
	c.forget(len(args))
	if err != nil {
		return err
	}
	n := len(rows.Columns())
	if cap(c.dest) < n {
		c.dest = make([]driver.Value, n)
	}
	dest := c.dest[:n]
	c.dest = nil // each may run another statement
	err = drain(rows, dest, each)
	clear(dest)
	c.dest = dest
	return errors.Join(err, rows.Close())
}

// drain calls each for every row.
func drain(rows driver.Rows, dest []driver.Value, each func([]driver.Value) error) error {
	for {
		switch err := rows.Next(dest); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := each(dest); err != nil {
			return err
		}
	}
}

// queryInt returns the first column of the first row, or ok=false without a row or with a NULL.
func (c *conn) queryInt(ctx context.Context, query string, args ...driver.Value) (n int64, ok bool, err error) {
	err = c.query(ctx, func(row []driver.Value) error {
		if v, isInt := row[0].(int64); isInt && !ok {
			n, ok = v, true
		}
		return nil
	}, query, args...)
	return n, ok, err
}

// script runs statements that are not kept; pragmas and migrations.
func (c *conn) script(ctx context.Context, text string) error {
	_, err := c.raw.ExecContext(ctx, text, nil)
	return err
}

// pragma reads a pragma's first value as text.
func (c *conn) pragma(ctx context.Context, text string) (string, error) {
	rows, err := c.raw.QueryContext(ctx, "PRAGMA "+text, nil)
	if err != nil {
		return "", err
	}
	value := ""
	err = drain(rows, make([]driver.Value, len(rows.Columns())), func(row []driver.Value) error {
		if value == "" && len(row) > 0 {
			value = fmt.Sprint(row[0])
		}
		return nil
	})
	return value, errors.Join(err, rows.Close())
}

// dataVersion returns a number that is another one after the file was changed by anybody, as of when the running transaction began; false
// where the driver does not tell.
func (c *conn) dataVersion() (uint32, bool) {
	raw, ok := c.raw.(moderncsqlite.FileControl)
	if !ok {
		return 0, false
	}
	v, err := raw.FileControlDataVersion("main")
	return v, err == nil
}

// close ends the kept statements and the connection.
func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	clear(c.stmts)
	return errors.Join(append(errs, c.raw.Close())...)
}

func (c *conn) bind(args []driver.Value) []driver.NamedValue {
	for i := len(c.args); i < len(args); i++ {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1})
	}
	for i, a := range args {
		c.args[i].Value = a
	}
	return c.args[:len(args)]
}

// forget drops the references to the last call's n arguments, so that no object is kept alive by a statement's buffer.
func (c *conn) forget(n int) {
	for i := range c.args[:n] {
		c.args[i].Value = nil
	}
}
