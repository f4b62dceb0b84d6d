package adaptertest_test

import (
	"fmt"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
)

// Every name of the predecessor, in the shape that programs written for it use.
var (
	_ = adaptertest.User{UID: "", Email: "", CountryCode: ""}

	_ func(*testing.T, func(seedEvents []workflow.ConnectorEvent) workflow.ConnectorConstructor) = adaptertest.RunConnectorTest
	_ func(*testing.T, func() workflow.EventStreamer)                                            = adaptertest.RunEventStreamerTest
	_ func(*testing.T, func() workflow.RecordStore)                                              = adaptertest.RunRecordStoreTest
	_ func(*testing.T, func(t *testing.T, instances int) []workflow.RoleScheduler)               = adaptertest.RunRoleSchedulerTest
	_ func(*testing.T, func() workflow.TimeoutStore)                                             = adaptertest.RunTimeoutStoreTest
	_ func(adaptertest.SyncStatus) string                                                        = adaptertest.SyncStatus.String

	_ *workflow.Builder[adaptertest.User, adaptertest.SyncStatus] = workflow.NewBuilder[adaptertest.User, adaptertest.SyncStatus]("sync")
)

const _ adaptertest.SyncStatus = adaptertest.SyncStatusUnknown

func TestPredecessorStatusesKeepTheirValues(t *testing.T) {
	seen := make(map[string]bool)
	for i, s := range []adaptertest.SyncStatus{
		adaptertest.SyncStatusUnknown, adaptertest.SyncStatusStarted, adaptertest.SyncStatusEmailSet,
		adaptertest.SyncStatusRegulationTimeout, adaptertest.SyncStatusCompleted,
	} {
		if int(s) != i || s.String() == "" || seen[s.String()] {
			t.Errorf("%v is %d, want %d", s, int(s), i)
		}
		seen[s.String()] = true
	}
	if s := fmt.Sprint(adaptertest.SyncStatus(99)); s == "" {
		t.Error("an unknown status has no name")
	}
}
