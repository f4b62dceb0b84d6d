package memstreamer_test

import (
	"context"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// compatClock is a clock of somebody else's.
type compatClock struct{}

func (compatClock) Now() time.Time                       { return time.Time{} }
func (compatClock) After(time.Duration) <-chan time.Time { return nil }
func (compatClock) Sleep(time.Duration)                  {}

// Every name of the predecessor, in the shape that programs written for it use.
var (
	_ workflow.ConnectorConstructor = memstreamer.NewConnector([]workflow.ConnectorEvent{}, memstreamer.WithClock(compatClock{}))
	_ workflow.EventStreamer        = memstreamer.New(memstreamer.WithClock(compatClock{}))
	_ workflow.EventStreamer        = memstreamer.StreamConstructor{}
	_ workflow.EventSender          = (*memstreamer.Stream)(nil)
	_ workflow.EventReceiver        = (*memstreamer.Stream)(nil)

	_ func(...memstreamer.Option) *memstreamer.StreamConstructor = memstreamer.New

	_ func(memstreamer.StreamConstructor, context.Context, string) (workflow.EventSender, error)                                       = memstreamer.StreamConstructor.NewSender
	_ func(memstreamer.StreamConstructor, context.Context, string, string, ...workflow.ReceiverOption) (workflow.EventReceiver, error) = memstreamer.StreamConstructor.NewReceiver
	_ func(*memstreamer.Stream, context.Context, string, int, map[workflow.Header]string) error                                        = (*memstreamer.Stream).Send
	_ func(*memstreamer.Stream, context.Context) (*workflow.Event, workflow.Ack, error)                                                = (*memstreamer.Stream).Recv
	_ func(*memstreamer.Stream) error                                                                                                  = (*memstreamer.Stream).Close
)
