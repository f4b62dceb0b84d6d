package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// A freed lock is announced a moment before it is free when a process dies, because its files are closed one after the other.
// So a waiter tries a few times after a signal, pausing from firstRetry up to lastRetry.
const (
	firstRetry = 100 * time.Microsecond
	lastRetry  = 50 * time.Millisecond
	// tryEvery is the safety net while waiting for a role.
	tryEvery = time.Second
)

// roleGates lets one member of this Backend at a time try for each lock. The lock itself stands between Backends.
type roleGates struct {
	b     *Backend
	ctx   context.Context // ends with Close
	end   context.CancelFunc
	joins sync.WaitGroup

	mu     sync.Mutex
	gates  map[int64]chan struct{}
	closed bool
}

func newRoleGates(b *Backend) *roleGates {
	ctx, cancel := context.WithCancel(context.Background())
	return &roleGates{b: b, ctx: ctx, end: cancel, gates: map[int64]chan struct{}{}}
}

// Join enters the contest for the roles of a workflow. All its buckets are granted together, to one Backend at a time: an
// operating-system lock guards them, so that the next waiter gets them as soon as the holder leaves or its process dies.
// A grant lasts until leave or Close. ctx is for the call alone. The first Join of a workflow fixes its number of buckets.
func (b *Backend) Join(ctx context.Context, workflowName string, buckets int, granted func(backend.Grant)) (leave func(), err error) {
	if err := backend.ValidateID("workflow name", workflowName, backend.MaxNameBytes); err != nil {
		return nil, err
	}
	if buckets <= 0 {
		return nil, &backend.Error{Op: "join", Workflow: workflowName, Err: fmt.Errorf("%d buckets", buckets)}
	}
	id, err := b.fixBuckets(ctx, workflowName, buckets)
	if err != nil {
		return nil, err
	}
	g := b.gates
	if !g.enter() {
		return nil, &backend.Error{Op: "join", Workflow: workflowName, Err: backend.ErrClosed}
	}
	all := make([]int, buckets)
	for i := range all {
		all[i] = i
	}
	joined, cancel := context.WithCancel(g.ctx)
	done := make(chan struct{})
	go func() {
		defer g.joins.Done()
		defer close(done)
		defer cancel()
		release, err := g.acquire(joined, workflowByte+id)
		if err != nil {
			return // left or closed before its turn
		}
		defer release()
		epoch, err := b.locks.nextEpoch(id)
		if err != nil {
			epoch = time.Now().UnixNano() // the count is only for show here: the lock is what guards the roles
		}
		held, lose := context.WithCancel(joined)
		defer lose()
		granted(backend.Grant{Buckets: all, Epoch: epoch, Context: held})
		<-joined.Done()
	}()
	return func() { cancel(); <-done }, nil
}

// fixBuckets returns the workflow's id, storing its number of buckets on first use.
func (b *Backend) fixBuckets(ctx context.Context, workflowName string, buckets int) (id int64, err error) {
	err = b.write(ctx, "join", func(t *txn) error {
		if id, err = t.workflow(workflowName); err != nil {
			return err
		}
		n, err := t.c.execN(context.Background(), "UPDATE sw_workflows SET buckets = ? WHERE id = ? AND buckets IS NULL", int64(buckets), id)
		t.dirty = t.dirty || n > 0
		return err
	})
	if err != nil {
		return 0, err
	}
	fixed := int64(0)
	err = b.read(ctx, "join", func(c *conn) error {
		return c.query(ctx, func(row []driver.Value) error { fixed = asInt(row[0]); return nil },
			"SELECT buckets FROM sw_workflows WHERE id = ?", id)
	})
	if err == nil && fixed != int64(buckets) {
		err = bucketsErr(workflowName, fixed, buckets)
	}
	return id, err
}

// enter counts one more who may hold a lock, unless the store is closing.
func (g *roleGates) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.joins.Add(1)
	return true
}

// close ends every contest and waits until what was held is given back.
func (g *roleGates) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.end()
	g.joins.Wait()
}

// acquire waits for the lock at the offset until ctx ends: first for its turn within this Backend, then for the system's lock.
func (g *roleGates) acquire(ctx context.Context, offset int64) (release func(), err error) {
	gate := g.gate(offset)
	select {
	case gate <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := g.lock(ctx, offset); err != nil {
		<-gate
		return nil, err
	}
	return func() {
		// A lock that cannot be freed goes with the file when the store is closed.
		_ = g.b.locks.freeRole(offset)
		<-gate
	}, nil
}

func (g *roleGates) lock(ctx context.Context, offset int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ok, err := g.b.locks.tryRole(offset); ok && err == nil {
		return nil
	}
	freed, stop := g.b.watch.awaitRole()
	defer stop()
	net := time.NewTicker(tryEvery)
	defer net.Stop()
	for {
		// One try comes after listening has begun, so that a release in between is not missed.
		for pause := firstRetry; pause <= lastRetry; pause *= 2 {
			if ok, err := g.b.locks.tryRole(offset); ok && err == nil {
				return nil
			}
			if err := wait(ctx, pause); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-freed:
		case <-net.C:
			if ok, err := g.b.locks.tryRole(offset); ok && err == nil {
				return nil
			}
		}
	}
}

func (g *roleGates) gate(offset int64) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	ch, ok := g.gates[offset]
	if !ok {
		ch = make(chan struct{}, 1)
		g.gates[offset] = ch
	}
	return ch
}

// RoleScheduler returns the classic scheduler of named roles: one Backend on the file at a time plays each, by a lock of the
// operating system, which frees it when the process dies. A role is held until it is cancelled, its context ends, or Close.
func (b *Backend) RoleScheduler() backend.RoleScheduler { return roleScheduler{b} }

type roleScheduler struct{ b *Backend }

// Await parks until this process holds the role or ctx ends.
func (s roleScheduler) Await(ctx context.Context, role string) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := backend.ValidateID("role", role, backend.MaxIDBytes); err != nil {
		return nil, nil, err
	}
	b := s.b
	id, err := b.roleID(ctx, role)
	if err != nil {
		if cerr := ctx.Err(); cerr != nil {
			err = cerr
		}
		return nil, nil, err
	}
	if !b.gates.enter() {
		return nil, nil, &backend.Error{Op: "await role", Err: backend.ErrClosed}
	}
	waiting, stopWaiting := context.WithCancel(ctx)
	stopClose := context.AfterFunc(b.gates.ctx, stopWaiting)
	release, err := b.gates.acquire(waiting, roleByte+id)
	stopClose()
	stopWaiting()
	if err != nil {
		b.gates.joins.Done()
		if ctx.Err() == nil {
			err = &backend.Error{Op: "await role", Err: backend.ErrClosed}
		}
		return nil, nil, err
	}
	held, lose := context.WithCancel(ctx)
	stopLink := context.AfterFunc(b.gates.ctx, lose)
	// However it ends, by cancel, by the caller's context or by Close, the lock goes back once, after the context has ended.
	context.AfterFunc(held, func() {
		stopLink()
		release()
		b.gates.joins.Done()
	})
	return held, lose, nil
}

// roleID returns the number of a named role, making it on first use.
func (b *Backend) roleID(ctx context.Context, role string) (id int64, err error) {
	find := func(c *conn) (found bool, err error) {
		id, found, err = c.queryInt(ctx, "SELECT id FROM sw_roles WHERE name = ?", role)
		return found, err
	}
	found := false
	err = b.read(ctx, "await role", func(c *conn) (err error) { found, err = find(c); return err })
	if err != nil || found {
		return id, err
	}
	err = b.write(ctx, "await role", func(t *txn) error {
		if found, err := find(t.c); err != nil || found {
			return err
		}
		res, err := t.c.exec(context.Background(), "INSERT INTO sw_roles (name) VALUES (?)", role)
		if err == nil {
			t.dirty = true
			id, err = res.LastInsertId()
		}
		return err
	})
	return id, err
}
