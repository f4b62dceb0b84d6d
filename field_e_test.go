package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/backend"
)

// Group E: Await, latency, resources.

// Await of a status that the run had reached already waited for ever.
func TestField39AwaitSeesWhatIsThere(t *testing.T) {
	inTime(t, func(t *testing.T) {
		_, worker, other := twoPeers(t)
		w := build(t, worker, three("there"))
		client, err := three("there").BuildOn(other, workflow.WithLogger(&quietLog{})) // another process, which works on nothing
		must(t, err)
		id := trigger(t, w, "f")
		pass(time.Hour)
		begin := time.Now()
		for _, s := range []status{statusA, statusB, statusC, statusEnd} {
			for _, w := range []*flow{w, client} {
				if r := await(t, w, id, s); r.Status != s {
					t.Errorf("awaited %v, got %v", s, r.Status)
				}
			}
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %v to see what was there", took)
		}
	})
	inTime(t, func(t *testing.T) {
		w := classic(t, three("there"))
		id := trigger(t, w, "f")
		pass(time.Hour)
		begin := time.Now()
		await(t, w, id, statusEnd)
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %v on classic parts", took)
		}
	})
}

// Await of the last status said that a run had got there when it was paused or cancelled on its way.
func TestField40AwaitOfAStoppedRunIsNoSuccess(t *testing.T) {
	each(t, map[string]bool{"backend": false, "classic": true}, func(t *testing.T, onClassic bool) {
		b := workflow.NewBuilder[object, status]("stopped")
		b.AddCallback(statusA, goes(statusEnd), statusEnd)
		var w *flow
		if onClassic {
			w = classic(t, b)
		} else {
			w = build(t, newStore(t), b)
		}
		id, other := trigger(t, w, "paused"), trigger(t, w, "cancelled")
		got := make(chan error, 1)
		go func() {
			r, err := w.Await(context.Background(), "", id, statusEnd)
			if err == nil && (r.Status != statusEnd || r.RunState != workflow.RunStateCompleted) {
				err = fmt.Errorf("it is %v in %v", r.RunState, r.Status)
			}
			got <- err
		}()
		ended := make(chan error, 1)
		go func() { _, err := w.Await(context.Background(), "", other, statusEnd); ended <- err }()
		synctest.Wait()
		must(t, w.RunStateController(id).Pause(ctxFor(t), "look"))
		must(t, w.RunStateController(other).Cancel(ctxFor(t), "enough"))
		var how *workflow.AwaitError
		if err := <-ended; !errors.Is(err, workflow.ErrRunEnded) || !errors.As(err, &how) || how.RunState != workflow.RunStateCancelled || how.Reason != "enough" {
			t.Errorf("Await of a cancelled run: %v", err)
		}
		pass(time.Hour)
		select {
		case err := <-got:
			t.Fatalf("Await of a paused run returned: %v", err)
		default:
		}
		short, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := w.Await(short, "", id, statusEnd); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Await of a paused run, with a deadline: %v", err)
		}
		must(t, w.RunStateController(id).Resume(ctxFor(t)))
		must(t, w.Callback(ctxFor(t), "paused", statusA, nil))
		if err := <-got; err != nil {
			t.Errorf("Await of a run that was resumed: %v", err)
		}
	})
}

// Those who awaited shared a cursor, so that one took the other's event; and each left a receiver group behind.
func TestField41EveryWaiterIsTold(t *testing.T) {
	inTime(t, func(t *testing.T) {
		stream := &watchedStream{EventStreamer: memstreamer.New()}
		b := workflow.NewBuilder[object, status]("waiters")
		b.AddCallback(statusA, goes(statusB), statusB)
		b.AddStep(statusB, step(statusEnd), statusEnd)
		w := classicOn(t, stream, memrecordstore.New(), memrolescheduler.New(), b)
		synctest.Wait()
		before := stream.made.Load()
		first, second := trigger(t, w, "first"), trigger(t, w, "second")
		var told atomic.Int32
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				r, err := w.Await(ctxFor(t), "", []string{first, second}[i%2], []status{statusB, statusEnd}[i/2%2])
				if err != nil || r.RunID != []string{first, second}[i%2] {
					t.Errorf("waiter %d: %v", i, err)
					return
				}
				told.Add(1)
			})
		}
		synctest.Wait()
		for _, foreignID := range []string{"first", "second"} {
			must(t, w.Callback(ctxFor(t), foreignID, statusA, nil))
		}
		wg.Wait()
		if told.Load() != 40 {
			t.Errorf("%d of 40 were told", told.Load())
		}
		if made := stream.made.Load(); made != before {
			t.Errorf("Await opened %d receivers", made-before)
		}
	})
}

// Two polls lay between any two steps, so that five of them took a second; and the store was asked once for each event.
func TestField42StepsFollowEachOtherAtOnce(t *testing.T) {
	five := func() *workflow.Builder[object, status] {
		b := three("latency")
		b.AddStep(statusNone, step(statusA), statusA)
		b.AddStep(statusEnd, step(statusOther), statusOther)
		return b
	}
	each(t, map[string]func(t *testing.T) *flow{
		"backend": func(t *testing.T) *flow { return build(t, newStore(t), five()) },
		"classic": func(t *testing.T) *flow { return classic(t, five()) },
	}, func(t *testing.T, make func(t *testing.T) *flow) {
		w := make(t)
		synctest.Wait()
		begin := time.Now()
		ids := triggerAll(t, w, 10)
		for _, id := range ids {
			await(t, w, id, statusOther)
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("five steps that do nothing took %v", took)
		}
	})
	bubble(t, func(t *testing.T, base *memory.Backend) { // many changes, few commits
		var commits, changes atomic.Int32
		on := &tapped{Backend: base, commit: func(batch []*backend.Change, do func() error) error {
			commits.Add(1)
			changes.Add(int32(len(batch)))
			<-time.After(time.Millisecond)
			return do()
		}}
		w := build(t, on, five())
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() { trigger(t, w, name(i)) })
		}
		wg.Wait()
		pass(time.Minute)
		if n, of := commits.Load(), changes.Load(); of < 600 || n > of/4 {
			t.Errorf("%d commits of %d changes", n, of)
		}
	})
}

// A parked receiver spun; all topics lay in one log without a bound, which every receiver read; the store kept every snapshot.
func TestField43TheMemoryPartsAreStillAndBounded(t *testing.T) {
	inTime(t, func(t *testing.T) {
		s := memstreamer.New()
		woken := make(chan string, 1000)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 100 {
			topic := fmt.Sprint("topic-", i)
			r, err := s.NewReceiver(ctx, topic, "reader")
			must(t, err)
			wg.Go(func() {
				defer r.Close()
				for {
					if _, ack, err := r.Recv(ctx); err != nil || ack() != nil {
						return
					}
					woken <- topic
				}
			})
		}
		pass(1000 * time.Hour) // time goes on only where nobody spins
		sender, err := s.NewSender(ctx, "topic-7")
		must(t, err)
		for n := range 500 {
			must(t, sender.Send(ctx, "f", n, nil))
		}
		synctest.Wait()
		if len(woken) != 500 {
			t.Errorf("%d receipts of 500 events", len(woken))
		}
		for range len(woken) {
			if topic := <-woken; topic != "topic-7" {
				t.Errorf("a receiver of %s was woken", topic)
			}
		}
		cancel()
		wg.Wait()
	})
	trimmed(t, memstreamer.New())
	store := memrecordstore.New()
	for v := uint(1); v <= 1500; v++ {
		must(t, store.Store(ctxFor(t), version("kept", "r", v, fmt.Sprint(v))))
	}
	if snaps := store.Snapshots("kept", "same", "r"); len(snaps) != 1000 || snaps[999].Meta.Version != 1500 {
		t.Errorf("%d snapshots are kept of 1,500 versions", len(snaps))
	}
	waiting, err := store.ListOutboxEvents(ctxFor(t), "kept", 5000)
	must(t, err)
	for i := range waiting { // from behind: none may take another's place
		must(t, store.DeleteOutboxEvent(ctxFor(t), waiting[len(waiting)-1-i].ID))
	}
	if left, err := store.ListOutboxEvents(ctxFor(t), "kept", 10); len(waiting) != 1500 || len(left) != 0 || err != nil {
		t.Errorf("the outbox had %d events, %d are left, %v", len(waiting), len(left), err)
	}
}

// trimmed sends a lot of events that all names pass, and sees how many are kept.
func trimmed(t *testing.T, s workflow.EventStreamer) {
	t.Helper()
	sender, err := s.NewSender(ctxFor(t), "topic")
	must(t, err)
	reader, err := s.NewReceiver(ctxFor(t), "topic", "reader")
	must(t, err)
	const events = 20_000
	ctx := ctxFor(t)
	for n := range events {
		must(t, sender.Send(ctx, "f", n, nil))
		_, ack, err := reader.Recv(ctx)
		must(t, err)
		must(t, ack())
	}
	late, err := s.NewReceiver(ctx, "topic", "late") // starts at the oldest that is kept
	must(t, err)
	e, _, err := late.Recv(ctx)
	must(t, err)
	if kept := events - e.Type; kept > memstreamer.MaxPassed+memstreamer.MaxPassed/10 {
		t.Errorf("%d events are kept that everybody has passed", kept)
	}
}

// A stream was never trimmed, a filtered listing looked at the first few records only, an outbox was read whole to delete one event.
func TestField44StreamsAreTrimmedAndFilteredListsAreWhole(t *testing.T) {
	trimmed(t, memory.New().EventStreamer())
	rare := func(list func(limit int, order workflow.OrderType, filters ...workflow.RecordFilter) ([]workflow.Record, error)) {
		t.Helper()
		for order, want := range map[workflow.OrderType]string{workflow.OrderTypeAscending: "[500 600 700]", workflow.OrderTypeDescending: "[900 800 700]"} {
			recs, err := list(3, order, workflow.FilterByStatus(statusB))
			must(t, err)
			var got []string
			for _, r := range recs {
				got = append(got, r.ForeignID)
			}
			if fmt.Sprint(got) != want {
				t.Errorf("the first three %v are %v, want %v", order, got, want)
			}
		}
	}
	on := newStore(t)
	store := memrecordstore.New()
	for i := range 1000 {
		rec := version("filtered", fmt.Sprint("run-", i), 1, "")
		if rec.ForeignID = fmt.Sprint(i); i >= 500 && i%100 == 0 {
			rec.Status = int(statusB)
		}
		must(t, store.Store(ctxFor(t), rec))
		must(t, on.RecordStore().Store(ctxFor(t), rec))
	}
	for _, s := range []workflow.RecordStore{store, on.RecordStore()} {
		rare(func(limit int, order workflow.OrderType, filters ...workflow.RecordFilter) ([]workflow.Record, error) {
			return s.List(ctxFor(t), "filtered", 0, limit, order, filters...)
		})
	}
}

// cursorCount counts stored cursors by workflow.
type cursorCount struct {
	backend.Backend
	saved noted
}

func (b *cursorCount) SaveCursors(ctx context.Context, cursors []backend.Cursor) error {
	for _, c := range cursors {
		b.saved.add(c.WorkflowName)
	}
	return b.Backend.SaveCursors(ctx, cursors)
}

// Every receiver stored its cursor for every event of anybody.
func TestField45CursorsMoveForTheirOwnEvents(t *testing.T) {
	bubble(t, func(t *testing.T, base *memory.Backend) {
		on := &cursorCount{Backend: base}
		for i := range 10 {
			build(t, on, three(fmt.Sprint("idle-", i)))
		}
		busy := build(t, on, three("busy"))
		pass(time.Minute)
		before := on.saved.total() - on.saved.count("busy")
		const runs = 300
		ids := triggerAll(t, busy, runs)
		pass(time.Minute)
		allIn(t, base, ids, statusEnd, backend.RunStateCompleted)
		if n := on.saved.total() - on.saved.count("busy") - before; n > 10*backend.DefaultBuckets {
			t.Errorf("ten workflows without events stored %d cursors", n)
		}
		if n := on.saved.count("busy"); n == 0 || n > 10*backend.DefaultBuckets {
			t.Errorf("%d events of %d runs led to %d stored cursors", 4*runs, runs, n)
		}
	})
}

// Waiting for a role ignored its context, so that Stop of a second instance hung; and Stop ended running steps at once, without a limit.
func TestField46StopIsPromptForWhoWaitsAndPatientWithWhoWorks(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store, stream, roles := memrecordstore.New(), memstreamer.New(), memrolescheduler.New()
		g := newGate()
		mk := func() *workflow.Builder[object, status] {
			b := workflow.NewBuilder[object, status]("stops")
			b.AddStep(statusA, g.step(statusB), statusB)
			b.AddStep(statusB, step(statusEnd), statusEnd)
			return b
		}
		first := classicOn(t, stream, store, roles, mk(), workflow.WithStopTimeout(time.Minute))
		synctest.Wait()
		second := classicOn(t, stream, store, roles, mk())
		synctest.Wait()
		begin := time.Now()
		second.Stop()
		if took := time.Since(begin); took > 0 {
			t.Errorf("Stop of the one that waits took %v", took)
		}
		id := trigger(t, first, "f")
		synctest.Wait()
		go func() {
			<-time.After(10 * time.Second)
			close(g.open)
		}()
		begin = time.Now()
		first.Stop()
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("Stop took %v, want the ten seconds that the step needed", took)
		}
		allIn(t, store, []string{id}, statusB, backend.RunStateRunning)
	})
	bubble(t, func(t *testing.T, on *memory.Backend) { // and it has a limit
		open := make(chan struct{})
		b := workflow.NewBuilder[object, status]("stops")
		b.AddStep(statusA, func(context.Context, *run) (status, error) { <-open; return statusEnd, nil }, statusEnd)
		w := build(t, on, b, workflow.WithStopTimeout(time.Minute))
		trigger(t, w, "f")
		synctest.Wait()
		begin := time.Now()
		w.Stop()
		if took := time.Since(begin); took < time.Minute || took > time.Minute+2*time.Second {
			t.Errorf("Stop took %v with a step that ignores its end, and a limit of a minute", took)
		}
		close(open)
		synctest.Wait()
	})
	inTime(t, func(t *testing.T) {
		roles := memrolescheduler.New()
		_, release, err := roles.Await(t.Context(), "role")
		must(t, err)
		defer release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := roles.Await(ctx, "role"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Await of a role that another one holds: %v", err)
		}
	})
}

// A run was wiped after its step and given to the next one: who kept it saw somebody else's.
func TestField47AKeptRunStaysWhatItWas(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		var mu sync.Mutex
		kept := make(map[string][]*run)
		b := workflow.NewBuilder[object, status]("kept")
		keep := func(to status) workflow.ConsumerFunc[object, status] {
			return func(_ context.Context, r *run) (status, error) {
				r.Object.Trail = append(r.Object.Trail, r.ForeignID+" "+r.Status.String())
				mu.Lock()
				defer mu.Unlock()
				kept[r.RunID] = append(kept[r.RunID], r)
				return to, nil
			}
		}
		b.AddStep(statusA, keep(statusB), statusB)
		b.AddStep(statusB, keep(statusEnd), statusEnd)
		w := build(t, on, b)
		ids := triggerAll(t, w, 100)
		pass(time.Minute)
		for i, id := range ids {
			runs := kept[id]
			if len(runs) != 2 {
				t.Fatalf("run %s had %d steps", id, len(runs))
			}
			for n, r := range runs {
				want := strings.Join([]string{name(i) + " A", name(i) + " B"}[:n+1], ", ")
				if r.RunID != id || r.ForeignID != name(i) || r.Status != statusA+status(n) || strings.Join(r.Object.Trail, ", ") != want {
					t.Errorf("kept of step %d of %s: run %s in %v with %q", n+1, id, r.RunID, r.Status, r.Object.Trail)
				}
			}
			if _, err := runs[0].SaveAndRepeat(); !errors.Is(err, workflow.ErrInvalidTransition) { // its attempt is over
				t.Errorf("a step that ended repeats itself: %v", err)
			}
		}
	})
}
