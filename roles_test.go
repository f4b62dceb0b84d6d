package workflow_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// lender is a backend that grants and takes roles when the test says so.
type lender struct {
	tapped
	mu      sync.Mutex
	granted []func(backend.Grant) // of every workflow that has joined
	epoch   int64
	cursors func() // called when cursors were read
}

func (l *lender) LoadCursors(ctx context.Context, name string, buckets int) ([]int64, error) {
	out, err := l.tapped.LoadCursors(ctx, name, buckets)
	if l.cursors != nil {
		l.cursors()
	}
	return out, err
}

func newLender(on backend.Backend) *lender {
	l := &lender{tapped: tapped{Backend: on}}
	l.join = func(granted func(backend.Grant)) func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.granted = append(l.granted, granted)
		return func() {}
	}
	return l
}

// grant gives all roles, until take is called.
func (l *lender) grant() (take func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	ctx, cancel := context.WithCancel(context.Background())
	g := backend.Grant{Epoch: l.epoch, Context: ctx}
	for b := range backend.DefaultBuckets {
		g.Buckets = append(g.Buckets, b)
	}
	for _, granted := range l.granted {
		granted(g)
	}
	return cancel
}

func holds(t *testing.T, w *flow, want workflow.State) {
	t.Helper()
	eventually(t, fmt.Sprint("the workflow is ", want), func() bool { return w.States()["delete-consumer"] == want })
}

// TestARoleThatComesBackGoesOn: a run backs off while its role goes away and comes back to the same process.
func TestARoleThatComesBackGoesOn(t *testing.T) {
	base, clock := newStore(t), newFakeClock()
	on := newLender(base)
	b := workflow.NewBuilder[object, status]("lent")
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		if r.Attempt() == 1 {
			return 0, workflow.RetryAfter(errTest, time.Hour)
		}
		return statusB, nil
	}, statusB)
	b.AddStep(statusB, step(statusEnd), statusEnd)
	w := build(t, on, b, workflow.WithClock(clock))
	take := on.grant()
	holds(t, w, workflow.StateRunning)
	id := trigger(t, w, "f")
	heldIn(t, base, id, backend.DeliveryBackingOff)
	eventually(t, "the cursor has passed the event", func() bool {
		cursors, err := base.LoadCursors(ctxFor(t), "lent", backend.DefaultBuckets)
		return err == nil && cursors[backend.BucketOf(id, backend.DefaultBuckets)] > 0
	})
	take()
	holds(t, w, workflow.StateIdle)
	defer on.grant()()
	holds(t, w, workflow.StateRunning)
	clock.step(time.Hour)
	stuckUnless(t, base, id, statusEnd)
}

// TestTheEndOfAnEarlierGrantDoesNotTakeALaterOne: the old grant's context ends when the new grant is already here.
func TestTheEndOfAnEarlierGrantDoesNotTakeALaterOne(t *testing.T) {
	base := newStore(t)
	on := newLender(base)
	loaded := make(chan bool, 10)
	on.cursors = func() { loaded <- true }
	w := build(t, on, three("overlap"))
	take := on.grant()
	receive(t, loaded)
	holds(t, w, workflow.StateRunning)
	on.grant()
	receive(t, loaded)
	<-time.After(50 * time.Millisecond) // the windows of the second grant are made by now
	take()
	<-time.After(50 * time.Millisecond)
	stuckUnless(t, base, trigger(t, w, "g"), statusEnd)
}

// TestAStopDoesNotConfuseTheOthers: a workflow is stopped while more of its runs are ready than it may start, and one of them is paused
// meanwhile. Another workflow on the same backend must not notice.
func TestAStopDoesNotConfuseTheOthers(t *testing.T) {
	on := newStore(t)
	ids := sameBucket(t, on, "crowded", 70)
	other := build(t, on, three("other"))
	b := workflow.NewBuilder[object, status]("crowded")
	entered, ended, open := make(chan string, 100), make(chan bool, 100), make(chan struct{})
	b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
		entered <- r.RunID
		<-ctx.Done()
		ended <- true
		<-open
		return 0, ctx.Err()
	}, statusEnd)
	w, err := b.BuildOn(on, workflow.WithLogger(&quietLog{}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.Run(ctx)
	for range 64 {
		delete(ids, receive(t, entered))
	}
	cancel()
	receive(t, ended) // it is stopping now
	for id := range ids {
		if err := w.RunStateController(id).Pause(ctxFor(t), "wait"); err != nil {
			t.Fatal(err)
		}
	}
	close(open)
	w.Stop()
	stuckUnless(t, on, trigger(t, other, "f"), statusEnd)
}

// sameBucket stores runs whose ids fall into one bucket.
func sameBucket(t *testing.T, on backend.Backend, workflowName string, n int) map[string]bool {
	t.Helper()
	ids := make(map[string]bool, n)
	now := time.Now()
	var batch []*backend.Change
	for i := 0; len(ids) < n; i++ {
		id := fmt.Sprint("run-", i)
		if backend.BucketOf(id, backend.DefaultBuckets) != 3 {
			continue
		}
		ids[id] = true
		batch = append(batch, &backend.Change{Cause: backend.CauseTrigger, Record: &backend.Record{
			WorkflowName: workflowName, ForeignID: id, RunID: id, RunState: backend.RunStateInitiated, Status: int(statusA),
			CreatedAt: now, UpdatedAt: now, Meta: backend.Meta{Version: 1, Visit: 1},
		}})
	}
	if err := on.Commit(ctxFor(t), batch); err != nil {
		t.Fatal(err)
	}
	for _, c := range batch {
		if c.Err != nil {
			t.Fatal(c.Err)
		}
	}
	return ids
}

// TestALongStepGoesOnAtOnceAfterAStop: a claimed attempt was ended by Stop, so the run must not wait for that attempt's deadline.
func TestALongStepGoesOnAtOnceAfterAStop(t *testing.T) {
	on := newStore(t)
	var restarted atomic.Bool
	make := func() *workflow.Builder[object, status] {
		b := workflow.NewBuilder[object, status]("long")
		b.AddStep(statusA, func(ctx context.Context, _ *run) (status, error) {
			if restarted.Load() {
				return statusEnd, nil
			}
			<-ctx.Done()
			return 0, ctx.Err()
		}, statusEnd)
		return b
	}
	w := build(t, on, make(), workflow.WithStopTimeout(time.Millisecond))
	id := trigger(t, w, "f")
	heldIn(t, on, id, backend.DeliveryClaimed)
	w.Stop()
	restarted.Store(true)
	w = build(t, on, make())
	stuckUnless(t, on, id, statusEnd)
	rec := await(t, w, id, statusEnd)
	if n, _ := on.Attempts(ctxFor(t), id, 10); len(n) != 0 || rec.Meta.Version != 2 {
		t.Errorf("the stop counted as a failed attempt: %+v", n)
	}
}

// TestStopDoesNotWaitForWhatIsNotInWork: the store cannot be read while a workflow stops.
func TestStopDoesNotWaitForWhatIsNotInWork(t *testing.T) {
	base := newStore(t)
	looked, look := make(chan bool, 10), make(chan struct{})
	var slow atomic.Bool
	on := &tapped{Backend: base}
	on.lookup = func(_ string, do func() (*backend.Record, error)) (*backend.Record, error) {
		if slow.Load() {
			looked <- true
			<-look
			return nil, errShaky
		}
		return do()
	}
	b := workflow.NewBuilder[object, status]("unread")
	b.AddTimeout(statusA, workflow.TimeTimerFunc[object, status](time.Now()), func(context.Context, *run, time.Time) (status, error) {
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b, workflow.WithStopTimeout(3*time.Second))
	slow.Store(true)
	trigger(t, w, "f")
	receive(t, looked)
	begin, stopped := time.Now(), make(chan bool)
	go func() { w.Stop(); close(stopped) }()
	<-time.After(100 * time.Millisecond)
	slow.Store(false)
	close(look)
	receive(t, stopped)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("Stop took %v with nothing in work", took)
	}
}

// TestStopEndsAConnectorThatIgnoresItsEnd: Stop has a limit, whoever keeps it waiting.
func TestStopEndsAConnectorThatIgnoresItsEnd(t *testing.T) {
	on := newStore(t)
	b := three("deaf connector")
	entered, open := make(chan bool, 10), make(chan struct{})
	defer close(open)
	b.AddConnector("deaf", oneEvent{}, func(context.Context, workflow.API[object, status], *workflow.ConnectorEvent) error {
		entered <- true
		<-open
		return nil
	})
	w, err := b.BuildOn(on, workflow.WithLogger(&quietLog{}), workflow.WithStopTimeout(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	w.Run(context.Background())
	receive(t, entered)
	stopped := make(chan bool)
	go func() { w.Stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(impatience):
		t.Error("Stop waits for ever")
	}
}

// oneEvent is a connector that has one event, again and again.
type oneEvent struct{}

func (oneEvent) Make(context.Context, string) (workflow.ConnectorConsumer, error) {
	return oneEvent{}, nil
}
func (oneEvent) Close() error { return nil }
func (oneEvent) Recv(context.Context) (*workflow.ConnectorEvent, workflow.Ack, error) {
	return &workflow.ConnectorEvent{}, func() error { return nil }, nil
}
