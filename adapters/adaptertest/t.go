package adaptertest

import (
	"context"
	"testing"
)

// T is the part of testing.TB that the suites use. *testing.T, *testing.B and testing.TB satisfy it.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	// Fatalf reports and ends the calling goroutine.
	Fatalf(format string, args ...any)
	Cleanup(func())
	// Context ends just before the cleanups run.
	Context() context.Context
}

var _ T = testing.TB(nil)
