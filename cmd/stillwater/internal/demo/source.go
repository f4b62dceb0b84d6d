package demo

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/stillwater-go/workflow"
)

// expected is what the demo keeps of an order to reconcile it at the end.
type expected struct {
	ID       string
	Cents    int64
	Currency string
}

// source is where the orders come from. It makes or reads an order when asked; of an input file it keeps a line per order in memory.
type source struct {
	// fingerprint identifies these orders among all others; title says the same to people.
	fingerprint string
	title       string
	n           int // orders
	badLines    int
	expect      func(i int) expected
	load        func(i int) (*Order, error)
	close       func() error
}

// generated makes n orders from a seed.
func generated(seed int64, n int) *source {
	return &source{
		fingerprint: fmt.Sprintf("generated seed=%d orders=%d", seed, n),
		title:       fmt.Sprintf("%s generated from seed %d", plural(n, "order"), seed),
		n:           n,
		expect: func(i int) expected {
			o := Generate(seed, i)
			return expected{ID: o.ID, Cents: o.TotalCents, Currency: o.Currency}
		},
		load:  func(i int) (*Order, error) { return Generate(seed, i), nil },
		close: func() error { return nil },
	}
}

// expectations returns what is known of the orders from i on, at most most of them.
func (s *source) expectations(i, most int) []expected {
	list := make([]expected, 0, most)
	for ; i < s.n && len(list) < most; i++ {
		list = append(list, s.expect(i))
	}
	return list
}

// fromFile reads orders from a file of JSON lines; "-" is stdin, which is kept in a temporary file meanwhile.
func fromFile(path string, stdin io.Reader, bad func(line int, reason error)) (*source, error) {
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
	s.title = fmt.Sprintf("%s from %s", plural(s.n, "order"), title)
	s.close = closeAll
	return s, nil
}

// spool copies the stream to a temporary file, because the orders are read twice.
func spool(stream io.Reader) (f *os.File, remove func() error, err error) {
	if stream == nil {
		return nil, nil, errors.New("there is no standard input")
	}
	f, err = os.CreateTemp("", "stillwater-demo-*.jsonl")
	if err != nil {
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
	if _, err := io.Copy(f, stream); err != nil {
		return nil, nil, errors.Join(err, f.Close(), remove())
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
