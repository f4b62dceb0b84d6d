package adaptertest

import (
	"context"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// RunConnectorTest tests a connector. It demands what it always demanded: a workflow that triggers a run for each event of the
// outside stream gets every one of them. maker gives a connector whose stream holds the events.
func RunConnectorTest(t *testing.T, maker func(seedEvents []workflow.ConnectorEvent) workflow.ConnectorConstructor) {
	events := []workflow.ConnectorEvent{
		{ID: "1", ForeignID: "ORDER-88123-QX"},
		{ID: "2", ForeignID: "ORDER-88124-QY"},
	}
	classicConnector(t, maker(events), events)
}

func classicConnector(t T, connector workflow.ConnectorConstructor, events []workflow.ConnectorEvent) {
	type triggered struct{ foreignID, runID string }
	runs := make(chan triggered, 100)
	b := workflow.NewBuilder[User, SyncStatus]("connector-test")
	b.AddConnector("tester", connector, func(ctx context.Context, api workflow.API[User, SyncStatus], e *workflow.ConnectorEvent) error {
		runID, err := api.Trigger(ctx, e.ForeignID, workflow.WithInitialValue[User, SyncStatus](&User{UID: e.ForeignID}))
		if err != nil {
			return err
		}
		runs <- triggered{e.ForeignID, runID}
		return nil
	})
	b.AddStep(SyncStatusStarted, func(_ context.Context, r *workflow.Run[User, SyncStatus]) (SyncStatus, error) {
		r.Object.Email = classicEmail
		return SyncStatusEmailSet, nil
	}, SyncStatusEmailSet)
	wf := b.Build(memstreamer.New(), memrecordstore.New(), memrolescheduler.New())
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	wf.Run(ctx)
	t.Cleanup(wf.Stop)

	missing := map[string]bool{}
	for _, e := range events {
		missing[e.ForeignID] = true
	}
	for len(missing) > 0 {
		got := await(t, runs, "a run for each event of the connector")
		awaitCtx, stopWaiting := context.WithTimeout(ctx, patienceOf(t))
		run, err := wf.Await(awaitCtx, got.foreignID, got.runID, SyncStatusEmailSet)
		stopWaiting()
		if err != nil {
			t.Fatalf("await: %v", err)
		}
		if want := (User{UID: got.foreignID, Email: classicEmail}); *run.Object != want {
			t.Errorf("the run of %q has %+v, want %+v", got.foreignID, *run.Object, want)
		}
		delete(missing, got.foreignID)
	}
}
