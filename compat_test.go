package workflow_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
)

// This file is a compile test: every name of the predecessor, in the shape that programs written for it use. What cannot be named from
// outside (an unexported return type) is used as such programs do, by its methods.

type (
	// compatClock is a clock of somebody else's, such as those of k8s.io/utils/clock: more methods than we ask for.
	compatClock struct{}

	compatErrors  struct{}
	compatLogger  struct{}
	compatStore   struct{}
	compatStream  struct{}
	compatSend    struct{}
	compatReceive struct{}
	compatRoles   struct{}
	compatTimes   struct{}
	compatFeed    struct{}
	compatFeeder  struct{}
	compatControl struct{}

	status32 int32
	status64 int64
)

func (status32) String() string { return "" }
func (status64) String() string { return "" }

func (compatClock) Now() time.Time                       { return time.Time{} }
func (compatClock) After(time.Duration) <-chan time.Time { return nil }
func (compatClock) Since(time.Time) time.Duration        { return 0 }

func (compatErrors) Add(error, ...string) int   { return 0 }
func (compatErrors) Count(error, ...string) int { return 0 }
func (compatErrors) Clear(error, ...string)     {}

func (compatLogger) Debug(context.Context, string, map[string]string) {}
func (compatLogger) Error(context.Context, error)                     {}

func (compatStore) Store(context.Context, *workflow.Record) error { return nil }
func (compatStore) Lookup(context.Context, string) (*workflow.Record, error) {
	return nil, workflow.ErrRecordNotFound
}
func (compatStore) Latest(context.Context, string, string) (*workflow.Record, error) {
	return nil, workflow.ErrRecordNotFound
}
func (compatStore) List(context.Context, string, int64, int, workflow.OrderType, ...workflow.RecordFilter) ([]workflow.Record, error) {
	return nil, nil
}
func (compatStore) ListOutboxEvents(context.Context, string, int64) ([]workflow.OutboxEvent, error) {
	return nil, nil
}
func (compatStore) DeleteOutboxEvent(context.Context, string) error     { return nil }
func (compatStore) Snapshots(string, string, string) []*workflow.Record { return nil }
func (compatStream) NewSender(context.Context, string) (workflow.EventSender, error) {
	return compatSend{}, nil
}
func (compatStream) NewReceiver(context.Context, string, string, ...workflow.ReceiverOption) (workflow.EventReceiver, error) {
	return compatReceive{}, nil
}
func (compatSend) Send(context.Context, string, int, map[workflow.Header]string) error { return nil }
func (compatSend) Close() error                                                        { return nil }
func (compatReceive) Recv(context.Context) (*workflow.Event, workflow.Ack, error) {
	return nil, nil, nil
}
func (compatReceive) Close() error { return nil }
func (compatRoles) Await(ctx context.Context, _ string) (context.Context, context.CancelFunc, error) {
	return ctx, func() {}, nil
}
func (compatTimes) Create(context.Context, string, string, string, int, time.Time) error { return nil }
func (compatTimes) Complete(context.Context, int64) error                                { return nil }
func (compatTimes) Cancel(context.Context, int64) error                                  { return nil }
func (compatTimes) List(context.Context, string) ([]workflow.TimeoutRecord, error)       { return nil, nil }
func (compatTimes) ListValid(context.Context, string, int, time.Time) ([]workflow.TimeoutRecord, error) {
	return nil, nil
}
func (compatFeed) Make(context.Context, string) (workflow.ConnectorConsumer, error) {
	return compatFeeder{}, nil
}
func (compatFeeder) Recv(context.Context) (*workflow.ConnectorEvent, workflow.Ack, error) {
	return nil, nil, nil
}
func (compatFeeder) Close() error                              { return nil }
func (compatControl) Pause(context.Context, string) error      { return nil }
func (compatControl) Cancel(context.Context, string) error     { return nil }
func (compatControl) Resume(context.Context) error             { return nil }
func (compatControl) DeleteData(context.Context, string) error { return nil }

// The interfaces ask for these methods and no more: users implement and mock them.
var (
	_ workflow.Clock                = compatClock{}
	_ workflow.ErrorCounter         = compatErrors{}
	_ workflow.Logger               = compatLogger{}
	_ workflow.RecordStore          = compatStore{}
	_ workflow.TestingRecordStore   = compatStore{}
	_ workflow.EventStreamer        = compatStream{}
	_ workflow.EventSender          = compatSend{}
	_ workflow.EventReceiver        = compatReceive{}
	_ workflow.RoleScheduler        = compatRoles{}
	_ workflow.TimeoutStore         = compatTimes{}
	_ workflow.ConnectorConstructor = compatFeed{}
	_ workflow.ConnectorConsumer    = compatFeeder{}
	_ workflow.RunStateController   = compatControl{}
	_ workflow.Ack                  = func() error { return nil }
)

// They give these methods to who holds one.
var (
	_ = workflow.ErrorCounter.Add
	_ = workflow.ErrorCounter.Count
	_ = workflow.ErrorCounter.Clear

	_ func(workflow.Logger, context.Context, string, map[string]string) = workflow.Logger.Debug
	_ func(workflow.Logger, context.Context, error)                     = workflow.Logger.Error

	_ func(workflow.RecordStore, context.Context, *workflow.Record) error                                                                      = workflow.RecordStore.Store
	_ func(workflow.RecordStore, context.Context, string) (*workflow.Record, error)                                                            = workflow.RecordStore.Lookup
	_ func(workflow.RecordStore, context.Context, string, string) (*workflow.Record, error)                                                    = workflow.RecordStore.Latest
	_ func(workflow.RecordStore, context.Context, string, int64, int, workflow.OrderType, ...workflow.RecordFilter) ([]workflow.Record, error) = workflow.RecordStore.List
	_ func(workflow.RecordStore, context.Context, string, int64) ([]workflow.OutboxEvent, error)                                               = workflow.RecordStore.ListOutboxEvents
	_ func(workflow.RecordStore, context.Context, string) error                                                                                = workflow.RecordStore.DeleteOutboxEvent
	_ func(workflow.TestingRecordStore, string, string, string) []*workflow.Record                                                             = workflow.TestingRecordStore.Snapshots
	_ workflow.RecordStore                                                                                                                     = workflow.TestingRecordStore(nil)
	_ func(workflow.EventStreamer, context.Context, string) (workflow.EventSender, error)                                                      = workflow.EventStreamer.NewSender
	_ func(workflow.EventStreamer, context.Context, string, string, ...workflow.ReceiverOption) (workflow.EventReceiver, error)                = workflow.EventStreamer.NewReceiver
	_ func(workflow.EventSender, context.Context, string, int, map[workflow.Header]string) error                                               = workflow.EventSender.Send
	_ func(workflow.EventSender) error                                                                                                         = workflow.EventSender.Close
	_ func(workflow.EventReceiver, context.Context) (*workflow.Event, workflow.Ack, error)                                                     = workflow.EventReceiver.Recv
	_ func(workflow.EventReceiver) error                                                                                                       = workflow.EventReceiver.Close
	_ func(workflow.RoleScheduler, context.Context, string) (context.Context, context.CancelFunc, error)                                       = workflow.RoleScheduler.Await
	_ func(workflow.TimeoutStore, context.Context, string, string, string, int, time.Time) error                                               = workflow.TimeoutStore.Create
	_ func(workflow.TimeoutStore, context.Context, int64) error                                                                                = workflow.TimeoutStore.Complete
	_ func(workflow.TimeoutStore, context.Context, int64) error                                                                                = workflow.TimeoutStore.Cancel
	_ func(workflow.TimeoutStore, context.Context, string) ([]workflow.TimeoutRecord, error)                                                   = workflow.TimeoutStore.List
	_ func(workflow.TimeoutStore, context.Context, string, int, time.Time) ([]workflow.TimeoutRecord, error)                                   = workflow.TimeoutStore.ListValid
	_ func(workflow.ConnectorConstructor, context.Context, string) (workflow.ConnectorConsumer, error)                                         = workflow.ConnectorConstructor.Make
	_ func(workflow.ConnectorConsumer, context.Context) (*workflow.ConnectorEvent, workflow.Ack, error)                                        = workflow.ConnectorConsumer.Recv
	_ func(workflow.ConnectorConsumer) error                                                                                                   = workflow.ConnectorConsumer.Close
	_ func(workflow.RunStateController, context.Context, string) error                                                                         = workflow.RunStateController.Pause
	_ func(workflow.RunStateController, context.Context, string) error                                                                         = workflow.RunStateController.Cancel
	_ func(workflow.RunStateController, context.Context) error                                                                                 = workflow.RunStateController.Resume
	_ func(workflow.RunStateController, context.Context, string) error                                                                         = workflow.RunStateController.DeleteData
)

type compatAPI = workflow.API[object, status]

// The workflow and what is done with one.
var (
	_ compatAPI = (*flow)(nil)

	_ func(compatAPI) string                                                                                    = compatAPI.Name
	_ func(compatAPI, context.Context, string, ...workflow.TriggerOption[object, status]) (string, error)       = compatAPI.Trigger
	_ func(compatAPI, context.Context, string, string, status, ...workflow.AwaitOption) (*run, error)           = compatAPI.Await
	_ func(compatAPI, context.Context, string, status, io.Reader) error                                         = compatAPI.Callback
	_ func(compatAPI, context.Context)                                                                          = compatAPI.Run
	_ func(compatAPI)                                                                                           = compatAPI.Stop
	_ func(*flow) string                                                                                        = (*flow).Name
	_ func(*flow, context.Context)                                                                              = (*flow).Run
	_ func(*flow)                                                                                               = (*flow).Stop
	_ func(*flow, context.Context, string, string, status, ...workflow.AwaitOption) (*run, error)               = (*flow).Await
	_ func(*flow, context.Context, string, status, io.Reader) error                                             = (*flow).Callback
	_ func(*flow) map[string]workflow.State                                                                     = (*flow).States
	_ func(*flow, context.Context, string, ...workflow.TriggerOption[object, status]) (runID string, err error) = (*flow).Trigger
	_ func(time.Duration) workflow.AwaitOption                                                                  = workflow.WithAwaitPollingFrequency
	_ func(status) workflow.TriggerOption[object, status]                                                       = workflow.WithStartingPoint[object, status]
	_ func(*object) workflow.TriggerOption[object, status]                                                      = workflow.WithInitialValue[object, status]
	_ func(*run, context.Context, string) (status, error)                                                       = (*run).Pause
	_ func(*run, context.Context, string) (status, error)                                                       = (*run).Cancel
	_ func(*run) (status, error)                                                                                = (*run).Skip
	_ func(*run) (status, error)                                                                                = (*run).SaveAndRepeat
)

// The builder and its options.
var (
	_ func(string) *workflow.Builder[object, status]                                                                                               = workflow.NewBuilder[object, status]
	_ func(*workflow.Builder[object, status], status, workflow.CallbackFunc[object, status], ...status)                                            = (*workflow.Builder[object, status]).AddCallback
	_ func(*workflow.Builder[object, status], workflow.RunStateChangeHookFunc[object, status])                                                     = (*workflow.Builder[object, status]).OnPause
	_ func(*workflow.Builder[object, status], workflow.RunStateChangeHookFunc[object, status])                                                     = (*workflow.Builder[object, status]).OnCancel
	_ func(*workflow.Builder[object, status], workflow.RunStateChangeHookFunc[object, status])                                                     = (*workflow.Builder[object, status]).OnComplete
	_ func(*workflow.Builder[object, status], workflow.EventStreamer, workflow.RecordStore, workflow.RoleScheduler, ...workflow.BuildOption) *flow = (*workflow.Builder[object, status]).Build
	_ func(workflow.TimeoutStore) workflow.BuildOption                                                                                             = workflow.WithTimeoutStore
	_ func() workflow.BuildOption                                                                                                                  = workflow.WithoutOutbox
	_ func() workflow.BuildOption                                                                                                                  = workflow.WithDebugMode
	_ func(workflow.Logger) workflow.BuildOption                                                                                                   = workflow.WithLogger
	_ func(workflow.ErrorCounter) workflow.BuildOption                                                                                             = workflow.WithErrorCounter
	_ func(...workflow.Option) workflow.BuildOption                                                                                                = workflow.WithDefaultOptions
	_ func(func(*object) error) workflow.BuildOption                                                                                               = workflow.WithCustomDelete[object]
	_ func(time.Duration) workflow.BuildOption                                                                                                     = workflow.WithPauseRetry
	_ func() workflow.BuildOption                                                                                                                  = workflow.DisablePauseRetry
	_ func(...workflow.OutboxOption) workflow.BuildOption                                                                                          = workflow.WithOutboxOptions
	_ func(time.Duration) workflow.OutboxOption                                                                                                    = workflow.OutboxPollingFrequency
	_ func(time.Duration) workflow.OutboxOption                                                                                                    = workflow.OutboxErrBackOff
	_ func(int64) workflow.OutboxOption                                                                                                            = workflow.OutboxLookupLimit
	_ func(time.Duration) workflow.OutboxOption                                                                                                    = workflow.OutboxLagAlert
	_ func(int) workflow.Option                                                                                                                    = workflow.ParallelCount
	_ func(time.Duration) workflow.Option                                                                                                          = workflow.PollingFrequency
	_ func(time.Duration) workflow.Option                                                                                                          = workflow.ErrBackOff
	_ func(time.Duration) workflow.Option                                                                                                          = workflow.LagAlert
	_ func(time.Duration) workflow.Option                                                                                                          = workflow.ConsumeLag
	_ func(int) workflow.Option                                                                                                                    = workflow.PauseAfterErrCount
	_ func(time.Duration) workflow.TimerFunc[object, status]                                                                                       = workflow.DurationTimerFunc[object, status]
	_ func(time.Time) workflow.TimerFunc[object, status]                                                                                           = workflow.TimeTimerFunc[object, status]

	_ workflow.BuildOption = workflow.WithClock(compatClock{})

	_ workflow.ConsumerFunc[object, status]           = func(context.Context, *run) (status, error) { return 0, nil }
	_ workflow.CallbackFunc[object, status]           = func(context.Context, *run, io.Reader) (status, error) { return 0, nil }
	_ workflow.TimerFunc[object, status]              = func(context.Context, *run, time.Time) (time.Time, error) { return time.Time{}, nil }
	_ workflow.TimeoutFunc[object, status]            = func(context.Context, *run, time.Time) (status, error) { return 0, nil }
	_ workflow.ConnectorFunc[object, status]          = func(context.Context, workflow.API[object, status], *workflow.ConnectorEvent) error { return nil }
	_ workflow.RunStateChangeHookFunc[object, status] = func(context.Context, *workflow.TypedRecord[object, status]) error { return nil }

	_ *workflow.Builder[object, status32] = workflow.NewBuilder[object, status32]("int32")
	_ *workflow.Builder[object, status64] = workflow.NewBuilder[object, status64]("int64")
)

// compatGeneric is generic over statuses, as helpers of users are.
func compatGeneric[Type any, Status workflow.StatusType](w *workflow.Workflow[Type, Status], s Status) string {
	return w.Name() + s.String()
}

var _ = compatGeneric[object, status64]

// compatBuilder uses what AddStep and its like return.
func compatBuilder() *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status]("compat")
	b.AddStep(statusA, step(statusB), statusB, statusC).WithOptions(
		workflow.ParallelCount(3), workflow.PollingFrequency(time.Second), workflow.ErrBackOff(time.Second), workflow.LagAlert(time.Minute),
		workflow.ConsumeLag(time.Second), workflow.PauseAfterErrCount(2),
	)
	b.AddTimeout(statusB, workflow.DurationTimerFunc[object, status](time.Hour), func(context.Context, *run, time.Time) (status, error) {
		return statusC, nil
	}, statusC).WithOptions(workflow.ErrBackOff(time.Second))
	b.AddCallback(statusB, func(context.Context, *run, io.Reader) (status, error) { return statusC, nil }, statusC)
	b.AddConnector("feed", compatFeed{}, func(context.Context, workflow.API[object, status], *workflow.ConnectorEvent) error { return nil }).
		WithOptions(workflow.ErrBackOff(time.Second))
	return b
}

// Records, events, filters and the rest.
var (
	_ = workflow.Record{WorkflowName: "", ForeignID: "", RunID: "", RunState: 0, Status: 0, Object: []byte(nil), CreatedAt: time.Time{}, UpdatedAt: time.Time{}, Meta: workflow.Meta{}}
	_ = workflow.Meta{RunStateReason: "", StatusDescription: "", Version: uint(0), TraceOrigin: ""}
	_ = workflow.TypedRecord[object, status]{Record: workflow.Record{}, Status: statusA, Object: &object{}}
	_ = workflow.Event{ID: int64(0), ForeignID: "", Type: int(0), Headers: map[workflow.Header]string{}, CreatedAt: time.Time{}}
	_ = workflow.ConnectorEvent{ID: "", ForeignID: "", Type: "", Headers: map[string]string{}, CreatedAt: time.Time{}}
	_ = workflow.OutboxEvent{ID: "", WorkflowName: "", Data: []byte(nil), CreatedAt: time.Time{}}
	_ = workflow.OutboxEventData{ID: "", WorkflowName: "", Data: []byte(nil)}
	_ = workflow.ReceiverOptions{PollFrequency: time.Second, StreamFromLatest: true}
	_ = workflow.TimeoutRecord{ID: int64(0), WorkflowName: "", ForeignID: "", RunID: "", Status: 0, Completed: false, ExpireAt: time.Time{}, CreatedAt: time.Time{}}
	_ = workflow.Filter{Enabled: true, IsMultiMatch: true}
	_ = workflow.FilterTime{Enabled: true}

	_ func(workflow.Record) (workflow.OutboxEventData, error)               = workflow.MakeOutboxEventData
	_ workflow.EventFilter                                                  = func(*workflow.Event) bool { return false }
	_ workflow.ConnectorEventFilter                                         = func(*workflow.ConnectorEvent) bool { return false }
	_ func(*workflow.Event, ...workflow.EventFilter) bool                   = workflow.FilterUsing
	_ func(*workflow.ConnectorEvent, ...workflow.ConnectorEventFilter) bool = workflow.FilterConnectorEventUsing
	_ workflow.ReceiverOption                                               = func(*workflow.ReceiverOptions) {}
	_ func(time.Duration) workflow.ReceiverOption                           = workflow.WithReceiverPollFrequency
	_ func() workflow.ReceiverOption                                        = workflow.StreamFromLatest
	_ func(workflow.Filter, string) bool                                    = workflow.Filter.Matches
	_ func(workflow.Filter) []string                                        = workflow.Filter.MultiValues
	_ func(workflow.Filter) string                                          = workflow.Filter.Value
	_ func(workflow.FilterTime, time.Time) bool                             = workflow.FilterTime.Matches
	_ func(workflow.FilterTime) time.Time                                   = workflow.FilterTime.Value
	_ func(...string) workflow.RecordFilter                                 = workflow.FilterByForeignID
	_ func(...status) workflow.RecordFilter                                 = workflow.FilterByStatus[status]
	_ func(...int8) workflow.RecordFilter                                   = workflow.FilterByStatus[int8]
	_ func(...int16) workflow.RecordFilter                                  = workflow.FilterByStatus[int16]
	_ func(...status32) workflow.RecordFilter                               = workflow.FilterByStatus[status32]
	_ func(...status64) workflow.RecordFilter                               = workflow.FilterByStatus[status64]
	_ func(...workflow.RunState) workflow.RecordFilter                      = workflow.FilterByRunState
	_ func(time.Time) workflow.RecordFilter                                 = workflow.FilterByCreatedAtAfter
	_ func(time.Time) workflow.RecordFilter                                 = workflow.FilterByCreatedAtBefore
	_ func(*object) ([]byte, error)                                         = workflow.Marshal[object]
	_ func([]byte, *object) error                                           = workflow.Unmarshal[object]
	_ func(workflow.OrderType) string                                       = workflow.OrderType.String
	_ func(workflow.RunState) string                                        = workflow.RunState.String
	_ func(workflow.RunState) bool                                          = workflow.RunState.Valid
	_ func(workflow.RunState) bool                                          = workflow.RunState.Finished
	_ func(workflow.RunState) bool                                          = workflow.RunState.Stopped
	_ func(workflow.State) string                                           = workflow.State.String
	_ func(string, int) string                                              = workflow.Topic
	_ func(string) string                                                   = workflow.DeleteTopic
	_ func(string) string                                                   = workflow.RunStateChangeTopic
	_ func(func(context.Context) error) workflow.TestingRunOption           = workflow.WithPauseFn
	_ func(func(context.Context) error) workflow.TestingRunOption           = workflow.WithResumeFn
	_ func(func(context.Context) error) workflow.TestingRunOption           = workflow.WithCancelFn
	_ func(func(context.Context) error) workflow.TestingRunOption           = workflow.WithDeleteDataFn
	_ func(func(context.Context) error) workflow.TestingRunOption           = workflow.WithSaveAndRepeatFn

	_ workflow.RunStateController = workflow.NewRunStateController(compatStore{}.Store, &workflow.Record{})
)

// compatFilters uses what MakeFilter returns, as a store does.
func compatFilters(filters ...workflow.RecordFilter) (byID, byStatus, byState workflow.Filter, after, before workflow.FilterTime) {
	f := workflow.MakeFilter(filters...)
	return f.ByForeignID(), f.ByStatus(), f.ByRunState(), f.ByCreatedAtAfter(), f.ByCreatedAtBefore()
}

// compatHelpers calls the test helpers with what tests have: a *testing.T, and a testing.TB.
func compatHelpers(t *testing.T, tb testing.TB, api compatAPI) []*run {
	workflow.Require(t, api, "f", statusB, object{})
	workflow.Require[object, status](tb, api, "f", statusB, object{})
	workflow.TriggerCallbackOn(t, api, "f", "run", statusB, object{})
	workflow.TriggerCallbackOn[object, status, string](tb, api, "f", "run", statusB, "payload")
	workflow.AwaitTimeoutInsert(t, api, "f", "run", statusB)
	workflow.AwaitTimeoutInsert[object, status](tb, api, "f", "run", statusB)
	workflow.WaitFor(t, api, "f", func(*run) (bool, error) { return true, nil })
	workflow.WaitFor[object, status](tb, api, "f", func(*run) (bool, error) { return true, nil })
	return []*run{
		workflow.NewTestingRun[object, status](t, workflow.Record{}, object{}),
		workflow.NewTestingRun[object, status](t, workflow.Record{}, object{}, workflow.WithPauseFn(nil)),
	}
}

// Typed constants: each line fails to compile where the name has another type.
const (
	_ workflow.Header    = workflow.HeaderWorkflowName
	_ workflow.RunState  = workflow.RunStateUnknown
	_ workflow.State     = workflow.StateUnknown
	_ workflow.OrderType = workflow.OrderTypeUnknown
	_ int                = int(workflow.RunStateUnknown)
	_ int                = int(workflow.StateUnknown)
	_ int                = int(workflow.OrderTypeUnknown)
	_ string             = string(workflow.HeaderTopic)
)

func TestPredecessorConstantsKeepTheirValues(t *testing.T) {
	for i, rs := range []workflow.RunState{
		workflow.RunStateUnknown, workflow.RunStateInitiated, workflow.RunStateRunning, workflow.RunStatePaused, workflow.RunStateCancelled,
		workflow.RunStateCompleted, workflow.RunStateDataDeleted, workflow.RunStateRequestedDataDeleted,
	} {
		if int(rs) != i {
			t.Errorf("%v is %d, want %d", rs, int(rs), i)
		}
	}
	for i, s := range []workflow.State{workflow.StateUnknown, workflow.StateShutdown, workflow.StateRunning, workflow.StateIdle} {
		if int(s) != i {
			t.Errorf("%v is %d, want %d", s, int(s), i)
		}
	}
	for i, o := range []workflow.OrderType{workflow.OrderTypeUnknown, workflow.OrderTypeAscending, workflow.OrderTypeDescending} {
		if int(o) != i {
			t.Errorf("%v is %d, want %d", o, int(o), i)
		}
	}
	for h, want := range map[workflow.Header]string{
		workflow.HeaderWorkflowName: "workflow_name", workflow.HeaderForeignID: "foreign_id", workflow.HeaderTopic: "topic",
		workflow.HeaderRunID: "run_id", workflow.HeaderRunState: "run_state", workflow.HeaderRecordVersion: "record_version",
		workflow.HeaderConnectorData: "connector_data",
	} {
		if string(h) != want {
			t.Errorf("header %q, want %q", h, want)
		}
	}
	for err, want := range map[error]string{
		workflow.ErrRecordNotFound: "record not found", workflow.ErrTimeoutNotFound: "timeout not found",
		workflow.ErrWorkflowInProgress:   "current workflow still in progress - retry once complete",
		workflow.ErrOutboxRecordNotFound: "outbox record not found", workflow.ErrInvalidTransition: "invalid transition",
	} {
		if err.Error() != want || !errors.Is(err, err) {
			t.Errorf("error %q, want %q", err, want)
		}
	}
}

// What the compile test only names does what it says on parts that do nothing.
func TestPredecessorShapesBuild(t *testing.T) {
	w := compatBuilder().Build(compatStream{}, compatStore{}, compatRoles{}, workflow.WithTimeoutStore(compatTimes{}), workflow.WithClock(compatClock{}),
		workflow.WithLogger(compatLogger{}), workflow.WithErrorCounter(compatErrors{}))
	if w.Name() != "compat" {
		t.Errorf("name %q", w.Name())
	}
	if err := w.Callback(context.Background(), "f", statusB, strings.NewReader("")); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("Callback: %v", err)
	}
	byID, byStatus, byState, after, before := compatFilters(workflow.FilterByStatus(statusA, statusB), workflow.FilterByForeignID("f"),
		workflow.FilterByCreatedAtAfter(time.Unix(1, 0)))
	if !byID.Matches("f") || byID.Value() != "f" || !byStatus.IsMultiMatch || len(byStatus.MultiValues()) != 2 || byState.Enabled || !after.Enabled || before.Enabled {
		t.Errorf("filters %+v %+v %+v %+v %+v", byID, byStatus, byState, after, before)
	}
	if after.Value() != time.Unix(1, 0) || !after.Matches(time.Unix(2, 0)) {
		t.Errorf("filter %+v", after)
	}
	_ = compatHelpers // needs a run to wait for; the migrated program calls each of them
}
