package memory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

func dueAt(second, run int) *delivery {
	return &delivery{Delivery: backend.Delivery{
		DeliveryKey: backend.DeliveryKey{RunID: fmt.Sprintf("run-%05d", run), Receiver: backend.ReceiverStep, Version: 1},
		Due:         time.Unix(int64(second), 0),
	}}
}

// sound fails the test unless the pages are in order, none is empty or too large, and the count is right.
func (x *dueIndex) sound(t *testing.T) {
	t.Helper()
	n := 0
	var last *delivery
	for i, p := range x.pages {
		if len(p) == 0 || len(p) > pageSize {
			t.Fatalf("page %d of %d holds %d", i, len(x.pages), len(p))
		}
		n += len(p)
		for _, d := range p {
			if last != nil && compareDue(last, d.mark()) >= 0 {
				t.Fatalf("page %d is out of order", i)
			}
			last = d
		}
	}
	if n != x.count {
		t.Fatalf("the pages hold %d, the count is %d", n, x.count)
	}
}

// TestDueIndexAgainstASortedSlice grows and shrinks the index at random and compares it with the plain way.
func TestDueIndexAgainstASortedSlice(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var x dueIndex
		var model []*delivery
		find := func(d *delivery) (int, bool) {
			return slices.BinarySearchFunc(model, d.mark(), compareDue)
		}
		for round := range 6 {
			grow := round%2 == 0
			for range 2500 {
				if d := dueAt(rng.IntN(500), rng.IntN(2000)); grow || len(model) == 0 {
					if i, found := find(d); !found {
						x.insert(d)
						model = slices.Insert(model, i, d)
					} else if x.remove(dueAt(501, 1)) {
						t.Fatal("something that is not there was removed")
					}
				} else {
					i := rng.IntN(len(model))
					if !x.remove(model[i]) {
						t.Fatal("something that is there was not removed")
					}
					model = slices.Delete(model, i, i+1)
				}
			}
			x.sound(t)
			mark := dueAt(rng.IntN(500), rng.IntN(2000)).mark()
			var got []*delivery
			x.after(mark, func(d *delivery) bool { got = append(got, d); return true })
			i, found := slices.BinarySearchFunc(model, mark, compareDue)
			if found {
				i++
			}
			if !slices.Equal(got, model[i:]) {
				t.Fatalf("seed %d: past %v come %d, want %d", seed, mark, len(got), len(model)-i)
			}
		}
	}
}

// TestDueIndexStaysDense fills the index in order, as timers mostly come, and empties it from the front, as they are taken.
func TestDueIndexStaysDense(t *testing.T) {
	const n = 100_000
	var x dueIndex
	all := make([]*delivery, n)
	for i := range all {
		all[i] = dueAt(i, i)
		x.insert(all[i])
	}
	if most := n/(pageSize-2) + 2; len(x.pages) > most {
		t.Errorf("%d deliveries in order take %d pages, want at most %d", n, len(x.pages), most)
	}
	for i, d := range all {
		if !x.remove(d) {
			t.Fatalf("delivery %d is not there", i)
		}
	}
	if x.count != 0 || len(x.pages) != 0 {
		t.Errorf("the empty index has %d pages and counts %d", len(x.pages), x.count)
	}
}

func TestRingKeepsTheNewest(t *testing.T) {
	const bound = 5
	var r ring[int]
	for n := 1; n <= 23; n++ {
		r.push(n, bound)
		if want := min(n, bound); r.len() != want {
			t.Fatalf("after %d pushes it holds %d, want %d", n, r.len(), want)
		}
		for i := range r.len() {
			if want := n - r.len() + 1 + i; r.at(i) != want {
				t.Fatalf("after %d pushes item %d is %d, want %d", n, i, r.at(i), want)
			}
		}
	}
}
