package workflow

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
)

// WaitKind says what keeps a run from moving.
type WaitKind int

// The kinds.
const (
	// WaitsForNothing: its step is in work or about to be, or no process runs the workflow just now.
	WaitsForNothing WaitKind = iota
	// WaitsForAttempt: an attempt has been running for more than a second.
	WaitsForAttempt
	// WaitsForRetry: its last attempt failed, and the next one is at Until.
	WaitsForRetry
	// WaitsForTime: it goes on at Until.
	WaitsForTime
	// WaitsForOutside: a callback or a signal has to come; a timer may do as well, at Until.
	WaitsForOutside
	// WaitsForCode: no program that runs has a step for its status.
	WaitsForCode
	// WaitsForResume: it is paused.
	WaitsForResume
	// WaitsForDeletion: its data is about to be deleted.
	WaitsForDeletion
	// WaitsUnknown: without the workflow's code it cannot be told. Its step is in work, or something outside has to come, or no process runs the workflow.
	WaitsUnknown
	// HasEnded: it will not move any more.
	HasEnded
)

// Waiting says why a run is not moving.
type Waiting struct {
	Kind  WaitKind
	RunID string
	// RunState, Status and Version are where the run is, since Since.
	RunState   RunState
	Status     int
	StatusName string
	Version    uint
	Since      time.Time
	// Until is when it goes on by itself: the next attempt, the timer, the resume by the engine, the end of a running attempt at the latest. Zero where it
	// does not.
	Until time.Time
	// Receiver is what waits, such as "step" or "timeout:0"; Attempts are its failed attempts and Error the last one's.
	Receiver Receiver
	Attempts int
	Error    string
	// PausedBy, Actor and Reason say who paused or ended the run, and why.
	PausedBy PausedBy
	Actor    string
	Reason   string
	// GivenUp are the run's hooks, deletions and the like that were given up. They keep no run from moving; see [Operator.RetryNow].
	GivenUp []Delivery
}

// Waiting says why a run of the workflow is not moving.
func (w *Workflow[Type, Status]) Waiting(ctx context.Context, runID string) (Waiting, error) {
	return w.operator("").Waiting(ctx, runID)
}

// waitsForOutside reports whether a callback or signal may move a run in the status.
func (w *Workflow[Type, Status]) waitsForOutside(status int) bool {
	if len(w.callbacks[Status(status)]) > 0 {
		return true
	}
	for _, e := range w.graph.Edges() {
		if e.From == status && e.Kind.FromOutside() {
			return true
		}
	}
	return false
}

// Waiting says why a run is not moving. Without the workflow's code it does not know what the run's status waits for; see [WaitsUnknown].
func (o *Operator) Waiting(ctx context.Context, runID string) (Waiting, error) {
	rec, err := o.record(ctx, runID)
	if err != nil {
		return Waiting{}, o.fail("explain", runID, err)
	}
	held, err := o.e.Backend().Held(ctx, runID)
	if err != nil {
		return Waiting{}, o.fail("explain", runID, err)
	}
	w := Waiting{
		RunID: runID, RunState: rec.RunState, Status: rec.Status, StatusName: rec.Meta.StatusDescription, Version: rec.Meta.Version,
		Since: rec.UpdatedAt, PausedBy: rec.Meta.PausedBy, Reason: rec.Meta.RunStateReason,
	}
	if o.code != nil && o.code.has(rec.Status) {
		w.StatusName = o.code.name(rec.Status)
	}
	w.explain(o, rec, held)
	if w.Kind == WaitsForResume || w.Kind == HasEnded {
		entries, err := o.e.Backend().History(ctx, runID, max(rec.Meta.Version, 1)-1, 1)
		if err != nil {
			return Waiting{}, o.fail("explain", runID, err)
		}
		if len(entries) > 0 && entries[0].Record.Meta.Version == rec.Meta.Version {
			w.Actor = entries[0].Actor
		}
	}
	return w, nil
}

// explain finds what of all that hangs on the run keeps it.
func (w *Waiting) explain(o *Operator, rec *Record, held []Delivery) {
	var step, timer, other *Delivery // the run's step; its next timer; what the engine has to do for it
	for i := range held {
		switch d := &held[i]; {
		case !engine.Concerns(*d, rec):
		case d.State == backend.DeliveryHeld && !engine.IsTimer(d.Receiver):
			w.GivenUp = append(w.GivenUp, *d)
		case d.Receiver == backend.ReceiverStep:
			step = d
		case d.Receiver == backend.ReceiverResume, d.Receiver == backend.ReceiverDelete:
			other = d
		case engine.IsTimer(d.Receiver) && (timer == nil || d.Due.Before(timer.Due)):
			timer = d
		}
	}
	switch {
	case rec.RunState == RunStateRequestedDataDeleted:
		w.Kind = WaitsForDeletion
		w.by(other)
	case rec.RunState.Finished():
		w.Kind = HasEnded
	case rec.RunState == RunStatePaused:
		w.Kind = WaitsForResume
		w.by(other)
	case step != nil && step.State == backend.DeliveryClaimed:
		w.Kind = WaitsForAttempt
		w.by(step)
	case step != nil && step.Attempts > 0:
		w.Kind = WaitsForRetry
		w.by(step)
	case step != nil && step.LastError != "":
		w.Kind = WaitsForCode
		w.by(step)
		w.Until = time.Time{}
	case step != nil:
		w.Kind = WaitsForTime
		w.by(step)
	default:
		w.withoutStep(o, rec, timer)
	}
}

// withoutStep explains a run that moves and has no step waiting.
func (w *Waiting) withoutStep(o *Operator, rec *Record, timer *Delivery) {
	switch {
	case timer != nil && timer.State == backend.DeliveryClaimed:
		w.Kind = WaitsForAttempt
	case timer != nil && timer.Attempts > 0:
		w.Kind = WaitsForRetry
	case o.code == nil && timer == nil:
		w.Kind = WaitsUnknown
	case o.code == nil:
		w.Kind = WaitsForTime
	case o.code.steps(rec.Status):
		timer = nil // the step comes first
	case !o.code.has(rec.Status):
		w.Kind = WaitsForCode
	case o.code.outside(rec.Status):
		w.Kind = WaitsForOutside
	case timer != nil:
		w.Kind = WaitsForTime
	}
	w.by(timer)
}

// by takes over what a delivery says.
func (w *Waiting) by(d *Delivery) {
	if d != nil {
		w.Receiver, w.Until, w.Attempts, w.Error = d.Receiver, d.Due, d.Attempts, d.LastError
	}
}

// String puts it in one sentence.
func (w Waiting) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run %s ", w.RunID)
	in := fmt.Sprintf("status %s (%d)", w.StatusName, w.Status)
	at := func(what string) {
		if !w.Until.IsZero() {
			b.WriteString(what + w.Until.Format(time.RFC3339))
		}
	}
	switch w.Kind {
	case HasEnded:
		fmt.Fprintf(&b, "has ended: %v in %s since %s", w.RunState, in, w.Since.Format(time.RFC3339))
		w.who(&b)
	case WaitsForResume:
		fmt.Fprintf(&b, "is paused in %s by the %v since %s", in, w.PausedBy, w.Since.Format(time.RFC3339))
		w.who(&b)
		at("; it is resumed at ")
	case WaitsForDeletion:
		b.WriteString("waits for the deletion of its data")
		w.failed(&b)
		at("; next attempt at ")
	case WaitsForAttempt:
		fmt.Fprintf(&b, "is being worked on in %s: attempt %d of %s runs", in, w.Attempts+1, w.Receiver)
		at(", until at most ")
	case WaitsForRetry:
		fmt.Fprintf(&b, "backs off in %s", in)
		w.failed(&b)
		at("; next attempt at ")
	case WaitsForTime:
		fmt.Fprintf(&b, "waits in %s for its time", in)
		at(": ")
	case WaitsForOutside:
		fmt.Fprintf(&b, "waits in %s for a callback or signal", in)
		at(", or its timer at ")
	case WaitsForCode:
		fmt.Fprintf(&b, "waits in %s for a program that has that status", in)
	case WaitsUnknown:
		fmt.Fprintf(&b, "is in %s: in work, or waiting for something from outside, or no process runs its workflow", in)
	default:
		fmt.Fprintf(&b, "is about to be worked on in %s, unless no process runs its workflow", in)
	}
	if n := len(w.GivenUp); n > 0 {
		fmt.Fprintf(&b, "; %d given up, the first %s: %s", n, w.GivenUp[0].Receiver, w.GivenUp[0].LastError)
	}
	return b.String()
}

func (w Waiting) who(b *strings.Builder) {
	if w.Actor != "" {
		b.WriteString(" by " + w.Actor)
	}
	if w.Reason != "" {
		b.WriteString(": " + w.Reason)
	}
}

func (w Waiting) failed(b *strings.Builder) {
	if w.Attempts > 0 {
		fmt.Fprintf(b, ": attempt %d of %s failed: %s", w.Attempts, w.Receiver, w.Error)
	}
}

// Held yields the workflow's deliveries that were given up: hooks and deletions whose last attempt failed, and timeouts for which the engine has paused
// the run. [Operator.RetryNow] gives them another one. An error is yielded once, last. On parts that cannot list them, every run is looked at.
func (w *Workflow[Type, Status]) Held(ctx context.Context) iter.Seq2[Delivery, error] {
	return w.operator("").Held(ctx, w.name)
}

// heldPage is how many deliveries are read at once.
const heldPage = 200

// Held is [Workflow.Held] for a workflow by its name. An operator of one workflow shows that one's, whatever the name.
func (o *Operator) Held(ctx context.Context, workflowName string) iter.Seq2[Delivery, error] {
	if o.code != nil {
		workflowName = o.code.workflow
	}
	return func(yield func(Delivery, error) bool) {
		each := func(ds []Delivery) bool {
			for _, d := range ds {
				if d.State == backend.DeliveryHeld && d.Due.IsZero() && !yield(d, nil) {
					return false
				}
			}
			return true
		}
		if err := o.held(ctx, workflowName, each); err != nil {
			yield(Delivery{}, &Error{Op: "list held", Workflow: workflowName, Err: err})
		}
	}
}

func (o *Operator) held(ctx context.Context, workflowName string, each func([]Delivery) bool) error {
	b := o.e.Backend()
	if l, ok := b.(backend.HeldLister); ok {
		for after := (backend.DeliveryKey{}); ; {
			ds, err := l.ListHeld(ctx, workflowName, after, heldPage)
			if err != nil || !each(ds) || len(ds) < heldPage {
				return err
			}
			after = ds[len(ds)-1].DeliveryKey
		}
	}
	for rec, err := range o.AllRuns(ctx, InWorkflow(workflowName), PageSize(MaxPageSize)) {
		if err != nil {
			return err
		}
		ds, err := b.Held(ctx, rec.RunID)
		if err != nil || !each(ds) {
			return err
		}
	}
	return nil
}
