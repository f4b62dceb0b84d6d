package adaptertest

import (
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/stillwater-go/workflow/backend"
)

// logCases are the log as delivery reads it.
func logCases() []testCase {
	return []testCase{
		{name: "Log/Empty", run: emptyLog},
		{name: "Log/Paging", run: logPaging},
		{name: "Log/PositionsGrow", run: positionsGrow},
		{name: "Log/SaysWhatIsCurrentAndHeld", run: logSaysWhatIsCurrentAndHeld},
		{name: "Log/RefusedChangesLeaveNoEntry", run: refusedChangesLeaveNoEntry},
		{name: "Log/NothingAppearsBehindAReader", run: nothingAppearsBehindAReader},
		{name: "Log/WatchIsNotForOwnCommits", run: watchIsNotForOwnCommits},
		{name: "Log/WatchSeesAPlainStore", needs: []string{"NoRecordStore"}, run: watchSeesAPlainStore},
		{name: "Log/WatchEnds", needs: []string{"NoRecordStore"}, run: watchEnds},
		{name: "Log/WatchStopWaits", needs: []string{"NoRecordStore"}, run: watchStopWaits},
	}
}

func emptyLog(e *env) {
	entries, err := e.b.ReadLog(e.Context(), 0, 10)
	if err != nil || len(entries) != 0 {
		e.Errorf("an empty log gives %d entries, %v", len(entries), err)
	}
	entries, err = e.b.ReadLog(e.Context(), 1000, 10)
	if err != nil || len(entries) != 0 {
		e.Errorf("behind the end of an empty log are %d entries, %v", len(entries), err)
	}
	if head := e.head(); head != 0 {
		e.Errorf("the head of an empty log is %d, want 0", head)
	}
}

// logPaging reads with every page size from every entry on.
func logPaging(e *env) {
	var changes []*backend.Change
	for i := range 12 {
		c := newRun([]string{orders, billing}[i%2], fmt.Sprint(i), fmt.Sprintf("run-%d", i))
		e.put(c)
		changes = append(changes, c)
	}
	for from := range changes {
		for limit := 1; limit <= len(changes)+1; limit++ {
			got, err := e.b.ReadLog(e.Context(), changes[from].Pos, limit)
			if err != nil {
				e.Fatalf("read: %v", err)
			}
			e.wantEntries(fmt.Sprintf("the page of %d behind entry %d", limit, from+1), got, changes[from+1:min(len(changes), from+1+limit)])
		}
	}
	before, err := e.b.ReadLog(e.Context(), changes[5].Pos-1, 1)
	if err != nil {
		e.Fatalf("read: %v", err)
	}
	e.wantEntries("just before entry 6", before, changes[5:6])
	behind, err := e.b.ReadLog(e.Context(), e.head()+1000, 10)
	if err != nil || len(behind) != 0 {
		e.Errorf("behind the head are %d entries, %v", len(behind), err)
	}
}

func positionsGrow(e *env) {
	last := int64(0)
	recs := map[string]*backend.Record{}
	for round := range 4 {
		for _, id := range []string{"c", "a", "b"} {
			c := run(id)
			if round > 0 {
				c = step(recs[id], round)
			}
			e.put(c)
			if c.Pos <= last {
				e.Errorf("version %d of run %s has position %d, the commit before it had %d", c.Record.Meta.Version, id, c.Pos, last)
			}
			if e.head() != c.Pos {
				e.Errorf("the head is %d after a commit at %d", e.head(), c.Pos)
			}
			last, recs[id] = c.Pos, c.Record
		}
	}
}

func refusedChangesLeaveNoEntry(e *env) {
	rec := e.start("a")
	var want []*backend.Change
	for i := range 5 {
		stale := step(rec, 9)
		stale.Record.Meta.Version = 50
		good := run(fmt.Sprintf("good-%d", i))
		e.try(stale, good, newRun(orders, "a", fmt.Sprintf("second-%d", i)))
		want = append(want, good)
	}
	e.wantEntries("the log behind the first run", e.log()[1:], want)
}

// nothingAppearsBehindAReader lets six writers commit while a reader follows the log: what it collects page by page
// must be the whole log, because a cursor never looks back.
func nothingAppearsBehindAReader(e *env) {
	const writers, commits = 6, 25
	var left atomic.Int32
	left.Store(writers)
	done := make(chan struct{})
	var followed []backend.Entry
	together(writers+1, func(w int) {
		if w == writers {
			followed = e.follow(done)
			return
		}
		defer func() {
			if left.Add(-1) == 0 {
				close(done)
			}
		}()
		for i := range commits {
			c := run(fmt.Sprintf("%d-%d", w, i))
			if err := e.b.Commit(e.Context(), []*backend.Change{c, step(c.Record, 2)}); err != nil {
				e.Errorf("writer %d: commit: %v", w, err)
				return
			}
			runtime.Gosched() // lets the reader come between two commits of a fast store
		}
	})
	all := e.log()
	if len(all) != 2*writers*commits {
		e.Errorf("the log holds %d entries, want %d", len(all), 2*writers*commits)
	}
	if len(followed) != len(all) {
		e.Fatalf("a reader that followed the log saw %d of %d entries", len(followed), len(all))
	}
	for i := range all {
		if followed[i].Pos != all[i].Pos {
			e.Fatalf("a reader that followed the log saw position %d where %d is now", followed[i].Pos, all[i].Pos)
		}
	}
}

// follow reads the log as it grows, until done is closed and nothing is left.
func (e *env) follow(done <-chan struct{}) []backend.Entry {
	var all []backend.Entry
	after := int64(0)
	for {
		last := false
		select {
		case <-done:
			last = true
		default:
		}
		page, err := e.b.ReadLog(e.Context(), after, 10)
		if err != nil {
			e.Errorf("read the log: %v", err)
			return all
		}
		if len(page) == 0 && last {
			return all
		}
		if len(page) > 0 {
			after = page[len(page)-1].Pos
			all = append(all, page...)
		}
	}
}

func watchIsNotForOwnCommits(e *env) {
	stop := e.b.Watch(func() {}) // calls for own commits are allowed; they only must not be needed
	c := run("a")
	e.put(c)
	if entries := e.log(); len(entries) != 1 {
		e.Errorf("after an own commit the log holds %d entries", len(entries))
	}
	finish(e, "the end of a watch", stop)
	finish(e, "the second end of a watch", stop)
}

// watchSeesAPlainStore stores through the classic view and waits for the call; by then the entry is visible.
func watchSeesAPlainStore(e *env) {
	changed := make(chan struct{}, 1)
	stop := e.b.Watch(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer stop()
	classic := e.classic()
	for i := range 3 {
		if err := classic.Store(e.Context(), run(fmt.Sprint(i)).Record); err != nil {
			e.Fatalf("store: %v", err)
		}
		e.awaitEntries(e.b, changed, i+1)
	}
}

// awaitEntries waits, woken by changed, until the log of b holds n entries.
func (e *env) awaitEntries(b backend.Backend, changed <-chan struct{}, n int) {
	e.Helper()
	for {
		await(e, changed, fmt.Sprintf("the watch to tell of log entry %d", n))
		entries, err := readLog(e.Context(), b, 0)
		if err != nil {
			e.Fatalf("read the log: %v", err)
		}
		if len(entries) >= n {
			return
		}
	}
}

func watchEnds(e *env) {
	var calls atomic.Int32
	changed := make(chan struct{}, 100)
	stop := e.b.Watch(func() {
		calls.Add(1)
		changed <- struct{}{}
	})
	classic := e.classic()
	if err := classic.Store(e.Context(), run("a").Record); err != nil {
		e.Fatalf("store: %v", err)
	}
	await(e, changed, "the watch to tell of a plain store")
	finish(e, "the end of the watch", stop)
	before := calls.Load()

	other := make(chan struct{}, 100)
	defer e.b.Watch(func() { other <- struct{}{} })()
	if err := classic.Store(e.Context(), run("b").Record); err != nil {
		e.Fatalf("store: %v", err)
	}
	await(e, other, "the other watch to tell of a plain store")
	if n := calls.Load(); n != before {
		e.Errorf("a watch that had ended was called %d times", n-before)
	}
}

// watchStopWaits ends a watch while its function runs: the end waits for it.
func watchStopWaits(e *env) {
	entered, release := make(chan struct{}), make(chan struct{})
	var running, returned atomic.Bool
	stop := e.b.Watch(func() {
		if running.Swap(true) {
			return
		}
		close(entered)
		<-release
		returned.Store(true)
	})
	stored := make(chan error, 1)
	go func() { stored <- e.classic().Store(e.Context(), run("a").Record) }()
	await(e, entered, "the watch to tell of a plain store")
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
	if err := await(e, stored, "the plain store"); err != nil {
		e.Errorf("store: %v", err)
	}
}

// historyCases are the versions and attempts that are kept.
func historyCases() []testCase {
	return []testCase{
		{name: "History/Paging", needs: []string{"NoHistory"}, run: historyPaging},
		{name: "History/OfUnknownRun", run: historyOfUnknownRun},
		{name: "History/PresentVersion", run: historyHasThePresent},
		{name: "History/Scrub", needs: []string{"NoHistory"}, run: scrub},
		{name: "History/ScrubInOneBatch", needs: []string{"NoHistory"}, run: scrubInOneBatch},
		{name: "History/Attempts", needs: []string{"NoAttempts"}, run: attemptsAreKept},
		{name: "History/AttemptAloneMakesNoVersion", needs: []string{"NoAttempts"}, run: attemptAlone},
	}
}

func historyPaging(e *env) {
	var changes, others []*backend.Change
	c, o := run("a"), run("b")
	for range 9 {
		e.put(c)
		e.put(o)
		changes, others = append(changes, c), append(others, o)
		c, o = step(c.Record, c.Record.Status+1), step(o.Record, 5)
	}
	for after := range len(changes) + 2 {
		for limit := 1; limit <= len(changes)+1; limit++ {
			got, err := e.b.History(e.Context(), "run-a", uint(after), limit)
			if err != nil {
				e.Fatalf("history: %v", err)
			}
			from := min(after, len(changes))
			e.wantEntries(fmt.Sprintf("the page of %d above version %d", limit, after), got, changes[from:min(len(changes), from+limit)])
		}
	}
	e.wantEntries("the other run's history", e.history("run-b"), others)
}

func historyOfUnknownRun(e *env) {
	e.start("a")
	entries, err := e.b.History(e.Context(), "nowhere", 0, 10)
	if len(entries) != 0 {
		e.Errorf("an unknown run has a history of %d versions", len(entries))
	}
	if err != nil {
		e.wantErr("history of an unknown run", err, backend.ErrRecordNotFound)
	}
}

func historyHasThePresent(e *env) {
	rec := e.advance(e.advance(e.start("a")))
	entries := e.history(rec.RunID)
	if len(entries) == 0 {
		e.Fatalf("the history is empty")
	}
	e.sameRecord("the newest version in the history", entries[len(entries)-1].Record, rec)
}

// deleted makes the version that replaces all the run's objects.
func deleted(rec *backend.Record) *backend.Change {
	c := move(rec, backend.RunStateDataDeleted, rec.Status)
	c.Record.Object = []byte(`{"left":"over"}`)
	c.Scrub = true
	return c
}

func scrub(e *env) {
	other := e.start("other")
	rec := e.advance(e.start("a"))
	done := complete(rec)
	request := move(done.Record, backend.RunStateRequestedDataDeleted, done.Record.Status)
	gone := deleted(request.Record)
	e.put(done)
	e.put(request)
	e.put(gone)
	e.wantScrubbed("run-a", gone.Record)
	e.wantRun(other)
	e.sameRecord("another run's first version", e.history("run-other")[0].Record, other)
}

func scrubInOneBatch(e *env) {
	first := run("a")
	done := complete(first.Record)
	request := move(done.Record, backend.RunStateRequestedDataDeleted, done.Record.Status)
	gone := deleted(request.Record)
	e.put(first, done, request, gone)
	e.wantScrubbed("run-a", gone.Record)
}

// wantScrubbed fails the case unless every version, wherever it is read, holds the object of last.
func (e *env) wantScrubbed(runID string, last *backend.Record) {
	e.Helper()
	e.wantRun(last)
	history := e.history(runID)
	if len(history) != int(last.Meta.Version) {
		e.Errorf("the history holds %d versions, want %d", len(history), last.Meta.Version)
	}
	for what, entries := range map[string][]backend.Entry{"history": history, "log": e.log()} {
		for _, entry := range entries {
			if entry.Record.RunID == runID && string(entry.Record.Object) != string(last.Object) {
				e.Errorf("version %d in the %s still has its old object", entry.Record.Meta.Version, what)
			}
		}
	}
}

func attemptsAreKept(e *env) {
	rec, other := e.start("a"), e.start("b")
	var want []backend.Attempt
	for n := 1; n <= 10; n++ {
		a := attempt(rec, n)
		b := attempt(other, n)
		b.Receiver = "timeout/1"
		e.put(
			&backend.Change{Hold: []backend.Delivery{backoff(rec, n, birth())}, Attempt: a},
			&backend.Change{Attempt: b},
		)
		want = append(want, *a)
	}
	got := e.attempts(rec.RunID)
	if len(got) != len(want) {
		e.Fatalf("%d attempts are kept, want %d", len(got), len(want))
	}
	for i := range want {
		if diff := diffAttempt(got[i], want[i]); diff != "" {
			e.Errorf("attempt %d: %s", i+1, diff)
		}
	}
	page, err := e.b.Attempts(e.Context(), rec.RunID, 3)
	if err != nil || len(page) != 3 {
		e.Errorf("at most 3 attempts: got %d, %v", len(page), err)
	}
	if n := len(e.attempts(other.RunID)); n != 10 {
		e.Errorf("the other run has %d attempts, want 10", n)
	}
}

func attemptAlone(e *env) {
	rec := e.start("a")
	head := e.head()
	e.put(&backend.Change{Attempt: attempt(rec, 1)})
	if e.head() != head {
		e.Errorf("an attempt moved the log")
	}
	e.wantRun(rec)
	if n := len(e.attempts(rec.RunID)); n != 1 {
		e.Errorf("%d attempts are kept, want 1", n)
	}
}
