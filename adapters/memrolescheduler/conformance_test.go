package memrolescheduler_test

import (
	"testing"

	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/backend"
)

func TestClassicConformance(t *testing.T) {
	adaptertest.RunRoleSchedulerTest(t, func(_ *testing.T, instances int) []backend.RoleScheduler {
		one := memrolescheduler.New()
		out := make([]backend.RoleScheduler, instances)
		for i := range out {
			out[i] = one
		}
		return out
	})
}
