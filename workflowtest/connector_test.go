package workflowtest_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/workflowtest"
)

// unreachable is an outside stream that cannot be reached; it notes when it was tried.
type unreachable struct {
	mu    sync.Mutex
	tried []time.Duration
}

func (u *unreachable) Make(context.Context, string) (workflow.ConnectorConsumer, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tried = append(u.tried, time.Since(midnight()))
	return nil, errGateway
}

// TestConnectorsWaitExactlyToo follows the waits between a connector's attempts to connect.
func TestConnectorsWaitExactlyToo(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		b := orders()
		outside := &unreachable{}
		b.AddConnector("payments", outside, func(context.Context, workflow.API[order, status], *workflow.ConnectorEvent) error { return nil }).
			WithOptions(workflow.ErrBackOff(10*time.Second), workflow.MaxBackOff(30*time.Second))
		workflowtest.Start(t, b)
		t.Advance(90 * time.Second)
		if want := []time.Duration{0, 10 * time.Second, 30 * time.Second, 60 * time.Second, 90 * time.Second}; !slices.Equal(outside.tried, want) {
			t.Errorf("it was tried after %v, want %v", outside.tried, want)
		}
	})
}
