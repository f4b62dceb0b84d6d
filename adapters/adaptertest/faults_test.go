package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// TestFaultyPassesWithoutFaults shows that the wrapper itself changes nothing.
func TestFaultyPassesWithoutFaults(t *testing.T) {
	wrap := func(b backend.Backend) backend.Backend { return NewFaulty(b, 1) }
	again := func(open func() (backend.Backend, error)) func() (backend.Backend, error) {
		return func() (backend.Backend, error) {
			b, err := open()
			return wrap(b), err
		}
	}
	Run(t, func(*testing.T) Store {
		s := newReference(noBug)
		return Store{Backend: wrap(s.Backend), Reopen: again(s.Reopen), Crash: again(s.Crash), Peer: again(s.Peer), Tx: s.Tx}
	}, Guarantees{NoCheck: true, NoRecordStore: true})
}

// faultyEnv is a case on a faulty reference store.
func faultyEnv(t *testing.T, seed uint64) (*env, *Faulty) {
	s := newReference(noBug)
	f := NewFaulty(s.Backend, seed)
	t.Cleanup(func() { Check(t, f.Unwrap()) })
	return &env{T: t, Store: s, b: f}, f
}

func TestFaultyBefore(t *testing.T) {
	e, f := faultyEnv(t, 1)
	rec := e.start("a")
	f.Set(MethodCommit, Fault{Before: 1})
	c := step(rec, 2)
	err := f.Commit(t.Context(), []*backend.Change{c})
	if !errors.Is(err, ErrInjected) || !errors.Is(c.Err, ErrInjected) || errors.Is(err, backend.ErrOutcomeUnknown) {
		t.Errorf("a commit that fails before gives %v, its change %v", err, c.Err)
	}
	if f.Injected(MethodCommit) != 1 {
		t.Errorf("%d faults are counted, want 1", f.Injected(MethodCommit))
	}
	f.Set(MethodCommit, Fault{})
	e.wantRun(rec)
	e.advance(rec)
}

func TestFaultyAfter(t *testing.T) {
	e, f := faultyEnv(t, 1)
	rec := e.start("a")
	f.Set(MethodCommit, Fault{After: 1})
	c, other := step(rec, 2), run("b")
	err := f.Commit(t.Context(), []*backend.Change{c, other})
	for _, err := range []error{err, c.Err, other.Err} {
		if !errors.Is(err, ErrInjected) || !errors.Is(err, backend.ErrOutcomeUnknown) {
			t.Errorf("a commit that fails after gives %v", err)
		}
	}
	if c.Pos != 0 {
		t.Errorf("a change whose outcome is unknown has position %d", c.Pos)
	}
	e.wantRun(c.Record)
	e.wantRun(other.Record)
}

func TestFaultyTwice(t *testing.T) {
	e, f := faultyEnv(t, 1)
	f.Set(MethodCommit, Fault{Twice: 1})
	f.Set(MethodSaveCursors, Fault{Twice: 1})
	rec := e.advance(e.start("a"))
	e.wantRun(rec)
	if n := len(e.log()); n != 2 {
		t.Errorf("the log holds %d entries, want 2", n)
	}
	e.save(backend.Cursor{WorkflowName: orders, Pos: 1})
	if f.Injected(MethodCommit) != 2 || f.Injected(MethodSaveCursors) != 1 {
		t.Errorf("%d and %d faults are counted, want 2 and 1", f.Injected(MethodCommit), f.Injected(MethodSaveCursors))
	}
}

func TestFaultyDelay(t *testing.T) {
	e, f := faultyEnv(t, 1)
	calls := 0
	slow := errors.New("too slow")
	f.Set(MethodCommit, Fault{Delay: func(context.Context) error {
		calls++
		if calls == 2 {
			return slow
		}
		return nil
	}})
	rec := e.start("a")
	c := step(rec, 2)
	if err := f.Commit(t.Context(), []*backend.Change{c}); !errors.Is(err, slow) || !errors.Is(c.Err, slow) {
		t.Errorf("a commit whose delay fails gives %v, its change %v", err, c.Err)
	}
	e.wantRun(rec)
}

// TestFaultyEveryRead lets every reading method fail in both ways, and heals it.
func TestFaultyEveryRead(t *testing.T) {
	e, f := faultyEnv(t, 1)
	rec := e.start("a")
	ctx := t.Context()
	calls := map[Method]func() error{
		MethodReadLog:     func() error { _, err := f.ReadLog(ctx, 0, 1); return err },
		MethodHead:        func() error { _, err := f.Head(ctx); return err },
		MethodLookup:      func() error { _, err := f.Lookup(ctx, rec.RunID); return err },
		MethodLatest:      func() error { _, err := f.Latest(ctx, orders, "a"); return err },
		MethodList:        func() error { _, err := f.List(ctx, "", 0, 1, backend.OrderTypeAscending); return err },
		MethodHistory:     func() error { _, err := f.History(ctx, rec.RunID, 0, 1); return err },
		MethodAttempts:    func() error { _, err := f.Attempts(ctx, rec.RunID, 1); return err },
		MethodDue:         func() error { _, err := f.Due(ctx, orders, backend.DueMark{}, 1); return err },
		MethodHeld:        func() error { _, err := f.Held(ctx, rec.RunID); return err },
		MethodLoadCursors: func() error { _, err := f.LoadCursors(ctx, orders, bucketCount); return err },
		MethodSaveCursors: func() error { return f.SaveCursors(ctx, nil) },
		MethodFind:        func() error { _, err := f.Find(ctx, backend.Query{Limit: 1}); return err },
		MethodCount:       func() error { _, err := f.Count(ctx, orders); return err },
		MethodListHeld:    func() error { _, err := f.ListHeld(ctx, orders, backend.DeliveryKey{}, 1); return err },
		MethodErase:       func() error { return f.Erase(ctx, nil) },
		MethodEnded:       func() error { _, err := f.Ended(ctx, orders, 0, birth()); return err },
	}
	for m, call := range calls {
		for _, fault := range []Fault{{Before: 1}, {After: 1}} {
			f.Set(m, fault)
			if err := call(); !errors.Is(err, ErrInjected) {
				t.Errorf("%s with %+v gives %v", m, fault, err)
			}
		}
	}
	f.Set(MethodJoin, Fault{Before: 1})
	if _, err := f.Join(ctx, orders, bucketCount, func(backend.Grant) {}); !errors.Is(err, ErrInjected) {
		t.Errorf("Join gives %v", err)
	}
	f.Heal()
	for m, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s gives %v after it was healed", m, err)
		}
	}
}

// TestFaultyIsSeeded makes the same calls with equal and with different seeds.
func TestFaultyIsSeeded(t *testing.T) {
	pattern := func(seed uint64) string {
		_, f := faultyEnv(t, seed)
		f.Set(MethodHead, Fault{Before: 0.3, After: 0.2, Twice: 0.1})
		s := ""
		for range 64 {
			_, err := f.Head(t.Context())
			s += fmt.Sprint(err, ";")
		}
		return s
	}
	if first, again := pattern(5), pattern(5); first != again {
		t.Errorf("the same seed gives different faults")
	}
	if pattern(5) == pattern(6) {
		t.Errorf("different seeds give the same faults")
	}
}

// TestFaultyKeepsTheInvariants works on a store in which everything fails now and then, as an honest engine does: after an
// unknown outcome it looks.
func TestFaultyKeepsTheInvariants(t *testing.T) {
	e, f := faultyEnv(t, 42)
	f.Set(MethodCommit, Fault{Before: 0.2, After: 0.2, Twice: 0.2})
	rec := run("a")
	for range 200 {
		err := f.Commit(t.Context(), []*backend.Change{rec})
		switch {
		case err == nil && rec.Err == nil:
			rec = step(rec.Record, 2)
		case errors.Is(err, backend.ErrOutcomeUnknown):
			if now, err := f.Lookup(t.Context(), rec.Record.RunID); err == nil && now.Meta.Version == rec.Record.Meta.Version {
				rec = step(rec.Record, 2)
			} else {
				t.Fatalf("version %d is lost: %v", rec.Record.Meta.Version, err)
			}
		case errors.Is(err, ErrInjected):
			rec = &backend.Change{Record: rec.Record, From: rec.From, Cause: rec.Cause}
		default:
			t.Fatalf("commit: %v, %v", err, rec.Err)
		}
	}
	f.Heal()
	if got := e.lookup("run-a").Meta.Version; got != rec.Record.Meta.Version-1 {
		t.Errorf("the store holds version %d, want %d", got, rec.Record.Meta.Version-1)
	}
}

// TestFaultyTwicePassesTheGuards repeats changes with an expected version and a signal: the repetition is refused as such, and is no new one.
func TestFaultyTwicePassesTheGuards(t *testing.T) {
	e, f := faultyEnv(t, 1)
	rec := e.start("a")
	inner := &tapped{Backend: e.Backend}
	f.inner = inner
	f.Set(MethodCommit, Fault{Twice: 1})
	c := signal(rec, "s", 1)
	c.Expect = 1
	e.put(c)
	if len(inner.batches) != 2 {
		t.Fatalf("%d commits were made, want 2", len(inner.batches))
	}
	again := inner.batches[1][0]
	if again == c || again.Expect != 1 || again.SignalID != "s" || !again.Wake {
		t.Errorf("the repetition is %+v", again)
	}
	if !errors.Is(again.Err, backend.ErrDuplicateSignal) {
		t.Errorf("the repetition gives %v", again.Err)
	}
	e.sameDeliveries("held", e.held(rec.RunID), c.Hold[0])
	f.inner = e.Backend
}

// tapped keeps the batches that are committed.
type tapped struct {
	backend.Backend
	batches [][]*backend.Change
}

func (b *tapped) Commit(ctx context.Context, batch []*backend.Change) error {
	b.batches = append(b.batches, batch)
	return b.Backend.Commit(ctx, batch)
}

func TestFaultyErase(t *testing.T) {
	e, f := faultyEnv(t, 1)
	for i, fault := range []Fault{{Before: 1}, {After: 1}, {Twice: 1}} {
		c := complete(e.start(fmt.Sprint(i)))
		e.put(c)
		f.Set(MethodErase, fault)
		x := erasureOf(c.Record)
		err := f.Erase(t.Context(), []*backend.Erasure{x})
		if failed := i < 2; errors.Is(err, ErrInjected) != failed || errors.Is(x.Err, ErrInjected) != failed || !failed && x.Err != nil {
			t.Errorf("an erasure with %+v gives %v, its run %v", fault, err, x.Err)
		}
		if errors.Is(err, backend.ErrOutcomeUnknown) != (i == 1) {
			t.Errorf("an erasure with %+v gives %v", fault, err)
		}
		if _, err := f.Lookup(t.Context(), x.RunID); (err == nil) != (i == 0) {
			t.Errorf("after an erasure with %+v the lookup gives %v", fault, err)
		}
	}
}

// TestFaultyOverABareBackend shows what the methods of capabilities do that the Backend inside lacks.
func TestFaultyOverABareBackend(t *testing.T) {
	f := NewFaulty(struct{ backend.Backend }{newReference(noBug).Backend}, 1)
	ctx := t.Context()
	x := &backend.Erasure{RunID: "a"}
	for name, call := range map[string]func() error{
		"find":       func() error { _, err := f.Find(ctx, backend.Query{}); return err },
		"count":      func() error { _, err := f.Count(ctx, ""); return err },
		"list held":  func() error { _, err := f.ListHeld(ctx, orders, backend.DeliveryKey{}, 1); return err },
		"erase":      func() error { return f.Erase(ctx, []*backend.Erasure{x}) },
		"ended runs": func() error { _, err := f.Ended(ctx, orders, 0, birth()); return err },
	} {
		if err := call(); !errors.Is(err, backend.ErrUnsupported) {
			t.Errorf("%s gives %v", name, err)
		}
	}
	if !errors.Is(x.Err, backend.ErrUnsupported) {
		t.Errorf("the erasure of a run gives %v", x.Err)
	}
	f.WatchDue(func() { t.Error("something is due") })()
	Check(t, f)
}

func TestFaultyCheckTx(t *testing.T) {
	_, f := faultyEnv(t, 1)
	if err := f.CheckTx(refTx(nil)); err != nil {
		t.Errorf("CheckTx of the inner type gives %v", err)
	}
	plain := NewFaulty(struct{ backend.Backend }{f}, 1)
	if err := plain.CheckTx(refTx(nil)); !errors.Is(err, backend.ErrTxUnsupported) {
		t.Errorf("CheckTx over a backend without transactions gives %v", err)
	}
	if f.Slot() == f.Unwrap().Slot() {
		t.Errorf("the wrapper shares its slot with the backend inside")
	}
}
