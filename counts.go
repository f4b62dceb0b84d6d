package workflow

import (
	"cmp"
	"context"
	"slices"

	"github.com/stillwater-go/workflow/backend"
)

// StatusCount is how many runs are in a status and run state.
type StatusCount struct {
	Status int
	// Name is the status's name: by the workflow's code, or else as it is stored with one of the runs.
	Name     string
	RunState RunState
	Runs     int64
}

// Counts counts the workflow's runs that pass the filters by status and run state, in the order of (status, run state).
func (w *Workflow[Type, Status]) Counts(ctx context.Context, filters ...RecordFilter) ([]StatusCount, error) {
	return w.operator("").Counts(ctx, w.name, filters...)
}

// Counts counts the runs of a workflow, or of all where the name is empty, that pass the filters; see [Workflow.Counts]. An operator of one workflow
// counts that one's, whatever the name. Where the backend is no [Finder], every run is read.
func (o *Operator) Counts(ctx context.Context, workflowName string, filters ...RecordFilter) ([]StatusCount, error) {
	if o.code != nil {
		workflowName = o.code.workflow
	}
	counts, err := o.counts(ctx, workflowName, filters)
	if err != nil {
		return nil, &Error{Op: "count runs", Workflow: workflowName, Err: err}
	}
	return counts, nil
}

func (o *Operator) counts(ctx context.Context, workflowName string, filters []RecordFilter) ([]StatusCount, error) {
	f, ok := o.e.Backend().(Finder)
	if !ok {
		return o.countByReading(ctx, workflowName, filters)
	}
	counted, err := f.Count(ctx, workflowName, filters...)
	if err != nil {
		return nil, err
	}
	names := make(map[int]string)
	var out []StatusCount
	for _, c := range counted {
		name, known := names[c.Status]
		if !known {
			if name, err = o.nameOf(ctx, f, workflowName, c.Status); err != nil {
				return nil, err
			}
			names[c.Status] = name
		}
		out = append(out, StatusCount{Status: c.Status, Name: name, RunState: c.RunState, Runs: c.Runs})
	}
	return out, nil
}

// nameOf is a status's name: the code's, or the one that the newest run in it was stored with.
func (o *Operator) nameOf(ctx context.Context, f Finder, workflowName string, status int) (string, error) {
	if o.code != nil && o.code.has(status) {
		return o.code.name(status), nil
	}
	found, err := f.Find(ctx, backend.Query{
		WorkflowName: workflowName, Order: OrderTypeDescending, Limit: 1, Filters: []RecordFilter{FilterByStatus(status)},
	})
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].Record.Meta.StatusDescription, nil
}

func (o *Operator) countByReading(ctx context.Context, workflowName string, filters []RecordFilter) ([]StatusCount, error) {
	type place struct {
		status int
		state  RunState
	}
	runs, names := make(map[place]int64), make(map[int]string)
	for rec, err := range o.AllRuns(ctx, InWorkflow(workflowName), Where(filters...), PageSize(MaxPageSize)) {
		if err != nil {
			return nil, err
		}
		runs[place{rec.Status, rec.RunState}]++
		names[rec.Status] = rec.Meta.StatusDescription
		if o.code != nil && o.code.has(rec.Status) {
			names[rec.Status] = o.code.name(rec.Status)
		}
	}
	out := make([]StatusCount, 0, len(runs))
	for p, n := range runs {
		out = append(out, StatusCount{Status: p.status, Name: names[p.status], RunState: p.state, Runs: n})
	}
	slices.SortFunc(out, func(a, b StatusCount) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.RunState, b.RunState))
	})
	return out, nil
}
