package adaptertest

import (
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// deadlines sets, moves and lifts the deadline of a run from version to version, and reads each wherever it is kept.
func deadlines(e *env) {
	c := run("a")
	c.Record.Meta.Deadline = birth().AddDate(0, 0, 30)
	c.Hold = []backend.Delivery{{
		DeliveryKey:  backend.DeliveryKey{RunID: "run-a", Receiver: backend.ReceiverDeadline, Version: 1},
		WorkflowName: orders, Due: c.Record.Meta.Deadline, State: backend.DeliveryTimer,
	}}
	e.put(c)
	changes := []*backend.Change{c}
	for _, deadline := range []time.Time{
		birth().AddDate(0, 0, 30), birth().Add(time.Nanosecond), {}, birth().AddDate(90, 0, 0).In(time.FixedZone("", -3600)), {},
		time.Unix(0, 0), birth().AddDate(-200, 0, 0),
	} {
		c = step(c.Record, c.Record.Status+1)
		c.Record.Meta.Deadline = deadline
		e.put(c)
		e.wantRun(c.Record)
		changes = append(changes, c)
	}
	e.wantEntries("the log", e.log(), changes)
	if !e.g.NoHistory {
		e.wantEntries("the history", e.history("run-a"), changes)
	}
	listed, err := e.b.List(e.Context(), orders, 0, 10, backend.OrderTypeAscending)
	if err != nil || len(listed) != 1 {
		e.Fatalf("list: %d runs, %v", len(listed), err)
	}
	e.sameRecord("the listed run", &listed[0], c.Record)
	latest, err := e.b.Latest(e.Context(), orders, "a")
	if err != nil {
		e.Fatalf("latest: %v", err)
	}
	e.sameRecord("the latest run", latest, c.Record)
	e.sameDeliveries("held", e.held("run-a"), changes[0].Hold...)
	if e.Reopen != nil {
		e.reopen()
		e.wantRun(c.Record)
	}
}
