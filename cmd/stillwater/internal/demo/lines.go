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

// bufferBytes is how much of the input is read at once.
const bufferBytes = 64 << 10

// fromLines goes through the input: it checks every line, and remembers where the good orders stand. Bad lines are told to bad, with their
// number from 1, and left out. The error says that reading itself failed.
func fromLines(f io.ReaderAt, bad func(line int64, reason error)) (*source, error) {
	lines, size, err := countLines(f)
	if err != nil {
		return nil, err
	}
	x, err := newIndex(lines)
	if err != nil {
		return nil, fmt.Errorf("make an index: %w", err)
	}
	s := &source{close: x.close}
	if err := s.readLines(f, size, x, bad); err != nil {
		return nil, errors.Join(err, x.close())
	}
	s.orders = x.orders
	s.load = func(i int) (*Order, error) {
		p, err := x.place(i)
		if err != nil {
			return nil, fmt.Errorf("look up order %d of the input: %w", i+1, err)
		}
		return reload(f, x, p)
	}
	s.holds = func(id string) (bool, error) {
		_, _, seen, err := x.look(id, hasID(f, x, id))
		return seen, err
	}
	return s, nil
}

// countLines returns how many lines the input has, the end of the last one counted whether it is there or not, and how many bytes.
func countLines(f io.ReaderAt) (lines, size int64, err error) {
	buf := make([]byte, bufferBytes)
	for lines = 1; err == nil; {
		var n int
		n, err = f.ReadAt(buf, size)
		lines += int64(bytes.Count(buf[:n], []byte{'\n'}))
		size += int64(n)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return lines, size, err
}

// readLines fills the index with the good orders of the input's first bytes.
func (s *source) readLines(f io.ReaderAt, size int64, x *index, bad func(line int64, reason error)) error {
	hash := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(io.NewSectionReader(f, 0, size), hash), bufferBytes)
	p := place{}
	var line []byte
	for more := true; more; p.at += p.length {
		var n int
		var err error
		line, n, err = readLine(in, line[:0])
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		more = err == nil
		p.line, p.length, p.sum = p.line+1, int64(n), x.sum(line)
		o, reason := parse(line, n)
		if o != nil {
			first, seen, err := x.add(o.ID, p, hasID(f, x, o.ID))
			if err != nil {
				return fmt.Errorf("add line %d to the index: %w", p.line, err)
			}
			if seen {
				reason = fmt.Errorf("id %s was on line %d already", backend.Quote(o.ID), first.line)
			}
		}
		if reason != nil {
			s.badLines++
			bad(p.line, reason)
		}
	}
	s.fingerprint = fmt.Sprintf("input sha256=%x", hash.Sum(nil))
	return nil
}

// hasID returns a function that reports whether the order at a place has the id.
func hasID(f io.ReaderAt, x *index, id string) func(place) (bool, error) {
	return func(p place) (bool, error) {
		o, err := reload(f, x, p)
		return err == nil && o.ID == id, err
	}
}

// reload reads an order again that was checked before.
func reload(f io.ReaderAt, x *index, p place) (*Order, error) {
	line := make([]byte, p.length)
	if _, err := f.ReadAt(line, p.at); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read line %d again: %w", p.line, err)
	}
	if x.sum(line) != p.sum {
		return nil, fmt.Errorf("line %d is no longer what it was: the input changed while it was read", p.line)
	}
	o, err := decode(trim(line)) // the same bytes are as good as before
	if err != nil {
		return nil, fmt.Errorf("read line %d again: %w", p.line, err)
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
	line = trim(line)
	if len(line) == 0 {
		return nil, nil
	}
	if !utf8.Valid(line) {
		return nil, errors.New("the line is not valid UTF-8")
	}
	o, err := decode(line)
	if err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	object, err := workflow.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode the order: %w", err)
	}
	// The steps add a few hundred bytes of their own.
	if limit := backend.MaxObjectBytes - 1024; len(object) > limit {
		return nil, fmt.Errorf("the order has %d bytes, the limit is %d", len(object), limit)
	}
	return o, nil
}

// trim takes away what stands around a line's object. Some editors begin a file with a mark.
func trim(line []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\uFEFF")))
}

// decode reads an order as its writer meant it, right or wrong.
func decode(line []byte) (*Order, error) {
	var o Order
	if err := json.Unmarshal(line, &o); err != nil {
		return nil, describeJSON(err)
	}
	o.forgetSteps()
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
