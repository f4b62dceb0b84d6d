package demo

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// evidence is what became of the orders, as it is on the disk.
type evidence interface {
	// runs shows the runs of the demo's workflow with these foreign ids, charges the ledger's lines of these orders; nil shows all. An
	// error of see ends it.
	runs(ctx context.Context, ids []string, see func(*backend.Record) error) error
	charges(ctx context.Context, ids []string, see func(charge) error) error
	// totals counts the runs by status and run state, and the ledger's lines.
	totals(ctx context.Context) (runs []backend.Count, charges int, err error)
	// retries counts the failed attempts that are kept of a run.
	retries(ctx context.Context, runID string) (int, error)
}

// disk is the evidence of the demo's store and books.
type disk struct {
	store *sqlite.Backend
	books *books
}

func (d disk) runs(ctx context.Context, ids []string, see func(*backend.Record) error) error {
	if ids == nil {
		return d.find(ctx, see)
	}
	return d.find(ctx, see, backend.FilterByForeignID(ids...))
}

// find shows the runs that match, a page at a time.
func (d disk) find(ctx context.Context, see func(*backend.Record) error, filters ...backend.RecordFilter) error {
	q := backend.Query{WorkflowName: workflowName, Limit: listPage, Filters: filters}
	for {
		page, err := d.store.Find(ctx, q)
		if err != nil {
			return fmt.Errorf("find the runs: %w", err)
		}
		for _, run := range page {
			if err := see(run.Record); err != nil {
				return err
			}
			q.After = run.Key
		}
		if len(page) < listPage {
			return nil
		}
	}
}

func (d disk) charges(ctx context.Context, ids []string, see func(charge) error) error {
	return d.books.charges(ctx, ids, see)
}

func (d disk) totals(ctx context.Context) (runs []backend.Count, charges int, err error) {
	if runs, err = d.store.Count(ctx, workflowName); err != nil {
		return nil, 0, fmt.Errorf("count the runs: %w", err)
	}
	charges, err = d.books.count(ctx)
	return runs, charges, err
}

func (d disk) retries(ctx context.Context, runID string) (int, error) {
	attempts, err := d.store.Attempts(ctx, runID, listPage)
	if err != nil {
		return 0, fmt.Errorf("count the retries: %w", err)
	}
	return len(attempts), nil
}

var _ evidence = disk{}
