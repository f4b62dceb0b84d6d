package memrecordstore_test

import (
	"context"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// compatClock is a clock of somebody else's.
type compatClock struct{}

func (compatClock) Now() time.Time                       { return time.Time{} }
func (compatClock) After(time.Duration) <-chan time.Time { return nil }
func (compatClock) Sleep(time.Duration)                  {}

type compatStore = memrecordstore.Store

// Every name of the predecessor, in the shape that programs written for it use.
var (
	_ workflow.TestingRecordStore  = memrecordstore.New(memrecordstore.WithClock(compatClock{}))
	_ memrecordstore.Option        = memrecordstore.WithOutbox(context.Background(), memstreamer.New(), workflow.Logger(nil))
	_ memrecordstore.OutboxLister  = func(limit int64) ([]workflow.OutboxEvent, error) { return nil, nil }
	_ memrecordstore.OutboxDeleter = func(ctx context.Context, id string) error { return nil }
	_ memrecordstore.OutboxDeleter = memrecordstore.New().DeleteOutboxEvent

	_ func(...memrecordstore.Option) *compatStore                                          = memrecordstore.New
	_ func(context.Context, workflow.EventStreamer, workflow.Logger) memrecordstore.Option = memrecordstore.WithOutbox
	_ func(*compatStore, context.Context, string) (*workflow.Record, error)                = (*compatStore).Lookup
	_ func(*compatStore, context.Context, *workflow.Record) error                          = (*compatStore).Store
	_ func(*compatStore, context.Context, string, string) (*workflow.Record, error)        = (*compatStore).Latest
	_ func(*compatStore, context.Context, string, int64) ([]workflow.OutboxEvent, error)   = (*compatStore).ListOutboxEvents
	_ func(*compatStore, context.Context, string) error                                    = (*compatStore).DeleteOutboxEvent
	_ func(*compatStore, string, string, string) []*workflow.Record                        = (*compatStore).Snapshots
	_ func(*compatStore, string, string, string, int)                                      = (*compatStore).SetSnapshotOffset
	_ func(*compatStore, string, string, string) int                                       = (*compatStore).SnapshotOffset

	_ func(*compatStore, context.Context, string, int64, int, workflow.OrderType, ...workflow.RecordFilter) ([]workflow.Record, error)                      = (*compatStore).List
	_ func(context.Context, memrecordstore.OutboxLister, memrecordstore.OutboxDeleter, workflow.EventStreamer, workflow.Logger, time.Duration, int64) error = memrecordstore.PurgeOutboxForever
)
