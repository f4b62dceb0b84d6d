package workflow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// ScheduleInfo is a schedule as it is stored.
type ScheduleInfo struct {
	// ID is the schedule's own, ForeignID that of the runs that it starts.
	ID, ForeignID string
	// Spec is as it was given; Zone names the zone for a spec that names none.
	Spec, Zone string
	// Next is the slot that comes next, in the schedule's zone; the zero time where there is none. A paused schedule stays at its slot.
	Next time.Time
	// Last is the slot that was dealt with last, LastResult what became of it; the zero time where there was none.
	Last       time.Time
	LastResult ScheduleResult
	// LastRunID is the run that was started last, whatever became of later slots.
	LastRunID string
	// Fired counts the slots whose runs were started, Skipped the others.
	Fired, Skipped int64
	// State is RunStatePaused while no slot is dealt with; then PausedBy and Reason say by whom and why.
	State    RunState
	PausedBy PausedBy
	Reason   string
	// Attempts and LastError are of the failed attempts at the present slot. Only [Workflow.LookupSchedule] fills them in.
	Attempts  int
	LastError string

	Missed  MissedPolicy
	Overlap OverlapPolicy
	// NeedsCode says that it has a filter or a value function, which the programs that fire it must register.
	NeedsCode bool
	// RunID is the schedule's own run, of the workflow "<workflow>#schedules": its history has a version for each slot.
	RunID                string
	CreatedAt, UpdatedAt time.Time
}

// Preview returns the first n slots after from, at most [MaxMissedSlots].
func (i ScheduleInfo) Preview(from time.Time, n int) ([]time.Time, error) {
	zone, err := time.LoadLocation(i.Zone)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrScheduleZone, i.Zone, err)
	}
	return PreviewSchedule(i.Spec, zone, from, n)
}

// info makes the view of a stored schedule.
func (s *schedules[Type]) info(rec *Record) (ScheduleInfo, error) {
	o, _, err := s.read(rec)
	if err != nil {
		return ScheduleInfo{}, err
	}
	i := ScheduleInfo{
		ID: rec.ForeignID, ForeignID: o.ForeignID, Spec: o.Spec, Zone: o.Zone,
		Next: o.Next, Last: o.Last, LastResult: o.LastResult, LastRunID: o.LastRunID, Fired: o.Fired, Skipped: o.Skipped,
		State: rec.RunState, Missed: o.Missed, Overlap: o.Overlap, NeedsCode: o.Filter || o.Value,
		RunID: rec.RunID, CreatedAt: rec.CreatedAt, UpdatedAt: rec.UpdatedAt,
	}
	if rec.RunState == RunStatePaused {
		i.PausedBy, i.Reason = rec.Meta.PausedBy, rec.Meta.RunStateReason
	}
	if s, err := o.parse(); err == nil { // a machine that lacks the zone shows UTC
		i.Next, i.Last = inZone(o.Next, s.Zone()), inZone(o.Last, s.Zone())
	}
	return i, nil
}

func inZone(t time.Time, zone *time.Location) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(zone)
}

// Schedules returns all schedules of the workflow, in the order of their making. It works in every process. On classic parts, which store none,
// it is an [ErrUnsupported]; [Workflow.States] shows those of this program.
func (w *Workflow[Type, Status]) Schedules(ctx context.Context) ([]ScheduleInfo, error) {
	var all []ScheduleInfo
	for i, err := range w.AllSchedules(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// AllSchedules is [Workflow.Schedules] page by page, for many. An error is yielded once, last.
func (w *Workflow[Type, Status]) AllSchedules(ctx context.Context) iter.Seq2[ScheduleInfo, error] {
	return func(yield func(ScheduleInfo, error) bool) {
		fail := func(err error) { yield(ScheduleInfo{}, &Error{Op: "list schedules", Workflow: w.name, Err: err}) }
		if err := w.storesSchedules(); err != nil {
			fail(err)
			return
		}
		unfinished := Where(FilterByRunState(RunStateInitiated, RunStateRunning, RunStatePaused))
		for rec, err := range w.schedules.flow.operator("").AllRuns(ctx, unfinished, PageSize(MaxPageSize), InWorkflow(w.schedules.flow.name)) {
			var i ScheduleInfo
			if err == nil {
				i, err = w.schedules.info(rec)
			}
			if err != nil {
				fail(err)
				return
			}
			if !yield(i, nil) {
				return
			}
		}
	}
}

// storesSchedules returns why there are no stored schedules.
func (w *Workflow[Type, Status]) storesSchedules() error {
	switch {
	case w.schedules == nil:
		return fmt.Errorf("%w: schedules are stored under %s", ErrInvalidID, backend.Quote(schedulesName(w.name)))
	case w.schedules.classic != nil:
		return fmt.Errorf("%w: classic parts have no place to store a schedule", ErrUnsupported)
	}
	return nil
}

// LookupSchedule returns one schedule, or [ErrRecordNotFound].
func (w *Workflow[Type, Status]) LookupSchedule(ctx context.Context, id string) (ScheduleInfo, error) {
	var i ScheduleInfo
	err := w.onSchedule(ctx, id, func(rec *Record) error {
		var err error
		if i, err = w.schedules.info(rec); err != nil {
			return err
		}
		held, err := w.schedules.flow.flow.Engine().Backend().Held(ctx, rec.RunID)
		for _, d := range held {
			if engine.IsTimer(d.Receiver) && d.Version == rec.Meta.Visit {
				i.Attempts, i.LastError = d.Attempts, d.LastError
			}
		}
		return err
	})
	if err != nil {
		return ScheduleInfo{}, w.scheduleError("look up schedule", id, err)
	}
	return i, nil
}

// onSchedule calls fn with the schedule's run.
func (w *Workflow[Type, Status]) onSchedule(ctx context.Context, id string, fn func(rec *Record) error) error {
	if err := w.storesSchedules(); err != nil {
		return err
	}
	rec, err := w.schedules.find(ctx, id)
	if err != nil {
		return err
	}
	return fn(rec)
}

// PauseSchedule stops a schedule until it is resumed, also across calls of [Workflow.Schedule]. The slots until then are skipped. It returns
// [ErrRecordNotFound] and, for one that is paused already, [ErrInvalidTransition].
func (w *Workflow[Type, Status]) PauseSchedule(ctx context.Context, id, reason string) error {
	err := w.onSchedule(ctx, id, func(rec *Record) error {
		return w.schedules.flow.operator("").Pause(ctx, rec.RunID, reason)
	})
	if err != nil {
		return w.scheduleError("pause schedule", id, err)
	}
	return nil
}

// ResumeSchedule lets a paused schedule go on. One that an operator has paused goes on with the first slot after now; one that the engine has
// paused, with the slot that failed. It returns [ErrRecordNotFound] and, for one that is not paused, [ErrInvalidTransition].
func (w *Workflow[Type, Status]) ResumeSchedule(ctx context.Context, id string) error {
	err := w.onSchedule(ctx, id, func(rec *Record) error {
		return w.schedules.operate(ctx, rec.RunID, func(rec *Record, now time.Time) (*Record, error) {
			if rec.RunState != RunStatePaused || rec.Meta.PausedBy == PausedByEngine {
				return machine.Resume(rec, backend.PausedByOperator, "", now)
			}
			o, more, err := w.schedules.read(rec)
			if err != nil {
				return nil, err
			}
			if !o.Next.After(now) { // else no slot has passed
				if err := o.countFrom(now); err != nil {
					return nil, err
				}
			}
			object, err := w.schedules.flow.encodeWith(o, more)
			if err != nil {
				return nil, err
			}
			return w.schedules.wait(rec, object, "resumed", now)
		})
	})
	if err != nil {
		return w.scheduleError("resume schedule", id, err)
	}
	return nil
}

// RemoveSchedule ends a schedule for good; its runs go on. A program that goes on to call [Workflow.Schedule] makes it anew. It returns
// [ErrRecordNotFound].
func (w *Workflow[Type, Status]) RemoveSchedule(ctx context.Context, id, reason string) error {
	err := w.onSchedule(ctx, id, func(rec *Record) error {
		err := w.schedules.flow.operator("").Cancel(ctx, rec.RunID, reason)
		if errors.Is(err, ErrRunFinished) {
			err = ErrRecordNotFound // somebody else has removed it
		}
		return err
	})
	if err == nil || isNotFound(err) {
		w.schedules.forget(id)
	}
	if err != nil {
		return w.scheduleError("remove schedule", id, err)
	}
	return nil
}

// TriggerSchedule starts a run of a schedule now, beside its slots, and returns its id. Filters and the policy for overlaps are not asked; a value
// function gets the present time, and must be registered in this program. Errors are those of [Workflow.Trigger], [ErrRecordNotFound]
// and [ErrScheduleCode].
func (w *Workflow[Type, Status]) TriggerSchedule(ctx context.Context, id string) (runID string, err error) {
	err = w.onSchedule(ctx, id, func(rec *Record) error {
		o, _, err := w.schedules.read(rec)
		if err != nil {
			return err
		}
		o.Filter = false
		code, err := w.schedules.codeOf(id, o.scheduleDef)
		if err != nil {
			return err
		}
		var value *Type
		err = w.flow.Guard(ctx, w.opts.defaults.deadline, func(ctx context.Context) error {
			var verr error
			value, verr = w.schedules.value(ctx, code, o.scheduleDef, w.clock.Now())
			return verr
		})
		if err != nil {
			return err
		}
		runID, err = w.trigger(ctx, o.ForeignID, "schedule "+id, triggerOptions[Type, Status](o.scheduleDef, value))
		return err
	})
	if err != nil {
		return "", w.scheduleError("trigger schedule", id, err)
	}
	return runID, nil
}
