package adaptertest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// wantErr fails the case unless err is, or wraps, target.
func (e *env) wantErr(what string, err, target error) {
	e.Helper()
	if !errors.Is(err, target) {
		e.Errorf("%s: error is %v, want %v", what, err, target)
	}
}

// lookup reads a run that has to be there.
func (e *env) lookup(runID string) *backend.Record {
	e.Helper()
	rec, err := e.b.Lookup(e.Context(), runID)
	if err != nil {
		e.Fatalf("lookup of run %s: %v", runID, err)
	}
	return rec
}

// wantRun fails the case unless the store holds exactly want.
func (e *env) wantRun(want *backend.Record) {
	e.Helper()
	e.sameRecord("lookup of run "+backend.Quote(want.RunID), e.lookup(want.RunID), want)
}

// wantNoRun fails the case unless the store knows nothing of the run.
func (e *env) wantNoRun(runID string) {
	e.Helper()
	rec, err := e.b.Lookup(e.Context(), runID)
	if !errors.Is(err, backend.ErrRecordNotFound) {
		e.Errorf("lookup of run %s gives version %v and error %v, want ErrRecordNotFound", backend.Quote(runID), versionOf(rec), err)
	}
	for _, entry := range e.log() {
		if entry.Record.RunID == runID {
			e.Errorf("the log holds version %d of run %s, which was not stored", entry.Record.Meta.Version, backend.Quote(runID))
		}
	}
	if held := e.held(runID); len(held) > 0 {
		e.Errorf("%d deliveries of run %s are held, which was not stored", len(held), backend.Quote(runID))
	}
}

func versionOf(r *backend.Record) any {
	if r == nil {
		return "none"
	}
	return r.Meta.Version
}

// log reads the whole log, page by page.
func (e *env) log() []backend.Entry {
	e.Helper()
	entries, err := readLog(e.Context(), e.b, 0)
	if err != nil {
		e.Fatalf("read the log: %v", err)
	}
	return entries
}

func (e *env) head() int64 {
	e.Helper()
	head, err := e.b.Head(e.Context())
	if err != nil {
		e.Fatalf("head: %v", err)
	}
	return head
}

func (e *env) history(runID string) []backend.Entry {
	e.Helper()
	entries, err := readHistory(e.Context(), e.b, runID)
	if err != nil {
		e.Fatalf("history of run %s: %v", runID, err)
	}
	return entries
}

func (e *env) held(runID string) []backend.Delivery {
	e.Helper()
	held, err := e.b.Held(e.Context(), runID)
	if err != nil {
		e.Fatalf("deliveries of run %s: %v", runID, err)
	}
	return held
}

func (e *env) due(workflowName string) []backend.Delivery {
	e.Helper()
	due, err := readDue(e.Context(), e.b, workflowName, pageSize)
	if err != nil {
		e.Fatalf("due deliveries of %s: %v", workflowName, err)
	}
	return due
}

func (e *env) attempts(runID string) []backend.Attempt {
	e.Helper()
	attempts, err := e.b.Attempts(e.Context(), runID, 1000)
	if err != nil {
		e.Fatalf("attempts of run %s: %v", runID, err)
	}
	return attempts
}

// sameRecord fails the case unless got equals want in every field.
func (e *env) sameRecord(what string, got, want *backend.Record) {
	e.Helper()
	if diff := diffRecord(got, want); diff != "" {
		e.Errorf("%s: %s", what, diff)
	}
}

// diffRecord says in which fields two records differ; empty when in none. Times are equal when they are the same instant. An
// object is named by its length only.
func diffRecord(got, want *backend.Record) string {
	if got == nil || want == nil {
		if got == want {
			return ""
		}
		return fmt.Sprintf("got a record: %t, want one: %t", got != nil, want != nil)
	}
	var d differ
	d.add("WorkflowName", got.WorkflowName, want.WorkflowName)
	d.add("ForeignID", got.ForeignID, want.ForeignID)
	d.add("RunID", got.RunID, want.RunID)
	d.add("RunState", got.RunState, want.RunState)
	d.add("Status", got.Status, want.Status)
	d.bytes("Object", got.Object, want.Object)
	d.time("CreatedAt", got.CreatedAt, want.CreatedAt)
	d.time("UpdatedAt", got.UpdatedAt, want.UpdatedAt)
	was, is := want.Meta, got.Meta
	d.time("Meta.Deadline", is.Deadline, was.Deadline)
	was.Deadline, is.Deadline = time.Time{}, time.Time{}
	d.add("Meta", is, was)
	return d.String()
}

// diffDelivery is diffRecord for deliveries.
func diffDelivery(got, want backend.Delivery) string {
	var d differ
	d.add("DeliveryKey", got.DeliveryKey, want.DeliveryKey)
	d.add("WorkflowName", got.WorkflowName, want.WorkflowName)
	d.add("Bucket", got.Bucket, want.Bucket)
	d.add("Attempts", got.Attempts, want.Attempts)
	d.time("Due", got.Due, want.Due)
	d.add("State", got.State, want.State)
	d.add("LastError", got.LastError, want.LastError)
	d.time("FirstAt", got.FirstAt, want.FirstAt)
	d.bytes("Data", got.Data, want.Data)
	return d.String()
}

// diffAttempt is diffRecord for attempts.
func diffAttempt(got, want backend.Attempt) string {
	var d differ
	d.time("At", got.At, want.At)
	got.At, want.At = time.Time{}, time.Time{}
	d.add("Attempt", got, want)
	return d.String()
}

// differ collects what differs.
type differ []string

func (d *differ) add(field string, got, want any) {
	if got != want {
		*d = append(*d, fmt.Sprintf("%s is %.300q, want %.300q", field, fmt.Sprint(got), fmt.Sprint(want)))
	}
}

func (d *differ) bytes(field string, got, want []byte) {
	if !bytes.Equal(got, want) {
		*d = append(*d, fmt.Sprintf("%s has %d other bytes than the %d stored", field, len(got), len(want)))
	}
}

func (d *differ) time(field string, got, want time.Time) {
	if !got.Equal(want) {
		*d = append(*d, fmt.Sprintf("%s is %v, want %v", field, got, want))
	}
}

func (d differ) String() string { return strings.Join(d, "; ") }

// sameDeliveries fails the case unless got holds exactly the wanted deliveries, in any order.
func (e *env) sameDeliveries(what string, got []backend.Delivery, want ...backend.Delivery) {
	e.Helper()
	if len(got) != len(want) {
		e.Errorf("%s: %d deliveries, want %d", what, len(got), len(want))
	}
	byKey := make(map[backend.DeliveryKey]backend.Delivery, len(got))
	for _, d := range got {
		if _, twice := byKey[d.DeliveryKey]; twice {
			e.Errorf("%s: delivery %v comes twice", what, d.DeliveryKey)
		}
		byKey[d.DeliveryKey] = d
	}
	for _, w := range want {
		g, found := byKey[w.DeliveryKey]
		if !found {
			e.Errorf("%s: delivery %v is missing", what, w.DeliveryKey)
			continue
		}
		if diff := diffDelivery(g, w); diff != "" {
			e.Errorf("%s: delivery %v: %s", what, w.DeliveryKey, diff)
		}
	}
}

// sameOrder fails the case unless got holds exactly the wanted deliveries in that order.
func (e *env) sameOrder(what string, got []backend.Delivery, want ...backend.Delivery) {
	e.Helper()
	e.sameDeliveries(what, got, want...)
	for i := range min(len(got), len(want)) {
		if got[i].DeliveryKey != want[i].DeliveryKey {
			e.Errorf("%s: number %d is %v, want %v", what, i+1, got[i].DeliveryKey, want[i].DeliveryKey)
		}
	}
}
