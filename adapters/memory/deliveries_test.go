package memory_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

func TestHoldWritesUpdatesAndDoneRemoves(t *testing.T) {
	b := open(t)
	rec := start(t, b, "a")
	d := delivery(rec, 1, 5)
	given := d
	given.Data = []byte("data")
	commit(t, b, &backend.Change{Hold: []backend.Delivery{given}})
	given.Data[0] = 'X'
	if got := held(t, b, rec.RunID); !reflect.DeepEqual(got, []backend.Delivery{d}) {
		t.Fatalf("held is %+v, want %+v", got, d)
	}
	got := due(t, b, backend.DueMark{}, 10)
	if !reflect.DeepEqual(got, []backend.Delivery{d}) {
		t.Fatalf("due is %+v, want %+v", got, d)
	}
	got[0].Data[0] = 'X'

	d.Attempts, d.LastError, d.Due, d.State = 2, "again", birth(), backend.DeliveryClaimed
	commit(t, b, &backend.Change{Hold: []backend.Delivery{d}})
	for _, got := range [][]backend.Delivery{held(t, b, rec.RunID), due(t, b, backend.DueMark{}, 10)} {
		if !reflect.DeepEqual(got, []backend.Delivery{d}) {
			t.Fatalf("after an update it is %+v, want %+v", got, d)
		}
	}
	d.Due, d.State = time.Time{}, backend.DeliveryHeld
	commit(t, b, &backend.Change{Hold: []backend.Delivery{d}})
	if got := due(t, b, backend.DueMark{}, 10); len(got) != 0 {
		t.Errorf("a delivery without a due time is due: %+v", got)
	}
	if got := held(t, b, rec.RunID); !reflect.DeepEqual(got, []backend.Delivery{d}) {
		t.Errorf("held is %+v, want %+v", got, d)
	}
	for range 2 { // the second time it is not there
		commit(t, b, &backend.Change{Done: []backend.DeliveryKey{d.DeliveryKey}})
		if got := held(t, b, rec.RunID); len(got) != 0 {
			t.Errorf("after done it holds %+v", got)
		}
	}
	if head := must[int64](t)(b.Head(t.Context())); head != 1 {
		t.Errorf("deliveries moved the log to %d", head)
	}
}

func TestHeldIsInOrder(t *testing.T) {
	b := open(t)
	rec := start(t, b, "a")
	for range 4 {
		c := step(rec)
		commit(t, b, c)
		rec = c.Record
	}
	var want []backend.Delivery
	for _, receiver := range []backend.Receiver{"delete", "hook:Paused", "step"} {
		for _, version := range []uint{1, 3, 5} {
			d := delivery(rec, version, int(version)*7%4)
			d.Receiver = receiver
			want = append(want, d)
		}
	}
	shuffled := slices.Clone(want)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	commit(t, b, &backend.Change{Hold: shuffled})
	if got := held(t, b, rec.RunID); !reflect.DeepEqual(got, want) {
		t.Errorf("held is %+v", got)
	}
	commit(t, b, &backend.Change{Done: []backend.DeliveryKey{want[0].DeliveryKey, want[4].DeliveryKey, want[8].DeliveryKey}})
	want = slices.Delete(slices.Delete(slices.Delete(want, 8, 9), 4, 5), 0, 1)
	if got := held(t, b, rec.RunID); !reflect.DeepEqual(got, want) {
		t.Errorf("after three are done, held is %+v", got)
	}
}

func TestDueIsOrderedAndPagedByMarks(t *testing.T) {
	b := open(t)
	const runs = 700 // more than a page of the index
	rng := rand.New(rand.NewPCG(3, 4))
	var want []backend.Delivery
	for _, i := range rng.Perm(runs) {
		c := newRun(orders, fmt.Sprint(i), fmt.Sprintf("run-%03d", i))
		for _, receiver := range []backend.Receiver{"step", "delete"} {
			d := delivery(c.Record, 1, i%10) // many at the same time
			d.Receiver = receiver
			c.Hold = append(c.Hold, d)
		}
		want = append(want, c.Hold...)
		commit(t, b, c)
	}
	elsewhere := newRun("billing", "x", "run-x")
	elsewhere.Hold = []backend.Delivery{delivery(elsewhere.Record, 1, 3)}
	commit(t, b, elsewhere)

	slices.SortFunc(want, func(x, y backend.Delivery) int {
		if c := x.Due.Compare(y.Due); c != 0 {
			return c
		}
		if x.RunID != y.RunID {
			return map[bool]int{true: -1, false: 1}[x.RunID < y.RunID]
		}
		return map[bool]int{true: -1, false: 1}[x.Receiver < y.Receiver]
	})
	for _, size := range []int{1, 13, 500, 5000} {
		var got []backend.Delivery
		mark := backend.DueMark{}
		for {
			page := due(t, b, mark, size)
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			last := page[len(page)-1]
			mark = backend.DueMark{Due: last.Due, Key: last.DeliveryKey}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("in pages of %d, %d deliveries come in another order", size, len(got))
		}
	}
	from := backend.DueMark{Due: birth().Add(4 * time.Minute)} // between the keys of two times
	if page := due(t, b, from, 1); page[0].Due != birth().Add(4*time.Minute) || page[0].RunID != "run-004" {
		t.Errorf("past a mark without a key comes %+v", page[0])
	}
	if page := due(t, b, backend.DueMark{}, 0); len(page) != 0 {
		t.Errorf("limit 0 gives %d", len(page))
	}
}

func TestDueIgnoresTheMonotonicClock(t *testing.T) {
	b := open(t)
	now := time.Now()
	late := newRun(orders, "late", "run-late")
	late.Hold = []backend.Delivery{delivery(late.Record, 1, 0)}
	late.Hold[0].Due = now.Add(time.Hour)
	early := newRun(orders, "early", "run-early")
	early.Hold = []backend.Delivery{delivery(early.Record, 1, 0)}
	early.Hold[0].Due = now.Round(0).Add(time.Minute)
	commit(t, b, late, early)
	page := due(t, b, backend.DueMark{}, 10)
	if len(page) != 2 || page[0].RunID != "run-early" || !page[1].Due.Equal(late.Hold[0].Due) {
		t.Errorf("due is %+v", page)
	}
	again := delivery(late.Record, 1, 0)
	again.Due = now.Add(time.Second)
	commit(t, b, &backend.Change{Hold: []backend.Delivery{again}})
	if page := due(t, b, backend.DueMark{}, 10); len(page) != 2 || page[0].RunID != "run-late" {
		t.Errorf("after an update, due is %+v", page)
	}
}

func TestADeliveryOfAnUnknownRunIsRefused(t *testing.T) {
	b := open(t)
	c := &backend.Change{Hold: []backend.Delivery{delivery(&backend.Record{RunID: "run-nowhere"}, 1, 1)}}
	refuse(t, b, c, backend.ErrRecordNotFound)
	commit(t, b, &backend.Change{Done: []backend.DeliveryKey{c.Hold[0].DeliveryKey}}) // nothing to remove is no error
	if _, err := b.Held(t.Context(), "run-nowhere"); err != nil && !errors.Is(err, backend.ErrRecordNotFound) {
		t.Error(err)
	}
}
