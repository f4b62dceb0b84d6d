package workflow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/cron"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/id"
	"github.com/stillwater-go/workflow/internal/machine"
)

// A schedule is a run of a workflow of ours, "<workflow>#schedules", on the same backend, whose foreign id is the schedule's id. It waits in one
// status with a timer at its next slot. At the slot, the timer's handler starts the run of the user's workflow, under a start key made
// of schedule and slot, and comes back to the status: a new stay, with a timer at the slot after. A crash between the two repeats a start
// that the key makes the same.

// schedulesName is the workflow whose runs are a workflow's schedules.
func schedulesName(workflow string) string { return workflow + "#schedules" }

type (
	scheduleRun  = Run[scheduleObject, scheduleStatus]
	scheduleFlow = Workflow[scheduleObject, scheduleStatus]
)

// schedules are the schedules of one workflow.
type schedules[Type any] struct {
	flow    *scheduleFlow     // nil on classic parts
	classic *classicSchedules // nil on a backend
	clock   Clock
	// start starts the run of a slot.
	start func(ctx context.Context, id string, def scheduleDef, slot time.Time, value *Type) (runID string, err error)
	// started looks for the run of a slot.
	started func(ctx context.Context, id string, def scheduleDef, slot time.Time) (runID string, err error)
	// busy reports whether the foreign id has an unfinished run.
	busy func(ctx context.Context, foreignID string) (bool, error)
	// cancel cancels a run that is in a slot's way.
	cancel func(ctx context.Context, runID, reason string) error
	decode func(initial []byte) (*Type, error)
	equal  func(a, b []byte) bool // of stored initial values

	mu    sync.Mutex
	known map[string]registered[Type] // by schedule id
}

// registered is a schedule as this program has asked for it.
type registered[Type any] struct {
	def  scheduleDef
	code scheduleCode[Type]
}

// addSchedules puts the schedules beside the flow.
func (w *Workflow[Type, Status]) addSchedules(on Backend) error {
	name := schedulesName(w.name)
	if w.opts.inner || backend.ValidateID("workflow name", name, backend.MaxNameBytes) != nil {
		return nil // no room for the name: Schedule says so
	}
	s := &schedules[Type]{clock: w.clock, decode: w.decodeInitial, equal: w.sameInitial, known: make(map[string]registered[Type])}
	s.start = func(ctx context.Context, id string, def scheduleDef, slot time.Time, value *Type) (string, error) {
		opts := append(triggerOptions[Type, Status](def, value), WithStartKey[Type, Status](def.startKey(id, slot)))
		return w.trigger(ctx, def.ForeignID, "schedule "+id+" "+slot.Format(time.RFC3339), opts)
	}
	s.started = func(ctx context.Context, schedule string, def scheduleDef, slot time.Time) (string, error) {
		rec, err := w.flow.Engine().Backend().Lookup(ctx, id.Of(w.name, def.startKey(schedule, slot)))
		switch {
		case isNotFound(err):
			return "", nil
		case err != nil:
			return "", err
		}
		return rec.RunID, nil
	}
	s.busy = func(ctx context.Context, foreignID string) (bool, error) {
		rec, err := w.flow.Engine().Backend().Latest(ctx, w.name, foreignID)
		switch {
		case isNotFound(err):
			return false, nil
		case err != nil:
			return false, err
		}
		return !rec.RunState.Finished(), nil
	}
	s.cancel = w.operator("").Cancel
	if _, ok := on.(engine.RoleAwaiter); ok {
		s.classic = newClassicSchedules(w, s)
		w.companions = append(w.companions, s.classic)
	} else {
		b := NewBuilder[scheduleObject, scheduleStatus](name)
		b.AddTimeout(scheduleWaiting, func(_ context.Context, r *scheduleRun, _ time.Time) (time.Time, error) {
			return r.Object.Next, nil
		}, s.fire, scheduleWaiting, scheduleEnded)
		var err error
		if s.flow, err = b.BuildOn(on, innerOptions(w.opts)); err != nil {
			return err
		}
		w.companions = append(w.companions, &scheduleKeeper{run: inner[scheduleObject, scheduleStatus]{w: s.flow}, tell: s.states})
	}
	w.schedules = s
	return nil
}

// register remembers a schedule and its code in this program, and returns [ErrScheduleExists] for another one of its id.
func (s *schedules[Type]) register(id string, def scheduleDef, code scheduleCode[Type]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.known[id]; ok && (old.def.ForeignID != def.ForeignID || !old.def.sameSlots(def)) {
		return fmt.Errorf("%w: for foreign id %s with spec %s", ErrScheduleExists, backend.Quote(old.def.ForeignID), backend.Quote(old.def.Spec))
	}
	s.known[id] = registered[Type]{def: def, code: code}
	return nil
}

// forget drops a schedule that was removed.
func (s *schedules[Type]) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}

// codeOf returns the functions that the definition needs.
func (s *schedules[Type]) codeOf(id string, def scheduleDef) (scheduleCode[Type], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	code := s.known[id].code
	switch {
	case def.Filter && code.filter == nil && code.slotFilter == nil:
		return code, fmt.Errorf("%w: its filter", ErrScheduleCode)
	case def.Value && code.value == nil:
		return code, fmt.Errorf("%w: its value function", ErrScheduleCode)
	}
	return code, nil
}

// states are those of the schedules that this program has asked for.
func (s *schedules[Type]) states() map[string]State {
	state := s.flow.state()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]State, len(s.known))
	for id, r := range s.known {
		out[scheduleProcess(id, r.def)] = state
	}
	return out
}

// scheduleProcess is the name of a schedule's process in its classic form; one whose id is not its foreign id has that as well.
func scheduleProcess(id string, def scheduleDef) string {
	if id == def.ForeignID {
		return makeRole(def.ForeignID, "scheduler", def.Spec)
	}
	return makeRole(def.ForeignID, id, "scheduler", def.Spec)
}

// store makes the stored schedule what the definition says.
func (s *schedules[Type]) store(ctx context.Context, id string, def scheduleDef) error {
	const tries = 16
	var err error
	for range tries {
		var rec *Record
		rec, err = s.find(ctx, id)
		switch {
		case isNotFound(err):
			err = s.create(ctx, id, def)
		case err == nil:
			err = s.update(ctx, rec, def)
		}
		again := errors.Is(err, ErrWorkflowInProgress) || errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrRunFinished)
		if !again || ctx.Err() != nil {
			break
		}
	}
	return err
}

// find returns the schedule's unfinished run, or [ErrRecordNotFound].
func (s *schedules[Type]) find(ctx context.Context, id string) (*Record, error) {
	rec, err := s.flow.flow.Engine().Backend().Latest(ctx, s.flow.name, id)
	if err == nil && rec.RunState.Finished() {
		return nil, ErrRecordNotFound
	}
	return rec, err
}

func (s *schedules[Type]) create(ctx context.Context, id string, def scheduleDef) error {
	o := scheduleObject{scheduleDef: def}
	if err := o.countFrom(s.clock.Now()); err != nil {
		return err
	}
	_, err := s.flow.Trigger(ctx, id, WithInitialValue[scheduleObject, scheduleStatus](&o))
	return err
}

// countFrom sets the next slot to the first one after the time.
func (o *scheduleObject) countFrom(t time.Time) error {
	parsed, err := o.parse()
	if err != nil {
		return err
	}
	next, ok := parsed.Next(t)
	if !ok {
		return fmt.Errorf("%w: %s has no further slot", ErrScheduleSpec, backend.Quote(o.Spec))
	}
	o.Next = next
	return nil
}

// errAsIs says that there is nothing to change.
var errAsIs = errors.New("the schedule is as it should be")

// update brings a stored schedule in line with its definition, and lets one go on that the engine has paused.
func (s *schedules[Type]) update(ctx context.Context, rec *Record, def scheduleDef) error {
	err := s.operate(ctx, rec.RunID, func(rec *Record, now time.Time) (*Record, error) {
		o, more, err := s.read(rec)
		if err != nil {
			return nil, err
		}
		enginePaused := rec.RunState == RunStatePaused && rec.Meta.PausedBy == PausedByEngine
		if o.same(def) && s.equal(o.Initial, def.Initial) {
			if enginePaused {
				return machine.Resume(rec, backend.PausedByOperator, "asked for again by Schedule", now)
			}
			return nil, errAsIs
		}
		slots := o.sameSlots(def)
		o.scheduleDef = def
		if !slots {
			if err := o.countFrom(now); err != nil {
				return nil, err
			}
		}
		object, err := s.flow.encodeWith(o, more)
		if err != nil {
			return nil, err
		}
		const reason = "changed by Schedule"
		if rec.RunState == RunStatePaused && !enginePaused {
			return machine.Edit(rec, object, reason, now)
		}
		return s.wait(rec, object, reason, now)
	})
	if !errors.Is(err, errAsIs) {
		return err
	}
	if def.Filter || def.Value { // an attempt of a program without the functions may have failed: do not wait for its next one
		if err := s.flow.operator("").RetryNow(ctx, rec.RunID, "asked for again by Schedule"); !errors.Is(err, ErrNothingToRetry) && !errors.Is(err, ErrAttemptRunning) {
			return err
		}
	}
	return nil
}

// read decodes a stored schedule; more is what this program does not know of it.
func (s *schedules[Type]) read(rec *Record) (o *scheduleObject, more extra, err error) {
	if o, more, err = s.flow.decodeObject(rec.Object); err != nil {
		err = fmt.Errorf("decode the stored schedule %s: %w", backend.Quote(rec.ForeignID), err)
	}
	return o, more, err
}

// wait puts a schedule into a new stay in its status, with a new timer.
func (s *schedules[Type]) wait(rec *Record, object []byte, reason string, now time.Time) (*Record, error) {
	if rec.RunState.Finished() { // Force would bring it back
		return nil, machine.ErrFinished
	}
	return machine.Force(rec, machine.Override{
		Status: int(scheduleWaiting), Description: scheduleWaiting.String(), Object: object, Reason: reason,
	}, now)
}

// operate changes the run of a schedule by a rule.
func (s *schedules[Type]) operate(ctx context.Context, runID string, rule func(*Record, time.Time) (*Record, error)) error {
	_, err := s.flow.flow.Engine().Operate(ctx, s.flow.operator("").operation(runID, rule))
	return err
}

// fire is what happens when a schedule's timer has expired.
func (s *schedules[Type]) fire(ctx context.Context, r *scheduleRun, now time.Time) (scheduleStatus, error) {
	o := r.Object
	parsed, err := o.parse()
	if err != nil {
		return 0, err
	}
	look := r.firstAttempt(now) // a slot that fails for a while is not missed by that
	if o.Next.After(look) {     // the clock was moved back
		return 0, &engine.LaterError{After: o.Next.Sub(look)}
	}
	slot, missed := o.plan(parsed, o.Next, look)
	if missed > 0 {
		o.Skipped += missed
		o.Last, o.LastResult = o.Next, SlotMissed
	}
	if slot.After(look) {
		o.Next = slot
		return scheduleWaiting, nil
	}
	result, runID, err := s.fireSlot(ctx, r.ForeignID, o.scheduleDef, slot, now.Sub(look))
	if err != nil {
		return 0, err
	}
	return o.done(parsed, slot, result, runID), nil
}

// done notes what became of a slot and says where the schedule goes.
func (o *scheduleObject) done(s *cron.Schedule, slot time.Time, result ScheduleResult, runID string) scheduleStatus {
	o.Last, o.LastResult = slot, result
	if result == SlotFired {
		o.Fired++
		o.LastRunID = runID
	} else {
		o.Skipped++
	}
	next, ok := s.Next(slot)
	if !ok {
		o.Next = time.Time{}
		return scheduleEnded
	}
	o.Next = next
	return scheduleWaiting
}

// firstAttempt is when the present delivery was attempted first.
func (r *Run[Type, Status]) firstAttempt(now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempt == nil || r.attempt.FirstAt.IsZero() {
		return now
	}
	return r.attempt.FirstAt
}

// fireSlot does what is to be done for a slot. waited is how long the slot's attempts have gone on. A [engine.LaterError] says that a run is in
// the way, and how long to wait.
func (s *schedules[Type]) fireSlot(ctx context.Context, id string, def scheduleDef, slot time.Time, waited time.Duration) (ScheduleResult, string, error) {
	code, err := s.codeOf(id, def)
	if err != nil {
		return 0, "", err
	}
	inTheWay := &engine.LaterError{After: min(max(waited/4, shortestWait), longestWait)}
	if def.Filter {
		// The run may be started and the answer lost: then the filter has had its say.
		runID, err := s.started(ctx, id, def, slot)
		if err != nil || runID != "" {
			return SlotFired, runID, err
		}
		if def.Overlap == OverlapWait { // the filter is asked when the way is free
			if busy, err := s.busy(ctx, def.ForeignID); err != nil {
				return 0, "", err
			} else if busy {
				return 0, "", inTheWay
			}
		}
		if ok, err := code.allows(ctx, slot); err != nil {
			return 0, "", fmt.Errorf("filter at slot %s: %w", slot.Format(time.RFC3339), err)
		} else if !ok {
			return SlotFiltered, "", nil
		}
	}
	value, err := s.value(ctx, code, def, slot)
	if err != nil {
		return 0, "", err
	}
	const tries = 4 // each after a run in the way was cancelled
	for range tries {
		var runID string
		runID, err = s.start(ctx, id, def, slot, value)
		var in *InProgressError
		switch {
		case err == nil:
			return SlotFired, runID, nil
		case !errors.Is(err, ErrWorkflowInProgress):
			return 0, "", err
		case def.Overlap == OverlapSkip:
			return SlotOverlapped, "", nil
		case def.Overlap == OverlapWait:
			return 0, "", inTheWay
		case !errors.As(err, &in) || in.RunID == "":
			return 0, "", err
		}
		cerr := s.cancel(ctx, in.RunID, "cancelled by schedule "+backend.Quote(id)+" for its slot "+slot.Format(time.RFC3339))
		if cerr != nil && !errors.Is(cerr, ErrInvalidTransition) { // else it has ended by itself
			return 0, "", cerr
		}
	}
	return 0, "", err
}

// The waits between two looks whether the run in the way has ended: a quarter of the time waited so far, within these.
const (
	shortestWait = 50 * time.Millisecond
	longestWait  = time.Minute
)

// allows asks the filters.
func (c scheduleCode[Type]) allows(ctx context.Context, slot time.Time) (bool, error) {
	if c.filter != nil {
		if ok, err := c.filter(ctx); err != nil || !ok {
			return false, err
		}
	}
	if c.slotFilter != nil {
		return c.slotFilter(ctx, slot)
	}
	return true, nil
}

// value makes the object of a slot's run.
func (s *schedules[Type]) value(ctx context.Context, code scheduleCode[Type], def scheduleDef, slot time.Time) (*Type, error) {
	if !def.Value {
		return s.decode(def.Initial)
	}
	value, err := code.value(ctx, slot)
	if err != nil {
		return nil, fmt.Errorf("value of slot %s: %w", slot.Format(time.RFC3339), err)
	}
	return value, nil
}
