package memstreamer_test

import (
	"testing"

	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

func TestConformance(t *testing.T) {
	adaptertest.RunStreamer(t, func(*testing.T) backend.EventStreamer { return memstreamer.New() }, adaptertest.StreamGuarantees{})
}

func TestClassicConformance(t *testing.T) {
	adaptertest.RunEventStreamerTest(t, func() backend.EventStreamer { return memstreamer.New() })
	adaptertest.RunConnectorTest(t, func(seed []backend.ConnectorEvent) backend.ConnectorConstructor {
		return memstreamer.NewConnector(seed)
	})
}
