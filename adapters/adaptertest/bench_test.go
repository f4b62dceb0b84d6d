package adaptertest_test

import (
	"testing"

	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// BenchmarkMemory keeps the shared benchmarks from rotting.
func BenchmarkMemory(b *testing.B) {
	adaptertest.Bench(b, func(*testing.B) backend.Backend { return memory.New() })
}
