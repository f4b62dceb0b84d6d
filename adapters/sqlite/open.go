package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// applicationID marks a file as ours, in SQLite's own header field.
const applicationID = 0x53746c77

// Sizes of the write-ahead log: it is copied back into the database when it has grown to walPages pages of 4 KiB, and cut to
// walLimitBytes afterwards.
const (
	walPages      = 4000
	walLimitBytes = 64 << 20
)

// resolve checks what the path leads to, before anything is opened or made, and returns it without symbolic links, so that
// two names of one file share their lock file.
func resolve(path string, mayCreate bool) (string, error) {
	if path == "" || path == ":memory:" || strings.HasPrefix(path, "file:") {
		return "", &backend.Error{Op: "open", Err: fmt.Errorf("%w: %s is not a path of a file", backend.ErrUnsafeStore, backend.Quote(path)),
			Hint: "give a plain path, or use the memory adapter"}
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", &backend.Error{Op: "open", Err: err}
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", &backend.Error{Op: "open", Err: err, Hint: "make the folder first"}
	}
	abs = filepath.Join(dir, filepath.Base(abs))
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	info, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist) && mayCreate:
	case err != nil:
		return "", &backend.Error{Op: "open", Err: err}
	case !info.Mode().IsRegular():
		return "", &backend.Error{Op: "open", Err: fmt.Errorf("%w: %s is no regular file", backend.ErrNotOurs, abs),
			Hint: "give the path of a file"}
	}
	if err := checkFileSystem(filepath.Dir(abs)); err != nil {
		return "", &backend.Error{Op: "open", Err: err, Hint: "put the file on a local disk"}
	}
	return abs, nil
}

// dsn returns the driver's name for the file.
func dsn(path string, readOnly bool) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // a drive letter
	}
	mode := "rwc"
	if readOnly {
		mode = "ro"
	}
	return "file://" + (&url.URL{Path: p}).EscapedPath() + "?mode=" + mode
}

// openWriter opens the writing connection: checks that the file is ours, sets it up and brings the schema up to date.
func openWriter(ctx context.Context, path string, cfg config) (*conn, error) {
	c, err := dial(dsn(path, false))
	if err != nil {
		return nil, explainOpen(path, err)
	}
	if err := setUpWriter(ctx, c, cfg); err != nil {
		return nil, errors.Join(explainOpen(path, err), c.close())
	}
	return c, nil
}

func setUpWriter(ctx context.Context, c *conn, cfg config) error {
	if err := c.script(ctx, busyPragma(cfg)); err != nil {
		return err
	}
	if err := checkLibrary(ctx, c); err != nil {
		return err
	}
	if _, err := checkOurs(ctx, c, true); err != nil {
		return err
	}
	if ro, ok := c.raw.(interface{ IsReadOnly(string) (bool, error) }); ok {
		// SQLite opens a file that it may not write for reading alone, without a word.
		if only, err := ro.IsReadOnly("main"); err != nil || only {
			return errors.Join(backend.ErrReadOnly, err)
		}
	}
	if err := enterWAL(ctx, c, cfg.busyTimeout); err != nil {
		return err
	}
	err := c.script(ctx, fmt.Sprintf(`PRAGMA synchronous=%s; PRAGMA secure_delete=ON; PRAGMA foreign_keys=OFF;
		PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA wal_autocheckpoint=%d; PRAGMA journal_size_limit=%d;
		%s; PRAGMA temp_store=MEMORY`, cfg.synchronous, walPages, walLimitBytes, cachePragma(cfg.pageCache)))
	if err != nil {
		return err
	}
	for _, want := range [...][2]string{
		{"synchronous", cfg.synchronous.level()}, {"journal_mode", "wal"}, {"foreign_keys", "0"}, {"secure_delete", "1"},
	} {
		got, err := c.pragma(ctx, want[0])
		if err != nil {
			return err
		}
		if got != want[1] {
			return fmt.Errorf("%w: %s is %s although %s was asked for", backend.ErrUnsafeStore, want[0], got, want[1])
		}
	}
	if err := migrate(ctx, c); err != nil {
		return err
	}
	// From here on waiting for the write lock is our own work: it ends with the caller's context and wakes sooner.
	return c.script(ctx, "PRAGMA busy_timeout=0")
}

// openReader opens a connection that cannot write.
func openReader(ctx context.Context, path string, cfg config) (*conn, error) {
	c, err := dial(dsn(path, cfg.readOnly))
	if err != nil {
		return nil, err
	}
	err = c.script(ctx, busyPragma(cfg)+"; PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; "+cachePragma(cfg.pageCache/8))
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func busyPragma(cfg config) string {
	return "PRAGMA busy_timeout=" + strconv.FormatInt(max(1, cfg.busyTimeout.Milliseconds()), 10)
}

// cachePragma is in KiB where it is negative.
func cachePragma(bytes int) string { return "PRAGMA cache_size=-" + strconv.Itoa(bytes>>10) }

// checkLibrary refuses versions of SQLite that can damage a write-ahead log when it is reset.
func checkLibrary(ctx context.Context, c *conn) error {
	var version string
	err := c.query(ctx, func(row []driverValue) error { version = asText(row[0]); return nil }, "SELECT sqlite_version()")
	if err != nil {
		return err
	}
	if !soundVersion(version) {
		return fmt.Errorf("%w: SQLite %s can damage its write-ahead log; 3.51.3, or 3.50.7 or 3.44.6 of the older lines, is needed",
			backend.ErrUnsafeStore, version)
	}
	return nil
}

// soundVersion reports whether a version of SQLite is free of the bug. 3.52.0 was withdrawn.
func soundVersion(version string) bool {
	var n [3]int
	parts := strings.SplitN(version, ".", 4)
	if len(parts) < 3 {
		return false
	}
	for i := range n {
		v, err := strconv.Atoi(parts[i])
		if err != nil {
			return false
		}
		n[i] = v
	}
	switch {
	case n[0] != 3:
		return n[0] > 3
	case n[1] == 44:
		return n[2] >= 6
	case n[1] == 50:
		return n[2] >= 7
	case n[1] == 51:
		return n[2] >= 3
	case n[1] == 52:
		return n[2] >= 1
	}
	return n[1] > 52
}

// checkOurs reads whose database it is, without changing a byte, and returns its schema version; zero for a new one. It reads
// as of one moment: another process may be making the file just now.
func checkOurs(ctx context.Context, c *conn, mayBeNew bool) (version int, err error) {
	if err := c.script(ctx, "BEGIN"); err != nil {
		return 0, err
	}
	defer func() {
		if rerr := c.script(context.WithoutCancel(ctx), "ROLLBACK"); err == nil {
			err = rerr
		}
	}()
	return schemaOf(ctx, c, mayBeNew)
}

// schemaOf does the work of checkOurs within a transaction.
func schemaOf(ctx context.Context, c *conn, mayBeNew bool) (int, error) {
	id, err := c.pragma(ctx, "application_id")
	if err != nil {
		return 0, err
	}
	schema, err := c.pragma(ctx, "user_version")
	if err != nil {
		return 0, err
	}
	objects, _, err := c.queryInt(ctx, "SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return 0, err
	}
	version, _ := strconv.Atoi(schema)
	switch {
	case id == strconv.Itoa(applicationID) && version > schemaVersion():
		return 0, fmt.Errorf("%w: it has schema %d, this library knows %d", backend.ErrNewerSchema, version, schemaVersion())
	case id == strconv.Itoa(applicationID):
		return version, nil
	case id == "0" && version == 0 && objects == 0 && mayBeNew:
		return 0, nil
	case id == "0" && version == 0 && objects == 0:
		return 0, fmt.Errorf("%w: it is an empty database, in which no store was made yet", backend.ErrNotOurs)
	}
	return 0, fmt.Errorf("%w: it is a SQLite database of another application", backend.ErrNotOurs)
}

// notADatabase turns SQLite's answer for a file of another kind into ours.
func notADatabase(err error) error {
	if code(err) == codeNotADB && !errors.Is(err, backend.ErrNotOurs) {
		return fmt.Errorf("%w: it is no SQLite database, or an encrypted one: %w", backend.ErrNotOurs, err)
	}
	return err
}

// enterWAL switches a new file to the write-ahead log. While two processes do it at once SQLite answers "busy" without
// asking the busy handler, so the wait is ours.
func enterWAL(ctx context.Context, c *conn, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for pause := 200 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		mode, err := c.pragma(ctx, "journal_mode=WAL")
		if err == nil && mode == "wal" {
			return nil
		}
		if err == nil {
			return fmt.Errorf("%w: the journal mode is %s; the file cannot use a write-ahead log", backend.ErrUnsafeStore, mode)
		}
		if c := code(err); c != codeBusy && c != codeLocked || time.Now().After(deadline) {
			return err
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// wait lets a while pass, unless ctx ends first.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// explainOpen dresses what went wrong while opening.
func explainOpen(path string, err error) error {
	if code(err) == codeCantOpen {
		if _, serr := os.Stat(path); errors.Is(serr, fs.ErrPermission) || !writable(filepath.Dir(path)) {
			err = fmt.Errorf("%w: %w", backend.ErrReadOnly, err)
		}
	}
	return fail(context.Background(), "open", notADatabase(err))
}

// writable reports whether a file can be made in the folder.
func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".stillwater-probe-")
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) == nil || runtime.GOOS == "windows"
}

// explainLocks dresses what went wrong with the lock file.
func explainLocks(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errReadOnlyFS) {
		err = fmt.Errorf("%w: %w", backend.ErrReadOnly, err)
	}
	if errors.Is(err, backend.ErrLocked) {
		return &backend.Error{Op: "open", Err: err, Hint: "close the other store first"}
	}
	return fail(context.Background(), "open", err)
}
