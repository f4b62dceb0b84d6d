package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// cancelCases end contexts.
func cancelCases() []testCase {
	return []testCase{
		{name: "Cancel/BeforeTheCommit", run: cancelledBeforeTheCommit},
		{name: "Cancel/BeforeTheRead", run: cancelledBeforeTheRead},
		{name: "Cancel/Storm", run: cancellationStorm},
	}
}

// cancelledBeforeTheCommit commits with a context that has ended: what the backend says has to be true.
func cancelledBeforeTheCommit(e *env) {
	rec := e.start("a")
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	for i := range 20 {
		next := step(rec, 2)
		next.Hold = []backend.Delivery{timer(next.Record, i, birth())}
		fresh := run(fmt.Sprintf("fresh-%d", i))
		err := e.b.Commit(ctx, []*backend.Change{next, fresh})
		e.wantTruth(err, next, fresh)
		if now := e.lookup(rec.RunID); now.Meta.Version > rec.Meta.Version {
			rec = now
		}
	}
	e.advance(rec)
}

// wantTruth fails the case unless the store holds what a commit of changes that can only fail together said.
func (e *env) wantTruth(err error, changes ...*backend.Change) {
	e.Helper()
	for _, c := range changes {
		if err != nil && c.Err == nil {
			e.Errorf("the commit failed with %v, and the change of run %s knows nothing of it", err, c.RunID())
		}
		failed := c.Err != nil || err != nil
		if failed && (errors.Is(c.Err, backend.ErrOutcomeUnknown) || errors.Is(err, backend.ErrOutcomeUnknown)) {
			continue // the backend says that it does not know
		}
		if failed && !errors.Is(c.Err, context.Canceled) && !errors.Is(c.Err, context.DeadlineExceeded) {
			e.Errorf("a change whose context ended failed with %v, which does not say so", c.Err)
		}
		if stored := e.isStored(c); stored == failed {
			e.Errorf("run %s version %d is stored: %t; the commit said %v, the change %v", c.RunID(), c.Record.Meta.Version, stored, err, c.Err)
		}
	}
}

// isStored reports whether the very version of c is the store's present one, and fails the case when only a part of it is there.
func (e *env) isStored(c *backend.Change) bool {
	e.Helper()
	rec, err := e.b.Lookup(e.Context(), c.Record.RunID)
	if err != nil && !errors.Is(err, backend.ErrRecordNotFound) {
		e.Fatalf("lookup: %v", err)
	}
	stored := err == nil && rec.Meta.Version == c.Record.Meta.Version
	held := map[backend.DeliveryKey]bool{}
	for _, d := range e.held(c.Record.RunID) {
		held[d.DeliveryKey] = true
	}
	for _, d := range c.Hold {
		if held[d.DeliveryKey] != stored {
			e.Errorf("run %s: the record is stored: %t, its delivery: %t", c.RunID(), stored, held[d.DeliveryKey])
		}
	}
	return stored
}

func cancelledBeforeTheRead(e *env) {
	rec := e.start("a")
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	if got, err := e.b.Lookup(ctx, rec.RunID); err != nil {
		e.wantErr("a lookup whose context ended", err, context.Canceled)
	} else {
		e.sameRecord("a lookup whose context ended", got, rec)
	}
	if got, err := e.b.ReadLog(ctx, 0, 10); err != nil {
		e.wantErr("a read of the log whose context ended", err, context.Canceled)
	} else if len(got) != 1 {
		e.Errorf("a read of the log whose context ended gives %d entries and no error", len(got))
	}
	if got, err := e.b.List(ctx, orders, 0, 10, backend.OrderTypeAscending); err != nil {
		e.wantErr("a listing whose context ended", err, context.Canceled)
	} else if len(got) != 1 {
		e.Errorf("a listing whose context ended gives %d runs and no error", len(got))
	}
	e.wantRun(rec)
}

// stormRun is what one writer of the storm was told of one run.
type stormRun struct {
	// sure are the versions whose commit was reported, unknown those that may or may not be stored.
	sure, unknown map[uint]bool
}

// cancellationStorm lets four writers work with deadlines between 0 and 1.5 ms. What is stored afterwards is what they
// were told, no commit is torn, and the store goes on.
func cancellationStorm(e *env) {
	const writers, rounds = 4, 150
	var (
		mu   sync.Mutex
		told = map[string]*stormRun{}
	)
	together(writers, func(w int) {
		rng := rand.New(rand.NewPCG(7, uint64(w)))
		for r := range rounds {
			id := fmt.Sprintf("%d-%d", w, r)
			s := e.stormLife(run(id), rng)
			mu.Lock()
			told["run-"+id] = s
			mu.Unlock()
		}
	})
	inLog := map[string]map[uint]bool{}
	for _, entry := range e.log() {
		id := entry.Record.RunID
		if inLog[id] == nil {
			inLog[id] = map[uint]bool{}
		}
		inLog[id][entry.Record.Meta.Version] = true
	}
	for id, s := range told {
		for v := range s.sure {
			if !inLog[id][v] {
				e.Errorf("run %s: version %d was reported as committed and is not in the log", id, v)
			}
		}
		for v := range inLog[id] {
			if !s.sure[v] && !s.unknown[v] {
				e.Errorf("run %s: version %d is in the log and was reported as failed", id, v)
			}
			e.wantTimerOf(id, v)
		}
	}
	e.advance(e.start("after the storm"))
}

// stormLife takes a run through three versions as far as the deadlines let it.
func (e *env) stormLife(c *backend.Change, rng *rand.Rand) *stormRun {
	s := &stormRun{sure: map[uint]bool{}, unknown: map[uint]bool{}}
	for range 3 {
		c.Hold = []backend.Delivery{timer(c.Record, int(c.Record.Meta.Version), birth())}
		limit := time.Duration(rng.Int64N(int64(1500 * time.Microsecond)))
		if rng.IntN(8) == 0 {
			limit = 0
		}
		ctx, cancel := context.WithTimeout(e.Context(), limit)
		err := e.b.Commit(ctx, []*backend.Change{c})
		cancel()
		if err != nil && c.Err == nil {
			e.Errorf("the commit failed with %v, and its change knows nothing of it", err)
		}
		v := c.Record.Meta.Version
		switch {
		case err == nil && c.Err == nil:
			s.sure[v] = true
		case errors.Is(c.Err, backend.ErrOutcomeUnknown):
			s.unknown[v] = true
			return s
		case errors.Is(c.Err, context.DeadlineExceeded):
			return s
		default:
			e.Errorf("a commit with a deadline failed with %v", c.Err)
			return s
		}
		c = step(c.Record, int(v)+1)
	}
	return s
}

// wantTimerOf fails the case unless the timer that came with a version is there.
func (e *env) wantTimerOf(runID string, version uint) {
	e.Helper()
	for _, d := range e.held(runID) {
		if d.Version == version {
			return
		}
	}
	e.Errorf("run %s: version %d is stored without its timer", runID, version)
}
