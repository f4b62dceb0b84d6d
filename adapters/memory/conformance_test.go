package memory_test

import (
	"context"
	"testing"

	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// TestConformance waives what no store in memory can give: to outlive its process, and to be opened twice.
func TestConformance(t *testing.T) {
	adaptertest.Run(t, func(*testing.T) adaptertest.Store {
		return adaptertest.Store{
			Backend: memory.New(),
			Tx:      func(do func(ctx context.Context) error) any { return do },
		}
	}, adaptertest.Guarantees{NoRestart: true, NoCrash: true, NoPeers: true})
}

func TestClassicConformance(t *testing.T) {
	adaptertest.RunRecordStoreTest(t, func() backend.RecordStore { return memory.New().RecordStore() })
	adaptertest.RunTimeoutStoreTest(t, func() backend.TimeoutStore { return memory.New().TimeoutStore() })
}
