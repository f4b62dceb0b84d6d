package memstreamer

import "github.com/stillwater-go/workflow/backend"

// Option alters what [New] and [NewConnector] make.
type Option func(o *options)

type options struct {
	clock backend.Clock
}

// WithClock sets the clock that stamps Event.CreatedAt. The default, also for nil, is the machine's clock. A connector plays its
// events as they were given and asks no clock.
func WithClock(clock backend.Clock) Option {
	return func(o *options) { o.clock = clock }
}

func makeOptions(opts []Option) options {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.clock == nil {
		o.clock = backend.RealClock{}
	}
	return o
}
