package workflow

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// HistoryItem is one thing that happened to a run: a new version, a failed attempt, or an operator's [Operator.RetryNow] that made no version.
type HistoryItem struct {
	// At is when the version was made, or the attempt failed.
	At time.Time
	// Version is the version that was made, or that the attempt worked on.
	Version uint
	// Attempt is the number of the attempt that failed; zero for a new version and for a retry, which has no Record.
	Attempt int
	// Took is how long the attempt ran. For a version that left a status, or in which the run ended, it is how long the run had been in that status.
	Took time.Duration

	// Record is the run as of the version; nil for an attempt and a retry. It must not be changed.
	Record *Record
	// From and To are where the version led; the same place for an attempt and a retry.
	From, To Point
	// Cause and Actor say what made the version, and who where somebody did; Reason is what was said about it.
	Cause  Cause
	Actor  string
	Reason string
	// Trimmed says that the version's object is no longer kept: the run has had so many versions since.
	Trimmed bool

	// Receiver is what the attempt was made by, or what the retry was for: "step", "timeout:0", "hook:Completed" and the like.
	Receiver Receiver
	// Error is the attempt's error, Stack the goroutine's stack where it was a panic.
	Error string
	Stack string
}

// TypedHistoryItem is a [HistoryItem] with the workflow's own types.
type TypedHistoryItem[Type any, Status StatusType] struct {
	HistoryItem
	// FromStatus and ToStatus are those of From and To; FromStatus means nothing in version 1.
	FromStatus, ToStatus Status

	view func(rec *Record, trimmed bool) RunView[Type, Status]
}

// Object decodes the object as of the version. It returns nil for an attempt, and [ErrObjectGone] where the object is no longer kept.
func (i TypedHistoryItem[Type, Status]) Object() (*Type, error) {
	if i.Record == nil {
		return nil, nil
	}
	return i.view(i.Record, i.Trimmed).Object()
}

// History yields everything that happened to a run and is still kept, oldest first: every version, and every failed attempt where it was made.
// Versions are read as they are asked for, so that a long history needs no room. An error is yielded once, last: [ErrRecordNotFound] and
// the store's.
func (w *Workflow[Type, Status]) History(ctx context.Context, runID string) iter.Seq2[TypedHistoryItem[Type, Status], error] {
	return func(yield func(TypedHistoryItem[Type, Status], error) bool) {
		for item, err := range w.operator("").History(ctx, runID) {
			if !yield(TypedHistoryItem[Type, Status]{HistoryItem: item, FromStatus: Status(item.From.Status), ToStatus: Status(item.To.Status), view: w.viewOf}, err) {
				return
			}
		}
	}
}

// The bounds of what is read of a history at once.
const (
	historyPage     = 256
	historyAttempts = 1000 // more than any store keeps of a run
)

// History is [Workflow.History] without its types.
func (o *Operator) History(ctx context.Context, runID string) iter.Seq2[HistoryItem, error] {
	return func(yield func(HistoryItem, error) bool) {
		if err := o.history(ctx, runID, func(i HistoryItem) bool { return yield(i, nil) }); err != nil {
			yield(HistoryItem{}, o.fail("history", runID, err))
		}
	}
}

func (o *Operator) history(ctx context.Context, runID string, yield func(HistoryItem) bool) error {
	b := o.e.Backend()
	if _, err := o.record(ctx, runID); err != nil {
		return err
	}
	attempts, err := b.Attempts(ctx, runID, historyAttempts)
	if err != nil {
		return err
	}
	var s stay
	for after := uint(0); ; {
		entries, err := b.History(ctx, runID, after, historyPage)
		if err != nil {
			return err
		}
		for _, en := range entries {
			for len(attempts) > 0 && beforeVersion(&attempts[0], en.Record) {
				if !yield(attemptItem(&attempts[0], s.last)) {
					return nil
				}
				attempts = attempts[1:]
			}
			item := versionItem(en)
			item.Took = s.next(en.Record)
			if !yield(item) {
				return nil
			}
			after = en.Record.Meta.Version
		}
		if len(entries) < historyPage {
			break
		}
	}
	for i := range attempts {
		if !yield(attemptItem(&attempts[i], s.last)) {
			return nil
		}
	}
	return nil
}

// stay knows since when a run has been in its status, while its versions go by.
type stay struct {
	last    *Record
	entered time.Time // zero where that version is no longer kept
}

// next returns how long the run had been in the status that this version leaves, or in which it ends; zero where it does neither.
func (s *stay) next(rec *Record) (took time.Duration) {
	last := s.last
	s.last = rec
	switch {
	case last == nil:
		if rec.Meta.Version <= 1 || rec.Meta.Visit == rec.Meta.Version {
			s.entered = rec.UpdatedAt
		}
		return 0
	case last.Status == rec.Status && last.Meta.Visit == rec.Meta.Visit && (last.RunState.Finished() || !rec.RunState.Finished()):
		return 0
	}
	if !s.entered.IsZero() {
		took = rec.UpdatedAt.Sub(s.entered)
	}
	if last.Meta.Visit != rec.Meta.Visit || last.Status != rec.Status {
		s.entered = rec.UpdatedAt
	}
	return took
}

// beforeVersion reports whether an attempt failed before the version was made. Their times tell; at the same moment, an attempt at an earlier version
// comes first.
func beforeVersion(a *backend.Attempt, rec *Record) bool {
	return a.At.Before(rec.UpdatedAt) || a.At.Equal(rec.UpdatedAt) && (a.Version < rec.Meta.Version || a.Receiver.IsSignal())
}

func versionItem(en backend.Entry) HistoryItem {
	rec := en.Record
	return HistoryItem{
		At: rec.UpdatedAt, Version: rec.Meta.Version, Record: rec, From: en.From, To: Point{RunState: rec.RunState, Status: rec.Status},
		Cause: en.Cause, Actor: en.Actor, Reason: rec.Meta.RunStateReason, Trimmed: en.Trimmed,
	}
}

// attemptItem is an attempt that failed, or a retry that was ordered, while the run stood where last says.
func attemptItem(a *backend.Attempt, last *Record) HistoryItem {
	i := HistoryItem{At: a.At, Version: a.Version, Attempt: a.Number, Took: a.Took, Receiver: a.Receiver, Error: a.Error, Stack: a.Stack}
	if a.Number == 0 {
		i.Cause, i.Actor, i.Reason, i.Error = backend.CauseOperator, a.Actor, a.Error, ""
	}
	if last != nil {
		i.From = Point{RunState: last.RunState, Status: last.Status}
		i.To = i.From
		if a.Receiver.IsSignal() { // their deliveries are not counted by versions
			i.Version = last.Meta.Version
		}
	}
	return i
}

// String puts an item in one line. It holds reasons and errors, and never an object.
func (i HistoryItem) String() string {
	if i.Attempt > 0 {
		return fmt.Sprintf("version %d: %s, attempt %d failed after %v: %s", i.Version, i.Receiver, i.Attempt, i.Took, i.Error)
	}
	s := fmt.Sprintf("version %d: status %d, %v, by %v", i.Version, i.To.Status, i.To.RunState, i.Cause)
	if i.Record == nil {
		s = fmt.Sprintf("version %d: %s, tried again at once, by %v", i.Version, i.Receiver, i.Cause)
	}
	if i.Actor != "" {
		s += " " + i.Actor
	}
	if i.Reason != "" {
		s += ": " + i.Reason
	}
	return s
}
