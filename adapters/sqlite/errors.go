package sqlite

import (
	"context"
	"errors"
	"fmt"

	moderncsqlite "modernc.org/sqlite"

	"github.com/stillwater-go/workflow/backend"
)

// The primary result codes of SQLite that mean something to us.
const (
	codeBusy      = 5
	codeLocked    = 6
	codeReadOnly  = 8
	codeInterrupt = 9
	codeIO        = 10
	codeCorrupt   = 11
	codeFull      = 13
	codeCantOpen  = 14
	codeNotADB    = 26

	codeIOShmSize = codeIO | 19<<8 // the disk had no room for the shared index
)

// errFileReplaced says that the path no longer leads to the file that was opened.
var errFileReplaced = fmt.Errorf("%w: the database file was removed or replaced while open", backend.ErrUnsafeStore)

// code returns SQLite's primary result code of an error, zero where it is none of SQLite's.
func code(err error) int { return extended(err) & 0xff }

// extended returns SQLite's extended result code of an error.
func extended(err error) int {
	var e *moderncsqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// sentinel returns the contract's error for what SQLite said, or nil.
func sentinel(err error) error {
	if extended(err) == codeIOShmSize {
		return backend.ErrFull
	}
	switch code(err) {
	case codeBusy, codeLocked:
		return backend.ErrLocked
	case codeReadOnly:
		return backend.ErrReadOnly
	case codeCorrupt, codeNotADB:
		return backend.ErrCorrupt
	case codeFull:
		return backend.ErrFull
	}
	return nil
}

// hint tells the reader of an error what to do.
func hint(err error) string {
	switch {
	case errors.Is(err, errFileReplaced):
		return "restore the file or reopen the store"
	case errors.Is(err, backend.ErrLocked):
		return "another process holds the write lock; end its transaction, or raise WithBusyTimeout"
	case errors.Is(err, backend.ErrFull):
		return "free some space; the store goes on by itself"
	case errors.Is(err, backend.ErrReadOnly):
		return "make the file and its folder writable for this user"
	case errors.Is(err, backend.ErrCorrupt):
		return "stop, copy the files away, and restore a backup"
	case errors.Is(err, backend.ErrNotOurs):
		return "choose another path; this file was not made by Stillwater"
	case errors.Is(err, backend.ErrNewerSchema):
		return "upgrade this program"
	}
	return ""
}

// fail dresses an error of the driver for the caller of op: the context's own error where the context has ended, the
// contract's sentinel where there is one, and a hint.
func fail(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if cerr := ctx.Err(); cerr != nil && (errors.Is(err, cerr) || code(err) == codeInterrupt) {
		return &backend.Error{Op: op, Err: cerr}
	}
	var done *backend.Error
	if errors.As(err, &done) || isVerdict(err) {
		return err
	}
	if s := sentinel(err); s != nil && !errors.Is(err, s) && !errors.Is(err, backend.ErrNotOurs) {
		err = fmt.Errorf("%w: %w", s, err)
	}
	return &backend.Error{Op: op, Err: err, Hint: hint(err)}
}

// isVerdict reports whether err judges the caller's own input rather than the store.
func isVerdict(err error) bool {
	for _, s := range [...]error{
		backend.ErrVersionConflict, backend.ErrWorkflowInProgress, backend.ErrInvalidID, backend.ErrTooLarge,
		backend.ErrRecordNotFound, backend.ErrTimeoutNotFound, backend.ErrOutboxRecordNotFound,
		backend.ErrDuplicateSignal, backend.ErrUnfinished,
	} {
		if errors.Is(err, s) {
			return true
		}
	}
	var tx *backend.TxError
	return errors.As(err, &tx)
}

// breaksConn reports whether the connection that gave err should be replaced.
func breaksConn(err error) bool {
	switch code(err) {
	case codeIO, codeCorrupt, codeNotADB, codeCantOpen:
		return true
	}
	return false
}

// endsTransaction reports whether SQLite may have rolled the whole transaction back by itself on err.
func endsTransaction(err error) bool {
	switch code(err) {
	case codeIO, codeFull, codeCorrupt, codeNotADB, codeBusy, codeInterrupt, 7 /* no memory */ :
		return true
	}
	return false
}
