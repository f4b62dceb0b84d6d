package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// maxGroup bounds how many units of different callers share a transaction. One caller's batch is never split.
const maxGroup = 512

// unit is one member of a transaction: a change, or another write of the store's own.
type unit struct {
	ctx    context.Context // its values are for the user's function of the transaction
	change *backend.Change
	// classic marks a plain Store: its origin is read from the run, and it leaves an outbox event.
	classic bool
	// op writes something that is no change. A verdict (see isVerdict) must come before its first write.
	op func(t *txn) error

	pos int64
	err error
	// dead is set when the user's function ended the whole transaction: the unit is left out when the others are written again.
	dead error
}

// request is what one caller wants committed.
type request struct {
	ctx   context.Context
	op    string
	units []*unit
	lead  chan struct{} // closed when the caller has to lead the next transaction
	done  chan struct{} // closed when the request was answered
	err   error

	leads bool // guarded by the writer's mu
}

// writer commits. Callers that come while a transaction runs are queued, and the first of them leads the next transaction
// for all; a caller that comes alone goes ahead at once on its own goroutine.
type writer struct {
	b *Backend

	mu     sync.Mutex
	busy   bool
	queue  []*request
	closed bool
	idle   *sync.Cond // signalled when busy becomes false

	// The rest belongs to whoever leads.
	c     *conn // nil while the connection is broken
	file  fileID
	cache runCache
	flows map[string]flow
	left  leftMarks
	// erasures is the count of erasures that the cache is up to date with.
	erasures int64
	guard    *txGuard
	text     bulkTexts
	settle   settleHooks
}

// flow is what is remembered of a workflow.
type flow struct {
	id      int64
	started bool // its first position is stored
}

// leftMarks are the marks as the last transaction left them: while the file has that version they need not be read.
type leftMarks struct {
	known   bool
	version uint32
	marks   marks
}

// settleHooks let tests break a commit at its doubtful moments.
type settleHooks struct {
	beforeCommit func() error
	afterCommit  func() error
	reopened     func()
}

func newWriter(b *Backend, c *conn, file fileID) *writer {
	w := &writer{b: b, c: c, file: file, flows: map[string]flow{}, guard: newTxGuard()}
	w.idle = sync.NewCond(&w.mu)
	w.adopt(c)
	return w
}

// submit commits the units of one caller. Each unit's err is its own; the returned error says that nothing was stored.
func (w *writer) submit(ctx context.Context, op string, units []*unit) error {
	if err := ctx.Err(); err != nil {
		return &backend.Error{Op: op, Err: err}
	}
	r := &request{ctx: ctx, op: op, units: units}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return &backend.Error{Op: op, Err: backend.ErrClosed}
	}
	if !w.busy {
		w.busy = true
		w.mu.Unlock()
		w.runGroup([]*request{r})
		w.passOn()
		return r.err
	}
	r.lead, r.done = make(chan struct{}), make(chan struct{})
	w.queue = append(w.queue, r)
	w.mu.Unlock()
	return w.await(r)
}

// await waits until a queued request is answered, leads when it is its turn, or leaves when its context ends first.
func (w *writer) await(r *request) error {
	select {
	case <-r.done:
		return r.err
	case <-r.lead:
		w.leadQueue(r)
		return r.err
	case <-r.ctx.Done():
	}
	w.mu.Lock()
	for i, q := range w.queue {
		if q != r {
			continue
		}
		w.queue = append(w.queue[:i], w.queue[i+1:]...)
		leads := r.leads
		w.mu.Unlock()
		if leads {
			w.passOn()
		}
		return &backend.Error{Op: r.op, Err: r.ctx.Err()}
	}
	w.mu.Unlock()
	<-r.done // its transaction has begun: the truth is worth the wait
	return r.err
}

// leadQueue commits what has gathered, r first.
func (w *writer) leadQueue(r *request) {
	w.mu.Lock()
	n, units := 0, 0
	for n < len(w.queue) && (n == 0 || units+len(w.queue[n].units) <= maxGroup) {
		units += len(w.queue[n].units)
		n++
	}
	group := append([]*request(nil), w.queue[:n]...)
	rest := copy(w.queue, w.queue[n:])
	clear(w.queue[rest:])
	w.queue = w.queue[:rest]
	w.mu.Unlock()
	w.runGroup(group)
	w.passOn()
	for _, q := range group {
		if q != r {
			close(q.done)
		}
	}
}

// passOn makes the first in the queue the next leader, or lets the writer rest.
func (w *writer) passOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) > 0 {
		w.queue[0].leads = true
		close(w.queue[0].lead)
		return
	}
	w.busy = false
	w.idle.Broadcast()
}

// close waits for what runs and is queued, and closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	for w.busy {
		w.idle.Wait()
	}
	w.mu.Unlock()
	err := w.guard.close()
	if w.c != nil {
		err = errors.Join(err, w.c.close())
	}
	return err
}

// runGroup commits the requests in one transaction and answers them.
func (w *writer) runGroup(group []*request) {
	ctx := context.Background()
	if len(group) == 1 {
		ctx = group[0].ctx // alone, its context may end the wait for the lock
	}
	var units []*unit
	for _, r := range group {
		units = append(units, r.units...)
	}
	err := w.transact(ctx, units)
	for _, r := range group {
		if err != nil {
			r.err = fail(r.ctx, r.op, err)
		}
	}
}

// transact commits units: first together, and where a statement fails that has no business to, once more with a savepoint
// around each, so that a bad one harms no other. Each further attempt leaves out a function that ended the transaction.
func (w *writer) transact(ctx context.Context, units []*unit) error {
	err := w.attempt(ctx, units, false)
	dead := 0
	for tries := 0; tries <= len(units); tries++ {
		var bad *memberError
		if !errors.As(err, &bad) {
			break
		}
		if len(units) == 1 && units[0].dead == nil && !endsTransaction(err) {
			units[0].err = fail(ctx, "commit", bad.err)
			return nil
		}
		if n := countDead(units); tries == 0 || n > dead {
			dead = n
			err = w.attempt(ctx, units, true)
			continue
		}
		break
	}
	if err != nil && breaksConn(err) {
		w.reopenLater()
	}
	return err
}

func countDead(units []*unit) int {
	n := 0
	for _, u := range units {
		if u.dead != nil {
			n++
		}
	}
	return n
}

// attempt runs one transaction.
func (w *writer) attempt(ctx context.Context, units []*unit, guarded bool) error {
	for _, u := range units {
		u.pos, u.err = 0, nil
	}
	if err := w.ready(ctx); err != nil {
		return err
	}
	t, err := w.begin(ctx)
	if err != nil {
		return err
	}
	if err := t.apply(units, guarded); err != nil {
		t.rollback()
		return err
	}
	if !t.dirty {
		t.rollback() // nothing was written: every unit failed or had nothing to do
		return nil
	}
	if err := w.commit(t); err != nil {
		return w.settleCommit(t, err)
	}
	t.committed()
	return nil
}

// ready makes sure that there is a sound connection to the right file.
func (w *writer) ready(ctx context.Context) error {
	file, err := identify(w.b.path)
	if err != nil || file != w.file {
		return errFileReplaced
	}
	if w.c != nil {
		return nil
	}
	c, err := openWriter(ctx, w.b.path, w.b.cfg)
	if err != nil {
		return err
	}
	w.adopt(c)
	return nil
}

// adopt makes c the writing connection.
func (w *writer) adopt(c *conn) {
	w.c = c
	w.cache.reset()
	w.left = leftMarks{}
	clear(w.flows)
}

// reopenLater drops the connection after an error that makes its state doubtful. The next commit opens another, so the store
// heals when the disk does.
func (w *writer) reopenLater() {
	if w.c == nil {
		return
	}
	c := w.c
	w.abandon()
	// What closing a broken connection answers adds nothing to the error that broke it.
	_ = c.close()
}

// abandon forgets the connection without touching it.
func (w *writer) abandon() {
	w.c = nil
	w.cache.reset()
	w.left = leftMarks{}
	clear(w.flows)
}

// begin takes the write lock, waiting for other processes up to the busy timeout or until ctx ends.
func (w *writer) begin(ctx context.Context) (*txn, error) {
	deadline := time.Now().Add(w.b.cfg.busyTimeout)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		_, err := w.c.exec(context.Background(), "BEGIN IMMEDIATE")
		if err == nil {
			return newTxn(w)
		}
		if c := code(err); c != codeBusy && c != codeLocked {
			w.reopenLater() // it may be inside a transaction that a failing disk did not let it leave
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w for longer than %v: %w", backend.ErrLocked, w.b.cfg.busyTimeout, err)
		}
		if err := wait(ctx, pause/2+rand.N(pause)); err != nil {
			return nil, err
		}
	}
}

// commit makes the transaction durable.
func (w *writer) commit(t *txn) error {
	t.now.head = t.next - 1
	if w.settle.beforeCommit != nil {
		if err := w.settle.beforeCommit(); err != nil {
			return err
		}
	}
	if _, err := w.c.exec(context.Background(), "COMMIT"); err != nil {
		return err
	}
	w.left.marks = t.now
	w.left.version, w.left.known = w.c.dataVersion()
	if w.settle.afterCommit != nil {
		return w.settle.afterCommit()
	}
	return nil
}
