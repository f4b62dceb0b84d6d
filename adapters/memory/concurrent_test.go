package memory_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// each calls do from n goroutines at once, and waits for them.
func each(n int, do func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	wg.Wait()
}

func TestRacingWritersOfOneRun(t *testing.T) {
	const writers, versions = 64, 100
	b := open(t)
	start(t, b, "a")
	var won [versions + 2]atomic.Int32
	each(writers, func(i int) {
		for {
			rec, err := b.Lookup(t.Context(), "run-a")
			if err != nil {
				t.Error(err)
				return
			}
			if rec.Meta.Version > versions {
				return
			}
			c := step(rec)
			c.Actor = fmt.Sprint(i)
			if err := b.Commit(t.Context(), []*backend.Change{c}); err != nil {
				t.Error(err)
				return
			}
			switch {
			case c.Err == nil:
				won[c.Record.Meta.Version].Add(1)
			case !errors.Is(c.Err, backend.ErrVersionConflict):
				t.Error(c.Err)
			}
		}
	})
	for v := 2; v <= versions+1; v++ {
		if n := won[v].Load(); n != 1 {
			t.Errorf("version %d was won %d times", v, n)
		}
	}
	if n := len(readAll(t, b)); n != versions+1 {
		t.Errorf("the log holds %d entries, want %d", n, versions+1)
	}
}

func TestRacingTriggersOfOneForeignID(t *testing.T) {
	b := open(t)
	s := b.RecordStore()
	var started, refused atomic.Int32
	each(16, func(i int) {
		c := newRun(orders, "a", fmt.Sprintf("run-%d", i))
		var err error
		if i%2 == 0 {
			err = s.Store(t.Context(), c.Record)
		} else if err = b.Commit(t.Context(), []*backend.Change{c}); err == nil {
			err = c.Err
		}
		switch {
		case err == nil:
			started.Add(1)
		case errors.Is(err, backend.ErrWorkflowInProgress):
			refused.Add(1)
		default:
			t.Error(err)
		}
	})
	if started.Load() != 1 || refused.Load() != 15 {
		t.Errorf("%d runs were started and %d refused, want 1 and 15", started.Load(), refused.Load())
	}
	if got := must[[]backend.Record](t)(b.List(t.Context(), orders, 0, 100, backend.OrderTypeAscending)); len(got) != 1 {
		t.Errorf("%d runs exist", len(got))
	}
}

// TestReadersSeeWholeChanges reads everything while runs move, each with a delivery of its present version.
func TestReadersSeeWholeChanges(t *testing.T) {
	const writers, versions = 8, 300
	b := open(t)
	var done atomic.Int32
	each(writers+4, func(i int) {
		if i >= writers {
			for done.Load() < writers {
				last := int64(0)
				for _, e := range readAll(t, b) {
					if e.Pos <= last {
						t.Errorf("position %d follows %d", e.Pos, last)
					}
					last = e.Pos
				}
				for _, d := range due(t, b, backend.DueMark{}, 100) {
					if v := lookup(t, b, d.RunID).Meta.Version; v < d.Version {
						t.Errorf("version %d has a delivery while the run is at %d", d.Version, v)
					}
				}
				for _, r := range must[[]backend.Record](t)(b.List(t.Context(), "", 0, 100, backend.OrderTypeDescending)) {
					if n := len(held(t, b, r.RunID)); n != 1 {
						t.Errorf("run %s holds %d deliveries", r.RunID, n)
					}
				}
			}
			return
		}
		defer done.Add(1)
		c := newRun(orders, fmt.Sprint(i), fmt.Sprintf("run-%d", i))
		c.Hold = []backend.Delivery{delivery(c.Record, 1, i)}
		for range versions {
			if err := errors.Join(b.Commit(t.Context(), []*backend.Change{c}), c.Err); err != nil {
				t.Error(err)
				return
			}
			next := step(c.Record)
			next.Done = []backend.DeliveryKey{c.Hold[0].DeliveryKey}
			next.Hold = []backend.Delivery{delivery(next.Record, next.Record.Meta.Version, i)}
			c = next
		}
	})
	if n := len(readAll(t, b)); n != writers*versions {
		t.Errorf("the log holds %d entries, want %d", n, writers*versions)
	}
}
