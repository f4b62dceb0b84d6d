package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// signalCases are signals that count once, and deliveries of them.
func signalCases() []testCase {
	needs := []string{"NoSignals"}
	return []testCase{
		{name: "Signal/IDOncePerRun", needs: needs, run: signalOncePerRun},
		{name: "Signal/IDsAreExact", needs: needs, run: signalIDsAreExact},
		{name: "Signal/Seen", needs: needs, run: signalSeen},
		{name: "Signal/TwiceInOneBatch", needs: needs, run: signalTwiceInOneBatch},
		{name: "Signal/RefusedIsNotRemembered", needs: needs, run: refusedSignalIsForgotten},
		{name: "Tx/SignalOfAFailure", needs: []string{"NoSignals", "NoTransactions"}, run: signalOfAFailedTransaction},
		{name: "Signal/WithARecord", needs: needs, run: signalWithARecord},
		{name: "Signal/UnknownRun", needs: needs, run: signalOfUnknownRun},
		{name: "Signal/AsLongAsTheRun", needs: needs, run: signalsAsLongAsTheRun},
		{name: "Signal/OneWins", needs: needs, run: func(e *env) { e.signalRace(e.b, e.b) }},
		{name: "Signal/VersionsAreTheirOwn", needs: needs, run: signalVersions},
		{name: "Peer/OneSignalWins", needs: []string{"NoSignals", "NoPeers"}, run: func(e *env) { e.signalRace(e.b, e.peer()) }},
		{name: "Restart/KeepsSignalIDs", needs: []string{"NoSignals", "NoRestart"}, run: func(e *env) { e.signalsSurvive(e.reopen) }},
		{name: "Crash/KeepsSignalIDs", needs: []string{"NoSignals", "NoCrash"}, run: func(e *env) { e.signalsSurvive(e.crash) }},
	}
}

// signalDelivery is a signal that waits for its run; the number grows with the signals' arrival.
func signalDelivery(rec *backend.Record, number uint) backend.Delivery {
	d := timer(rec, 0, birth())
	d.Receiver, d.Version, d.Data = backend.SignalPrefix+"approve", number, []byte(`{"by":"somebody"}`)
	return d
}

// signal is the change that stores a signal of the id.
func signal(rec *backend.Record, id string, number uint) *backend.Change {
	return &backend.Change{Hold: []backend.Delivery{signalDelivery(rec, number)}, SignalID: id, Cause: backend.CauseSignal, Wake: true}
}

// wantDuplicate fails the case unless the change is refused as a signal that the run has had.
func (e *env) wantDuplicate(what string, c *backend.Change) {
	e.Helper()
	e.wantErr(what, c.Err, backend.ErrDuplicateSignal)
	if c.Err != nil && !strings.Contains(c.Err.Error(), c.RunID()) {
		e.Errorf("%s: the error does not name run %s: %v", what, c.RunID(), c.Err)
	}
}

func signalOncePerRun(e *env) {
	a, b := e.start("a"), e.start("b")
	first := signal(a, "s-1", 1)
	e.put(first)
	again := signal(a, "s-1", 2)
	again.Attempt = attempt(a, 1)
	again.Done = []backend.DeliveryKey{first.Hold[0].DeliveryKey}
	other := signal(a, "s-2", 3)
	e.try(again, other)
	e.wantDuplicate("the same id again", again)
	e.wantErr("another id", other.Err, nil)
	e.sameDeliveries("held", e.held(a.RunID), first.Hold[0], other.Hold[0])
	if n := len(e.attempts(a.RunID)); n != 0 {
		e.Errorf("the attempt of a refused change is kept")
	}
	e.put(signal(b, "s-1", 1)) // another run has ids of its own
	e.put(signal(a, "", 4), signal(a, "", 5))
	e.put(&backend.Change{Done: []backend.DeliveryKey{first.Hold[0].DeliveryKey}})
	e.try(again)
	e.wantDuplicate("the same id after the delivery has ended", again)
}

func signalSeen(e *env) {
	a, b := e.start("a"), e.start("b")
	r, ok := e.b.(backend.SignalReader)
	if !ok {
		e.Fatalf("the backend remembers signal ids and is no SignalReader")
	}
	want := func(what, runID, id string, want bool) {
		e.Helper()
		if got, err := r.SignalSeen(e.Context(), runID, id); err != nil || got != want {
			e.Errorf("%s: seen %t, %v, want %t", what, got, err, want)
		}
	}
	want("before", a.RunID, "s", false)
	e.put(signal(a, "s", 1))
	want("after", a.RunID, "s", true)
	want("another id", a.RunID, "S", false)
	want("another run", b.RunID, "s", false)
	want("a run that does not exist", "nobody", "s", false)
	refused := signal(b, "s", 1)
	refused.Expect = 9
	if !e.g.NoExpect {
		e.wantErr("refused", commitOne(e, refused), backend.ErrVersionConflict)
		want("a refused one", b.RunID, "s", false)
	}
	e.put(complete(a))
	want("after the end", a.RunID, "s", true)
}

func signalIDsAreExact(e *env) {
	rec := e.start("a")
	ids := []string{"a", "A", " a", "a ", "a,b", "%", "_", "'", "ä", "a\u0308", "0", "00", strings.Repeat("x", backend.MaxIDBytes)}
	for i, id := range ids {
		e.put(signal(rec, id, uint(i+1)))
	}
	for i, id := range ids {
		again := signal(rec, id, uint(100+i))
		e.try(again)
		e.wantDuplicate(fmt.Sprintf("id %.20q", id), again)
	}
	if n := len(e.held(rec.RunID)); n != len(ids) {
		e.Errorf("%d signals are held, want %d", n, len(ids))
	}
}

func signalTwiceInOneBatch(e *env) {
	c := run("a")
	first, again, other := signal(c.Record, "s", 1), signal(c.Record, "s", 2), signal(c.Record, "t", 3)
	e.try(c, first, again, other)
	e.wantErr("the first", first.Err, nil)
	e.wantDuplicate("the second", again)
	e.wantErr("another", other.Err, nil)
	e.sameDeliveries("held", e.held("run-a"), first.Hold[0], other.Hold[0])
}

// refusedSignalIsForgotten sends a signal again that was refused for another reason.
func refusedSignalIsForgotten(e *env) {
	rec := e.advance(e.start("a"))
	stale := step(rec, 3)
	stale.Record.Meta.Version, stale.SignalID = 9, "s"
	e.wantErr("a signal with a stale version", commitOne(e, stale), backend.ErrVersionConflict)
	if !e.g.NoExpect {
		unexpected := signal(rec, "s", 1)
		unexpected.Expect = 1
		e.wantErr("a signal that expects another version", commitOne(e, unexpected), backend.ErrVersionConflict)
	}
	e.sameDeliveries("held", e.held(rec.RunID))
	e.put(signal(rec, "s", 2))
}

// signalOfAFailedTransaction sends a signal again whose change failed in its function of the transaction.
func signalOfAFailedTransaction(e *env) {
	rec := e.start("a")
	c := signal(rec, "s", 1)
	c.Tx = e.Tx(func(context.Context) error { return errors.New("no room left") })
	var failed *backend.TxError
	if err := commitOne(e, c); !errors.As(err, &failed) {
		e.Errorf("a change whose function fails gives %v", err)
	}
	e.sameDeliveries("held", e.held(rec.RunID))
	e.put(signal(rec, "s", 2))
}

func signalWithARecord(e *env) {
	c := run("a")
	c.SignalID = "s"
	e.put(c)
	next := step(c.Record, 2)
	next.SignalID = "s"
	e.try(next)
	e.wantDuplicate("a version with a signal that the run has had", next)
	e.wantRun(c.Record)
	if n := len(e.log()); n != 1 {
		e.Errorf("the log holds %d entries, want 1", n)
	}
	next = step(c.Record, 2)
	next.SignalID = "t"
	e.put(next)
	again := signal(next.Record, "t", 1)
	e.try(again)
	e.wantDuplicate("a signal that came with a version", again)
}

func signalOfUnknownRun(e *env) {
	c := signal(run("a").Record, "s", 1)
	e.wantErr("a signal to nobody", commitOne(e, c), backend.ErrRecordNotFound)
	done := &backend.Change{Done: []backend.DeliveryKey{c.Hold[0].DeliveryKey}, SignalID: "s"}
	e.wantErr("a signal to nobody that holds nothing", commitOne(e, done), backend.ErrRecordNotFound)
	rec := e.start("a")
	e.put(signal(rec, "s", 1))
}

func signalsAsLongAsTheRun(e *env) {
	rec := e.start("a")
	e.put(signal(rec, "s", 1))
	e.put(&backend.Change{Done: []backend.DeliveryKey{signalDelivery(rec, 1).DeliveryKey}})
	for range 30 {
		rec = e.advance(rec)
	}
	c := complete(rec)
	e.put(c)
	e.save(allAt(orders, e.head())...)
	again := signal(c.Record, "s", 2)
	e.try(again)
	e.wantDuplicate("the id after the run has ended", again)
}

// signalRace sends one signal many times at once.
func (e *env) signalRace(backends ...backend.Backend) {
	e.Helper()
	rec := e.start("a")
	for round := range 8 {
		changes := make([]*backend.Change, 16)
		together(len(changes), func(i int) {
			changes[i] = signal(rec, fmt.Sprintf("s-%d", round), uint(100*round+i+1))
			if err := backends[i%len(backends)].Commit(e.Context(), []*backend.Change{changes[i]}); err != nil {
				e.Errorf("commit: %v", err)
			}
		})
		var won []backend.Delivery
		for _, c := range changes {
			if c.Err == nil {
				won = append(won, c.Hold[0])
			} else {
				e.wantDuplicate("a signal that lost", c)
			}
		}
		if len(won) != 1 {
			e.Fatalf("%d of %d equal signals were taken, want one", len(won), len(changes))
		}
		e.sameDeliveries("held after the race", e.held(rec.RunID), won...)
		e.put(&backend.Change{Done: []backend.DeliveryKey{won[0].DeliveryKey}})
	}
}

// signalVersions holds signals whose numbers have nothing to do with the run's versions.
func signalVersions(e *env) {
	rec := e.start("a")
	var want []backend.Delivery
	for i, number := range []uint{1, 2, 77, 1 << 40} {
		d := signalDelivery(rec, number)
		d.Due = birth().Add(time.Duration(i) * time.Minute)
		e.put(&backend.Change{Hold: []backend.Delivery{d}, SignalID: fmt.Sprint(number)})
		want = append(want, d)
	}
	e.sameDeliveries("held", e.held(rec.RunID), want...)
	e.sameOrder("due", e.due(orders), want...)
	next := step(rec, 2)
	next.Done = []backend.DeliveryKey{want[2].DeliveryKey}
	e.put(next)
	e.sameDeliveries("held after one was taken", e.held(rec.RunID), want[0], want[1], want[3])
}

func (e *env) signalsSurvive(end func()) {
	e.Helper()
	rec := e.start("a")
	e.put(signal(rec, "s", 1))
	end()
	again := signal(rec, "s", 2)
	e.try(again)
	e.wantDuplicate("the id afterwards", again)
	if !e.g.VolatileDeliveries {
		e.sameDeliveries("held", e.held(rec.RunID), signalDelivery(rec, 1))
	}
	e.put(signal(rec, "t", 3))
}
