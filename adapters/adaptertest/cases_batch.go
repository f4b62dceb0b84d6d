package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/stillwater-go/workflow/backend"
)

// batchCases are the rule that each change of a batch is judged by itself.
func batchCases() []testCase {
	return []testCase{
		{name: "Batch/BadMembersHarmNoOther", run: badMembersHarmNoOther},
		{name: "Batch/AllMembersBad", run: allMembersBad},
		{name: "Batch/TwoVersionsOfOneRun", run: twoVersionsOfOneRun},
		{name: "Batch/TwoWritersOfOneVersion", run: twoWritersOfOneVersion},
		{name: "Batch/WholeLifeOfARun", run: wholeLifeInOneBatch},
		{name: "Batch/EndAndSuccessor", run: endAndSuccessor},
		{name: "Batch/FollowersOfABadMember", run: followersOfABadMember},
		{name: "Batch/TwoTriggersOfOneForeignID", run: twoTriggersOfOneForeignID},
		{name: "Batch/Large", run: largeBatch},
		{name: "Batch/ManyAtOnce", run: manyBatchesAtOnce},
	}
}

// badMember is a change that must fail by itself, with what it must leave alone.
type badMember struct {
	name   string
	change *backend.Change
	want   error
}

// badMembers are one of each kind, made against a run that is at version 1 and one foreign id that is taken.
func (e *env) badMembers(stale, taken *backend.Record) []badMember {
	conflict := step(stale, 9)
	conflict.Record.Meta.Version = 7
	inProgress := newRun(orders, taken.ForeignID, "run-in-progress")
	invalid := run("invalid")
	invalid.Record.WorkflowName = "a\x00b"
	large := run("large")
	large.Record.Object = make([]byte, backend.MaxObjectBytes+1)
	members := []badMember{
		{"conflict", conflict, backend.ErrVersionConflict},
		{"in progress", inProgress, backend.ErrWorkflowInProgress},
		{"invalid id", invalid, backend.ErrInvalidID},
		{"too large", large, backend.ErrTooLarge},
	}
	for _, m := range members {
		m.change.Hold = []backend.Delivery{timer(m.change.Record, 1, birth())}
		m.change.Attempt = attempt(m.change.Record, 1)
	}
	return members
}

// badMembersHarmNoOther puts a good change before, between and behind all the bad ones.
func badMembersHarmNoOther(e *env) {
	stale, taken := e.start("stale"), e.start("taken")
	bad := e.badMembers(stale, taken)
	var batch, good []*backend.Change
	addGood := func() {
		c := run(fmt.Sprintf("good-%d", len(good)))
		c.Hold = []backend.Delivery{timer(c.Record, 1, birth())}
		batch, good = append(batch, c), append(good, c)
	}
	addGood()
	for _, m := range bad {
		batch = append(batch, m.change)
		addGood()
	}
	before := len(e.log())
	e.try(batch...)
	for _, c := range good {
		if c.Err != nil {
			e.Errorf("good member %s failed: %v", c.Record.RunID, c.Err)
			continue
		}
		e.wantRun(c.Record)
		e.sameDeliveries("of good member "+c.Record.RunID, e.held(c.Record.RunID), c.Hold...)
	}
	e.wantTraceless(bad)
	e.wantRun(stale)
	e.wantRun(taken)
	log := e.log()
	if n := len(log) - before; n != len(good) {
		e.Fatalf("the batch made %d log entries, want %d", n, len(good))
	}
	for i, c := range good {
		if entry := log[before+i]; entry.Record.RunID != c.Record.RunID || entry.Pos != c.Pos {
			e.Errorf("entry %d is of run %s at %d, want %s at %d", i+1, entry.Record.RunID, entry.Pos, c.Record.RunID, c.Pos)
		}
	}
}

// wantTraceless fails the case unless every bad member has its error and left nothing.
func (e *env) wantTraceless(bad []badMember) {
	e.Helper()
	for _, m := range bad {
		e.wantErr(m.name, m.change.Err, m.want)
		if m.change.Pos != 0 {
			e.Errorf("%s: the member failed and has position %d", m.name, m.change.Pos)
		}
		id := m.change.Record.RunID
		if len(m.change.Hold) > 0 {
			e.sameDeliveries("after "+m.name, e.held(id))
		}
		if n := len(e.attempts(id)); n != 0 {
			e.Errorf("%s: the member failed and left %d attempts", m.name, n)
		}
	}
}

func allMembersBad(e *env) {
	stale, taken := e.start("stale"), e.start("taken")
	bad := e.badMembers(stale, taken)
	head := e.head()
	var batch []*backend.Change
	for _, m := range bad {
		batch = append(batch, m.change)
	}
	e.try(batch...)
	e.wantTraceless(bad)
	if e.head() != head {
		e.Errorf("a batch of bad members moved the log from %d to %d", head, e.head())
	}
}

func twoVersionsOfOneRun(e *env) {
	first := run("a")
	second := step(first.Record, 2)
	second.Done = []backend.DeliveryKey{timer(first.Record, 1, birth()).DeliveryKey}
	first.Hold = []backend.Delivery{timer(first.Record, 1, birth())}
	e.put(first, second)
	if second.Pos <= first.Pos {
		e.Errorf("version 2 has position %d, version 1 has %d", second.Pos, first.Pos)
	}
	e.wantRun(second.Record)
	e.sameDeliveries("set by version 1 and removed by version 2", e.held(first.Record.RunID))

	third := step(second.Record, 3)
	fourth := step(third.Record, 4)
	e.put(third, fourth)
	e.wantRun(fourth.Record)
	e.wantEntries("the log", e.log(), []*backend.Change{first, second, third, fourth})
}

func twoWritersOfOneVersion(e *env) {
	rec := e.start("a")
	one, two := step(rec, 2), step(rec, 3)
	e.try(one, two)
	if one.Err != nil {
		e.Fatalf("the first of two writers failed: %v", one.Err)
	}
	e.wantErr("the second of two writers", two.Err, backend.ErrVersionConflict)
	e.wantRun(one.Record)
}

func wholeLifeInOneBatch(e *env) {
	c := run("a")
	batch := []*backend.Change{c}
	for v := 2; v <= 30; v++ {
		c = step(c.Record, v)
		batch = append(batch, c)
	}
	batch = append(batch, complete(c.Record))
	e.put(batch...)
	e.wantRun(batch[len(batch)-1].Record)
	e.wantEntries("the log", e.log(), batch)
	if !e.g.NoHistory {
		e.wantEntries("the history", e.history("run-a"), batch)
	}
}

// endAndSuccessor ends a run and starts the next of its foreign id in one batch; the other way round is refused.
func endAndSuccessor(e *env) {
	rec := e.start("a")
	early := newRun(orders, "a", "run-early")
	end := complete(rec)
	next := newRun(orders, "a", "run-next")
	e.try(early, end, next)
	e.wantErr("the successor before the end", early.Err, backend.ErrWorkflowInProgress)
	if end.Err != nil || next.Err != nil {
		e.Fatalf("the end gives %v, the successor behind it %v", end.Err, next.Err)
	}
	e.wantNoRun("run-early")
	e.wantRun(next.Record)
}

// followersOfABadMember were made on top of a version that never came.
func followersOfABadMember(e *env) {
	rec := e.start("a")
	bad := step(rec, 2)
	bad.Record.Object = make([]byte, backend.MaxObjectBytes+1)
	follower := step(bad.Record, 3)
	follower.Record.Object = nil
	other := run("b")
	e.try(bad, follower, other)
	e.wantErr("the bad member", bad.Err, backend.ErrTooLarge)
	e.wantErr("what was made on top of it", follower.Err, backend.ErrVersionConflict)
	if other.Err != nil {
		e.Errorf("another run's change failed: %v", other.Err)
	}
	e.wantRun(rec)
}

func twoTriggersOfOneForeignID(e *env) {
	one, two := newRun(orders, "f", "run-1"), newRun(orders, "f", "run-2")
	e.try(one, two)
	if one.Err != nil {
		e.Fatalf("the first trigger failed: %v", one.Err)
	}
	e.wantErr("the second trigger", two.Err, backend.ErrWorkflowInProgress)
	e.wantNoRun("run-2")
}

func largeBatch(e *env) {
	batch := make([]*backend.Change, 512)
	for i := range batch {
		batch[i] = run(fmt.Sprintf("%04d", i))
		batch[i].Hold = []backend.Delivery{timer(batch[i].Record, 1, birth())}
	}
	e.put(batch...)
	e.wantEntries("the log", e.log(), batch)
	if n := len(e.due(orders)); n != len(batch) {
		e.Errorf("%d deliveries are due, want %d", n, len(batch))
	}
}

// manyBatchesAtOnce lets eight writers commit mixed batches; what they were told is what is stored.
func manyBatchesAtOnce(e *env) {
	const writers, rounds = 8, 12
	var stored atomic.Int64
	shared := e.start("shared")
	together(writers, func(w int) {
		for r := range rounds {
			own := run(fmt.Sprintf("%d-%d", w, r))
			next := step(own.Record, 2)
			contended := step(shared, w)
			if err := e.b.Commit(e.Context(), []*backend.Change{own, contended, next}); err != nil {
				e.Errorf("writer %d: commit: %v", w, err)
				return
			}
			if own.Err != nil || next.Err != nil || next.Pos <= own.Pos {
				e.Errorf("writer %d: own run: %v at %d, %v at %d", w, own.Err, own.Pos, next.Err, next.Pos)
			}
			stored.Add(2)
			if contended.Err == nil {
				stored.Add(1)
			} else if !errors.Is(contended.Err, backend.ErrVersionConflict) {
				e.Errorf("writer %d: contended run: %v", w, contended.Err)
			}
		}
	})
	if n := stored.Load(); n != writers*rounds*2+1 {
		e.Errorf("the writers were told of %d commits, want %d", n, writers*rounds*2+1)
	}
	if n := int64(len(e.log())); n != stored.Load()+1 {
		e.Errorf("the log holds %d entries, the writers were told of %d", n, stored.Load()+1)
	}
}

// txCases are functions of the transaction.
func txCases() []testCase {
	needs := []string{"NoTransactions"}
	return []testCase{
		{name: "Tx/RunsInsideTheCommit", needs: needs, run: txRuns},
		{name: "Tx/FailureIsItsOwn", needs: needs, run: txFails},
		{name: "Tx/PanicIsItsOwn", needs: needs, run: txPanics},
		{name: "Tx/HangIsCutOff", needs: needs, run: txHangs},
		{name: "Tx/WrongTypeIsRefused", needs: needs, run: txWrongType},
	}
}

func txRuns(e *env) {
	rec := e.start("a")
	c := step(rec, 2)
	var calls atomic.Int32
	c.Tx = e.Tx(func(ctx context.Context) error {
		calls.Add(1)
		return ctx.Err()
	})
	if err := e.b.(backend.Transactor).CheckTx(c.Tx); err != nil {
		e.Fatalf("CheckTx refuses the store's own type: %v", err)
	}
	e.put(c)
	e.wantRun(c.Record)
	if calls.Load() == 0 {
		e.Errorf("the function was never called")
	}
}

// withTx commits a change whose function of the transaction is do, between two good ones, and returns its error.
func (e *env) withTx(do func(ctx context.Context) error) error {
	e.Helper()
	rec := e.start("tx")
	before, bad, after := run("before"), step(rec, 2), run("after")
	bad.Tx = e.Tx(do)
	bad.Hold = []backend.Delivery{timer(bad.Record, 1, birth())}
	bad.Attempt = attempt(rec, 1)
	var err error
	finish(e, "a commit with a bad function of the transaction", func() {
		err = e.b.Commit(e.Context(), []*backend.Change{before, bad, after})
	})
	if err != nil {
		e.Fatalf("commit: a change that fails by itself must not fail the batch: %v", err)
	}
	if before.Err != nil || after.Err != nil {
		e.Errorf("the others failed: %v, %v", before.Err, after.Err)
	} else {
		e.wantRun(before.Record)
		e.wantRun(after.Record)
	}
	e.wantRun(rec)
	e.wantTraceless([]badMember{{"a bad function of the transaction", bad, bad.Err}})
	if n := len(e.log()); n != 3 {
		e.Errorf("the log holds %d entries, want 3", n)
	}
	return bad.Err
}

func txFails(e *env) {
	boom := errors.New("boom")
	err := e.withTx(func(context.Context) error { return boom })
	e.wantErr("the failed function", err, boom)
	e.wantTxError(err)
}

func (e *env) wantTxError(err error) {
	e.Helper()
	var tx *backend.TxError
	if !errors.As(err, &tx) {
		e.Errorf("error %v is no *TxError", err)
	}
}

func txPanics(e *env) {
	e.wantTxError(e.withTx(func(context.Context) error { panic("boom") }))
}

// txHangs waits for its context, which the backend has to end after a second.
func txHangs(e *env) {
	err := e.withTx(func(ctx context.Context) error {
		linger(ctx, patience)
		return ctx.Err()
	})
	e.wantTxError(err)
}

func txWrongType(e *env) {
	type unknown struct{}
	if err := e.b.(backend.Transactor).CheckTx(unknown{}); !errors.Is(err, backend.ErrTxUnsupported) {
		e.Errorf("CheckTx of an unknown type gives %v, want ErrTxUnsupported", err)
	}
	rec := e.start("a")
	c, other := step(rec, 2), run("b")
	c.Tx = unknown{}
	e.try(c, other)
	e.wantErr("a change with a function of an unknown type", c.Err, backend.ErrTxUnsupported)
	if other.Err != nil {
		e.Errorf("the other member failed: %v", other.Err)
	}
	e.wantRun(rec)
}
