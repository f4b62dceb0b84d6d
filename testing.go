package workflow

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// TB is the part of testing.TB that the test helpers need. *testing.T, *testing.B and testing.TB satisfy it, and programs that are not tests do
// not link the testing package for it.
type TB interface {
	// Helper marks the caller as a helper.
	Helper()
	// Fatalf fails the test and ends it.
	Fatalf(format string, args ...any)
}

// helpTimeout bounds the waits of the test helpers.
const helpTimeout = 30 * time.Second

// Require waits until the newest run of the foreign id has reached the status and fails the test unless its object is the expected one.
func Require[Type any, Status StatusType](t TB, api API[Type, Status], foreignID string, waitForStatus Status, expected Type) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), helpTimeout)
	defer cancel()
	r, err := awaitTriggered(ctx, api, foreignID, "", waitForStatus)
	if err != nil {
		t.Fatalf("Require: %v", err)
		return
	}
	got, err := Marshal(r.Object)
	if err != nil {
		t.Fatalf("Require: %v", err)
	}
	want, err := Marshal(&expected)
	if err != nil {
		t.Fatalf("Require: %v", err)
	}
	if !bytes.Equal(got, want) && !reflect.DeepEqual(*r.Object, expected) {
		t.Fatalf("Require: object in status %v:\n got %s\nwant %s", waitForStatus, got, want)
	}
}

// TriggerCallbackOn waits until the run has reached the status and calls back with the payload, encoded as a stored object is.
func TriggerCallbackOn[Type any, Status StatusType, Payload any](t TB, api API[Type, Status], foreignID, runID string, waitForStatus Status, p Payload) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), helpTimeout)
	defer cancel()
	if _, err := awaitTriggered(ctx, api, foreignID, runID, waitForStatus); err != nil {
		t.Fatalf("TriggerCallbackOn: %v", err)
		return
	}
	body, err := Marshal(&p)
	if err != nil {
		t.Fatalf("TriggerCallbackOn: %v", err)
		return
	}
	if err := api.Callback(ctx, foreignID, waitForStatus, bytes.NewReader(body)); err != nil {
		t.Fatalf("TriggerCallbackOn: %v", err)
	}
}

// AwaitTimeoutInsert waits until the run has reached the status and its timers are set. They are set by the commit that enters the status.
func AwaitTimeoutInsert[Type any, Status StatusType](t TB, api API[Type, Status], foreignID, runID string, waitFor Status) {
	t.Helper()
	w, ok := api.(*Workflow[Type, Status])
	if !ok {
		t.Fatalf("AwaitTimeoutInsert: works on a *Workflow, not on a %T", api)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), helpTimeout)
	defer cancel()
	r, err := awaitTriggered(ctx, api, foreignID, runID, waitFor)
	if err != nil {
		t.Fatalf("AwaitTimeoutInsert: %v", err)
		return
	}
	err = look(ctx, func() (bool, error) {
		held, err := w.flow.Engine().Backend().Held(ctx, r.RunID)
		for _, d := range held {
			if strings.HasPrefix(string(d.Receiver), "timeout:") {
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		t.Fatalf("AwaitTimeoutInsert: run %s in status %v: %v", r.RunID, waitFor, err)
	}
}

// WaitFor waits until fn says true of the newest run of the foreign id.
func WaitFor[Type any, Status StatusType](t TB, api API[Type, Status], foreignID string, fn func(r *Run[Type, Status]) (bool, error)) {
	t.Helper()
	w, ok := api.(*Workflow[Type, Status])
	if !ok {
		t.Fatalf("WaitFor: works on a *Workflow, not on a %T", api)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), helpTimeout)
	defer cancel()
	err := look(ctx, func() (bool, error) {
		rec, err := w.flow.Engine().Backend().Latest(ctx, w.name, foreignID)
		if err != nil {
			return false, nil // it may not have been triggered yet
		}
		typed, err := w.typedRecord(rec)
		if err != nil {
			return false, err
		}
		return fn(&Run[Type, Status]{TypedRecord: *typed, controller: w.RunStateController(rec.RunID)})
	})
	if err != nil {
		t.Fatalf("WaitFor: %v", err)
	}
}

// awaitTriggered is Await that also waits for the trigger.
func awaitTriggered[Type any, Status StatusType](ctx context.Context, api API[Type, Status], foreignID, runID string, s Status) (r *Run[Type, Status], err error) {
	lookErr := look(ctx, func() (bool, error) {
		r, err = api.Await(ctx, foreignID, runID, s)
		return err == nil || ctx.Err() != nil || !isNotFound(err), nil
	})
	if err == nil {
		err = lookErr
	}
	return r, err
}

// look asks now and then until the answer is yes.
func look(ctx context.Context, done func() (bool, error)) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("gave up waiting: %w", ctx.Err())
		case <-t.C:
		}
	}
}

// NewTestingRun makes a run to call a step function with, without a workflow. Its verbs do nothing unless the options say otherwise.
func NewTestingRun[Type any, Status StatusType](t TB, wr Record, object Type, opts ...TestingRunOption) *Run[Type, Status] {
	t.Helper()
	var o testingRunOpts
	for _, opt := range opts {
		opt(&o)
	}
	return &Run[Type, Status]{
		TypedRecord: TypedRecord[Type, Status]{Record: wr, Status: Status(wr.Status), Object: &object},
		controller:  &testingController{o},
	}
}

type testingRunOpts struct {
	pause, resume, cancel, deleteData, saveAndRepeat func(ctx context.Context) error
}

// TestingRunOption sets what a verb of a testing run does.
type TestingRunOption func(*testingRunOpts)

// WithPauseFn sets what Pause does.
func WithPauseFn(pause func(ctx context.Context) error) TestingRunOption {
	return func(o *testingRunOpts) { o.pause = pause }
}

// WithResumeFn sets what Resume does.
func WithResumeFn(resume func(ctx context.Context) error) TestingRunOption {
	return func(o *testingRunOpts) { o.resume = resume }
}

// WithCancelFn sets what Cancel does.
func WithCancelFn(cancel func(ctx context.Context) error) TestingRunOption {
	return func(o *testingRunOpts) { o.cancel = cancel }
}

// WithDeleteDataFn sets what DeleteData does.
func WithDeleteDataFn(deleteData func(ctx context.Context) error) TestingRunOption {
	return func(o *testingRunOpts) { o.deleteData = deleteData }
}

// WithSaveAndRepeatFn sets what SaveAndRepeat does.
func WithSaveAndRepeatFn(saveAndRepeat func(ctx context.Context) error) TestingRunOption {
	return func(o *testingRunOpts) { o.saveAndRepeat = saveAndRepeat }
}

// testingController is a controller made of functions.
type testingController struct{ o testingRunOpts }

func (c *testingController) Pause(ctx context.Context, _ string) error { return callFn(ctx, c.o.pause) }
func (c *testingController) Cancel(ctx context.Context, _ string) error {
	return callFn(ctx, c.o.cancel)
}
func (c *testingController) Resume(ctx context.Context) error { return callFn(ctx, c.o.resume) }
func (c *testingController) DeleteData(ctx context.Context, _ string) error {
	return callFn(ctx, c.o.deleteData)
}

func (c *testingController) saveAndRepeat() error {
	return callFn(context.Background(), c.o.saveAndRepeat)
}

func callFn(ctx context.Context, fn func(context.Context) error) error {
	if fn == nil {
		return nil
	}
	return fn(ctx)
}
