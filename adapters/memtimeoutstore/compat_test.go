package memtimeoutstore_test

import (
	"context"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
)

// compatClock is a clock of somebody else's.
type compatClock struct{}

func (compatClock) Now() time.Time                       { return time.Time{} }
func (compatClock) After(time.Duration) <-chan time.Time { return nil }
func (compatClock) Sleep(time.Duration)                  {}

type compatStore = memtimeoutstore.Store

// Every name of the predecessor, in the shape that programs written for it use.
var (
	_ workflow.TimeoutStore  = memtimeoutstore.New(memtimeoutstore.WithClock(compatClock{}))
	_ memtimeoutstore.Option = func(s *memtimeoutstore.Store) {}

	_ func(...memtimeoutstore.Option) *compatStore                                                  = memtimeoutstore.New
	_ func(*compatStore, context.Context, string) ([]workflow.TimeoutRecord, error)                 = (*compatStore).List
	_ func(*compatStore, context.Context, string, string, string, int, time.Time) error             = (*compatStore).Create
	_ func(*compatStore, context.Context, int64) error                                              = (*compatStore).Complete
	_ func(*compatStore, context.Context, int64) error                                              = (*compatStore).Cancel
	_ func(*compatStore, context.Context, string, int, time.Time) ([]workflow.TimeoutRecord, error) = (*compatStore).ListValid
)
