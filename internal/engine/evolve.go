package engine

import (
	"context"
	"fmt"
	"strings"

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
// lacks are paused, and those that an earlier program paused for that reason go on where this one has the status. It runs once for every
// grant of roles, and touches only runs of roles that are held.
func (f *Flow) evolve(ctx context.Context) {
	if err := f.evolveAll(ctx); err != nil && ctx.Err() == nil {
		f.logError(&backend.Error{Op: "look for runs in statuses that the program lacks", Workflow: f.spec.Name, Err: err,
			Hint: "looked for again at the next start"})
		f.engine.say()
	}
}

func (f *Flow) evolveAll(ctx context.Context) error {
	counts, err := f.engine.finder().Count(ctx, f.spec.Name, unfinished())
	if err != nil {
		return err
	}
	orphans, err := f.orphans(ctx, counts)
	if err != nil {
		return err
	}
	for _, o := range orphans {
		f.logError(&backend.Error{Op: "check statuses", Workflow: f.spec.Name,
			Err:  fmt.Errorf("%s%d (%s), and %d unfinished runs are in it, such as %s", reasonUnknownStatus, o.Status, o.Description, o.Runs, strings.Join(o.Examples, ", ")),
			Hint: "they are paused; declare the status again, or its new one by RenameStatus"})
	}
	f.engine.say()
	paused := false
	for _, c := range counts {
		switch {
		case c.RunState == backend.RunStatePaused:
			paused = true
		case !f.spec.knows(c.Status):
			filters := []backend.RecordFilter{backend.FilterByStatus(c.Status), backend.FilterByRunState(c.RunState)}
			if err := f.evolveRuns(ctx, filters, f.outOfPlace); err != nil {
				return err
			}
		}
	}
	if !paused {
		return nil
	}
	filters := []backend.RecordFilter{backend.FilterByRunState(backend.RunStatePaused), backend.FilterByReason(reasonUnknownStatus)}
	return f.evolveRuns(ctx, filters, f.backInPlace)
}

// evolveRuns changes the runs that the filters find, page by page.
func (f *Flow) evolveRuns(ctx context.Context, filters []backend.RecordFilter, change func(rec *backend.Record) *backend.Change) error {
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
			if c := change(r.Record); c != nil {
				changes = append(changes, c)
			}
		}
		if err := f.engine.CommitAll(ctx, changes); err != nil { // one that lost against another commit is judged by that one's entry
			return err
		}
		if len(page) < evolvePage {
			return nil
		}
	}
}

func (f *Flow) holdsRoleOf(runID string) bool {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	return f.roleOf(runID) != nil
}

// outOfPlace is what becomes of a moving run in a status that the program lacks: it gets the status's new name, or is paused.
func (f *Flow) outOfPlace(rec *backend.Record) *backend.Change {
	now := f.spec.Clock.Now()
	c := &backend.Change{From: machine.At(rec), Cause: backend.CauseEngine}
	var err error
	if r, ok := f.spec.Renames[rec.Status]; ok {
		c.Record, err = machine.Force(rec, machine.Override{Status: r.To, Description: r.Description, Terminal: f.spec.Graph.Terminal(r.To),
			Reason: fmt.Sprintf("status %d (%s) was renamed", rec.Status, rec.Meta.StatusDescription)}, now)
	} else {
		c.Record, err = machine.Pause(rec, backend.PausedByEngine, fmt.Sprintf("%s%d (%s)", reasonUnknownStatus, rec.Status, rec.Meta.StatusDescription), now)
	}
	if err != nil {
		return nil
	}
	f.timersOf(c, rec)
	return c
}

// backInPlace is what becomes of a run that was paused for its status, when the program has that, or a new name for it.
func (f *Flow) backInPlace(rec *backend.Record) *backend.Change {
	if rec.Meta.PausedBy != backend.PausedByEngine || !strings.HasPrefix(rec.Meta.RunStateReason, reasonUnknownStatus) {
		return nil
	}
	if _, renamed := f.spec.Renames[rec.Status]; renamed {
		return f.outOfPlace(rec)
	}
	if !f.spec.knows(rec.Status) {
		return nil
	}
	next, err := machine.Resume(rec, backend.PausedByEngine, "the program has the status again", f.spec.Clock.Now())
	if err != nil {
		return nil
	}
	return &backend.Change{Record: next, From: machine.At(rec), Cause: backend.CauseEngine}
}

// strange ends the delivery of a step whose status the program lacks, with what becomes of the run.
func (e *Engine) strange(t *task) *member {
	c := t.role.flow.outOfPlace(t.rec)
	if c == nil {
		return e.nothing(t)
	}
	t.role.flow.logError(&backend.Error{Op: "step", Workflow: t.role.flow.spec.Name, RunID: t.key.RunID,
		Err: fmt.Errorf("%s%d (%s)", reasonUnknownStatus, t.rec.Status, t.rec.Meta.StatusDescription), Hint: "declare the status, or its new one by RenameStatus"})
	if t.mayHaveRow() {
		c.Done = append(c.Done, t.key)
	}
	return &member{change: c, task: t, kind: kindAdvance}
}
