package memtimeoutstore_test

import (
	"testing"

	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
	"github.com/stillwater-go/workflow/backend"
)

func TestClassicConformance(t *testing.T) {
	adaptertest.RunTimeoutStoreTest(t, func() backend.TimeoutStore { return memtimeoutstore.New() })
}
