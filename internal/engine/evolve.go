package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// reasonUnknownStatus begins the reason of a run that was paused because the program lacks its status. It is stored, and looked for when a
// program starts that has the status.
const reasonUnknownStatus = "this program has no status "

// evolvePage is how many runs are moved in one commit.
const evolvePage = 100

// Rename is what became of a status that the program no longer has.
type Rename struct {
	To          int
	Description string
}

// Orphans are the unfinished runs of a status that the program lacks.
type Orphans struct {
	Status int
	// Description is what the status called itself when the runs came into it.
	Description string
	Runs        int64
	// Examples are the run ids of a few.
	Examples []string
}

// Orphans returns the statuses that the program lacks, and has no new name for, with their unfinished runs.
func (f *Flow) Orphans(ctx context.Context) ([]Orphans, error) {
	counts, err := f.engine.finder().Count(ctx, f.spec.Name, unfinished())
	if err != nil {
		return nil, err
	}
	return f.orphans(ctx, counts)
}

func (f *Flow) orphans(ctx context.Context, counts []backend.Count) ([]Orphans, error) {
	var all []Orphans
	for _, c := range counts {
		_, renamed := f.spec.Renames[c.Status]
		switch {
		case f.spec.knows(c.Status) || renamed:
		case len(all) > 0 && all[len(all)-1].Status == c.Status:
			all[len(all)-1].Runs += c.Runs
		default:
			all = append(all, Orphans{Status: c.Status, Runs: c.Runs})
		}
	}
	for i := range all {
		found, err := f.engine.finder().Find(ctx, backend.Query{WorkflowName: f.spec.Name, Limit: 3,
			Filters: []backend.RecordFilter{unfinished(), backend.FilterByStatus(all[i].Status)}})
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			all[i].Description = r.Record.Meta.StatusDescription
			all[i].Examples = append(all[i].Examples, r.Record.RunID)
		}
	}
	return all, nil
}

func unfinished() backend.RecordFilter {
	return backend.FilterByRunState(backend.RunStateInitiated, backend.RunStateRunning, backend.RunStatePaused)
}

// evolve brings the stored runs in line with the program: those in a renamed status get the new one, those in a status that the program
// lacks are paused, those that an earlier program paused for that reason go on where this one has the status, and signals that earlier
// programs parked are delivered where this one accepts them. It is done for every grant of roles, and touches only runs of roles that are
// held. A failure is tried again while the grant lasts.
func (f *Flow) evolve(ctx context.Context, grant context.Context) {
	told := false
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, time.Minute) {
		err := f.evolveAll(ctx, !told)
		f.engine.say()
		if err == nil || ctx.Err() != nil || grant.Err() != nil {
			return
		}
		if !told {
			told = true
			f.logError(&backend.Error{Op: "look for runs of earlier programs", Workflow: f.spec.Name, Err: err, Hint: "tried again by itself"})
			f.engine.say()
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// evolveAll goes through all runs that the program may have to bring in line. tell says that what it finds is to be logged.
func (f *Flow) evolveAll(ctx context.Context, tell bool) error {
	counts, err := f.engine.finder().Count(ctx, f.spec.Name, unfinished())
	if err != nil {
		return err
	}
	orphans, err := f.orphans(ctx, counts)
	if err != nil {
		return err
	}
	for _, o := range orphans {
		if !tell {
			break
		}
		f.logError(&backend.Error{Op: "check statuses", Workflow: f.spec.Name,
			Err:  fmt.Errorf("%s%d (%s), and %d unfinished runs are in it, such as %s", reasonUnknownStatus, o.Status, o.Description, o.Runs, strings.Join(o.Examples, ", ")),
			Hint: "they are paused; declare the status again, or its new one by RenameStatus"})
	}
	f.engine.say()
	paused := false
	var failed []error
	for _, c := range counts {
		filters := []backend.RecordFilter{backend.FilterByStatus(c.Status), backend.FilterByRunState(c.RunState)}
		switch {
		case c.RunState == backend.RunStatePaused:
			paused = true
		case !f.spec.knows(c.Status):
			failed = append(failed, f.evolveRuns(ctx, filters, f.outOfPlace))
		case len(f.spec.Signals[c.Status]) > 0 && !f.engine.volatile:
			failed = append(failed, f.evolveRuns(ctx, filters, f.parkedSignal))
		}
	}
	if paused {
		filters := []backend.RecordFilter{backend.FilterByRunState(backend.RunStatePaused), backend.FilterByReason(reasonUnknownStatus)}
		failed = append(failed, f.evolveRuns(ctx, filters, f.backInPlace))
	}
	return errors.Join(failed...)
}

// evolveRuns changes the runs that the filters find, page by page. The error is that of the first run that could not be changed; it holds up
// no other.
func (f *Flow) evolveRuns(ctx context.Context, filters []backend.RecordFilter, change func(ctx context.Context, rec *backend.Record) (*backend.Change, error)) error {
	_, exact := f.engine.b.(backend.Finder)
	var failed error
	for after := int64(0); ; {
		page, err := f.engine.finder().Find(ctx, backend.Query{WorkflowName: f.spec.Name, After: after, Limit: evolvePage, Filters: filters})
		if err != nil {
			return err
		}
		var changes []*backend.Change
		for _, r := range page {
			after = r.Key
			if !f.holdsRoleOf(r.Record.RunID) {
				continue
			}
			switch c, err := change(ctx, r.Record); {
			case err != nil:
				failed = cmp.Or(failed, err)
			case c != nil:
				changes = append(changes, c)
			}
		}
		if err := f.engine.CommitAll(ctx, changes); err != nil {
			return err
		}
		for _, c := range changes {
			switch {
			case c.Err == nil && !exact && c.Record != nil:
				after-- // it is in the listing no more, and what lies behind it has moved up
			case c.Err != nil && !errors.Is(c.Err, backend.ErrVersionConflict) && !errors.Is(c.Err, backend.ErrRecordNotFound):
				failed = cmp.Or(failed, c.Err) // one that lost against another commit is judged by that one's entry
			}
		}
		if len(page) < evolvePage {
			return failed
		}
	}
}

// parkedSignal makes the earliest signal due that waits for a run and is accepted by this program, where an earlier program has parked it.
func (f *Flow) parkedSignal(ctx context.Context, rec *backend.Record) (*backend.Change, error) {
	queued, err := f.signalsOf(ctx, rec.RunID)
	if err != nil || len(queued) == 0 {
		return nil, err
	}
	d, ok := armSignal(f.spec, rec, queued, f.spec.Clock.Now())
	if !ok {
		return nil, nil
	}
	return &backend.Change{Hold: []backend.Delivery{d}, Expect: rec.Meta.Version}, nil
}

func (f *Flow) holdsRoleOf(runID string) bool {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	return f.roleOf(runID) != nil
}

// outOfPlace is what becomes of a run in a status that the program lacks: it gets the status's new name, or is paused. Nil means that nothing
// can be done for it.
func (f *Flow) outOfPlace(ctx context.Context, rec *backend.Record) (*backend.Change, error) {
	if r, ok := f.spec.Renames[rec.Status]; ok {
		return f.rename(ctx, rec, r)
	}
	c := &backend.Change{From: machine.At(rec), Cause: backend.CauseEngine}
	var err error
	c.Record, err = machine.Pause(rec, backend.PausedByEngine, fmt.Sprintf("%s%d (%s)", reasonUnknownStatus, rec.Status, rec.Meta.StatusDescription), f.spec.Clock.Now())
	if err != nil {
		return nil, nil // it does not move
	}
	return c, nil
}

// rename puts a run into its status's new name. A start that is to come later, and the deadline, stay.
func (f *Flow) rename(ctx context.Context, rec *backend.Record, to Rename) (*backend.Change, error) {
	held, err := f.engine.b.Held(ctx, rec.RunID)
	if err != nil {
		return nil, err
	}
	now := f.spec.Clock.Now()
	next, err := machine.Force(rec, machine.Override{Status: to.To, Description: to.Description, Terminal: f.spec.Graph.Terminal(to.To),
		Reason: fmt.Sprintf("status %d (%s) was renamed", rec.Status, rec.Meta.StatusDescription)}, now)
	if err != nil {
		return nil, nil // its data is deleted
	}
	c := &backend.Change{Record: next, From: machine.At(rec), Cause: backend.CauseEngine}
	begin := now
	for _, d := range held {
		if !startsLater(d, now) || d.Version < rec.Meta.Visit {
			continue
		}
		begin = latest(begin, d.Due)
		c.Done = append(c.Done, d.DeliveryKey)
	}
	if begin.After(now) && f.spec.Steps[next.Status] != nil {
		c.Hold = append(c.Hold, f.row(next, backend.ReceiverStep, backend.DeliveryTimer, begin))
	}
	f.timersAt(c, rec, begin)
	return c, nil
}

// backInPlace is what becomes of a run that was paused for its status, when the program has that, or a new name for it.
func (f *Flow) backInPlace(ctx context.Context, rec *backend.Record) (*backend.Change, error) {
	if rec.Meta.PausedBy != backend.PausedByEngine || !strings.HasPrefix(rec.Meta.RunStateReason, reasonUnknownStatus) {
		return nil, nil
	}
	if r, renamed := f.spec.Renames[rec.Status]; renamed {
		return f.rename(ctx, rec, r)
	}
	if !f.spec.knows(rec.Status) {
		return nil, nil
	}
	next, err := machine.Resume(rec, backend.PausedByEngine, "the program has the status again", f.spec.Clock.Now())
	if err != nil {
		return nil, nil
	}
	return &backend.Change{Record: next, From: machine.At(rec), Cause: backend.CauseEngine}, nil
}

// strange ends the delivery of a step whose status the program lacks, with what becomes of the run.
func (e *Engine) strange(t *task) (*member, error) {
	c, err := t.role.flow.outOfPlace(t.role.flow.ctx, t.rec)
	switch {
	case err != nil:
		return nil, err
	case c == nil:
		return e.nothing(t), nil
	}
	if c.Record.RunState == backend.RunStatePaused { // a renamed status is no matter of concern
		t.role.flow.logError(&backend.Error{Op: "step", Workflow: t.role.flow.spec.Name, RunID: t.key.RunID,
			Err: fmt.Errorf("%s%d (%s)", reasonUnknownStatus, t.rec.Status, t.rec.Meta.StatusDescription), Hint: "declare the status, or its new one by RenameStatus"})
	}
	if t.mayHaveRow() {
		c.Done = append(c.Done, t.key)
	}
	return &member{change: c, task: t, kind: kindAdvance}, nil
}
