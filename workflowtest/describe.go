package workflowtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// The failure messages show at most maxLines events of a run, the newest.
const maxLines = 60

// page is how much of a history is read at once.
const page = 500

// Describe tells the story of a run for people: where it is and why, every version and failed attempt with its time since the trigger, and
// what it waits for. The Require functions and [Await] end their messages with it. It shows no object. Its form may change.
func Describe[Type any, Status workflow.StatusType](w *workflow.Workflow[Type, Status], runID string) string {
	b := honest(w.Backend())
	ctx := context.Background()
	rec, err := b.Lookup(ctx, runID)
	if err != nil {
		return fmt.Sprintf("run %s: %v", runID, err)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "run %s of workflow %q, foreign id %q, is %v in %s, version %d%s\n", rec.RunID, rec.WorkflowName, rec.ForeignID,
		rec.RunState, statusOf(rec), rec.Meta.Version, reasonOf(rec))
	lines, err := events(ctx, b, rec)
	if err != nil {
		fmt.Fprintf(&s, "  its history cannot be read: %v\n", err)
	}
	fmt.Fprintf(&s, "  triggered at %s\n", rec.CreatedAt.UTC().Format(time.DateTime))
	if over := len(lines) - maxLines; over > 0 {
		fmt.Fprintf(&s, "  … %d earlier events\n", over)
		lines = lines[over:]
	}
	for _, l := range lines {
		fmt.Fprintf(&s, "  %-12s %s\n", since(rec, l.at), l.text)
	}
	held, err := b.Held(ctx, runID)
	if err != nil {
		fmt.Fprintf(&s, "  what it waits for cannot be read: %v\n", err)
	}
	for _, d := range held {
		fmt.Fprintf(&s, "  waiting: %s (%v)", d.Receiver, d.State)
		if !d.Due.IsZero() {
			fmt.Fprintf(&s, ", due %s", since(rec, d.Due))
		}
		if d.LastError != "" {
			fmt.Fprintf(&s, ", after %d failed attempts: %s", d.Attempts, d.LastError)
		}
		s.WriteByte('\n')
	}
	return strings.TrimSuffix(s.String(), "\n")
}

// event is a line of the story.
type event struct {
	at    time.Time
	order uint // among events of one time
	text  string
}

// events collects versions and failed attempts in the order of their times.
func events(ctx context.Context, b workflow.Backend, rec *workflow.Record) ([]event, error) {
	entries, err := history(b, rec.RunID)
	if err != nil {
		return nil, err
	}
	var out []event
	for _, e := range entries {
		r := e.Record
		text := fmt.Sprintf("version %d: %v in %s", r.Meta.Version, r.RunState, statusOf(r))
		if e.Cause != backend.CauseUnknown {
			text += fmt.Sprintf(", by %v", e.Cause)
		}
		out = append(out, event{at: r.UpdatedAt, order: 2 * r.Meta.Version, text: text + reasonOf(r)})
	}
	attempts, err := b.Attempts(ctx, rec.RunID, page)
	for _, a := range attempts {
		text := fmt.Sprintf("attempt %d of %s on version %d failed: %s", a.Number, a.Receiver, a.Version, a.Error)
		if a.Number == 0 {
			text = fmt.Sprintf("%s on version %d tried again at once, by %v %s: %s", a.Receiver, a.Version, backend.CauseOperator, a.Actor, a.Error)
		}
		out = append(out, event{at: a.At, order: 2*a.Version + 1, text: text})
	}
	slices.SortStableFunc(out, func(a, b event) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order)) })
	return out, err
}

// history reads all versions that are kept of a run.
func history(b workflow.Backend, runID string) (all []backend.Entry, err error) {
	b = honest(b)
	for after := uint(0); ; {
		entries, err := b.History(context.Background(), runID, after, page)
		all = append(all, entries...)
		if err != nil || len(entries) < page {
			return all, err
		}
		after = entries[len(entries)-1].Record.Meta.Version
	}
}

func statusOf(rec *workflow.Record) string {
	return cmp.Or(rec.Meta.StatusDescription, fmt.Sprint(rec.Status))
}

// reasonOf says why the run is in its run state, where that is known.
func reasonOf(rec *workflow.Record) string {
	s := ""
	if rec.Meta.PausedBy != workflow.PausedByNobody {
		s = fmt.Sprintf(", paused by the %v", rec.Meta.PausedBy)
	}
	if rec.Meta.RunStateReason != "" {
		s += ": " + rec.Meta.RunStateReason
	}
	return s
}

// since is the time since the trigger.
func since(rec *workflow.Record, at time.Time) string {
	d := at.Sub(rec.CreatedAt)
	if d < 0 {
		return d.String()
	}
	return "+" + d.String()
}
