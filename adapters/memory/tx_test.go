package memory_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

func TestTheFunctionRunsOnceWithItsChange(t *testing.T) {
	b := open(t)
	calls := 0
	c := newRun(orders, "a", "run-a")
	c.Tx = func(ctx context.Context) error {
		calls++
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > time.Second {
			t.Errorf("its deadline is %v", deadline)
		}
		if _, err := b.Lookup(ctx, "run-a"); !errors.Is(err, backend.ErrRecordNotFound) { // reads are free meanwhile
			t.Errorf("inside the commit the run is there already: %v", err)
		}
		return nil
	}
	commit(t, b, c)
	if calls != 1 {
		t.Errorf("it was called %d times", calls)
	}
}

func TestTheFunctionOfARefusedChangeDoesNotRun(t *testing.T) {
	b := open(t)
	rec := start(t, b, "a")
	stale := step(rec)
	stale.Record.Meta.Version = 7
	stale.Tx = func(context.Context) error { t.Error("it ran"); return nil }
	refuse(t, b, stale, backend.ErrVersionConflict)
	second := newRun(orders, "a", "run-b")
	second.Tx = stale.Tx
	refuse(t, b, second, backend.ErrWorkflowInProgress)
}

func TestAFailingFunctionFailsItsChangeAlone(t *testing.T) {
	boom := errors.New("boom")
	for name, fail := range map[string]struct {
		fn   memory.TxFunc
		says string
	}{
		"error":  {func(context.Context) error { return boom }, "boom"},
		"panic":  {func(context.Context) error { panic("at the disco") }, "panic: at the disco"},
		"goexit": {func(context.Context) error { runtime.Goexit(); return nil }, "goroutine"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			before, bad, after := newRun(orders, "a", "run-a"), newRun(orders, "b", "run-b"), newRun(orders, "c", "run-c")
			bad.Tx = fail.fn
			if err := b.Commit(t.Context(), []*backend.Change{before, bad, after}); err != nil {
				t.Fatal(err)
			}
			var txErr *backend.TxError
			if !errors.As(bad.Err, &txErr) || !strings.Contains(bad.Err.Error(), fail.says) {
				t.Errorf("the change fails with %v", bad.Err)
			}
			if name == "error" && !errors.Is(bad.Err, boom) {
				t.Errorf("the function's own error is not in %v", bad.Err)
			}
			if before.Err != nil || after.Err != nil || len(readAll(t, b)) != 2 {
				t.Errorf("the others: %v, %v", before.Err, after.Err)
			}
			if _, err := b.Lookup(t.Context(), "run-b"); !errors.Is(err, backend.ErrRecordNotFound) {
				t.Errorf("the failed change was stored: %v", err)
			}
		})
	}
}

func TestAHangingFunctionIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		release := make(chan struct{})
		hangs, after := newRun(orders, "a", "run-a"), newRun(orders, "b", "run-b")
		hangs.Tx = func(context.Context) error { <-release; return nil }
		begun := time.Now()
		if err := b.Commit(t.Context(), []*backend.Change{hangs, after}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("the commit took %v, want the deadline of one second", took)
		}
		var txErr *backend.TxError
		if !errors.As(hangs.Err, &txErr) || !errors.Is(hangs.Err, context.DeadlineExceeded) {
			t.Errorf("the change fails with %v", hangs.Err)
		}
		if after.Err != nil {
			t.Errorf("the other fails with %v", after.Err)
		}
		close(release)
		synctest.Wait() // the abandoned function ends, and changes nothing
		if _, err := b.Lookup(t.Context(), "run-a"); !errors.Is(err, backend.ErrRecordNotFound) {
			t.Errorf("the abandoned function's change was stored: %v", err)
		}
	})
}

func TestReadersGoOnWhileAFunctionRuns(t *testing.T) {
	b := open(t)
	rec := start(t, b, "a")
	entered, release := make(chan struct{}), make(chan struct{})
	slow := step(rec)
	slow.Tx = func(context.Context) error { close(entered); <-release; return nil }
	done := make(chan error, 2)
	go func() { done <- b.Commit(t.Context(), []*backend.Change{slow}) }()
	<-entered
	rival := step(rec)
	go func() { done <- b.Commit(t.Context(), []*backend.Change{rival}) }()
	if got := lookup(t, b, "run-a"); got != rec {
		t.Errorf("a reader sees version %d while the function runs", got.Meta.Version)
	}
	saveAll(t, b, orders, 1)
	close(release)
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	if slow.Err != nil || !errors.Is(rival.Err, backend.ErrVersionConflict) {
		t.Errorf("the slow change: %v; its rival, which came later: %v", slow.Err, rival.Err)
	}
}

func TestCheckTx(t *testing.T) {
	b := open(t)
	if err := b.CheckTx(func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
	for _, fn := range []any{nil, 7, func() {}, memory.TxFunc(nil)} {
		if err := b.CheckTx(fn); !errors.Is(err, backend.ErrTxUnsupported) {
			t.Errorf("%T: %v", fn, err)
		}
	}
}
