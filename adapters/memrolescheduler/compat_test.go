package memrolescheduler_test

import (
	"context"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
)

// Every name of the predecessor, in the shape that programs written for it use.
var (
	_ workflow.RoleScheduler = memrolescheduler.New()

	_ func() *memrolescheduler.RoleScheduler                                                                      = memrolescheduler.New
	_ func(*memrolescheduler.RoleScheduler, context.Context, string) (context.Context, context.CancelFunc, error) = (*memrolescheduler.RoleScheduler).Await
)
