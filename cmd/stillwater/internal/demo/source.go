package demo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/stillwater-go/workflow"
)

// source is where the orders come from. It keeps none of them in memory: an order is made or read when it is asked for, as often as that is.
type source struct {
	// fingerprint identifies these orders among all others; title says the same to people.
	fingerprint string
	title       string
	orders      int
	badLines    int
	// load returns the order with the number i, from 0.
	load func(i int) (*Order, error)
	// holds reports whether an order has this id.
	holds func(id string) (bool, error)
	close func() error
}

// chunk returns the next few orders from the number at on, and none behind the last.
func (s *source) chunk(at int) ([]*Order, error) {
	orders := make([]*Order, max(0, min(chunkOrders, s.orders-at)))
	for i := range orders {
		var err error
		if orders[i], err = s.load(at + i); err != nil {
			return nil, err
		}
	}
	return orders, nil
}

// generated makes n orders from a seed.
func generated(seed int64, n int) *source {
	return &source{
		fingerprint: fmt.Sprintf("generated seed=%d orders=%d", seed, n),
		title:       fmt.Sprintf("%s generated from seed %d", plural(n, "order"), seed),
		orders:      n,
		load:        func(i int) (*Order, error) { return Generate(seed, i), nil },
		holds: func(id string) (bool, error) {
			i, ok := numberOf(id)
			return ok && i < n && Generate(seed, i).ID == id, nil
		},
		close: func() error { return nil },
	}
}

// numberOf returns the number, from 0, that a generated order with this id must have.
func numberOf(id string) (i int, ok bool) {
	rest, ok := strings.CutPrefix(id, "ord-")
	digits, _, dash := strings.Cut(rest, "-")
	n, err := strconv.Atoi(digits)
	return n - 1, ok && dash && err == nil && n > 0
}

// fromFile reads orders from a file of JSON lines; "-" is stdin, which is kept in a temporary file meanwhile.
func fromFile(path string, stdin io.Reader, bad func(line int64, reason error)) (*source, error) {
	var f *os.File
	remove := func() error { return nil }
	title := path
	var err error
	if path == "-" {
		title = "standard input"
		f, remove, err = spool(stdin)
	} else {
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	closeAll := func() error { return errors.Join(f.Close(), remove()) }
	s, err := fromLines(f, bad)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", title, err), closeAll())
	}
	s.title = fmt.Sprintf("%s from %s", plural(s.orders, "order"), title)
	closeIndex := s.close
	s.close = func() error { return errors.Join(closeIndex(), closeAll()) }
	return s, nil
}

// spool copies the stream to a temporary file, because the orders are read more than once.
func spool(stream io.Reader) (f *os.File, remove func() error, err error) {
	if stream == nil {
		return nil, nil, errors.New("there is no standard input")
	}
	if f, remove, err = tempFile("stillwater-demo-*.jsonl"); err != nil {
		return nil, nil, err
	}
	if _, err := io.Copy(f, stream); err != nil {
		return nil, nil, errors.Join(err, f.Close(), remove())
	}
	return f, remove, nil
}

// tempFile makes a file that is gone when it is closed and removed.
func tempFile(pattern string) (f *os.File, remove func() error, err error) {
	if f, err = os.CreateTemp("", pattern); err != nil {
		return nil, nil, err
	}
	// Where the system allows it the name goes at once, so that nothing stays behind if the process is killed.
	removed := os.Remove(f.Name()) == nil
	remove = func() error {
		if removed {
			return nil
		}
		return os.Remove(f.Name())
	}
	return f, remove, nil
}

// WriteOrders writes n orders of a seed as JSON lines, in the form that the demo reads.
func WriteOrders(w io.Writer, seed int64, n int) error {
	for i := range n {
		line, err := workflow.Marshal(Generate(seed, i))
		if err != nil {
			return fmt.Errorf("encode order %d: %w", i+1, err)
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write orders: %w", err)
		}
	}
	return nil
}
