package workflow_test

import (
	"context"
	"io"

	"github.com/stillwater-go/workflow"
)

// Schedules, in the shape of the predecessor.
var (
	_ func(*flow, string, string, ...workflow.ScheduleOption[object, status]) error     = (*flow).Schedule
	_ func(compatAPI, string, string, ...workflow.ScheduleOption[object, status]) error = compatAPI.Schedule
	_ func(*object) workflow.ScheduleOption[object, status]                             = workflow.WithScheduleInitialValue[object, status]
	_ func(func(context.Context) (bool, error)) workflow.ScheduleOption[object, status] = workflow.WithScheduleFilter[object, status]
	_ compatAPI                                                                         = compatMock{}
)

// compatMock has the methods of API and no more: users mock it.
type compatMock struct{}

func (compatMock) Name() string { return "" }
func (compatMock) Trigger(context.Context, string, ...workflow.TriggerOption[object, status]) (string, error) {
	return "", nil
}
func (compatMock) Schedule(string, string, ...workflow.ScheduleOption[object, status]) error {
	return nil
}
func (compatMock) Await(context.Context, string, string, status, ...workflow.AwaitOption) (*run, error) {
	return nil, nil
}
func (compatMock) Callback(context.Context, string, status, io.Reader) error { return nil }
func (compatMock) Run(context.Context)                                       {}
func (compatMock) Stop()                                                     {}
