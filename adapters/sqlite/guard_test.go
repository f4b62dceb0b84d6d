package sqlite

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

func key(run, receiver string, version uint) backend.DeliveryKey {
	return backend.DeliveryKey{RunID: run, Receiver: backend.Receiver(receiver), Version: version}
}

func held(run, receiver string, version uint) backend.Delivery {
	return backend.Delivery{DeliveryKey: key(run, receiver, version), WorkflowName: testFlow, State: backend.DeliveryBackingOff, Due: time.Unix(50, 0)}
}

// finished makes the change to version v of a run, by which it is completed.
func finished(run, foreign string, version uint) *backend.Change {
	c := change(run, foreign, version)
	c.Record.RunState = backend.RunStateCompleted
	return c
}

func eraseAll(t testing.TB, b *Backend, runs ...*backend.Erasure) {
	t.Helper()
	if err := b.Erase(t.Context(), runs); err != nil {
		t.Fatal(err)
	}
	for _, e := range runs {
		if e.Err != nil {
			t.Fatalf("erase %s: %v", e.RunID, e.Err)
		}
	}
}

// TestExpectSeesOtherProcesses: a guarded change is judged by what the file says, not by what this Backend remembers (G2).
func TestExpectSeesOtherProcesses(t *testing.T) {
	b := openTest(t)
	other := openAt(t, b.Path())
	commit(t, b, change("r", "f", 1))
	commit(t, other, change("r", "f", 2)) // b still remembers version 1
	late := &backend.Change{Hold: []backend.Delivery{held("r", "step", 1)}, Expect: 1}
	good := &backend.Change{Hold: []backend.Delivery{held("r", "step", 2)}, Expect: 2}
	unknown := &backend.Change{Done: []backend.DeliveryKey{key("nobody", "step", 1)}, Expect: 1}
	ahead := &backend.Change{Done: []backend.DeliveryKey{key("r", "step", 2)}, Expect: 3}
	if err := b.Commit(t.Context(), []*backend.Change{late, good, unknown, ahead}); err != nil {
		t.Fatal(err)
	}
	var conflict *backend.ConflictError
	if !errors.As(late.Err, &conflict) || conflict.Want != 1 || conflict.Have != 2 || conflict.RunID != "r" {
		t.Errorf("late: %v", late.Err)
	}
	if good.Err != nil || !errors.Is(unknown.Err, backend.ErrRecordNotFound) || !errors.Is(ahead.Err, backend.ErrVersionConflict) {
		t.Errorf("good: %v, unknown: %v, ahead: %v", good.Err, unknown.Err, ahead.Err)
	}
	if left, err := b.Held(t.Context(), "r"); err != nil || len(left) != 1 || left[0].Version != 2 {
		t.Errorf("held: %+v, %v", left, err)
	}
	// Within a batch a change sees what those before it did.
	moved, after := change("r", "f", 3), &backend.Change{Done: []backend.DeliveryKey{key("r", "step", 2)}, Expect: 3}
	commit(t, b, moved, after)
}

// TestSignalsAreRemembered: an id counts once per run; the second fails alone and leaves no trace, whichever way the batch is tried.
func TestSignalsAreRemembered(t *testing.T) {
	b := openTest(t)
	signal := func(run, id string, n uint) *backend.Change {
		return &backend.Change{Hold: []backend.Delivery{held(run, "signal:paid", n)}, SignalID: id}
	}
	start := change("r", "f", 1)
	start.SignalID = "s0" // with the run itself
	commit(t, b, start, change("q", "g", 1))
	first, again, moved, other, none := signal("r", "s1", 900), signal("r", "s1", 901), change("r", "f", 2), signal("q", "s1", 1), signal("nobody", "s1", 1)
	moved.SignalID = "s0"
	if err := b.Commit(t.Context(), []*backend.Change{first, again, moved, other, none}); err != nil {
		t.Fatal(err)
	}
	if first.Err != nil || other.Err != nil || !errors.Is(again.Err, backend.ErrDuplicateSignal) || !errors.Is(moved.Err, backend.ErrDuplicateSignal) ||
		!errors.Is(none.Err, backend.ErrRecordNotFound) {
		t.Errorf("%v, %v, %v, %v, %v", first.Err, other.Err, again.Err, moved.Err, none.Err)
	}
	if r, err := b.Lookup(t.Context(), "r"); err != nil || r.Meta.Version != 1 {
		t.Errorf("run is %+v, %v", r, err)
	}
	if left, err := b.Held(t.Context(), "r"); err != nil || len(left) != 1 || left[0].Version != 900 {
		t.Errorf("held: %+v, %v", left, err)
	}
	// With a function of the transaction a member has a savepoint; its signal goes with it, and can come again.
	failing := signal("r", "s2", 902)
	failing.Tx = execs("not SQL")
	if err := b.Commit(t.Context(), []*backend.Change{failing}); err != nil || failing.Err == nil {
		t.Fatal(err, failing.Err)
	}
	commit(t, b, signal("r", "s2", 902))
	bad := signal("r", "a\x00b", 903)
	if err := b.Commit(t.Context(), []*backend.Change{bad}); err != nil || !errors.Is(bad.Err, backend.ErrInvalidID) {
		t.Errorf("odd id: %v, %v", err, bad.Err)
	}
}

// TestDeadline: it comes back with each version, can be changed and taken away, and one that cannot be stored is refused.
func TestDeadline(t *testing.T) {
	b := openTest(t)
	at := time.Date(2027, 1, 2, 3, 4, 5, 6, time.UTC)
	for v, deadline := range []time.Time{at, at, at.Add(time.Hour), {}, {}, at} {
		c := change("r", "f", uint(v+1))
		c.Record.Meta.Deadline = deadline
		commit(t, b, c)
		reader := openAt(t, b.Path())
		if r, err := reader.Lookup(t.Context(), "r"); err != nil || !r.Meta.Deadline.Equal(deadline) || r.Meta.Deadline.IsZero() != deadline.IsZero() {
			t.Errorf("version %d has deadline %v, want %v (%v)", v+1, r.Meta.Deadline, deadline, err)
		}
	}
	history, err := b.History(t.Context(), "r", 0, 9)
	if err != nil || len(history) != 6 || !history[1].Record.Meta.Deadline.Equal(at) || !history[4].Record.Meta.Deadline.IsZero() {
		t.Errorf("history %+v, %v", history, err)
	}
	c := change("r", "f", 7)
	c.Record.Meta.Deadline = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := b.Commit(t.Context(), []*backend.Change{c}); err != nil || !errors.Is(c.Err, errTimeRange) {
		t.Errorf("a deadline too far: %v, %v", err, c.Err)
	}
}

// TestWatchDue: a change with Wake is heard of by the other Backends on the file, in this process or another, and by no one else.
func TestWatchDue(t *testing.T) {
	for name, opts := range map[string][]Option{"notified": nil, "looking": {func(c *config) { c.noInotify = true }}} {
		t.Run(name, func(t *testing.T) {
			b := openTest(t, opts...)
			other := openAt(t, b.Path())
			commit(t, b, change("r", "f", 1))
			due, entries := make(chan struct{}, 100), make(chan struct{}, 100)
			stop := b.WatchDue(func() { due <- struct{}{} })
			defer b.Watch(func() { entries <- struct{}{} })()
			wake := func() *backend.Change {
				return &backend.Change{Hold: []backend.Delivery{held("r", "resume", 1)}, Wake: true}
			}
			for range 3 {
				commit(t, other, wake(), wake())
				select {
				case <-due:
				case <-time.After(patience):
					t.Fatal("the other Backend's wake was not heard")
				}
			}
			if len(entries) > 0 {
				t.Error("a watcher of the log was called, and there is no entry")
			}
			commit(t, other, change("s", "g", 1)) // an entry, and no wake
			<-entries
			commit(t, b, wake())
			stop() // waits for a running call
			if len(due) > 0 {
				t.Errorf("called %d times too often", len(due))
			}
		})
	}
}

// TestOwnCommitHidesNoWake: a wake that came before an own commit is announced with it, also when its ring was not heard.
func TestOwnCommitHidesNoWake(t *testing.T) {
	b := openTest(t)
	other := openAt(t, b.Path())
	commit(t, b, change("r", "f", 1))
	b.watch.started = true // deaf to the doorbell
	heard := make(chan struct{}, 100)
	defer b.WatchDue(func() { heard <- struct{}{} })()
	wake := &backend.Change{Hold: []backend.Delivery{held("r", "resume", 1)}, Wake: true}
	commit(t, other, wake)
	own := *wake
	own.Err, own.Pos = nil, 0
	commit(t, b, &own)
	commit(t, b, change("r", "f", 2))
	if len(heard) != 1 {
		t.Errorf("announced %d times, want once", len(heard))
	}
}

// TestWakeThatWasTakenBack: a wake that a failing member took with it is not counted, so the next one of another Backend is news.
func TestWakeThatWasTakenBack(t *testing.T) {
	b := openTest(t)
	other := openAt(t, b.Path())
	commit(t, b, change("r", "f", 1))
	b.watch.started = true // deaf to the doorbell
	heard := make(chan struct{}, 100)
	defer b.WatchDue(func() { heard <- struct{}{} })()
	wake := func() *backend.Change {
		return &backend.Change{Hold: []backend.Delivery{held("r", "resume", 1)}, Wake: true}
	}
	failing := wake()
	failing.Tx = execs("not SQL")
	if err := b.Commit(t.Context(), []*backend.Change{failing, change("r", "f", 2)}); err != nil || failing.Err == nil {
		t.Fatal(err, failing.Err)
	}
	commit(t, other, wake())
	commit(t, b, change("r", "f", 3))
	if len(heard) != 1 {
		t.Errorf("announced %d times, want once", len(heard))
	}
}

// TestErasedElsewhere: what this Backend remembers of a run that another one erased does no harm, whatever became of the run's id.
func TestErasedElsewhere(t *testing.T) {
	b := openTest(t)
	other := openAt(t, b.Path())
	for _, again := range []bool{false, true} {
		commit(t, b, finished("r", "f", 1)) // remembered
		eraseAll(t, other, &backend.Erasure{RunID: "r", Version: 1})
		commit(t, other, change("new", "new", 1)) // what would get the newest run's id
		if again {
			commit(t, other, change("r", "f", 1)) // the same run id, another run
		}
		hold := &backend.Change{Hold: []backend.Delivery{held("r", "step", 1)}}
		attempt := &backend.Change{Attempt: &backend.Attempt{RunID: "r", WorkflowName: testFlow, Receiver: "step", Version: 1, Number: 1}}
		signal := &backend.Change{Done: []backend.DeliveryKey{key("r", "step", 7)}, SignalID: "s"}
		moved := change("r", "f", 2)
		if err := b.Commit(t.Context(), []*backend.Change{hold, attempt, signal, moved}); err != nil {
			t.Fatal(err)
		}
		if again {
			if err := errors.Join(hold.Err, attempt.Err, signal.Err, moved.Err); err != nil {
				t.Errorf("the run that came again: %v", err)
			}
		} else {
			for i, c := range []*backend.Change{hold, attempt, signal} {
				if !errors.Is(c.Err, backend.ErrRecordNotFound) {
					t.Errorf("change %d of an erased run: %v", i, c.Err)
				}
			}
			if !errors.Is(moved.Err, backend.ErrVersionConflict) {
				t.Errorf("next version of an erased run: %v", moved.Err)
			}
		}
		if left, err := b.Held(t.Context(), "new"); err != nil || len(left) != 0 {
			t.Errorf("another run holds %+v, %v", left, err)
		}
		mustBeSound(t, b)
		end := finished("new", "new", 2)
		commit(t, other, end)
		eraseAll(t, other, &backend.Erasure{RunID: "new", Version: 2})
	}
}

// TestIdsAreNotGivenTwice: neither a run's key nor a position comes back when the newest run is erased, also after a restart.
func TestIdsAreNotGivenTwice(t *testing.T) {
	b := openTest(t)
	seen := map[int64]bool{}
	for i := range 4 {
		id := fmt.Sprint("r", i)
		commit(t, b, finished(id, id, 1))
		found, err := b.Find(t.Context(), backend.Query{Limit: 5})
		if err != nil || len(found) != 1 || seen[found[0].Key] {
			t.Fatalf("found %+v, %v, seen %v", found, err, seen)
		}
		seen[found[0].Key] = true
		head, err := b.Head(t.Context())
		eraseAll(t, b, &backend.Erasure{RunID: id, Version: 1})
		after, err2 := b.Head(t.Context())
		if err := errors.Join(err, err2); err != nil || head != int64(i+1) || after != head {
			t.Errorf("head was %d, is %d, %v", head, after, err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = openAt(t, b.Path())
	}
	positions, err := b.LoadCursors(t.Context(), "another", 2) // a workflow without an event stands at the head
	if err != nil || positions[0] != 4 {
		t.Errorf("cursors %v, %v", positions, err)
	}
}
