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

// Cut shortens a text to at most [MaxTextBytes], on a rune boundary, and replaces what a database could not store.
func Cut(s string) string {
	if len(s) > MaxTextBytes {
		s = s[:MaxTextBytes-len("…")]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if len(s) > 0 && s[len(s)-1] >= utf8.RuneSelf {
			s = s[:len(s)-1]
		}
		s += "…"
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "�")
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	return s
}
