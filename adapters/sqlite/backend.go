package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// Backend is a store in one SQLite file, with every capability of package backend. Make one with [Open]. All methods may be called
// concurrently.
type Backend struct {
	path  string
	cfg   config
	slot  backend.Slot
	locks *fileLocks // nil where the store was opened read-only
	names nameCache

	writer  *writer // nil where the store was opened read-only
	readers *pool
	watch   *watcher
	gates   *roleGates

	closing sync.Once
	closed  chan struct{} // closed when Close begins
	closeEr error
}

var (
	_ backend.Backend      = (*Backend)(nil)
	_ backend.Transactor   = (*Backend)(nil)
	_ backend.Checker      = (*Backend)(nil)
	_ backend.Finder       = (*Backend)(nil)
	_ backend.HeldLister   = (*Backend)(nil)
	_ backend.Eraser       = (*Backend)(nil)
	_ backend.DueWatcher   = (*Backend)(nil)
	_ backend.SignalReader = (*Backend)(nil)
)

// Open opens the store at path, making it where there is none, and brings its schema up to date. Its folder must exist and
// lie on a local disk. Beside the file SQLite keeps path-wal and path-shm, and the store keeps path-lock and path-bell.
//
// Several Backends, in one process or in many, may have the same file open. Close it when done.
//
// The error wraps ErrNotOurs (no SQLite database, or of another application), ErrNewerSchema, ErrUnsafeStore (network file
// system, unsound SQLite, refused setting), ErrLocked (another process held the write lock longer than the busy timeout),
// ErrReadOnly, ErrCorrupt or ErrFull, and says what to do.
func Open(path string, opts ...Option) (*Backend, error) {
	cfg := newConfig(opts)
	if cfg.synchronous != SynchronousFull && cfg.synchronous != SynchronousNormal {
		return nil, &backend.Error{Op: "open", Err: fmt.Errorf("%w: unknown %v", backend.ErrUnsafeStore, cfg.synchronous)}
	}
	path, err := resolve(path, true)
	if err != nil {
		return nil, err
	}
	locks, err := openLocks(path, cfg.exclusive)
	if err != nil {
		return nil, explainLocks(err)
	}
	c, err := openWriter(context.Background(), path, cfg)
	if err != nil {
		return nil, errors.Join(err, locks.close())
	}
	file, err := identify(path)
	if err != nil {
		return nil, errors.Join(&backend.Error{Op: "open", Err: err}, c.close(), locks.close())
	}
	b := newBackend(path, cfg)
	b.locks = locks
	b.writer = newWriter(b, c, file)
	b.gates = newRoleGates(b)
	return b, nil
}

// OpenReadOnly opens the store at path for reading alone, as a check or a report does; it changes nothing in the file and takes
// no role. Every write fails with ErrReadOnly. The errors are those of [Open]; a file that is not there, or whose schema is
// older than this library's, is refused.
func OpenReadOnly(path string, opts ...Option) (*Backend, error) {
	cfg := newConfig(opts)
	cfg.readOnly = true
	path, err := resolve(path, false)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	c, err := openReader(ctx, path, cfg)
	if err != nil {
		return nil, explainOpen(path, err)
	}
	if err := checkReadOnly(ctx, c); err != nil {
		return nil, errors.Join(explainOpen(path, err), c.close())
	}
	b := newBackend(path, cfg)
	b.readers.give(c, nil)
	return b, nil
}

func checkReadOnly(ctx context.Context, c *conn) error {
	if err := checkLibrary(ctx, c); err != nil {
		return err
	}
	have, err := checkOurs(ctx, c, false)
	if err != nil {
		return err
	}
	if have < schemaVersion() {
		return fmt.Errorf("%w: its schema %d is older than %d; open it once for writing", backend.ErrReadOnly, have, schemaVersion())
	}
	all, err := migrations()
	if err != nil {
		return err
	}
	return verifyChecksums(ctx, c, all)
}

func newBackend(path string, cfg config) *Backend {
	b := &Backend{path: path, cfg: cfg, closed: make(chan struct{})}
	b.readers = newPool(cfg.readers, func(ctx context.Context) (*conn, error) { return openReader(ctx, path, cfg) })
	b.watch = newWatcher(b)
	return b
}

// Path returns the file's path, absolute and without symbolic links.
func (b *Backend) Path() string { return b.path }

// Slot keeps the one engine that serves this Backend in this process.
func (b *Backend) Slot() *backend.Slot { return &b.slot }

// Close gives back every role, waits for the calls that run, and closes the file. Later calls fail with ErrClosed. A second
// Close waits for the first and returns the same.
func (b *Backend) Close() error {
	b.closing.Do(func() {
		close(b.closed)
		var errs []error
		if b.gates != nil {
			b.gates.close()
		}
		errs = append(errs, b.watch.close(), b.readers.close())
		if b.writer != nil {
			errs = append(errs, b.writer.close()) // the last connection to close empties the write-ahead log
		}
		if b.locks != nil {
			errs = append(errs, b.locks.close())
		}
		if err := errors.Join(errs...); err != nil {
			b.closeEr = &backend.Error{Op: "close", Err: err}
		}
	})
	return b.closeEr
}

// isClosed reports whether Close was called.
func (b *Backend) isClosed() bool {
	select {
	case <-b.closed:
		return true
	default:
		return false
	}
}

// submit hands units to the writer.
func (b *Backend) submit(ctx context.Context, op string, units []*unit) error {
	switch {
	case b.isClosed():
		return &backend.Error{Op: op, Err: backend.ErrClosed}
	case b.writer == nil:
		return &backend.Error{Op: op, Err: backend.ErrReadOnly, Hint: "the store was opened with OpenReadOnly"}
	}
	return b.writer.submit(ctx, op, units)
}

// read runs fn on a reading connection.
func (b *Backend) read(ctx context.Context, op string, fn func(c *conn) error) error {
	return fail(ctx, op, b.readers.do(ctx, fn))
}
