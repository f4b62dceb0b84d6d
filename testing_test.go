package workflow_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
)

// recorder stands in for a test that is expected to fail.
type recorder struct{ failed string }

func (r *recorder) Helper() {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	panic(r)
}

// failure runs fn and returns what it failed with; empty where it did not.
func failure(fn func(t workflow.TB)) (text string) {
	r := &recorder{}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
		text = r.failed
	}()
	fn(r)
	return ""
}

func TestHelpersForTests(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("helped")
	b.AddCallback(statusA, func(_ context.Context, r *run, payload io.Reader) (status, error) {
		body, err := io.ReadAll(payload)
		r.Object.Note = string(body)
		return statusB, err
	}, statusB)
	b.AddTimeout(statusB, workflow.DurationTimerFunc[object, status](time.Hour), func(context.Context, *run, time.Time) (status, error) {
		return statusEnd, nil
	}, statusEnd)
	clock := newFakeClock()
	w := build(t, on, b, workflow.WithClock(clock))
	id := trigger(t, w, "f")
	workflow.TriggerCallbackOn(t, w, "f", id, statusA, map[string]int{"n": 1})
	workflow.AwaitTimeoutInsert(t, w, "f", id, statusB)
	clock.step(time.Hour)
	workflow.Require(t, w, "f", statusEnd, object{Note: `{"n":1}`})
	workflow.WaitFor(t, w, "f", func(r *run) (bool, error) { return r.Status == statusEnd, nil })
	if got := failure(func(tb workflow.TB) { workflow.Require(tb, w, "f", statusEnd, object{Note: "other"}) }); !strings.Contains(got, "other") {
		t.Errorf("Require of a wrong object said %q", got)
	}
	if got := failure(func(tb workflow.TB) {
		workflow.WaitFor(tb, w, "f", func(*run) (bool, error) { return false, errTest })
	}); !strings.Contains(got, errTest.Error()) {
		t.Errorf("WaitFor with an error said %q", got)
	}
}

func TestTestingRun(t *testing.T) {
	var did []string
	note := func(what string, err error) func(context.Context) error {
		return func(context.Context) error { did = append(did, what); return err }
	}
	r := workflow.NewTestingRun[object, status](t, workflow.Record{RunID: "r", Status: int(statusA)}, object{Count: 7},
		workflow.WithPauseFn(note("pause", nil)), workflow.WithCancelFn(note("cancel", errTest)), workflow.WithSaveAndRepeatFn(note("repeat", nil)))
	if s, err := r.Pause(context.Background(), ""); s != 0 || err != nil {
		t.Errorf("Pause = %v, %v", s, err)
	}
	if _, err := r.Cancel(context.Background(), ""); err != errTest {
		t.Errorf("Cancel = %v", err)
	}
	if _, err := r.SaveAndRepeat(); err != nil {
		t.Errorf("SaveAndRepeat = %v", err)
	}
	if strings.Join(did, " ") != "pause cancel repeat" || r.Object.Count != 7 || r.Status != statusA {
		t.Errorf("did %v on %+v", did, r.TypedRecord)
	}
}

func TestConsumeLagWaitsByTheClock(t *testing.T) {
	on := newStore(t)
	clock := newFakeClock()
	b := workflow.NewBuilder[object, status]("lag")
	b.AddStep(statusA, step(statusEnd), statusEnd).WithOptions(workflow.ConsumeLag(time.Hour))
	w := build(t, on, b, workflow.WithClock(clock))
	id := trigger(t, w, "f")
	clock.awaitWaiter(t)
	clock.step(time.Hour - time.Nanosecond)
	if rec, _ := on.Lookup(ctxFor(t), id); rec.Meta.Version != 1 {
		t.Fatal("the step ran before the lag was over")
	}
	clock.step(time.Nanosecond)
	await(t, w, id, statusEnd)
}
