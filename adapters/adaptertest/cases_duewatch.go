package adaptertest

import (
	"fmt"
	"sync/atomic"

	"github.com/stillwater-go/workflow/backend"
)

// dueWatchCases tell one Backend of due deliveries that another stored.
func dueWatchCases() []testCase {
	needs := []string{"NoPeers", "NoDueWatch"}
	return []testCase{
		{name: "DueWatch/TellsOfWake", needs: needs, run: dueWatchTells},
		{name: "DueWatch/Ends", needs: needs, run: dueWatchEnds},
		{name: "DueWatch/StopWaits", needs: needs, run: dueWatchStopWaits},
	}
}

func (e *env) watchDue(b backend.Backend, changed func()) (stop func()) {
	e.Helper()
	w, ok := b.(backend.DueWatcher)
	if !ok {
		e.Fatalf("%T is no DueWatcher", b)
	}
	return w.WatchDue(changed)
}

// woken is a change by an outsider: a delivery that is due, and no log entry that tells of it.
func woken(rec *backend.Record, index int) *backend.Change {
	return &backend.Change{Hold: []backend.Delivery{timer(rec, index, birth())}, Wake: true}
}

// dueWatchTells stores due deliveries on one side, and waits for the other to be told. Between them are changes that need not be told of.
func dueWatchTells(e *env) {
	other := e.peer()
	changed := make(chan struct{}, 1)
	defer e.watchDue(other, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})()
	rec := e.start("a")
	var want []backend.Delivery
	for i := range 5 {
		quietly := timer(rec, 100+i, birth())
		e.put(&backend.Change{Hold: []backend.Delivery{quietly}})
		c := woken(rec, i)
		e.put(c)
		want = append(want, quietly, c.Hold[0])
		for {
			await(e, changed, fmt.Sprintf("the peer to be told of due delivery %d", i+1))
			due, err := readDue(e.Context(), other, orders, readPage)
			if err != nil {
				e.Fatalf("the peer's due deliveries: %v", err)
			}
			if len(due) == len(want) {
				break
			}
		}
	}
	e.sameDeliveries("held in the end", e.held(rec.RunID), want...)
}

func dueWatchEnds(e *env) {
	other := e.peer()
	var calls atomic.Int64
	told := make(chan struct{}, 100)
	stop := e.watchDue(other, func() {
		calls.Add(1)
		told <- struct{}{}
	})
	still := make(chan struct{}, 100)
	defer e.watchDue(other, func() { still <- struct{}{} })()
	rec := e.start("a")
	e.put(woken(rec, 1))
	await(e, told, "the watch to tell of a due delivery")
	await(e, still, "the other watch to tell of a due delivery")
	stop()
	stop()
	before := calls.Load()
	for len(still) > 0 {
		<-still
	}
	e.put(woken(rec, 2))
	await(e, still, "the other watch to tell of another")
	if n := calls.Load(); n != before {
		e.Errorf("a watch that had ended was called %d times", n-before)
	}
}

// dueWatchStopWaits ends a watch while its function runs: the end waits for it.
func dueWatchStopWaits(e *env) {
	other := e.peer()
	entered, release := make(chan struct{}), make(chan struct{})
	var running, returned atomic.Bool
	stop := e.watchDue(other, func() {
		if running.Swap(true) {
			return
		}
		close(entered)
		<-release
		returned.Store(true)
	})
	rec := e.start("a")
	put := make(chan error, 1)
	go func() { put <- e.b.Commit(e.Context(), []*backend.Change{woken(rec, 1)}) }()
	await(e, entered, "the watch to tell of a due delivery")
	stopped := make(chan bool, 1)
	go func() {
		stop()
		stopped <- returned.Load()
	}()
	quiet(e, stopped, "the watch ended while its function ran")
	close(release)
	if !await(e, stopped, "the end of the watch") {
		e.Errorf("the watch ended before its function returned")
	}
	if err := await(e, put, "the commit"); err != nil {
		e.Errorf("commit: %v", err)
	}
}
