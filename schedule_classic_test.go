package workflow_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

// plainParts are classic parts that outlive a workflow.
type plainParts struct {
	stream *memstreamer.StreamConstructor
	store  workflow.RecordStore
	roles  *memrolescheduler.RoleScheduler
}

func newPlainParts() *plainParts {
	return &plainParts{memstreamer.New(), memrecordstore.New(), memrolescheduler.New()}
}

func (p *plainParts) build(b *workflow.Builder[object, status], opts ...workflow.BuildOption) *flow {
	return b.Build(p.stream, p.store, p.roles, append([]workflow.BuildOption{workflow.WithLogger(&quietLog{})}, opts...)...)
}

func (p *plainParts) started(t testing.TB, name, foreignID string, since time.Time) (after []time.Duration) {
	t.Helper()
	all, err := p.store.List(ctxFor(t), name, 0, 1000, workflow.OrderTypeAscending, workflow.FilterByForeignID(foreignID))
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range all {
		after = append(after, rec.CreatedAt.Sub(since))
	}
	return after
}

func TestClassicSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, parts := time.Now(), newPlainParts()
		w := parts.build(three("classic slots"))
		var fails atomic.Int64
		schedule(t, w, "My Shop", "@hourly", workflow.WithScheduleInitialValue[object, status](&object{Note: "hourly"}))
		schedule(t, w, "My Shop", "@hourly") // again
		process := "my_shop-scheduler-@hourly"
		if s := w.States()[process]; s != workflow.StateShutdown {
			t.Errorf("before Run: %v", s)
		}
		w.Run(context.Background())
		schedule(t, w, "later", "@hourly", filterFrom(&fails))
		pass(time.Hour)
		for _, id := range []string{"My Shop", "later"} {
			wantTimes(t, id, parts.started(t, "classic slots", id, begin), time.Hour)
		}
		if s := w.States()[process]; s != workflow.StateRunning {
			t.Errorf("running: %v", s)
		}
		other := parts.build(three("classic slots"))
		schedule(t, other, "My Shop", "@hourly")
		other.Run(context.Background())
		pass(time.Hour)
		if s := other.States()[process]; s != workflow.StateIdle {
			t.Errorf("the one that waits: %v", s)
		}
		w.Stop() // the other one has the role now
		if s := w.States()[process]; s != workflow.StateShutdown {
			t.Errorf("stopped: %v", s)
		}
		pass(time.Hour)
		wantTimes(t, "after the role moved", parts.started(t, "classic slots", "My Shop", begin), time.Hour, 2*time.Hour, 3*time.Hour)
		other.Stop()

		pass(72*time.Hour + 30*time.Minute) // nobody runs
		again := parts.build(three("classic slots"))
		schedule(t, again, "My Shop", "@hourly")
		again.Run(context.Background())
		pass(time.Hour)
		wantTimes(t, "a missed slot fires once", parts.started(t, "classic slots", "My Shop", begin),
			time.Hour, 2*time.Hour, 3*time.Hour, 75*time.Hour+30*time.Minute, 76*time.Hour)
		again.Stop()
	})
}

func TestClassicScheduleKeepsTryingItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, parts := time.Now(), newPlainParts()
		counter, log := &failureCount{}, &quietLog{}
		w := parts.build(waiting("classic tries"), workflow.WithErrorCounter(counter), workflow.WithLogger(log))
		var fails atomic.Int64
		fails.Store(20) // more than a run gets
		schedule(t, w, "filter", "@daily", filterFrom(&fails), missed(workflow.SkipMissed))
		schedule(t, w, "wait", "@hourly", overlap(workflow.OverlapWait))
		w.Run(context.Background())
		pass(23 * time.Hour)
		finish(t, w, "wait")
		pass(time.Minute)
		if got := parts.started(t, "classic tries", "wait", begin); len(got) != 2 || got[0] != time.Hour || got[1] < 23*time.Hour {
			t.Errorf("one run waits for the other: %v", got)
		}
		pass(8 * time.Hour)
		if got := parts.started(t, "classic tries", "filter", begin); len(got) != 1 {
			t.Errorf("a filter that failed for long: %v", got)
		}
		if n := counter.n.Load(); n != 20 {
			t.Errorf("%d failures were counted", n)
		}
		if log.count(errTest.Error()) != 1 {
			t.Errorf("the failures were reported %d times, want once per streak", log.count(errTest.Error()))
		}
		w.Stop()
	})
}

// TestClassicScheduleStops: what runs may finish, what hangs is ended.
func TestClassicScheduleStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parts := newPlainParts()
		w := parts.build(three("classic stop"), workflow.WithStopTimeout(time.Minute))
		ended := make(chan error, 1)
		schedule(t, w, "f", "@hourly", workflow.WithScheduleFilter[object, status](func(ctx context.Context) (bool, error) {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return false, ctx.Err()
		}))
		w.Run(context.Background())
		pass(time.Hour)
		begin := time.Now()
		w.Stop()
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("Stop took %v, want the stop timeout", took)
		}
		if err := <-ended; !errors.Is(err, workflow.ErrStopping) {
			t.Errorf("the filter's context ended with %v", err)
		}
	})
}

func TestClassicSchedulesAreNotStored(t *testing.T) {
	w := newPlainParts().build(three("classic none"))
	schedule(t, w, "f", "@daily")
	if err := w.Schedule("f", "@hourly"); !errors.Is(err, workflow.ErrScheduleExists) {
		t.Errorf("another spec: %v", err)
	}
	if err := w.Schedule("f", "no spec"); !errors.Is(err, workflow.ErrScheduleSpec) {
		t.Errorf("a bad spec: %v", err)
	}
	_, lookErr := w.LookupSchedule(ctxFor(t), "f")
	_, listErr := w.Schedules(ctxFor(t))
	_, fireErr := w.TriggerSchedule(ctxFor(t), "f")
	for what, err := range map[string]error{
		"look up": lookErr, "list": listErr, "trigger": fireErr, "pause": w.PauseSchedule(ctxFor(t), "f", ""),
		"resume": w.ResumeSchedule(ctxFor(t), "f"), "remove": w.RemoveSchedule(ctxFor(t), "f", ""),
	} {
		if !errors.Is(err, workflow.ErrUnsupported) || !strings.Contains(err.Error(), "classic parts") {
			t.Errorf("%s: %v, want ErrUnsupported", what, err)
		}
	}
}

// lentRoles is a scheduler that takes its roles back when the test says so, and gives them out again at once.
type lentRoles struct {
	mu    sync.Mutex
	takes []context.CancelFunc
}

func (r *lentRoles) Await(ctx context.Context, _ string) (context.Context, context.CancelFunc, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	held, take := context.WithCancel(ctx)
	r.takes = append(r.takes, take)
	return held, take, ctx.Err()
}

func (r *lentRoles) takeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, take := range r.takes {
		take()
	}
	r.takes = nil
}

// TestClassicScheduleFiresOnceWhenItsRoleComesBack: the predecessor fired at once, from what it remembered.
func TestClassicScheduleFiresOnceWhenItsRoleComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, parts, roles := time.Now(), newPlainParts(), &lentRoles{}
		w := three("lent clock").Build(parts.stream, parts.store, roles, workflow.WithLogger(&quietLog{}))
		var asked slots
		schedule(t, w, "f", "@hourly")
		schedule(t, w, "no", "@hourly", workflow.WithSlotFilter[object, status](func(_ context.Context, slot time.Time) (bool, error) {
			asked.add(slot)
			return false, nil
		}))
		w.Run(context.Background())
		for range 8 {
			pass(30 * time.Minute)
			roles.takeAll()
			synctest.Wait()
		}
		wantTimes(t, "the runs", parts.started(t, "lent clock", "f", begin), time.Hour, 2*time.Hour, 3*time.Hour, 4*time.Hour)
		if n := len(asked.take()); n != 4 {
			t.Errorf("a filter that says no was asked %d times about 4 slots", n)
		}
		w.Stop()
	})
}

// failureCount counts the failures that it is told of.
type failureCount struct{ n atomic.Int64 }

func (c *failureCount) Add(error, ...string) int   { return int(c.n.Add(1)) }
func (c *failureCount) Count(error, ...string) int { return int(c.n.Load()) }
func (c *failureCount) Clear(error, ...string)     { c.n.Store(0) }
