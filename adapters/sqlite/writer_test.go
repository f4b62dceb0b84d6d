package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	moderncsqlite "modernc.org/sqlite"

	"github.com/stillwater-go/workflow/backend"
)

// TestGroupCommit: callers that come while a transaction runs share the next one, and each gets its own verdict.
func TestGroupCommit(t *testing.T) {
	b := openTest(t)
	commit(t, b, change("taken", "taken", 1))
	var transactions atomic.Int64
	running, goOn := make(chan struct{}), make(chan struct{})
	b.writer.settle.beforeCommit = func() error {
		if transactions.Add(1) == 1 {
			close(running)
			<-goOn
		}
		return nil
	}
	var calls sync.WaitGroup
	calls.Go(func() { commit(t, b, change("first", "first", 1)) })
	<-running
	const n = 50
	changes := make([]*backend.Change, n)
	for i := range changes {
		id := fmt.Sprint("r", i)
		changes[i] = change(id, id, 1)
		if i%10 == 0 {
			changes[i] = change(id, "taken", 1)
		}
		calls.Go(func() {
			if err := b.Commit(t.Context(), changes[i:i+1]); err != nil {
				t.Error(err)
			}
		})
	}
	awaitQueue(b, n)
	close(goOn)
	calls.Wait()
	if got := transactions.Load(); got != 2 {
		t.Errorf("%d transactions for all calls, want 2", got)
	}
	for i, c := range changes {
		if taken := i%10 == 0; errors.Is(c.Err, backend.ErrWorkflowInProgress) != taken || (c.Pos == 0) != taken {
			t.Errorf("change %d: position %d, error %v", i, c.Pos, c.Err)
		}
	}
}

// awaitQueue waits until n callers wait for the writer.
func awaitQueue(b *Backend, n int) {
	for queued := 0; queued < n; pause(time.Millisecond) {
		b.writer.mu.Lock()
		queued = len(b.writer.queue)
		b.writer.mu.Unlock()
	}
}

// TestQueuedCallerLeaves: whoever waits for its turn can leave when its context ends, and nothing of it is stored; the one behind it
// gets its turn all the same.
func TestQueuedCallerLeaves(t *testing.T) {
	b := openTest(t)
	running, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.writer.settle.beforeCommit = func() error {
		once.Do(func() { close(running); <-goOn })
		return nil
	}
	var calls sync.WaitGroup
	calls.Go(func() { commit(t, b, change("first", "first", 1)) })
	<-running
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- b.Commit(ctx, []*backend.Change{change("left", "left", 1)}) }()
	awaitQueue(b, 1)
	calls.Go(func() { commit(t, b, change("last", "last", 1)) })
	awaitQueue(b, 2)
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled call: %v", err)
	}
	close(goOn)
	calls.Wait()
	if _, err := b.Lookup(t.Context(), "left"); !errors.Is(err, backend.ErrRecordNotFound) {
		t.Errorf("what was cancelled is stored: %v", err)
	}
}

// TestCommitAnswerLost: when COMMIT fails in a way that leaves the outcome open, the store finds out and says the truth.
func TestCommitAnswerLost(t *testing.T) {
	broken := errors.New("the disk went away")
	t.Run("stored after all", func(t *testing.T) {
		b := openTest(t)
		b.writer.settle.afterCommit = once(broken)
		commit(t, b, change("r", "f", 1), change("s", "g", 1))
		commit(t, b, change("r", "f", 2))
	})
	t.Run("not stored", func(t *testing.T) {
		b := openTest(t)
		b.writer.settle.beforeCommit = once(broken)
		c := change("r", "f", 1)
		err := b.Commit(t.Context(), []*backend.Change{c})
		if !errors.Is(err, broken) || errors.Is(err, backend.ErrOutcomeUnknown) || !errors.Is(c.Err, broken) || c.Pos != 0 {
			t.Errorf("Commit: %v, %v, position %d", err, c.Err, c.Pos)
		}
		commit(t, b, change("r", "f", 1))
	})
	t.Run("cannot be known", func(t *testing.T) {
		b := openTest(t)
		b.writer.settle.afterCommit = func() error {
			b.writer.file = fileID{} // it cannot be opened again
			return broken
		}
		file := b.writer.file
		c := change("r", "f", 1)
		if err := b.Commit(t.Context(), []*backend.Change{c}); !errors.Is(err, backend.ErrOutcomeUnknown) || !errors.Is(c.Err, backend.ErrOutcomeUnknown) {
			t.Errorf("Commit: %v, %v, want ErrOutcomeUnknown", err, c.Err)
		}
		b.writer.file, b.writer.settle.afterCommit = file, nil
		commit(t, b, change("r", "f", 2)) // version 1 was stored
	})
	t.Run("no entry to look for", func(t *testing.T) {
		b := openTest(t)
		b.writer.settle.afterCommit = once(broken)
		if err := b.SaveCursors(t.Context(), []backend.Cursor{{WorkflowName: testFlow, Pos: 0, Bucket: 1}}); !errors.Is(err, backend.ErrOutcomeUnknown) {
			t.Errorf("SaveCursors: %v, want ErrOutcomeUnknown", err)
		}
	})
	t.Run("another process was faster", func(t *testing.T) {
		b := openTest(t)
		other := openAt(t, b.Path())
		commit(t, b, change("r", "f", 1))
		b.writer.settle.beforeCommit = once(broken)
		b.writer.settle.reopened = func() { // the same version of the same run at the same position, but not ours
			c := change("r", "f", 2)
			c.Record.Object = []byte("theirs")
			commit(t, other, c)
		}
		if err := b.Commit(t.Context(), []*backend.Change{change("r", "f", 2)}); !errors.Is(err, broken) || errors.Is(err, backend.ErrOutcomeUnknown) {
			t.Errorf("Commit: %v, want that it failed", err)
		}
	})
}

func once(err error) func() error {
	return func() error { e := err; err = nil; return e }
}

// TestDiskFull: a full disk fails the commits that meet it, with its name, and the store goes on when there is room (F5).
func TestDiskFull(t *testing.T) {
	b := openTest(t)
	commit(t, b, change("r", "f", 1))
	limit := func(pages string) {
		if _, err := b.writer.c.pragma(t.Context(), "max_page_count="+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // no growth beyond what there is
	big, small := change("big", "g", 1), change("r", "f", 2)
	big.Record.Object = bytes.Repeat([]byte("x"), 1<<20)
	err := b.Commit(t.Context(), []*backend.Change{small, big})
	if !errors.Is(err, backend.ErrFull) || !errors.Is(big.Err, backend.ErrFull) || !errors.Is(small.Err, backend.ErrFull) {
		t.Errorf("Commit: %v, %v, %v, want ErrFull for all", err, big.Err, small.Err)
	}
	if strings.Contains(fmt.Sprint(err), "xxxx") {
		t.Error("the object is in the error")
	}
	limit("1000000")
	commit(t, b, change("r", "f", 2))
}

// TestBadMember: a statement that fails for one member, for a reason that nobody foresaw, fails that member alone.
func TestBadMember(t *testing.T) {
	b := openTest(t)
	mustExec(t, b.Path(), `CREATE TRIGGER surprise BEFORE INSERT ON sw_runs WHEN NEW.foreign_id = 'bad'
		BEGIN SELECT RAISE(ABORT, 'surprise'); END`)
	batch := []*backend.Change{change("a", "a", 1), change("bad", "bad", 1), change("b", "b", 1), change("a", "a", 2), change("bad", "bad", 2)}
	if err := b.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "surprise", "", "", "version conflict"} {
		if got := fmt.Sprint(batch[i].Err); want == "" && batch[i].Err != nil || !strings.Contains(got, want) {
			t.Errorf("member %d: %v, want %q", i, batch[i].Err, want)
		}
	}
	if head, err := b.Head(t.Context()); err != nil || head != 3 {
		t.Errorf("head is %d (%v), want 3", head, err)
	}
	mustExec(t, b.Path(), "DROP TRIGGER surprise")
}

// TestLocked: another connection that keeps the write lock fails commits by name when the busy timeout is over, or sooner with the
// caller's context; nothing of them is stored.
func TestLocked(t *testing.T) {
	b := openTest(t, WithBusyTimeout(30*time.Millisecond))
	db := otherDB(t, b.Path())
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	c := change("r", "f", 1)
	if err := b.Commit(t.Context(), []*backend.Change{c}); !errors.Is(err, backend.ErrLocked) || !errors.Is(c.Err, backend.ErrLocked) {
		t.Errorf("Commit: %v, %v, want ErrLocked", err, c.Err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := b.Commit(ctx, []*backend.Change{change("r", "f", 1)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Commit with a deadline: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	commit(t, b, change("r", "f", 1))
}

// TestCancellationStorm: with deadlines that end at any moment, what was reported is what is stored (G1).
func TestCancellationStorm(t *testing.T) {
	b := openTest(t)
	var wg sync.WaitGroup
	stored := make([][]string, 4)
	for n := range stored {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			for i := range 150 {
				id := fmt.Sprintf("r-%d-%d", n, i)
				c := change(id, id, 1)
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(1500))*time.Microsecond)
				err := b.Commit(ctx, []*backend.Change{c})
				cancel()
				if err == nil && c.Err == nil {
					stored[n] = append(stored[n], id)
				} else if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v, %v", id, err, c.Err)
				}
				// Reads are cut off as well; a connection that was must not hurt the next.
				ctx, cancel = context.WithTimeout(context.Background(), time.Duration(rng.IntN(200))*time.Microsecond)
				if _, err := b.ReadLog(ctx, 0, 1000); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("read: %v", err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	total := 0
	for _, ids := range stored {
		total += len(ids)
		for _, id := range ids {
			if _, err := b.Lookup(t.Context(), id); err != nil {
				t.Errorf("%s was reported as stored: %v", id, err)
			}
		}
	}
	if head, err := b.Head(t.Context()); err != nil || head != int64(total) {
		t.Errorf("%d entries (%v), %d were reported", head, err, total)
	}
}

// TestCloseWaits: Close lets a running commit end; everything later fails with ErrClosed.
func TestCloseWaits(t *testing.T) {
	b := openTest(t)
	running, goOn := make(chan struct{}), make(chan struct{})
	b.writer.settle.beforeCommit = func() error { close(running); <-goOn; return nil }
	var calls sync.WaitGroup
	calls.Go(func() { commit(t, b, change("r", "f", 1)) })
	<-running
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- b.Close() }()
	}
	select {
	case <-closed:
		t.Error("Close did not wait for the commit")
	case <-time.After(20 * time.Millisecond):
	}
	close(goOn)
	calls.Wait()
	for range 2 {
		if err := <-closed; err != nil {
			t.Error(err)
		}
	}
	c := change("r", "f", 2)
	_, lookupErr := b.Lookup(t.Context(), "r")
	_, joinErr := b.Join(t.Context(), testFlow, 4, nil)
	_, _, awaitErr := b.RoleScheduler().Await(t.Context(), "role")
	for what, err := range map[string]error{
		"Commit": b.Commit(t.Context(), []*backend.Change{c}), "the change": c.Err, "Lookup": lookupErr, "Join": joinErr, "Await": awaitErr,
		"Store":       b.RecordStore().Store(t.Context(), record("r", "f", 2)),
		"SaveCursors": b.SaveCursors(t.Context(), []backend.Cursor{{WorkflowName: testFlow}}),
	} {
		if !errors.Is(err, backend.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", what, err)
		}
	}
	b.Watch(func() {})()
}

// TestRemembersNothingWrong: two Backends take turns on the same runs, so that what each remembers is always old.
func TestRemembersNothingWrong(t *testing.T) {
	one := openTest(t)
	two := openAt(t, one.Path())
	for v := uint(1); v <= 20; v++ {
		writer, other := one, two
		if v%2 == 0 {
			writer, other = two, one
		}
		commit(t, writer, change("r", "f", v), change("s", "g", v))
		c := change("r", "f", v) // the same version again
		if err := other.Commit(t.Context(), []*backend.Change{c}); err != nil {
			t.Fatal(err)
		}
		var conflict *backend.ConflictError
		if !errors.As(c.Err, &conflict) || conflict.Have != v || conflict.Want != v-1 {
			t.Errorf("version %d twice: %v", v, c.Err)
		}
	}
}

// TestErrorNames: the codes of SQLite become the errors of the contract.
func TestErrorNames(t *testing.T) {
	b := openTest(t)
	err := b.writer.c.script(t.Context(), "SELECT * FROM nowhere")
	var e *moderncsqlite.Error
	if !errors.As(err, &e) || code(err) != 1 || sentinel(err) != nil {
		t.Errorf("plain error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fail(ctx, "x", ctx.Err()); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	if fail(t.Context(), "x", nil) != nil {
		t.Error("nil became an error")
	}
}
