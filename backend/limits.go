package backend

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The limits that every backend keeps. They are checked before anything is written.
const (
	// MaxNameBytes bounds a workflow's name.
	MaxNameBytes = 200
	// MaxIDBytes bounds a foreign id and a run id.
	MaxIDBytes = 1000
	// MaxObjectBytes bounds an encoded object: 2 MiB.
	MaxObjectBytes = 2 << 20
	// MaxTextBytes bounds a stored reason, error text, stack or description; longer ones are cut by [Cut].
	MaxTextBytes = 8 << 10
)

// ValidateRecord reports what makes a record impossible to store: [ErrInvalidID] or [ErrTooLarge], naming the field.
func ValidateRecord(r *Record) error {
	if err := ValidateID("workflow name", r.WorkflowName, MaxNameBytes); err != nil {
		return err
	}
	if err := ValidateID("foreign id", r.ForeignID, MaxIDBytes); err != nil {
		return err
	}
	if err := ValidateID("run id", r.RunID, MaxIDBytes); err != nil {
		return err
	}
	if n := len(r.Object); n > MaxObjectBytes {
		return fmt.Errorf("%w: object has %d bytes, the limit is %d", ErrTooLarge, n, MaxObjectBytes)
	}
	return nil
}

// ValidateID checks an id that becomes a key: not empty, at most max bytes, valid UTF-8, no NUL byte. what names it in the error.
func ValidateID(what, id string, max int) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: %s is empty", ErrInvalidID, what)
	case len(id) > max:
		return fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrInvalidID, what, len(id), max)
	case !utf8.ValidString(id):
		return fmt.Errorf("%w: %s %s is not valid UTF-8", ErrInvalidID, what, Quote(id))
	case strings.IndexByte(id, 0) >= 0:
		return fmt.Errorf("%w: %s %s holds a NUL byte", ErrInvalidID, what, Quote(id))
	}
	return nil
}

// Cut makes a text fit to be stored: at most [MaxTextBytes], cut on a rune boundary with an ellipsis, and with what a database could
// not hold replaced.
func Cut(s string) string {
	long := len(s) > MaxTextBytes
	if long {
		s = s[:MaxTextBytes] // what will be cut off need not be looked through
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "�")
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	const ellipsis = "…"
	if !long && len(s) <= MaxTextBytes {
		return s
	}
	end := min(len(s), MaxTextBytes-len(ellipsis))
	for end > 0 && end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
