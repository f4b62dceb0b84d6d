package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// peer is another process's view of a store: its own engine, told of what the others commit.
type peer struct {
	*memory.Backend
	slot backend.Slot
	all  *peers
	me   int
}

type peers struct {
	mu      sync.Mutex
	n       int
	changed map[int]func() // by peer; those of due deliveries negated
	actors  map[string]int // versions that each has made
}

func (p *peers) join(on *memory.Backend) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	if p.n == 1 {
		p.changed, p.actors = make(map[int]func()), make(map[string]int)
	}
	return &peer{Backend: on, all: p, me: p.n}
}

func (p *peers) watch(key int, changed func()) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed[key] = changed
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.changed, key)
	}
}

func (p *peer) Slot() *backend.Slot                   { return &p.slot }
func (p *peer) Watch(changed func()) (stop func())    { return p.all.watch(p.me, changed) }
func (p *peer) WatchDue(changed func()) (stop func()) { return p.all.watch(-p.me, changed) }

func (p *peer) Commit(ctx context.Context, batch []*backend.Change) error {
	err := p.Backend.Commit(ctx, batch)
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	entries, due := false, false
	for _, c := range batch {
		if c.Err == nil && c.Record != nil {
			entries = true
			p.all.actors[c.Actor]++
		}
		due = due || c.Err == nil && c.Wake
	}
	for key, changed := range p.all.changed {
		if entries && key > 0 && key != p.me || due && key < 0 && key != -p.me {
			changed()
		}
	}
	return err
}

// twoPeers makes a store with two processes on it.
func twoPeers(t testing.TB) (on *memory.Backend, worker, other *peer) {
	on = newStore(t)
	p := &peers{}
	return on, p.join(on), p.join(on)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// timed is a workflow whose statuses A and B have a timer each: A's leads to C within a day, B's ends the run within an hour.
func timed(name string) *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status](name)
	b.AddTimeout(statusA, workflow.DurationTimerFunc[object, status](24*time.Hour), func(context.Context, *run, time.Time) (status, error) {
		return statusC, nil
	}, statusC)
	b.AddCallback(statusA, goes(statusB), statusB)
	b.AddTimeout(statusB, hourly(), func(context.Context, *run, time.Time) (status, error) { return statusEnd, nil }, statusEnd)
	b.AddCallback(statusC, goes(statusEnd), statusEnd)
	return b
}

func lastEntry(t testing.TB, on backend.Backend, runID string) backend.Entry {
	t.Helper()
	rec, err := on.Lookup(ctxFor(t), runID)
	must(t, err)
	entries, err := on.History(ctxFor(t), runID, rec.Meta.Version-1, 1)
	must(t, err)
	if len(entries) != 1 {
		t.Fatalf("version %d has %d entries", rec.Meta.Version, len(entries))
	}
	return entries[0]
}

// TestOperatorsAreNamed: each action is one version that says who and why, with the code and without it, in a process that works on nothing.
func TestOperatorsAreNamed(t *testing.T) {
	for _, with := range []string{"code", "no code"} {
		t.Run(with, func(t *testing.T) {
			on := newStore(t)
			client, err := timed("named").BuildOn(on, workflow.WithLogger(&quietLog{}))
			must(t, err)
			op := workflow.NewOperator(on).As("ada")
			if with == "code" {
				op = client.Operator("ada").Operator
			}
			id, ctx := trigger(t, client, "f"), ctxFor(t)
			deadline := time.Now().Add(time.Hour)
			for i, action := range []struct {
				name string
				do   func(reason string) error
				want backend.RunState
			}{
				{"pause", func(r string) error { return op.Pause(ctx, id, r) }, workflow.RunStatePaused},
				{"resume", func(r string) error { return op.Resume(ctx, id, r) }, workflow.RunStateRunning},
				{"deadline", func(r string) error { return op.SetDeadline(ctx, id, deadline, r) }, workflow.RunStateRunning},
				{"force", func(r string) error { return op.ForceStatus(ctx, id, int(statusB), r) }, workflow.RunStateRunning},
				{"rewind", func(r string) error { return op.Rewind(ctx, id, 3, r) }, workflow.RunStateRunning},
				{"cancel", func(r string) error { return op.Cancel(ctx, id, r) }, workflow.RunStateCancelled},
				{"delete", func(r string) error { return op.DeleteData(ctx, id, r) }, workflow.RunStateRequestedDataDeleted},
			} {
				must(t, action.do("because of "+action.name))
				en := lastEntry(t, on, id)
				if en.Record.Meta.Version != uint(i+2) || en.Record.RunState != action.want || en.Cause != backend.CauseOperator || en.Actor != "ada" ||
					en.Record.Meta.RunStateReason != "because of "+action.name {
					t.Errorf("%s made version %d, %v, by %v %q: %q", action.name, en.Record.Meta.Version, en.Record.RunState, en.Cause, en.Actor, en.Record.Meta.RunStateReason)
				}
			}
			if held, _ := on.Held(ctx, id); len(held) != 0 {
				t.Errorf("an ended run has deliveries: %+v", held)
			}
		})
	}
}

// TestAForcedStatusHasItsTimers: with the code they are set by the commit itself, without it by whoever holds the role; the old ones are gone.
func TestAForcedStatusHasItsTimers(t *testing.T) {
	for _, with := range []string{"code", "no code"} {
		t.Run(with, func(t *testing.T) {
			on, worker, other := twoPeers(t)
			clock := newFakeClock()
			w := build(t, worker, timed("forced"), workflow.WithClock(clock))
			client, err := timed("forced").BuildOn(other, workflow.WithClock(clock), workflow.WithLogger(&quietLog{}))
			must(t, err)
			id := trigger(t, w, "f")
			if with == "code" {
				must(t, client.Operator("ada").ForceStatus(ctxFor(t), id, statusB, "skip the form", &object{Note: "by hand"}))
			} else {
				op := workflow.NewOperator(other, workflow.WithOperatorClock(clock))
				must(t, op.ForceStatus(ctxFor(t), id, int(statusB), "skip the form", workflow.WithObject([]byte(`{"Note":"by hand"}`))))
			}
			timer := func() (found backend.Delivery) {
				eventually(t, "the new timer alone is set", func() bool {
					held, err := on.Held(ctxFor(t), id)
					if err == nil && len(held) == 1 && strings.HasPrefix(string(held[0].Receiver), "timeout:") {
						found = held[0]
					}
					return found.RunID != ""
				})
				return found
			}()
			if timer.Version != 2 || !timer.Due.Equal(clock.Now().Add(time.Hour)) {
				t.Errorf("the timer is %+v, want one of visit 2 within an hour", timer)
			}
			eventually(t, "it fires in its time", func() bool {
				clock.step(time.Hour)
				rec, err := on.Lookup(ctxFor(t), id)
				return err == nil && rec.RunState == workflow.RunStateCompleted
			})
			if r := await(t, w, id, statusEnd); r.Object.Note != "by hand" {
				t.Errorf("the object is %+v", r.Object)
			}
		})
	}
}

func TestAForcedRunGoesOn(t *testing.T) {
	on := newStore(t)
	w := build(t, on, three("revived"))
	op := w.Operator("ada")
	id := trigger(t, w, "f")
	await(t, w, id, statusEnd)
	must(t, op.ForceStatus(ctxFor(t), id, statusC, "once more", nil))
	rec := awaitRecord(t, on, id, func(r *backend.Record) bool { return r.Meta.Version == 6 })
	if rec.RunState != workflow.RunStateCompleted || rec.Status != int(statusEnd) {
		t.Errorf("the run is %v in status %v", rec.RunState, status(rec.Status))
	}
	must(t, op.ForceStatus(ctxFor(t), id, statusEnd, "to its end", nil))
	if rec, _ := on.Lookup(ctxFor(t), id); rec.RunState != workflow.RunStateCompleted || rec.Meta.StatusDescription != "End" {
		t.Errorf("forced to an end: %v, %q", rec.RunState, rec.Meta.StatusDescription)
	}
}

// TestARunForcedToAnEndWithoutTheCodeIsCompleted: the process that has the code knows that nothing leads out (G12).
func TestARunForcedToAnEndWithoutTheCodeIsCompleted(t *testing.T) {
	on, worker, other := twoPeers(t)
	b := timed("the end")
	told := make(chan string, 1)
	b.OnComplete(func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
		told <- r.Meta.RunStateReason
		return nil
	})
	w := build(t, worker, b)
	op := workflow.NewOperator(other)
	id := trigger(t, w, "f")
	must(t, op.SetDeadline(ctxFor(t), id, time.Now().Add(time.Hour), ""))
	must(t, op.ForceStatus(ctxFor(t), id, int(statusEnd), "settled by hand"))
	if r, err := w.AwaitEnd(ctxFor(t), "", id); err != nil || r.RunState != workflow.RunStateCompleted {
		t.Errorf("it did not end: %v", err)
	}
	if reason := receive(t, told); reason != "settled by hand" {
		t.Errorf("the hook reads %q", reason)
	}
	if held, _ := on.Held(ctxFor(t), id); len(held) != 0 {
		t.Errorf("deliveries left behind: %+v", held)
	}
}

func TestAForceThatIsRefused(t *testing.T) {
	on := newStore(t)
	w, err := three("refused").BuildOn(on, workflow.WithLogger(&quietLog{}))
	must(t, err)
	op, untyped, ctx := w.Operator("ada"), workflow.NewOperator(on), ctxFor(t)
	id := trigger(t, w, "f")
	if err := op.ForceStatus(ctx, id, statusOther, "", nil); !errors.Is(err, workflow.ErrUnknownStatus) {
		t.Errorf("an unknown status: %v", err)
	}
	if err := untyped.ForceStatus(ctx, id, 4711, "", workflow.IfVersion(7)); !errors.Is(err, workflow.ErrVersionConflict) {
		t.Errorf("another version: %v", err)
	}
	if err := untyped.ForceStatus(ctx, id, 4711, "", workflow.IfVersion(1), workflow.WithStatusName("Limbo"), workflow.WithEnd()); err != nil {
		t.Errorf("any status, without the code: %v", err)
	}
	if rec, _ := on.Lookup(ctx, id); rec.Status != 4711 || rec.RunState != workflow.RunStateCompleted || rec.Meta.StatusDescription != "Limbo" {
		t.Errorf("it is %v in %d %q", rec.RunState, rec.Status, rec.Meta.StatusDescription)
	}
	if err := untyped.ForceStatus(ctx, id, 1, "", workflow.WithObject(make([]byte, backend.MaxObjectBytes+1))); !errors.Is(err, workflow.ErrTooLarge) {
		t.Errorf("a huge object: %v", err)
	}
	second := trigger(t, w, "f")
	var taken *workflow.InProgressError
	if err := op.ForceStatus(ctx, id, statusA, "", nil); !errors.As(err, &taken) || taken.RunID != second {
		t.Errorf("while another run of the foreign id is unfinished: %v", err)
	}
	must(t, op.DeleteData(ctx, id, ""))
	if err := op.ForceStatus(ctx, id, statusA, "", nil); !errors.Is(err, workflow.ErrInvalidTransition) || !errors.Is(err, workflow.ErrRunFinished) {
		t.Errorf("a run whose data is deleted: %v", err)
	}
	if err := op.ForceStatus(ctx, "nobody", statusA, "", nil); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("no run: %v", err)
	}
	others, err := three("others").BuildOn(on, workflow.WithLogger(&quietLog{}))
	must(t, err)
	if err := others.Operator("").Cancel(ctx, second, ""); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("another workflow's run: %v", err)
	}
}

func TestRewind(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("rewind")
	var wrong atomic.Bool
	wrong.Store(true)
	b.AddStep(statusA, step(statusB), statusB)
	b.AddStep(statusB, func(_ context.Context, r *run) (status, error) {
		if r.Object.Count++; r.Object.Count < 4 {
			return r.SaveAndRepeat()
		}
		if r.Object.Note = "right"; wrong.Load() {
			r.Object.Note = "wrong"
		}
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b)
	id := trigger(t, w, "f") // v1 A, v2 B, v3 and v4 saved in B, v5 End
	await(t, w, id, statusEnd)
	wrong.Store(false)
	op := w.Operator("ada")
	must(t, op.Rewind(ctxFor(t), id, 4, "computed wrongly"))
	awaitRecord(t, on, id, func(r *backend.Record) bool { return r.Meta.Version == 9 })
	entries, err := on.History(ctxFor(t), id, 0, 100)
	must(t, err)
	back := entries[5].Record
	if back.Status != int(statusB) || back.Meta.Visit != 6 || string(back.Object) != string(entries[1].Record.Object) || back.Meta.RunStateReason != "computed wrongly" {
		t.Errorf("version 6 is %+v, want status B as of version 2", back)
	}
	if end := entries[8].Record; end.RunState != workflow.RunStateCompleted || !strings.Contains(string(end.Object), "right") {
		t.Errorf("it ended as %v with %s", end.RunState, end.Object)
	}
	for _, v := range []uint{0, 10} {
		if err := op.Rewind(ctxFor(t), id, v, ""); !errors.Is(err, workflow.ErrVersionNotFound) {
			t.Errorf("to version %d: %v", v, err)
		}
	}
	if err := op.Rewind(ctxFor(t), "nobody", 1, ""); !errors.Is(err, workflow.ErrRecordNotFound) {
		t.Errorf("of no run: %v", err)
	}
	must(t, op.Rewind(ctxFor(t), id, 9, "to its end")) // nothing to do there
	if rec, _ := on.Lookup(ctxFor(t), id); rec.RunState != workflow.RunStateCompleted {
		t.Errorf("rewound to its end it is %v", rec.RunState)
	}
	must(t, op.DeleteData(ctxFor(t), id, ""))
	awaitRecord(t, on, id, func(r *backend.Record) bool { return r.RunState == workflow.RunStateDataDeleted })
	if err := op.Rewind(ctxFor(t), id, 2, ""); !errors.Is(err, workflow.ErrInvalidTransition) {
		t.Errorf("with its data deleted: %v", err)
	}
}

// trimming is a store that keeps the objects of the newest versions alone.
type trimming struct{ backend.Backend }

func (b trimming) History(ctx context.Context, runID string, after uint, limit int) ([]backend.Entry, error) {
	entries, err := b.Backend.History(ctx, runID, after, limit)
	for i := range entries {
		if entries[i].Record.Meta.Version < 3 {
			rec := entries[i].Record.Clone()
			rec.Object = nil
			entries[i].Record, entries[i].Trimmed = rec, true
		}
	}
	return entries, err
}

func TestAnObjectThatIsNoLongerKeptIsNotMadeUp(t *testing.T) {
	on := newStore(t)
	w := build(t, trimming{on}, three("trimmed"))
	id := trigger(t, w, "f")
	await(t, w, id, statusEnd)
	if err := w.Operator("").Rewind(ctxFor(t), id, 2, ""); !errors.Is(err, workflow.ErrObjectGone) {
		t.Errorf("Rewind: %v", err)
	}
	if _, err := w.Await(ctxFor(t), "", id, statusA); !errors.Is(err, workflow.ErrObjectGone) {
		t.Errorf("Await: %v", err)
	}
	gone := 0
	for item, err := range w.History(ctxFor(t), id) {
		must(t, err)
		if _, err := item.Object(); item.Trimmed != errors.Is(err, workflow.ErrObjectGone) {
			t.Errorf("version %d: %v", item.Version, err)
		} else if err != nil {
			gone++
		}
	}
	if gone != 2 {
		t.Errorf("%d objects are gone, want 2", gone)
	}
}

// TestADeadlineThatIsMoved: its row moves with it, and what the engine has in mind for a paused run is kept.
func TestADeadlineThatIsMoved(t *testing.T) {
	on, worker, other := twoPeers(t)
	clock := newFakeClock()
	b := workflow.NewBuilder[object, status]("deadline")
	var broken atomic.Bool
	broken.Store(true)
	b.AddStep(statusA, func(context.Context, *run) (status, error) {
		if broken.Load() {
			return 0, workflow.Permanent(errTest)
		}
		return statusB, nil
	}, statusB)
	b.AddCallback(statusB, goes(statusEnd), statusEnd)
	w := build(t, worker, b, workflow.WithClock(clock), workflow.WithPauseRetry(time.Hour))
	op := workflow.NewOperator(other, workflow.WithOperatorClock(clock))
	id := trigger(t, w, "f")
	awaitRecord(t, on, id, paused)
	must(t, op.SetDeadline(ctxFor(t), id, clock.Now().Add(10*time.Hour), "the customer waits"))
	rec, _ := on.Lookup(ctxFor(t), id)
	if rec.Meta.Version != 3 || rec.RunState != workflow.RunStatePaused || rec.Meta.PausedBy != workflow.PausedByEngine {
		t.Fatalf("it is %v by the %v", rec.RunState, rec.Meta.PausedBy)
	}
	broken.Store(false)
	clock.step(time.Hour)
	stuckUnless(t, on, id, statusB) // the engine resumed it all the same
	if err := op.SetDeadline(ctxFor(t), id, clock.Now().AddDate(1000, 0, 0), ""); !errors.Is(err, workflow.ErrAbsurdTime) {
		t.Errorf("a deadline in a thousand years: %v", err)
	}
	must(t, op.SetDeadline(ctxFor(t), id, time.Time{}, "no hurry"))
	if held, _ := on.Held(ctxFor(t), id); len(held) != 0 {
		t.Errorf("without a deadline: %+v", held)
	}
	must(t, op.SetDeadline(ctxFor(t), id, clock.Now().Add(5*time.Hour), ""))
	must(t, op.SetDeadline(ctxFor(t), id, clock.Now().Add(time.Hour), "sooner"))
	eventually(t, "the sooner deadline ends it", func() bool {
		clock.step(time.Minute)
		rec, _ := on.Lookup(ctxFor(t), id)
		return rec.RunState == workflow.RunStateCancelled
	})
	if err := op.SetDeadline(ctxFor(t), id, clock.Now(), ""); !errors.Is(err, workflow.ErrRunFinished) {
		t.Errorf("of a run that has ended: %v", err)
	}
}

func TestErase(t *testing.T) {
	on, worker, other := twoPeers(t)
	w := build(t, worker, timed("erase"))
	op := workflow.NewOperator(other)
	id := trigger(t, w, "f")
	if err := op.Erase(ctxFor(t), id); !errors.Is(err, workflow.ErrUnfinished) {
		t.Errorf("a run that goes on: %v", err)
	}
	must(t, op.Cancel(ctxFor(t), id, ""))
	must(t, op.Erase(ctxFor(t), id))
	for _, err := range []error{op.Erase(ctxFor(t), id), op.Cancel(ctxFor(t), id, ""), op.RetryNow(ctxFor(t), id, "")} {
		if !errors.Is(err, workflow.ErrRecordNotFound) {
			t.Errorf("an erased run: %v", err)
		}
	}
	if entries, _ := on.History(ctxFor(t), id, 0, 10); len(entries) != 0 {
		t.Errorf("its history is still there: %d versions", len(entries))
	}
	trigger(t, w, "f") // the foreign id is free
	plain, err := timed("plain").BuildOn(&tapped{Backend: on})
	must(t, err)
	if err := plain.Operator("").Erase(ctxFor(t), id); !errors.Is(err, workflow.ErrUnsupported) {
		t.Errorf("a backend that erases nothing: %v", err)
	}
}

// TestConcurrentOperatorsMakeOneVersionPerAction: operators in two processes, with and without the code, while the run moves (G2).
func TestConcurrentOperatorsMakeOneVersionPerAction(t *testing.T) {
	on, worker, other := twoPeers(t)
	b := workflow.NewBuilder[object, status]("many hands")
	b.AddStep(statusA, step(statusB), statusB)
	b.AddStep(statusB, step(statusA), statusA, statusEnd)
	w := build(t, worker, b)
	id := trigger(t, w, "f")
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := make(map[string]int) // by actor
	for i := range 6 {
		actor := fmt.Sprint("actor ", i)
		op := w.Operator(actor).Operator
		if i%2 == 1 {
			op = workflow.NewOperator(other).As(actor)
		}
		wg.Go(func() {
			for n := range 30 {
				var err error
				switch n % 3 {
				case 0:
					err = op.Pause(ctxFor(t), id, "wait")
				case 1:
					err = op.Resume(ctxFor(t), id, "go on")
				default:
					err = op.ForceStatus(ctxFor(t), id, int(statusB), "there", workflow.WithObject([]byte(`{"Count":7}`)))
				}
				switch {
				case err == nil:
					mu.Lock()
					done[actor]++
					mu.Unlock()
				case !errors.Is(err, workflow.ErrInvalidTransition) && !errors.Is(err, workflow.ErrVersionConflict):
					t.Errorf("%s: %v", actor, err)
				}
			}
		})
	}
	wg.Wait()
	must(t, w.Operator("last").ForceStatus(ctxFor(t), id, statusEnd, "enough", nil))
	rec, err := on.Lookup(ctxFor(t), id)
	must(t, err)
	if rec.RunState != workflow.RunStateCompleted {
		t.Errorf("the run is %v", rec.RunState)
	}
	for actor, n := range done {
		if made := worker.all.actors[actor]; made != n {
			t.Errorf("%s did %d actions and made %d versions", actor, n, made)
		}
	}
}

// TestAnActionThatLosesARaceIsJudgedAgain: another operator's commit comes between the read and the commit.
func TestAnActionThatLosesARaceIsJudgedAgain(t *testing.T) {
	for what, tt := range map[string]struct {
		between string // what the other one does
		do      func(op *workflow.Operator, id string) error
		want    error
		version uint // in the end
	}{
		"both pause":                {"pause", func(op *workflow.Operator, id string) error { return op.Pause(context.Background(), id, "mine") }, workflow.ErrRunPaused, 2},
		"a pause, then a cancel":    {"pause", func(op *workflow.Operator, id string) error { return op.Cancel(context.Background(), id, "mine") }, nil, 3},
		"a force, then a pause":     {"force", func(op *workflow.Operator, id string) error { return op.Pause(context.Background(), id, "mine") }, nil, 3},
		"a force, then a retry":     {"force", func(op *workflow.Operator, id string) error { return op.RetryNow(context.Background(), id, "mine") }, workflow.ErrNothingToRetry, 2},
		"a cancel, then an erasure": {"cancel", func(op *workflow.Operator, id string) error { return op.Erase(context.Background(), id) }, workflow.ErrUnfinished, 2},
		"a force that was looked at": {"pause", func(op *workflow.Operator, id string) error {
			return op.ForceStatus(context.Background(), id, 2, "mine", workflow.IfVersion(1))
		}, workflow.ErrVersionConflict, 2},
	} {
		t.Run(what, func(t *testing.T) {
			base := newStore(t)
			b := workflow.NewBuilder[object, status]("race")
			b.AddStep(statusA, func(context.Context, *run) (status, error) { return 0, workflow.RetryAfter(errTest, time.Hour) }, statusB)
			b.AddCallback(statusB, goes(statusEnd), statusEnd)
			w, err := b.BuildOn(base, workflow.WithLogger(&quietLog{}))
			must(t, err)
			w.Run(context.Background())
			id := trigger(t, w, "f")
			heldIn(t, base, id, backend.DeliveryBackingOff)
			w.Stop()
			var first atomic.Bool
			late := &tapped{Backend: base, lookup: func(_ string, do func() (*backend.Record, error)) (*backend.Record, error) {
				rec, err := do()
				if first.CompareAndSwap(false, true) {
					other := workflow.NewOperator(base).As("other")
					must(t, map[string]func() error{
						"pause":  func() error { return other.Pause(context.Background(), id, "theirs") },
						"cancel": func() error { return other.Cancel(context.Background(), id, "theirs") },
						"force":  func() error { return other.ForceStatus(context.Background(), id, int(statusB), "theirs") },
					}[tt.between]())
				}
				return rec, err
			}}
			err = tt.do(workflow.NewOperator(&erasing{late, base}).As("me"), id)
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if rec, _ := base.Lookup(ctxFor(t), id); rec.Meta.Version != tt.version {
				t.Errorf("it has version %d, want %d", rec.Meta.Version, tt.version)
			}
			held, err := base.Held(ctxFor(t), id)
			must(t, err)
			for _, d := range held {
				if d.Receiver == backend.ReceiverStep && d.Attempts == 0 {
					t.Errorf("the step that was left is tried again: %+v", d)
				}
			}
		})
	}
}

// erasing is a tapped store that removes runs, with an engine of its own.
type erasing struct {
	*tapped
	backend.Eraser
}

func (b *erasing) Slot() *backend.Slot { return new(backend.Slot) }
