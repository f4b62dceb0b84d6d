package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// txSession is the stand-in connection of one function of the transaction.
type txSession struct {
	c      *conn
	ctx    context.Context // ends with the function's time
	strict *atomic.Bool

	// turn holds a token while a statement runs. The fields below belong to who holds it.
	turn chan struct{}
	over bool
	open map[closer]struct{}

	mu   sync.Mutex // guards lost, together with the decision who closes the connection
	lost bool

	ended  atomic.Bool // the function called Commit or Rollback
	broken atomic.Bool // a statement of the function ended the store's transaction
}

// closer is a statement or a result of the session that is still open.
type closer interface{ release() error }

func newSession(ctx context.Context, c *conn, strict *atomic.Bool) *txSession {
	return &txSession{c: c, ctx: ctx, strict: strict, turn: make(chan struct{}, 1), open: map[closer]struct{}{}}
}

// cut ends the session: what is open is closed, and every later use fails with sql.ErrTxDone. It returns errTxLost when a
// statement does not end although it was interrupted; the connection is then closed by the goroutine that still uses it.
func (s *txSession) cut(grace time.Duration) error {
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case s.turn <- struct{}{}:
	case <-t.C:
		if !s.lastChance() {
			return errTxLost
		}
	}
	err := s.closeOpen()
	<-s.turn
	return err
}

// lastChance takes the turn if it is free at this very moment; otherwise the connection is lost.
func (s *txSession) lastChance() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.turn <- struct{}{}:
		return true
	default:
		s.lost = true
		return false
	}
}

// endTurn hands the turn on, and closes a connection that was given up meanwhile.
func (s *txSession) endTurn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost && !s.over {
		// Nobody is left to be told of a failure.
		_ = errors.Join(s.closeOpen(), s.c.close())
	}
	<-s.turn
}

// closeOpen ends the session's life. The caller has the turn.
func (s *txSession) closeOpen() error {
	s.over = true
	var errs []error
	for o := range s.open {
		errs = append(errs, o.release())
	}
	clear(s.open)
	return errors.Join(errs...)
}

// do runs one call into the driver while the session lasts. The context that it hands on ends with the caller's and with the session's.
func (s *txSession) do(ctx context.Context, fn func(ctx context.Context) error) error {
	select {
	case s.turn <- struct{}{}:
	case <-s.ctx.Done():
		return s.doneErr()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer s.endTurn()
	if s.over {
		return sql.ErrTxDone
	}
	if s.ctx.Err() != nil {
		return s.doneErr()
	}
	both, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	defer func() { stop(); cancel(nil) }()
	s.strict.Store(true)
	err := fn(both)
	s.strict.Store(false)
	if err != nil && !errors.Is(err, io.EOF) && s.transactionGone() {
		err = errors.Join(err, errTxBroken, s.closeOpen())
	}
	return err
}

// transactionGone reports whether a failed statement took the whole transaction with it, as INSERT OR ROLLBACK does. BEGIN
// succeeds only then. What the function would do after that would be outside the store's transaction, so its session ends.
func (s *txSession) transactionGone() bool {
	if s.c.script(context.Background(), "BEGIN") != nil {
		return false
	}
	s.broken.Store(true)
	_ = s.c.script(context.Background(), "ROLLBACK") // there is nothing to take back
	return true
}

func (s *txSession) doneErr() error { return errors.Join(sql.ErrTxDone, context.Cause(s.ctx)) }

// The rest is what database/sql asks of a connection.

// sessionConnector gives the pool the stand-in that was made last.
type sessionConnector struct{ g *txGuard }

func (k sessionConnector) Connect(context.Context) (driver.Conn, error) { return k.g.next, nil }
func (k sessionConnector) Driver() driver.Driver                        { return k }

// Open is never called: the pool is made from the connector.
func (k sessionConnector) Open(string) (driver.Conn, error) { return nil, driver.ErrSkip }

// BeginTx begins nothing: the store's transaction runs already.
func (s *txSession) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return sessionTx{s}, nil
}

func (s *txSession) Begin() (driver.Tx, error) { return sessionTx{s}, nil }
func (s *txSession) Close() error              { return nil }
func (s *txSession) IsValid() bool             { return false } // one session, one function

func (s *txSession) Prepare(query string) (driver.Stmt, error) {
	return s.PrepareContext(context.Background(), query)
}

func (s *txSession) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	st := &sessionStmt{s: s}
	err := s.do(ctx, func(ctx context.Context) error {
		raw, err := s.c.raw.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		var ok bool
		if st.raw, ok = raw.(rawStmt); !ok {
			return errors.Join(driver.ErrSkip, raw.Close())
		}
		s.open[st] = struct{}{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return st, nil
}

func (s *txSession) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		res, err = s.c.raw.ExecContext(ctx, query, args)
		return err
	})
	return res, err
}

func (s *txSession) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return s.rows(ctx, func(ctx context.Context) (driver.Rows, error) { return s.c.raw.QueryContext(ctx, query, args) })
}

func (s *txSession) rows(ctx context.Context, query func(context.Context) (driver.Rows, error)) (driver.Rows, error) {
	r := &sessionRows{s: s}
	err := s.do(ctx, func(context.Context) error {
		// The driver keeps the context as long as the rows are open, which is longer than this call.
		both, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(s.ctx, cancel)
		r.cancel = func() { stop(); cancel() }
		raw, err := query(both)
		if err != nil {
			r.cancel()
			return err
		}
		r.raw = raw
		r.columns = raw.Columns()
		s.open[r] = struct{}{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// sessionTx notes what the function may not do, and does nothing.
type sessionTx struct{ s *txSession }

func (t sessionTx) Commit() error   { t.s.ended.Store(true); return nil }
func (t sessionTx) Rollback() error { t.s.ended.Store(true); return nil }

// sessionStmt is a prepared statement of the session.
type sessionStmt struct {
	s   *txSession
	raw rawStmt
}

func (st *sessionStmt) release() error { return st.raw.Close() }
func (st *sessionStmt) NumInput() int  { return st.raw.NumInput() }

func (st *sessionStmt) Close() error { return st.s.closeOne(st) }

// closeOne closes what is still open of the session; after the cut everything is closed already.
func (s *txSession) closeOne(o closer) error {
	s.turn <- struct{}{}
	defer s.endTurn()
	if _, ok := s.open[o]; !ok || s.over {
		return nil
	}
	delete(s.open, o)
	return o.release()
}

func (st *sessionStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (st *sessionStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }

func (st *sessionStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (res driver.Result, err error) {
	err = st.s.do(ctx, func(ctx context.Context) error {
		res, err = st.raw.ExecContext(ctx, args)
		return err
	})
	return res, err
}

func (st *sessionStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return st.s.rows(ctx, func(ctx context.Context) (driver.Rows, error) { return st.raw.QueryContext(ctx, args) })
}

// sessionRows is a result of the session.
type sessionRows struct {
	s       *txSession
	raw     driver.Rows
	columns []string
	cancel  func()
}

func (r *sessionRows) release() error {
	defer r.cancel()
	return r.raw.Close()
}

func (r *sessionRows) Columns() []string { return r.columns }
func (r *sessionRows) Close() error      { return r.s.closeOne(r) }

func (r *sessionRows) Next(dest []driver.Value) error {
	return r.s.do(context.Background(), func(context.Context) error { return r.raw.Next(dest) })
}
