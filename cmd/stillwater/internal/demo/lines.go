package demo

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// maxLineBytes bounds a line of the input. An object may be 2 MiB; its JSON may be written with more blanks than we store.
const maxLineBytes = 2 * backend.MaxObjectBytes

// span is where a line stands in the input, its end included.
type span struct {
	at     int64
	length int
}

// fromLines reads the input once: it checks every line, and remembers where the good orders stand. Bad lines are told to bad, with their
// number from 1, and left out. The error says that reading itself failed.
func fromLines(f io.ReaderAt, bad func(line int, reason error)) (*source, error) {
	hash := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(io.NewSectionReader(f, 0, 1<<62), hash), 64<<10)
	s := &source{}
	var spans []span
	var orders []expected
	lineOf := map[string]int{}
	var at int64
	var line []byte
	for number, more := 1, true; more; number++ {
		var size int
		var err error
		line, size, err = readLine(in, line[:0])
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		more = err == nil
		o, reason := parse(line, size)
		if o != nil {
			if first, seen := lineOf[o.ID]; seen {
				reason = fmt.Errorf("id %s was on line %d already", backend.Quote(o.ID), first)
			}
		}
		switch {
		case reason != nil:
			s.badLines++
			bad(number, reason)
		case o != nil:
			lineOf[o.ID] = number
			orders = append(orders, expected{ID: o.ID, Cents: o.TotalCents, Currency: o.Currency})
			spans = append(spans, span{at: at, length: size})
		}
		at += int64(size)
	}
	s.fingerprint = fmt.Sprintf("input sha256=%x", hash.Sum(nil))
	s.n = len(orders)
	s.expect = func(i int) expected { return orders[i] }
	s.load = func(i int) (*Order, error) { return reload(f, spans[i], orders[i]) }
	return s, nil
}

// reload reads an order again that was checked before.
func reload(f io.ReaderAt, where span, want expected) (*Order, error) {
	line := make([]byte, where.length)
	if _, err := f.ReadAt(line, where.at); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read order %s again: %w", backend.Quote(want.ID), err)
	}
	o, err := parse(line, len(line))
	if err != nil || o == nil || o.ID != want.ID || o.TotalCents != want.Cents {
		return nil, fmt.Errorf("order %s is no longer what it was: the input changed while it was read", backend.Quote(want.ID))
	}
	return o, nil
}

// readLine reads a line with its end, and returns how many bytes it has in the input. Of one that is too long only the beginning is kept.
func readLine(in *bufio.Reader, buf []byte) (line []byte, size int, err error) {
	for {
		part, err := in.ReadSlice('\n')
		size += len(part)
		buf = append(buf, part[:min(maxLineBytes+1-len(buf), len(part))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return buf, size, err
		}
	}
}

// parse reads one line. It returns nothing for a blank one, and for a bad one the reason in a few words.
func parse(line []byte, size int) (*Order, error) {
	if size > maxLineBytes {
		return nil, fmt.Errorf("the line has %d bytes, the limit is %d", size, maxLineBytes)
	}
	line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\uFEFF"))) // some editors begin a file with this mark
	if len(line) == 0 {
		return nil, nil
	}
	if !utf8.Valid(line) {
		return nil, errors.New("the line is not valid UTF-8")
	}
	var o Order
	if err := json.Unmarshal(line, &o); err != nil {
		return nil, describeJSON(err)
	}
	o.forgetSteps()
	if err := o.validate(); err != nil {
		return nil, err
	}
	object, err := workflow.Marshal(&o)
	if err != nil {
		return nil, fmt.Errorf("encode the order: %w", err)
	}
	// The steps add a few hundred bytes of their own.
	if limit := backend.MaxObjectBytes - 1024; len(object) > limit {
		return nil, fmt.Errorf("the order has %d bytes, the limit is %d", len(object), limit)
	}
	return &o, nil
}

// describeJSON says what is wrong with a line in the words of the order's fields.
func describeJSON(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		if wrong.Field == "" {
			return fmt.Errorf("a line must be one JSON object, this is a %s", wrong.Value)
		}
		return fmt.Errorf("%s cannot be a %s", wrong.Field, wrong.Value)
	}
	return fmt.Errorf("not JSON: %w", err)
}
