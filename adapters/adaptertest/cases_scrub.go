package adaptertest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// scrubCases delete what a run knew.
func scrubCases() []testCase {
	return []testCase{
		{name: "Scrub/LeavesNoPayload", run: scrubLeavesNoPayload},
		{name: "Scrub/KeepsTheStory", needs: []string{"NoHistory", "NoAttempts"}, run: scrubKeepsTheStory},
		{name: "Scrub/KeepsWhatItBrings", run: scrubKeepsWhatItBrings},
		{name: "Scrub/ForgetsSignalIDs", needs: []string{"NoSignals"}, run: scrubForgetsSignalIDs},
		{name: "Scrub/SurvivesARestart", needs: []string{"NoRestart"}, run: scrubSurvivesARestart},
	}
}

// sayings is all that the Backend says of a run, as text.
func (e *env) sayings(rec *backend.Record) string {
	e.Helper()
	var b strings.Builder
	say := func(what string, rec *backend.Record) {
		fmt.Fprintf(&b, "%s: v%d %v %d %q %q %+v %v %v\n", what, rec.Meta.Version, rec.RunState, rec.Status, rec.Object, rec.ForeignID, rec.Meta, rec.CreatedAt, rec.UpdatedAt)
	}
	say("lookup", e.lookup(rec.RunID))
	latest, err := e.b.Latest(e.Context(), rec.WorkflowName, rec.ForeignID)
	if err != nil {
		e.Fatalf("latest: %v", err)
	}
	say("latest", latest)
	listed, err := e.b.List(e.Context(), rec.WorkflowName, 0, 1000, backend.OrderTypeAscending, backend.FilterByForeignID(rec.ForeignID))
	if err != nil {
		e.Fatalf("list: %v", err)
	}
	for i := range listed {
		say("listed", &listed[i])
	}
	if f, ok := e.b.(backend.Finder); ok && !e.g.NoFinder {
		found, err := f.Find(e.Context(), backend.Query{WorkflowName: rec.WorkflowName, Limit: 1000, Filters: []backend.RecordFilter{backend.FilterByForeignID(rec.ForeignID)}})
		if err != nil {
			e.Fatalf("find: %v", err)
		}
		for _, f := range found {
			say(fmt.Sprintf("found at %d", f.Key), f.Record)
		}
	}
	for _, entry := range append(e.history(rec.RunID), e.log()...) {
		if entry.Record.RunID == rec.RunID {
			say(fmt.Sprintf("entry %d by %v %s", entry.Pos, entry.Cause, entry.Actor), entry.Record)
		}
	}
	held := e.held(rec.RunID)
	slices.SortFunc(held, func(a, b backend.Delivery) int {
		return compareDue(backend.Delivery{DeliveryKey: a.DeliveryKey}, backend.Delivery{DeliveryKey: b.DeliveryKey})
	})
	for _, d := range held {
		fmt.Fprintf(&b, "held: %+v %q\n", d, d.Data)
	}
	for _, a := range e.attempts(rec.RunID) {
		fmt.Fprintf(&b, "attempt: %+v\n", a)
	}
	for _, d := range e.due(rec.WorkflowName) {
		if d.RunID == rec.RunID {
			fmt.Fprintf(&b, "due: %+v %q\n", d, d.Data)
		}
	}
	if !e.g.NoHeldLister {
		for _, d := range e.listHeld(rec.WorkflowName) {
			if d.RunID == rec.RunID {
				fmt.Fprintf(&b, "given up: %+v %q\n", d, d.Data)
			}
		}
	}
	return b.String()
}

// secret is in all that a run must not leave behind.
const secret = "4111-secret"

// confided stores a run that knows the secret in every place that there is, up to its end, and returns its last version.
func (e *env) confided(id string) *backend.Record {
	e.Helper()
	c := run(id)
	c.Record.Object = []byte(secret)
	e.put(c)
	for n := 1; n <= 4; n++ {
		c = step(c.Record, n+1)
		c.Record.Object, c.Record.Meta.RunStateReason = []byte("card "+secret), "declined: "+secret
		d := backoff(c.Record, n, birth().Add(time.Duration(n)*time.Hour))
		d.LastError, d.Data = "card "+secret, []byte(secret)
		given := d
		given.Receiver, given.Due, given.State = "timeout/9", time.Time{}, backend.DeliveryHeld
		sent := signalDelivery(c.Record, uint(n))
		sent.Data, sent.LastError = []byte(secret), secret
		c.Hold = []backend.Delivery{d, given, sent}
		c.Attempt = attempt(c.Record, n)
		c.Attempt.Error, c.Attempt.Stack = secret+" was declined", "goroutine 7: pay("+secret+")"
		if !e.g.NoSignals {
			c.SignalID = fmt.Sprintf("signal-%d", n)
		}
		e.put(c)
	}
	c = complete(c.Record)
	c.Record.Meta.RunStateReason, c.Record.Object = "done with "+secret, []byte(secret)
	e.put(c)
	return c.Record
}

// scrubbed makes the version that deletes what the run knew.
func scrubbed(rec *backend.Record) *backend.Change {
	c := deleted(rec)
	c.Record.Meta.RunStateReason = "asked for by the customer"
	return c
}

func scrubLeavesNoPayload(e *env) {
	rec, other := e.confided("a"), e.confided("other")
	before := e.sayings(other)
	if n := strings.Count(e.sayings(rec), secret); n < 4 {
		e.Fatalf("the secret is read %d times before it is deleted", n)
	}
	c := scrubbed(rec)
	e.put(c)
	e.wantRun(c.Record)
	for _, line := range strings.Split(e.sayings(c.Record), "\n") {
		if strings.Contains(line, secret) {
			e.Errorf("the secret is still there: %s", line)
		}
	}
	for _, d := range append(e.held(rec.RunID), e.due(orders)...) {
		if d.RunID == rec.RunID && d.Receiver.IsSignal() {
			e.Errorf("signal %+v is still there", d.DeliveryKey)
		}
	}
	if after := e.sayings(other); after != before {
		e.Errorf("what is read of another run was\n%s\nand is\n%s", before, after)
	}
}

// scrubKeepsTheStory looks whether what is left still says when the run moved where, and what is still to be done.
func scrubKeepsTheStory(e *env) {
	rec := e.confided("a")
	entries, attempts, held := e.history(rec.RunID), e.attempts(rec.RunID), e.held(rec.RunID)
	c := scrubbed(rec)
	e.put(c)
	now := e.history(rec.RunID)
	if len(now) != len(entries)+1 {
		e.Fatalf("the history holds %d versions, want %d", len(now), len(entries)+1)
	}
	for i, was := range entries {
		want := was.Record.Clone()
		want.Object, want.Meta.RunStateReason = c.Record.Object, ""
		e.sameRecord(fmt.Sprintf("version %d", i+1), now[i].Record, want)
		if now[i].Pos != was.Pos || now[i].From != was.From || now[i].Cause != was.Cause {
			e.Errorf("version %d was %+v and is %+v", i+1, was, now[i])
		}
	}
	e.sameRecord("the newest version", now[len(entries)].Record, c.Record)
	left := e.attempts(rec.RunID)
	if len(left) != len(attempts) {
		e.Fatalf("%d attempts are kept, want %d", len(left), len(attempts))
	}
	for i, want := range attempts {
		want.Error, want.Stack = "", ""
		if diff := diffAttempt(left[i], want); diff != "" {
			e.Errorf("attempt %d: %s", i+1, diff)
		}
	}
	var want []backend.Delivery
	for _, d := range held {
		if d.LastError, d.Data = "", nil; !d.Receiver.IsSignal() {
			want = append(want, d)
		}
	}
	e.sameDeliveries("held", e.held(rec.RunID), want...)
}

// scrubKeepsWhatItBrings deletes with a change that has a delivery and an attempt of its own.
func scrubKeepsWhatItBrings(e *env) {
	c := scrubbed(e.confided("a"))
	hook := timer(c.Record, 1, birth())
	hook.Receiver, hook.LastError, hook.Data = "hook:DataDeleted", "not yet called", []byte("of the deletion")
	c.Hold, c.Attempt = []backend.Delivery{hook}, attempt(c.Record, 77)
	e.put(c)
	held := slices.DeleteFunc(e.held("run-a"), func(d backend.Delivery) bool { return d.DeliveryKey != hook.DeliveryKey })
	e.sameDeliveries("what came with the deletion", held, hook)
	if e.g.NoAttempts {
		return
	}
	attempts := e.attempts("run-a")
	if diff := diffAttempt(attempts[len(attempts)-1], *c.Attempt); diff != "" {
		e.Errorf("the attempt that came with the deletion: %s", diff)
	}
}

func scrubForgetsSignalIDs(e *env) {
	c := scrubbed(e.confided("a"))
	e.put(c)
	other := e.start("b")
	e.put(signal(other, "signal-1", 1))
	e.put(signal(c.Record, "signal-1", 1))
	again := signal(c.Record, "signal-1", 2)
	e.try(again)
	e.wantDuplicate("the id again", again)
}

func scrubSurvivesARestart(e *env) {
	c := scrubbed(e.confided("a"))
	e.put(c)
	e.reopen()
	e.wantRun(c.Record)
	if strings.Contains(e.sayings(c.Record), secret) {
		e.Errorf("the secret came back")
	}
}
