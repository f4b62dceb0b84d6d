package adaptertest

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
)

// User is the object of the workflows that the classic suites run.
type User struct {
	UID         string
	Email       string
	CountryCode string
}

// SyncStatus is the status of the workflows that the classic suites run.
type SyncStatus int

// The statuses.
const (
	SyncStatusUnknown           SyncStatus = 0
	SyncStatusStarted           SyncStatus = 1
	SyncStatusEmailSet          SyncStatus = 2
	SyncStatusRegulationTimeout SyncStatus = 3
	SyncStatusCompleted         SyncStatus = 4
)

// String returns the status in words.
func (s SyncStatus) String() string {
	switch s {
	case SyncStatusStarted:
		return "Started"
	case SyncStatusEmailSet:
		return "Email set"
	case SyncStatusRegulationTimeout:
		return "Regulatory cool down period"
	case SyncStatusCompleted:
		return "Completed"
	default:
		return "Unknown"
	}
}

// classicEmail is what the first step of the classic workflow sets.
const classicEmail = "sync@workflow.example"

// RunEventStreamerTest tests a classic EventStreamer. It demands what it always demanded: StreamFromLatest counts for a new name
// alone, a name goes on from its last ack, and a workflow with parallel steps and a timeout runs to its end on it. factory
// gives an empty streamer each time. The sharper rules of backend.EventReceiver are demanded by [RunStreamer].
func RunEventStreamerTest(t *testing.T, factory func() workflow.EventStreamer) {
	t.Run("StreamFromLatest", func(t *testing.T) { classicFromLatest(t, factory()) })
	t.Run("A whole workflow", func(t *testing.T) { classicWholeWorkflow(t, factory()) })
}

// classicFromLatest sends before and after a receiver came, and while none was there.
func classicFromLatest(t T, streamer workflow.EventStreamer) {
	const topic, name = "test-1", "my-receiver"
	ctx, cancel := context.WithTimeout(t.Context(), patienceOf(t))
	defer cancel()
	sender, err := streamer.NewSender(ctx, topic)
	if err != nil {
		t.Fatalf("new sender: %v", err)
	}
	send := func(foreignID string) {
		t.Helper()
		if err := sender.Send(ctx, foreignID, 5, map[workflow.Header]string{workflow.HeaderTopic: topic}); err != nil {
			t.Errorf("send: %v", err)
		}
	}
	receive := func(foreignID string, meanwhile func()) workflow.EventReceiver {
		t.Helper()
		receiver, err := streamer.NewReceiver(ctx, topic, name, workflow.StreamFromLatest())
		if err != nil {
			t.Fatalf("new receiver: %v", err)
		}
		var sending sync.WaitGroup
		sending.Go(meanwhile)
		event, ack, err := receiver.Recv(ctx)
		sending.Wait()
		if err != nil {
			t.Fatalf("receive: %v", err)
		}
		if event.ForeignID != foreignID {
			t.Fatalf("received %q, want %q", event.ForeignID, foreignID)
		}
		if err := ack(); err != nil {
			t.Fatalf("ack: %v", err)
		}
		return receiver
	}
	send("123")
	send("456")
	first := receive("789", func() { send("789") })
	if err := first.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	send("101")
	receive("101", func() {})
}

// classicWholeWorkflow takes one run through two parallel steps and a timeout of an hour between them.
func classicWholeWorkflow(t T, streamer workflow.EventStreamer) {
	clock := newStepClock(time.Date(2023, time.April, 9, 8, 30, 0, 0, time.UTC))
	timed := make(chan struct{}, 100)
	wf := classicWorkflowWithTimeout(timed).Build(streamer, memrecordstore.New(), memrolescheduler.New(),
		workflow.WithClock(clock), workflow.WithTimeoutStore(memtimeoutstore.New()))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	wf.Run(ctx)
	t.Cleanup(wf.Stop)

	runID, err := wf.Trigger(ctx, "1", workflow.WithInitialValue[User, SyncStatus](&User{CountryCode: "GB"}))
	if err != nil {
		t.Fatalf("trigger: %v", err)
	}
	awaitCtx, stopWaiting := context.WithTimeout(ctx, patienceOf(t))
	defer stopWaiting()
	done := make(chan struct{})
	go func() { // an hour passes each time that the timer is asked for
		for {
			select {
			case <-timed:
				clock.Step(time.Hour)
			case <-done:
				return
			}
		}
	}()
	defer close(done)
	run, err := wf.Await(awaitCtx, "1", runID, SyncStatusCompleted)
	if err != nil {
		t.Fatalf("await: %v", err)
	}
	if run.Object.Email != classicEmail || run.Object.UID == "" || run.Status != SyncStatusCompleted {
		t.Errorf("the run ended in %v with e-mail %q and an id: %t", run.Status, run.Object.Email, run.Object.UID != "")
	}
}

// classicWorkflowWithTimeout says on timed whenever its timer was asked for.
func classicWorkflowWithTimeout(timed chan<- struct{}) *workflow.Builder[User, SyncStatus] {
	setEmail := func(_ context.Context, r *workflow.Run[User, SyncStatus]) (SyncStatus, error) {
		r.Object.Email = classicEmail
		return SyncStatusEmailSet, nil
	}
	coolDown := func(_ context.Context, r *workflow.Run[User, SyncStatus], now time.Time) (time.Time, error) {
		timed <- struct{}{}
		if r.Object.CountryCode == "GB" {
			return now.Add(time.Hour), nil
		}
		return time.Time{}, nil
	}
	cooledDown := func(_ context.Context, r *workflow.Run[User, SyncStatus], _ time.Time) (SyncStatus, error) {
		if r.Object.Email != classicEmail {
			return 0, errors.New("the run has lost its e-mail")
		}
		return SyncStatusRegulationTimeout, nil
	}
	setID := func(_ context.Context, r *workflow.Run[User, SyncStatus]) (SyncStatus, error) {
		r.Object.UID = rand.Text()
		return SyncStatusCompleted, nil
	}
	poll := workflow.PollingFrequency(200 * time.Millisecond)
	b := workflow.NewBuilder[User, SyncStatus]("sync user 2")
	b.AddStep(SyncStatusStarted, setEmail, SyncStatusEmailSet).WithOptions(poll, workflow.ParallelCount(5))
	b.AddTimeout(SyncStatusEmailSet, coolDown, cooledDown, SyncStatusRegulationTimeout).WithOptions(poll)
	b.AddStep(SyncStatusRegulationTimeout, setID, SyncStatusCompleted).WithOptions(poll, workflow.ParallelCount(5))
	return b
}
