package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// open opens the demo's store and its books at the path, or makes them. It refuses a file that belongs to somebody else, and a store that
// holds other orders, before it changes anything in it.
func open(ctx context.Context, path string, src *source) (*sqlite.Backend, *books, error) {
	if err := mayUse(ctx, path, src.fingerprint); err != nil {
		return nil, nil, err
	}
	// Two demos on one file would place every order twice, so the file is taken as a whole.
	store, err := sqlite.Open(path, sqlite.WithExclusive(), sqlite.WithPageCache(pageCache), sqlite.WithReaders(readers))
	if err != nil {
		return nil, nil, explain(path, err)
	}
	b, err := openBooks(store.Path(), false)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	was, ok, err := b.fingerprint(ctx)
	switch {
	case err != nil:
		err = fmt.Errorf("read what the demo was started with: %w", err)
	case !ok:
		err = b.create(ctx, src.fingerprint)
	case was != src.fingerprint:
		err = otherOrders(path, was, src.fingerprint)
	}
	if err != nil {
		return nil, nil, errors.Join(err, b.close(), store.Close())
	}
	return store, b, nil
}

// mayUse looks at a file without changing it and says why the demo must not use it, or nil.
func mayUse(ctx context.Context, path, fingerprint string) error {
	found, err := inspect(ctx, path)
	switch {
	case errors.Is(err, backend.ErrReadOnly):
		return nil // an older schema: opening it for writing brings it up to date, and looks again
	case err != nil:
		return explain(path, err)
	case found.foreign:
		return &backend.Error{Op: "demo", Err: fmt.Errorf("%s is the Stillwater store of another program", path),
			Hint: "use another file with --db"}
	case found.fingerprint != "" && found.fingerprint != fingerprint:
		return otherOrders(path, found.fingerprint, fingerprint)
	}
	return nil
}

// found is what lies at a path.
type found struct {
	store       bool   // a Stillwater store; false where there is no file, or nothing in it
	foreign     bool   // a store with runs that are not the demo's
	fingerprint string // what the demo was started with; empty where it never was
}

// inspect looks at what lies at the path. The error says that it is no Stillwater store, or cannot be read.
func inspect(ctx context.Context, path string) (f found, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	store, err := sqlite.OpenReadOnly(path)
	if errors.Is(err, backend.ErrNotOurs) && blank(ctx, path) {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	b, err := openBooks(store.Path(), true)
	if err != nil {
		return found{}, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	f.store = true
	var ok bool
	if f.fingerprint, ok, err = b.fingerprint(ctx); err != nil || ok {
		return f, err
	}
	any, err := store.List(ctx, "", 0, 1, backend.OrderTypeAscending)
	f.foreign = len(any) > 0
	return f, err
}

// blank reports whether the file is a SQLite database without anything in it, as a process leaves it that was killed while it made a
// store. The next one fills it.
func blank(ctx context.Context, path string) bool {
	b, err := openBooks(path, true)
	if err != nil {
		return false
	}
	var application, schema, objects int
	err = b.db.QueryRowContext(ctx, "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), count(*) FROM sqlite_schema").
		Scan(&application, &schema, &objects)
	return errors.Join(err, b.close()) == nil && application == 0 && schema == 0 && objects == 0
}

// removeOld deletes the demo's files at the path, after a look that they are the demo's and that nobody uses them. Where there is nothing
// it does nothing, and it never deletes anything else.
func removeOld(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	refuse := func(err error) error {
		return fmt.Errorf("--fresh deletes nothing: %w", err)
	}
	if err != nil {
		return refuse(err)
	}
	if !info.Mode().IsRegular() {
		return refuse(fmt.Errorf("%s is not a regular file", path))
	}
	f, err := inspect(ctx, path)
	switch {
	case err != nil:
		return refuse(explain(path, err))
	case f.foreign:
		return refuse(fmt.Errorf("%s is the Stillwater store of another program", path))
	case !f.store:
		return nil // nothing is in it: the store will fill it
	}
	store, err := sqlite.Open(path, sqlite.WithExclusive()) // fails while somebody uses it
	if err != nil {
		return refuse(explain(path, err))
	}
	if err := store.Close(); err != nil {
		return refuse(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-bell", "-lock"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--fresh: %w", err)
		}
	}
	return nil
}

// otherOrders says that the store was begun with other arguments.
func otherOrders(path, was, now string) error {
	return &backend.Error{Op: "demo", Err: fmt.Errorf("%s was begun with other orders (%s; now %s)", path, was, now),
		Hint: "give the same arguments to go on, --fresh to delete it and start over, or --db for another file"}
}

// explain says what a newcomer can do about a store that does not open.
func explain(path string, err error) error {
	var inner *backend.Error
	cause := err
	if errors.As(err, &inner) {
		cause = inner.Err
	}
	out := &backend.Error{Op: "open " + path, Err: cause}
	switch {
	case errors.Is(err, backend.ErrNotOurs):
		out.Hint = "it is left as it is; use another file with --db"
	case errors.Is(err, backend.ErrLocked):
		out.Hint = "another program is using it: wait for it, or use another file with --db"
	case errors.Is(err, backend.ErrCorrupt):
		out.Hint = "delete the file by hand, or use another one with --db"
	default:
		return err
	}
	return out
}
