package adaptertest

import (
	"errors"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// peerCases work on the same data through two Backends, as two processes do.
func peerCases() []testCase {
	needs := []string{"NoPeers"}
	return []testCase{
		{name: "Peer/SeesCommits", needs: needs, run: peerSeesCommits},
		{name: "Peer/WatchWakes", needs: needs, run: watchSeesAPeer},
		{name: "Peer/OneWinnerPerVersion", needs: needs, run: oneWinnerAmongPeers},
		{name: "Peer/OneRunPerForeignID", needs: needs, run: oneRunAmongPeers},
		{name: "Peer/LogOfBoth", needs: needs, run: logOfBothPeers},
		{name: "Peer/Cursors", needs: needs, run: cursorsOfPeers},
		{name: "Peer/Roles", needs: needs, run: rolesOfPeers},
	}
}

func peerSeesCommits(e *env) {
	other := e.peer()
	rec := e.start("a")
	for range 5 { // to and fro, so that each works on what the other wrote
		got, err := other.Lookup(e.Context(), rec.RunID)
		if err != nil {
			e.Fatalf("the peer's lookup: %v", err)
		}
		e.sameRecord("the peer's lookup", got, rec)
		c := step(got, got.Status+1)
		c.Hold = []backend.Delivery{timer(c.Record, 1, birth())}
		putIn(e, other, c)
		e.wantRun(c.Record)
		rec = e.advance(c.Record)
	}
	if n := len(e.due(orders)); n != 5 {
		e.Errorf("%d deliveries of the peer are due, want 5", n)
	}
	e.walkBackend(other)
}

func watchSeesAPeer(e *env) {
	other := e.peer()
	changed := make(chan struct{}, 1)
	stop := other.Watch(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer stop()
	for i := range 5 {
		e.start(fmt.Sprint(i))
		e.awaitEntries(other, changed, i+1)
	}
}

func oneWinnerAmongPeers(e *env) {
	backends := []backend.Backend{e.b, e.peer()}
	rec := e.start("a")
	for range 10 {
		changes := make([]*backend.Change, 16)
		together(len(changes), func(i int) {
			changes[i] = step(rec, 100+i)
			if err := backends[i%2].Commit(e.Context(), []*backend.Change{changes[i]}); err != nil {
				e.Errorf("commit: %v", err)
			}
		})
		var won *backend.Change
		for _, c := range changes {
			if c.Err != nil {
				e.wantErr("a writer that lost", c.Err, backend.ErrVersionConflict)
				continue
			}
			if won != nil {
				e.Fatalf("two writers committed version %d", c.Record.Meta.Version)
			}
			won = c
		}
		if won == nil {
			e.Fatalf("nobody committed version %d", rec.Meta.Version+1)
		}
		e.wantRun(won.Record)
		rec = won.Record
	}
}

func oneRunAmongPeers(e *env) {
	backends := []backend.Backend{e.b, e.peer()}
	changes := make([]*backend.Change, 16)
	together(len(changes), func(i int) {
		changes[i] = newRun(orders, "f", fmt.Sprintf("trigger-%d", i))
		if err := backends[i%2].Commit(e.Context(), []*backend.Change{changes[i]}); err != nil {
			e.Errorf("commit: %v", err)
		}
	})
	won := 0
	for _, c := range changes {
		if c.Err == nil {
			won++
		} else if !errors.Is(c.Err, backend.ErrWorkflowInProgress) {
			e.Errorf("a trigger that lost: %v", c.Err)
		}
	}
	if won != 1 || len(e.log()) != 1 {
		e.Errorf("%d triggers won and the log holds %d entries, want one each", won, len(e.log()))
	}
}

// logOfBothPeers lets a reader on each side follow the log while both sides write.
func logOfBothPeers(e *env) {
	const commits = 40
	other := e.peer()
	left := make(chan struct{}, 2)
	done := make(chan struct{})
	followed := make([][]backend.Entry, 2)
	views := []*env{e, {T: e.T, Store: e.Store, g: e.g, b: other}}
	together(5, func(i int) {
		switch i {
		case 0, 1:
			for n := range commits {
				c := run(fmt.Sprintf("%d-%d", i, n))
				if err := views[i].b.Commit(e.Context(), []*backend.Change{c, step(c.Record, 2)}); err != nil || c.Err != nil {
					e.Errorf("commit: %v, %v", err, c.Err)
				}
			}
			left <- struct{}{}
		case 2, 3:
			followed[i-2] = views[i-2].follow(done)
		case 4:
			<-left
			<-left
			close(done)
		}
	})
	for side, entries := range followed {
		if len(entries) != 4*commits {
			e.Errorf("side %d followed the log and saw %d entries, want %d", side, len(entries), 4*commits)
		}
	}
}

func cursorsOfPeers(e *env) {
	other := e.peer()
	e.start("a")
	at := e.head()
	e.save(allAt(orders, at)...)
	view := &env{T: e.T, Store: e.Store, g: e.g, b: other}
	view.save(backend.Cursor{WorkflowName: orders, Bucket: 2, Pos: at - 1})
	for bucket, pos := range view.cursors(orders) {
		if pos != at {
			e.Errorf("the peer sees bucket %d at %d, want %d", bucket, pos, at)
		}
	}
}

func rolesOfPeers(e *env) {
	other := e.peer()
	c := newContest(e, orders)
	a := c.join(e.b, "of the first backend")
	a.awaitAll()
	b := c.join(other, "of the second backend")
	a.quit()
	b.awaitAll()
	again := c.join(e.b, "of the first backend again")
	b.quit()
	again.awaitAll()
	again.quit()
}
