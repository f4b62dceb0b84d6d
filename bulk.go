package workflow

import (
	"context"
	"errors"
)

// Bulk is what came of an action on many runs.
type Bulk struct {
	// Done and Failed count the runs on which the action was done, and failed.
	Done, Failed int64
}

// maxBulkErrors bounds the errors that are kept of an action on many runs; all are counted, and shown to its function.
const maxBulkErrors = 100

// Each does act to every run that the options select, one after the other, in the order of the listing. It goes on after an error of act, and stops
// when ctx ends or the listing fails. The error joins that one and the first hundred of act's.
func (o *Operator) Each(ctx context.Context, act func(ctx context.Context, rec *Record) error, opts ...ListOption) (Bulk, error) {
	var bulk Bulk
	var errs []error
	for rec, err := range o.AllRuns(ctx, opts...) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return bulk, errors.Join(append(errs, err)...)
		}
		switch err := act(ctx, rec); {
		case err == nil:
			bulk.Done++
		default:
			if bulk.Failed++; len(errs) < maxBulkErrors {
				errs = append(errs, err)
			}
		}
	}
	return bulk, errors.Join(errs...)
}

// Progress is told of each run on which an action was tried, with its error where it failed. It is called in between, and must be quick.
type Progress func(rec *Record, err error)

// PauseAll pauses every run that the options select; see [Operator.Each]. progress may be nil.
func (o *Operator) PauseAll(ctx context.Context, reason string, progress Progress, opts ...ListOption) (Bulk, error) {
	return o.all(ctx, o.Pause, reason, progress, opts)
}

// ResumeAll resumes every run that the options select; see [Operator.Each]. progress may be nil.
func (o *Operator) ResumeAll(ctx context.Context, reason string, progress Progress, opts ...ListOption) (Bulk, error) {
	return o.all(ctx, o.Resume, reason, progress, opts)
}

// CancelAll cancels every run that the options select; see [Operator.Each]. progress may be nil.
func (o *Operator) CancelAll(ctx context.Context, reason string, progress Progress, opts ...ListOption) (Bulk, error) {
	return o.all(ctx, o.Cancel, reason, progress, opts)
}

// RetryAll is [Operator.RetryNow] for every run that the options select; see [Operator.Each]. Those with nothing to retry count as failed. progress may
// be nil.
func (o *Operator) RetryAll(ctx context.Context, reason string, progress Progress, opts ...ListOption) (Bulk, error) {
	return o.all(ctx, o.RetryNow, reason, progress, opts)
}

func (o *Operator) all(ctx context.Context, action func(ctx context.Context, runID, reason string) error, reason string, progress Progress, opts []ListOption) (Bulk, error) {
	return o.Each(ctx, func(ctx context.Context, rec *Record) error {
		err := action(ctx, rec.RunID, reason)
		if progress != nil {
			progress(rec, err)
		}
		return err
	}, opts...)
}
