package adaptertest

import (
	"cmp"
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// readPage is the size of the pages in which whole stores are read.
const readPage = 500

// readLog reads the whole log behind after.
func readLog(ctx context.Context, b backend.Log, after int64) ([]backend.Entry, error) {
	var all []backend.Entry
	for {
		page, err := b.ReadLog(ctx, after, readPage)
		if err != nil {
			return nil, fmt.Errorf("read the log after %d: %w", after, err)
		}
		if len(page) == 0 {
			return all, nil
		}
		if last := page[len(page)-1].Pos; last <= after {
			return nil, fmt.Errorf("read the log after %d: the page ends at %d", after, last)
		}
		after = page[len(page)-1].Pos
		all = append(all, page...)
	}
}

// readHistory reads all versions of a run.
func readHistory(ctx context.Context, b backend.Runs, runID string) ([]backend.Entry, error) {
	var all []backend.Entry
	after := uint(0)
	for {
		page, err := b.History(ctx, runID, after, readPage)
		if err != nil {
			return nil, fmt.Errorf("history of run %s after version %d: %w", runID, after, err)
		}
		all = append(all, page...)
		if len(page) < readPage {
			return all, nil
		}
		last := page[len(page)-1].Record.Meta.Version
		if last <= after {
			return nil, fmt.Errorf("history of run %s after version %d: the page ends at version %d", runID, after, last)
		}
		after = last
	}
}

// versioned leaves out entries of version 0, which are outside the version rule.
func versioned(entries []backend.Entry) []backend.Entry {
	out := make([]backend.Entry, 0, len(entries))
	for _, e := range entries {
		if e.Record.Meta.Version > 0 {
			out = append(out, e)
		}
	}
	return out
}

// readDue reads all due deliveries of a workflow, in pages of the given size.
func readDue(ctx context.Context, b backend.Deliveries, workflowName string, page int) ([]backend.Delivery, error) {
	var (
		all  []backend.Delivery
		mark backend.DueMark
	)
	for {
		got, err := b.Due(ctx, workflowName, mark, page)
		if err != nil {
			return nil, fmt.Errorf("due deliveries of workflow %s: %w", workflowName, err)
		}
		if len(got) > page {
			return nil, fmt.Errorf("due deliveries of workflow %s: a page of %d holds %d", workflowName, page, len(got))
		}
		if len(got) == 0 {
			return all, nil
		}
		last := got[len(got)-1]
		if next := markOf(last); len(all) > 0 && compareDue(all[len(all)-1], last) >= 0 {
			return nil, fmt.Errorf("due deliveries of workflow %s: the mark does not advance beyond %+v", workflowName, next)
		}
		mark = markOf(last)
		all = append(all, got...)
	}
}

func markOf(d backend.Delivery) backend.DueMark {
	return backend.DueMark{Due: d.Due, Key: d.DeliveryKey}
}

// compareDue is the order of due deliveries: due time, run id, receiver, version.
func compareDue(a, b backend.Delivery) int {
	return cmp.Or(
		a.Due.Compare(b.Due), cmp.Compare(a.RunID, b.RunID), cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Version, b.Version),
	)
}
