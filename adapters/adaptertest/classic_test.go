package adaptertest_test

import (
	"testing"

	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/backend"
)

// The classic suites are run on the parts in memory here as well, so that a change of the suites is seen at once.

func TestClassicRecordStore(t *testing.T) {
	adaptertest.RunRecordStoreTest(t, func() backend.RecordStore { return memrecordstore.New() })
}

func TestClassicTimeoutStore(t *testing.T) {
	adaptertest.RunTimeoutStoreTest(t, func() backend.TimeoutStore { return memtimeoutstore.New() })
}

func TestClassicRoleScheduler(t *testing.T) {
	adaptertest.RunRoleSchedulerTest(t, func(_ *testing.T, instances int) []backend.RoleScheduler {
		one := memrolescheduler.New()
		all := make([]backend.RoleScheduler, instances)
		for i := range all {
			all[i] = one
		}
		return all
	})
}

func TestClassicEventStreamer(t *testing.T) {
	adaptertest.RunEventStreamerTest(t, func() backend.EventStreamer { return memstreamer.New() })
}

func TestClassicConnector(t *testing.T) {
	adaptertest.RunConnectorTest(t, func(events []backend.ConnectorEvent) backend.ConnectorConstructor {
		return memstreamer.NewConnector(events)
	})
}
