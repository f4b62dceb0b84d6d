package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	moderncsqlite "modernc.org/sqlite"

	"github.com/stillwater-go/workflow/backend"
)

// maxAbandoned bounds how many functions of the transaction may hang at the same time before no new one is started.
const maxAbandoned = 16

// cutGrace is how long a statement of a function that ran out of time may take to end after it was interrupted.
const cutGrace = time.Second

var (
	errTxEnded   = errors.New("the function committed or rolled back the transaction, which is the store's to do")
	errTxSlow    = errors.New("the function of the transaction took too long")
	errTxExited  = errors.New("the function of the transaction ended its goroutine")
	errTxTooMany = errors.New("too many functions of the transaction ignore their deadline")
	errTxBroken  = errors.New("a statement of the function rolled the store's transaction back")
	errTxLost    = errors.New("a statement of the function of the transaction cannot be interrupted")
)

// txGuard runs users' functions of the transaction so that none can harm the others. The function's *sql.Tx stands on a
// stand-in connection (txSession) that passes statements on to the writer's while the function's time lasts, and nothing afterwards.
// Its Commit and Rollback reach no further than the stand-in.
type txGuard struct {
	db        *sql.DB
	next      *txSession // the session that the pool's next connection serves; only the leader starts one
	policed   *conn      // the connection whose authorizer is ours
	lostConn  *conn
	strict    atomic.Bool // set while a user's statement is prepared or run
	abandoned atomic.Int64
	grace     time.Duration // how long an interrupted statement may take to end
}

func newTxGuard() *txGuard {
	g := &txGuard{grace: cutGrace}
	g.db = sql.OpenDB(sessionConnector{g})
	g.db.SetMaxIdleConns(-1)
	return g
}

// close ends the pool of stand-ins.
func (g *txGuard) close() error { return g.db.Close() }

// lost reports whether a function left the connection unusable.
func (g *txGuard) lost(c *conn) bool { return g.lostConn == c }

// run calls fn within the deadline. Its failure, of whatever kind, is a *backend.TxError.
func (g *txGuard) run(ctx context.Context, fn any, c *conn, deadline time.Duration) error {
	f, ok := txFunc(fn)
	if !ok {
		return checkTx(fn)
	}
	if g.abandoned.Load() >= maxAbandoned {
		return &backend.TxError{Err: errTxTooMany}
	}
	if g.policed != c {
		if err := c.raw.RegisterAuthorizer(g.authorize); err != nil {
			return err
		}
		g.policed = c
	}
	// The caller's values go along; its end does not: the transaction has begun, and others are in it.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), deadline, errTxSlow)
	defer cancel()
	s := newSession(ctx, c, &g.strict)
	g.next = s
	tx, err := g.db.BeginTx(ctx, nil)
	if err != nil {
		return &backend.TxError{Err: err}
	}
	g.abandoned.Add(1) // until it returns
	result := make(chan error, 1)
	go func() {
		defer g.abandoned.Add(-1)
		call(ctx, f, tx, result)
	}()
	select {
	case err = <-result:
	case <-ctx.Done():
	}
	ended := s.ended.Load()
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	cancel() // database/sql takes the tx back by itself when its context ends
	switch cerr := s.cut(g.grace); {
	case errors.Is(cerr, errTxLost):
		g.lostConn = c
		return &backend.TxError{Err: errors.Join(err, cerr)}
	case err == nil && ended:
		err = errTxEnded
	case err == nil:
		err = cerr
	}
	if s.broken.Load() && !errors.Is(err, errTxBroken) {
		err = errors.Join(errTxBroken, err) // the function kept it to itself
	}
	if err != nil {
		return &backend.TxError{Err: err}
	}
	return nil
}

// call runs the function and turns a panic, or an end of its goroutine by runtime.Goexit, into an error.
func call(ctx context.Context, f TxFunc, tx *sql.Tx, result chan<- error) {
	err := errTxExited
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
		result <- err
	}()
	err = f(ctx, tx)
}

// authorize is asked by SQLite about every action of a statement that is prepared. While a user's statement is, it denies what
// would break the store.
func (g *txGuard) authorize(action moderncsqlite.AuthorizerActionCode, arg1, arg2, _, _ string) moderncsqlite.AuthorizerReturnCode {
	if !g.strict.Load() {
		return moderncsqlite.AuthorizerOK
	}
	switch action {
	case moderncsqlite.AuthTransaction, moderncsqlite.AuthAttach, moderncsqlite.AuthDetach:
		return moderncsqlite.AuthorizerDeny
	case moderncsqlite.AuthSavepoint:
		if strings.HasPrefix(strings.ToLower(arg2), "sw_") {
			return moderncsqlite.AuthorizerDeny
		}
	case moderncsqlite.AuthPragma:
		if !harmlessPragma(arg1) {
			return moderncsqlite.AuthorizerDeny
		}
	case moderncsqlite.AuthInsert, moderncsqlite.AuthUpdate, moderncsqlite.AuthDelete, moderncsqlite.AuthDropTable,
		moderncsqlite.AuthCreateTable, moderncsqlite.AuthCreateView, moderncsqlite.AuthDropView:
		if ours(arg1) {
			return moderncsqlite.AuthorizerDeny
		}
	case moderncsqlite.AuthCreateIndex, moderncsqlite.AuthDropIndex, moderncsqlite.AuthCreateTrigger, moderncsqlite.AuthDropTrigger,
		moderncsqlite.AuthCreateTempTrigger, moderncsqlite.AuthDropTempTrigger, moderncsqlite.AuthAlterTable,
		moderncsqlite.AuthCreateTempIndex:
		if ours(arg1) || ours(arg2) {
			return moderncsqlite.AuthorizerDeny
		}
	}
	return moderncsqlite.AuthorizerOK
}

// ours reports whether a table belongs to the store.
func ours(name string) bool { return strings.HasPrefix(strings.ToLower(name), "sw_") }

// harmlessPragma reports whether a pragma only reads the schema.
func harmlessPragma(name string) bool {
	switch strings.ToLower(name) {
	case "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list", "foreign_key_check":
		return true
	}
	return false
}
