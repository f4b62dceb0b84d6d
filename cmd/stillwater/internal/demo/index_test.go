package demo

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
)

// TestIndex fills an index to its last line, and finds everything again, also where hashes meet.
func TestIndex(t *testing.T) {
	const n = 3000
	x, err := newIndex(n)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := x.close(); err != nil {
			t.Error(err)
		}
	}()
	// The input has the id i on line i.
	has := func(id string) func(place) (bool, error) {
		return func(p place) (bool, error) { return strconv.FormatInt(p.line, 10) == id, nil }
	}
	for i := range int64(n) {
		id := fmt.Sprint(i)
		if _, seen, err := x.add(id, place{line: i, at: 10 * i, length: 10, sum: uint64(i)}, has(id)); seen || err != nil {
			t.Fatal(i, seen, err)
		}
	}
	for i := range int64(n) {
		id := fmt.Sprint(i)
		want := place{line: i, at: 10 * i, length: 10, sum: uint64(i)}
		if p, err := x.place(int(i)); err != nil || p != want {
			t.Errorf("order %d: %+v, %v", i, p, err)
		}
		if first, seen, err := x.add(id, place{line: n + i}, has(id)); !seen || err != nil || first != want {
			t.Errorf("%d again: %+v, %v, %v", i, first, seen, err)
		}
		if _, _, seen, err := x.look(fmt.Sprint(n+i), has(fmt.Sprint(n+i))); seen || err != nil {
			t.Errorf("%d was never there: %v, %v", n+i, seen, err)
		}
	}
	if x.orders != n {
		t.Errorf("%d orders", x.orders)
	}
	// Two ids with one hash are two ids: what the input says counts.
	if _, seen, err := x.add("5", place{line: n}, func(place) (bool, error) { return false, nil }); seen || err != nil || x.orders != n+1 {
		t.Error(seen, err)
	}
	lost := errors.New("lost")
	if _, _, err := x.add("5", place{}, func(place) (bool, error) { return false, lost }); !errors.Is(err, lost) {
		t.Error(err)
	}
	if _, err := newIndex(1 << 32); err == nil {
		t.Error("an index for more orders than a slot can name")
	}
}
