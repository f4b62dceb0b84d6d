package workflow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/cron"
)

// The errors of schedules.
var (
	// ErrScheduleSpec says that a text is no schedule spec, or one that has no slot. The text names the field and what is allowed.
	ErrScheduleSpec = cron.ErrSpec
	// ErrScheduleZone says that a zone cannot be stored by its name, or that this machine does not know the stored one.
	ErrScheduleZone = errors.New("zone of a schedule")
	// ErrScheduleExists says that this program has another schedule of that id; give one of them an id of its own by [WithScheduleID].
	ErrScheduleExists = errors.New("this program has another schedule of that id")
	// ErrScheduleCode says that a schedule needs a filter or a value function that this program has not registered by [Workflow.Schedule].
	ErrScheduleCode = errors.New("the schedule needs functions that this program has not registered")
)

// MissedPolicy says what becomes of slots that were missed. A slot counts as missed when it is more than a minute old when it is looked at
// first: the program did not run, or the schedule was held up by a failing filter or by a run of the slot before.
type MissedPolicy int

// The policies for missed slots. See also [FireAll].
const (
	// FireOnce starts one run, for the newest of the missed slots. It is the default.
	FireOnce MissedPolicy = 0
	// SkipMissed starts none: the schedule goes on with the first slot that is not missed.
	SkipMissed MissedPolicy = -1
)

// MaxMissedSlots bounds how many missed slots [FireAll] catches up with.
const MaxMissedSlots = 10000

// FireAll starts a run for each of the newest n missed slots, in order; older ones are skipped. n is from 1 to [MaxMissedSlots]. Because the
// runs have one foreign id, each waits for the end of the one before ([OverlapWait]) unless [WithOverlap] says otherwise.
func FireAll(n int) MissedPolicy {
	if n < 1 {
		return invalidMissed
	}
	return MissedPolicy(n)
}

const invalidMissed MissedPolicy = -2

// String says what the policy does.
func (p MissedPolicy) String() string {
	switch {
	case p == FireOnce:
		return "fire once"
	case p == SkipMissed:
		return "skip"
	case p > 0:
		return fmt.Sprintf("fire all, at most %d", int(p))
	}
	return "unknown"
}

// OverlapPolicy says what a slot does when the foreign id has an unfinished run, whoever started that. A paused run is unfinished.
type OverlapPolicy int

// The policies for overlaps. Their numbers are stored and never change.
const (
	// OverlapSkip leaves the slot out. It is the default.
	OverlapSkip OverlapPolicy = 0
	// OverlapWait starts the slot's run when that one has ended. It looks at once for short runs and less and less often for long ones, every
	// minute at least. Slots that pass meanwhile are missed.
	OverlapWait OverlapPolicy = 1
	// OverlapCancel cancels that one.
	OverlapCancel OverlapPolicy = 2
)

// String says what the policy does.
func (p OverlapPolicy) String() string {
	switch p {
	case OverlapSkip:
		return "skip"
	case OverlapWait:
		return "wait"
	case OverlapCancel:
		return "cancel"
	}
	return "unknown"
}

// scheduleOpts is what the options of a schedule set.
type scheduleOpts[Type any, Status StatusType] struct {
	id      string
	named   bool
	zone    *time.Location
	initial *Type
	start   *Status
	missed  MissedPolicy
	overlap OverlapPolicy
	lapsSet bool
	scheduleCode[Type]
	problems []error
}

// scheduleCode is what of a schedule cannot be stored.
type scheduleCode[Type any] struct {
	filter     func(ctx context.Context) (bool, error)
	slotFilter func(ctx context.Context, slot time.Time) (bool, error)
	value      func(ctx context.Context, slot time.Time) (*Type, error)
}

// ScheduleOption sets one property of a schedule.
type ScheduleOption[Type any, Status StatusType] func(o *scheduleOpts[Type, Status])

// WithScheduleInitialValue starts every run of the schedule with that object instead of an empty one. It is stored with the schedule, as
// it is now.
func WithScheduleInitialValue[Type any, Status StatusType](t *Type) ScheduleOption[Type, Status] {
	return func(o *scheduleOpts[Type, Status]) { o.initial = t }
}

// WithScheduleFilter asks fn at every slot whether to start a run. An error is not a no: the same slot is tried again, as a failed step is.
// fn is code, and only the fact that there is one is stored: every program that may fire the schedule has to register it.
func WithScheduleFilter[Type any, Status StatusType](fn func(ctx context.Context) (bool, error)) ScheduleOption[Type, Status] {
	return func(o *scheduleOpts[Type, Status]) {
		o.filter = fn
		if fn == nil {
			o.problems = append(o.problems, errors.New("WithScheduleFilter: the function is nil"))
		}
	}
}

// WithSlotFilter is [WithScheduleFilter] that is told the slot: a time that the spec names, in the schedule's zone, and not the present one.
func WithSlotFilter[Type any, Status StatusType](fn func(ctx context.Context, slot time.Time) (bool, error)) ScheduleOption[Type, Status] {
	return func(o *scheduleOpts[Type, Status]) {
		o.slotFilter = fn
		if fn == nil {
			o.problems = append(o.problems, errors.New("WithSlotFilter: the function is nil"))
		}
	}
}

// WithScheduleValueFunc makes the object of each run when its slot has come. An error has the slot tried again. Like a filter it is code.
func WithScheduleValueFunc[Type any, Status StatusType](fn func(ctx context.Context, slot time.Time) (*Type, error)) ScheduleOption[Type, Status] {
	return func(o *scheduleOpts[Type, Status]) {
		o.value = fn
		if fn == nil {
			o.problems = append(o.problems, errors.New("WithScheduleValueFunc: the function is nil"))
		}
	}
}

// WithScheduleID names the schedule, so that a foreign id can have several. Without it the foreign id is the name.
func WithScheduleID[Type any, Status StatusType](id string) ScheduleOption[Type, Status] {
	return func(o *scheduleOpts[Type, Status]) { o.id, o.named = id, true }
}

// WithScheduleZone reads the spec in that zone, unless the spec names one itself ("CRON_TZ=Europe/London 0 9 * * *"). Defaults to UTC, on
// whatever machine. The zone is stored by its name, so it must be one of the IANA database: time.Local and fixed offsets are refused
// with [ErrScheduleZone].
func WithScheduleZone[Type any, Status StatusType](zone *time.Location) ScheduleOption[Type, Status] {
	return func(o *scheduleOpts[Type, Status]) { o.zone = zone }
}

// WithMissedSlots sets what becomes of missed slots. Defaults to [FireOnce].
func WithMissedSlots[Type any, Status StatusType](p MissedPolicy) ScheduleOption[Type, Status] {
	return func(o *scheduleOpts[Type, Status]) { o.missed = p }
}

// WithOverlap sets what a slot does when the foreign id has an unfinished run. Defaults to [OverlapSkip], and with [FireAll] to [OverlapWait].
func WithOverlap[Type any, Status StatusType](p OverlapPolicy) ScheduleOption[Type, Status] {
	return func(o *scheduleOpts[Type, Status]) { o.overlap, o.lapsSet = p, true }
}

// WithScheduleStartingPoint starts the runs in that status instead of the workflow's first.
func WithScheduleStartingPoint[Type any, Status StatusType](status Status) ScheduleOption[Type, Status] {
	return func(o *scheduleOpts[Type, Status]) { o.start = &status }
}

// scheduleTimeout bounds a call of Schedule, which takes no context.
const scheduleTimeout = 30 * time.Second

// Schedule starts a run of the workflow for the foreign id at every slot of the spec: five fields (minute, hour, day of month, month, day of
// week) with lists, ranges, steps and names, "@daily" and its like, or "@every 90s", whose slots are multiples since the Unix epoch. The
// first slot is the first one after now. docs/guides/schedules.md has the grammar, and what happens when clocks change.
//
// The schedule is stored when Schedule returns, and lasts until [Workflow.RemoveSchedule], whether the program runs or not: it is a run of the
// workflow "<workflow>#schedules", which the processes that run this workflow take care of. One slot starts one run, whatever crashes and
// however many processes there are. What fails at a slot is tried again for that slot like a step of the workflow, and after the last
// attempt the engine pauses the schedule with the reason. Schedule works before Run and without it, and is meant to be called at every start of
// the program: a schedule that is stored already is left as it is, one whose spec or options differ is changed (a new spec counts from now), one
// that the engine has paused goes on. A pause by an operator stays.
//
// On classic parts there is no place to store a schedule. There it lives in this process as long as the workflow runs, under a role of the
// scheduler, and begins with the first slot after the newest run of the foreign id.
//
// Errors: [ErrScheduleSpec], [ErrScheduleZone], [ErrScheduleExists], [ErrInvalidID], [ErrTooLarge], [ErrUnknownStatus], or the store's.
func (w *Workflow[Type, Status]) Schedule(foreignID string, spec string, opts ...ScheduleOption[Type, Status]) error {
	o := scheduleOpts[Type, Status]{id: foreignID}
	for _, opt := range opts {
		opt(&o)
	}
	def, code, err := w.defineSchedule(foreignID, spec, o)
	if err != nil {
		return w.scheduleError("schedule", o.id, err)
	}
	if err := w.schedules.register(o.id, def, code); err != nil {
		e := w.scheduleError("schedule", o.id, err)
		e.Hint = "name one of them by WithScheduleID"
		return e
	}
	if w.schedules.classic != nil {
		w.schedules.classic.add(o.id, def)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), scheduleTimeout)
	defer cancel()
	if err := w.schedules.store(ctx, o.id, def); err != nil {
		return w.scheduleError("schedule", o.id, err)
	}
	return nil
}

// defineSchedule judges what was asked for, and makes what is stored of it.
func (w *Workflow[Type, Status]) defineSchedule(foreignID, spec string, o scheduleOpts[Type, Status]) (scheduleDef, scheduleCode[Type], error) {
	none := scheduleCode[Type]{}
	def := scheduleDef{
		ForeignID: foreignID, Spec: spec, Missed: o.missed, Overlap: o.overlap,
		Filter: o.filter != nil || o.slotFilter != nil, Value: o.value != nil,
	}
	if o.missed > 0 && !o.lapsSet {
		def.Overlap = OverlapWait
	}
	problems := o.problems
	if w.schedules == nil {
		problems = append(problems, fmt.Errorf("%w: schedules are stored under %s", ErrInvalidID, backend.Quote(schedulesName(w.name))))
	}
	if o.missed < SkipMissed || o.missed > MaxMissedSlots {
		problems = append(problems, fmt.Errorf("WithMissedSlots: %w: FireAll takes from 1 to %d", ErrUnsupported, MaxMissedSlots))
	}
	if o.overlap < OverlapSkip || o.overlap > OverlapCancel {
		problems = append(problems, fmt.Errorf("WithOverlap(%d): %w: there is no such policy", int(o.overlap), ErrUnsupported))
	}
	problems = append(problems, backend.ValidateID("schedule id", o.id, backend.MaxIDBytes))
	var err error
	if def.Zone, err = zoneName(o.zone, w.clock.Now()); err != nil {
		problems = append(problems, err)
	} else if parsed, err := def.parse(); err != nil {
		problems = append(problems, err)
	} else if _, ok := parsed.Next(w.clock.Now()); !ok {
		problems = append(problems, fmt.Errorf("%w: %s has no slot", ErrScheduleSpec, backend.Quote(spec)))
	}
	if o.start != nil {
		status := int(*o.start)
		def.Start = &status
	}
	if o.initial != nil {
		if def.Initial, err = w.encodeObject(o.initial); err != nil {
			problems = append(problems, fmt.Errorf("initial value: %w", err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return def, none, err
	}
	trigger := triggerOptions[Type, Status](def, o.initial)
	_, _, err = w.newStart(foreignID, "", trigger) // so that a start that can never be is refused now
	return def, o.scheduleCode, err
}

// triggerOptions are those of a run of the schedule.
func triggerOptions[Type any, Status StatusType](def scheduleDef, initial *Type) []TriggerOption[Type, Status] {
	opts := []TriggerOption[Type, Status]{WithInitialValue[Type, Status](initial)}
	if def.Start != nil {
		opts = append(opts, WithStartingPoint[Type](Status(*def.Start)))
	}
	return opts
}

// decodeInitial reads a stored initial value; nothing stored means an empty object.
func (w *Workflow[Type, Status]) decodeInitial(stored []byte) (*Type, error) {
	t, _, err := w.decodeObject(stored)
	if err != nil {
		return nil, fmt.Errorf("decode the initial value: %w", err)
	}
	return t, nil
}

// sameInitial reports whether two stored initial values are the same one. A codec may make other bytes of it each time.
func (w *Workflow[Type, Status]) sameInitial(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	plainA, errA := w.plain(a)
	plainB, errB := w.plain(b)
	return errA == nil && errB == nil && bytes.Equal(plainA, plainB)
}

// scheduleError adds what it is about.
func (w *Workflow[Type, Status]) scheduleError(op, id string, err error) *Error {
	return &Error{Op: op + " " + backend.Quote(id), Workflow: w.name, Err: err}
}

// zoneName is the name by which a zone can be stored.
func zoneName(zone *time.Location, now time.Time) (string, error) {
	if zone == nil || zone == time.UTC {
		return "UTC", nil
	}
	name := zone.String()
	if name == "Local" || name == "" {
		return "", fmt.Errorf("%w: %q is another one on every machine: load one by its name", ErrScheduleZone, name)
	}
	loaded, err := time.LoadLocation(name)
	if err != nil {
		return "", fmt.Errorf("%w: %q has no name that other machines know: %w", ErrScheduleZone, name, err)
	}
	for month := range 12 {
		at := now.AddDate(0, month, 0)
		_, here := at.In(zone).Zone()
		if _, there := at.In(loaded).Zone(); here != there {
			return "", fmt.Errorf("%w: %q is called like a zone of the IANA database and is none", ErrScheduleZone, name)
		}
	}
	return name, nil
}

// PreviewSchedule returns the first n slots of a spec after from, at most [MaxMissedSlots], in the schedule's zone: the one that the spec names,
// else the one given, else UTC. There are fewer where the spec has no more. The error is [ErrScheduleSpec].
func PreviewSchedule(spec string, zone *time.Location, from time.Time, n int) ([]time.Time, error) {
	s, err := cron.Parse(spec, zone)
	if err != nil {
		return nil, err
	}
	var slots []time.Time
	for len(slots) < min(n, MaxMissedSlots) {
		next, ok := s.Next(from)
		if !ok {
			break
		}
		slots = append(slots, next)
		from = next
	}
	return slots, nil
}
