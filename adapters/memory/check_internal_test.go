package memory

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// planted returns a sound Backend with two runs of three versions, and a delivery each.
func planted(t *testing.T) *Backend {
	t.Helper()
	b := New()
	for _, id := range []string{"a", "b"} {
		from := backend.Point{}
		for v := uint(1); v <= 3; v++ {
			rec := &backend.Record{WorkflowName: "orders", ForeignID: id, RunID: "run-" + id, RunState: backend.RunStateRunning, Status: int(v), Meta: backend.Meta{Version: v}}
			c := &backend.Change{Record: rec, From: from, Cause: backend.CauseStep}
			if v == 1 {
				c.Hold = []backend.Delivery{{DeliveryKey: backend.DeliveryKey{RunID: rec.RunID, Receiver: backend.ReceiverStep, Version: 1}, Due: time.Unix(1, 0)}}
			}
			if err := b.Commit(t.Context(), []*backend.Change{c}); err != nil || c.Err != nil {
				t.Fatal(err, c.Err)
			}
			from = pointOf(rec)
		}
	}
	return b
}

func check(t *testing.T, b *Backend) []string {
	t.Helper()
	var found []string
	if err := b.Check(t.Context(), func(v backend.Violation) { found = append(found, v.String()) }); err != nil {
		t.Fatal(err)
	}
	return found
}

// change replaces a version's record by a changed copy.
func change(r *run, i int, do func(rec *backend.Record)) {
	rec := *r.versions[i].Record
	do(&rec)
	r.versions[i].Record = &rec
}

// TestCheckFindsWhatIsBroken damages a sound Backend in one way at a time.
func TestCheckFindsWhatIsBroken(t *testing.T) {
	if found := check(t, planted(t)); len(found) != 0 {
		t.Fatalf("a sound Backend: %q", found)
	}
	for name, c := range map[string]struct {
		damage func(t *table, a *run)
		want   string // the beginning of one of the violations
	}{
		"gap in the versions":      {func(t *table, a *run) { change(a, 1, func(r *backend.Record) { r.Meta.Version = 7 }) }, "I2: run run-a: version 7"},
		"record is not the newest": {func(t *table, a *run) { a.record = a.record.Clone() }, "I2: run run-a: its record"},
		"history lacks the oldest": {func(t *table, a *run) { a.versions = a.versions[1:] }, "I2: run run-a: its history"},
		"no history":               {func(t *table, a *run) { a.versions = nil }, "I2: run run-a: has no"},
		"run cannot be looked up":  {func(t *table, a *run) { delete(t.runs, "run-a") }, "I2: 2 runs"},
		"position repeated":        {func(t *table, a *run) { a.versions[1].Pos = 1 }, "I2: run run-a: version 2 has position"},
		"came from elsewhere":      {func(t *table, a *run) { a.versions[1].From.Status = 77 }, "I3: run run-a: version 2 comes from"},
		"left a finished state": {func(t *table, a *run) {
			change(a, 1, func(r *backend.Record) { r.RunState = backend.RunStateCompleted })
		}, "I3: run run-a: version 3 is"},
		"entry lost":                {func(t *table, a *run) { *t.log.slot(2) = *t.log.slot(3) }, "I2: run run-a: position 2"},
		"entry forgotten too early": {func(t *table, a *run) { a.versions = append(a.versions, &backend.Entry{Record: a.record, Pos: 99}) }, "I2: run run-a: 3 of its versions"},
		"delivery lost":             {func(t *table, a *run) { a.held = nil }, "I4: 2 deliveries are stored"},
		"delivery of another run":   {func(t *table, a *run) { a.held.RunID = "run-b" }, "I4: run run-a: it holds"},
		"delivery of the future":    {func(t *table, a *run) { a.held.Version = 9 }, "I4: run run-a: it has version 3"},
		"never due":                 {func(t *table, a *run) { a.workflow.due.remove(a.held) }, "I4: run run-a: delivery"},
		"due without a due time":    {func(t *table, a *run) { a.held.Due = time.Time{} }, "I4: 2 deliveries are due"},
		"due out of order":          {func(t *table, a *run) { p := a.workflow.due.pages[0]; p[0], p[1] = p[1], p[0] }, "I4: run run-a: delivery"},
		"cursor beyond the log":     {func(t *table, a *run) { a.workflow.cursors.move(3, 1000) }, "I5: the cursor"},
		"two unfinished runs": {func(t *table, a *run) {
			a.foreign.runs.add(t.runs["run-b"])
		}, "I7: run run-b: is unfinished"},
		"keys out of order":        {func(t *table, a *run) { a.key = 7 }, "I2: all runs: key"},
		"listed, and erased":       {func(t *table, a *run) { a.erased = true }, "I2: all runs: 1 are erased, 0"},
		"lists of other lengths":   {func(t *table, a *run) { a.workflow.order.runs = a.workflow.order.runs[:1] }, "I2: 2 runs are listed, those"},
		"erased and in the log":    {func(t *table, a *run) { t.runs["run-b"].erased = true }, "I2: run run-b: position"},
		"erased and waiting":       {func(t *table, a *run) { a.workflow.late[&run{erased: true}] = struct{}{} }, "I2: an erased run of workflow"},
		"erased and in the outbox": {func(t *table, a *run) { t.post(a, backend.OutboxEventData{ID: "x"}); a.erased = true }, "I2: an outbox event"},
		"foreign id without runs":  {func(t *table, a *run) { a.workflow.foreign["z"] = &foreign{id: "z"} }, "I2: foreign id"},
		"object lost and not said": {func(t *table, a *run) { a.bare = 1 }, "I6: run run-a: 1 of 3"},
		"object said to be lost":   {func(t *table, a *run) { a.versions[0].Trimmed = true }, "I6: run run-a: version 1 says"},
		"hooks miscounted":         {func(t *table, a *run) { a.hooks = 2 }, "I4: run run-a: it holds 0 deliveries to hooks"},
		"given up and not listed": {func(t *table, a *run) {
			a.workflow.due.remove(a.held)
			a.held.Due, a.held.State = time.Time{}, backend.DeliveryHeld
		}, "I4: run run-a: delivery"},
		"listed and not given up": {func(t *table, a *run) { a.workflow.givenUp.insert(a.held) }, "I4: 1 deliveries are listed as given up"},
		"object lost under a hook": {func(t *table, a *run) {
			t.keep.objects, a.bare, a.hooks, a.held.Receiver = 1, 1, 1, "hook:Paused"
			a.versions[0].Trimmed = true
		}, "I6: run run-a: version 1 has lost"},
		"foreign id free": {func(t *table, a *run) { a.foreign.active = nil }, "I7: run run-a: foreign id"},
	} {
		t.Run(name, func(t *testing.T) {
			b := planted(t)
			c.damage(b.table, b.table.runs["run-a"])
			found := check(t, b)
			for _, v := range found {
				if strings.HasPrefix(v, c.want) {
					return
				}
			}
			t.Errorf("found %q, want one that begins %q", found, c.want)
		})
	}
}

func TestCheckIsBounded(t *testing.T) {
	b := New()
	for i := range 1500 {
		rec := &backend.Record{WorkflowName: "orders", ForeignID: fmt.Sprint(i), RunID: fmt.Sprint(i), Meta: backend.Meta{Version: 1}}
		if err := b.Commit(t.Context(), []*backend.Change{{Record: rec}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range b.table.order.runs {
		r.foreign.active = nil
	}
	if found := check(t, b); len(found) != maxViolations {
		t.Errorf("%d violations were reported, want %d", len(found), maxViolations)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Check(ended, func(backend.Violation) {}); err == nil {
		t.Error("a walk under an ended context succeeded")
	}
}

// TestMapsAreMadeAnewAfterABurst shows that a burst of deliveries and outbox events does not keep its memory.
func TestMapsAreMadeAnewAfterABurst(t *testing.T) {
	b := New()
	rec := &backend.Record{WorkflowName: "orders", ForeignID: "a", RunID: "a", Meta: backend.Meta{Version: 1}}
	hold := &backend.Change{Record: rec}
	for v := range uint(manyKeys + 1) {
		key := backend.DeliveryKey{RunID: "a", Receiver: backend.ReceiverStep, Version: v}
		hold.Hold = append(hold.Hold, backend.Delivery{DeliveryKey: key})
	}
	done := &backend.Change{}
	for _, d := range hold.Hold {
		done.Done = append(done.Done, d.DeliveryKey)
	}
	for _, c := range []*backend.Change{hold, done} {
		if err := b.Commit(t.Context(), []*backend.Change{c}); err != nil || c.Err != nil {
			t.Fatal(err, c.Err)
		}
	}
	if b.table.held.most != 0 || len(b.table.held.byKey) != 0 {
		t.Errorf("after a burst of %d the map of deliveries remembers %d", manyKeys+1, b.table.held.most)
	}
	s := NewRecordStore()
	if err := s.Store(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	for i := range manyKeys + 1 {
		s.table.post(s.table.runs["a"], backend.OutboxEventData{ID: fmt.Sprint(i)})
	}
	events, err := s.ListOutboxEvents(t.Context(), "orders", 2*manyKeys)
	if err != nil || len(events) != manyKeys+2 {
		t.Fatal(len(events), err)
	}
	for _, e := range events {
		if !s.table.unpost(e.ID) {
			t.Fatal("an event is not there")
		}
	}
	if s.table.outbox.most != 0 || len(s.table.outbox.byID) != 0 {
		t.Errorf("after a burst the map of events remembers %d", s.table.outbox.most)
	}
}
