package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// doorbell tells the processes that share a store of each other's commits.
type doorbell struct {
	mu    sync.Mutex
	bells map[*neighbour][]func()
}

func (d *doorbell) add(p *neighbour, ring func()) (stop func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bells[p] = append(d.bells[p], ring)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.bells, p)
	}
}

func (d *doorbell) ring(from *neighbour) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for p, of := range d.bells {
		for _, ring := range of {
			if p != from {
				ring()
			}
		}
	}
}

// neighbour is one process's view of a store that it shares: an engine of its own, and faults of its own.
type neighbour struct {
	*adaptertest.Faulty
	bell *doorbell
}

func (p *neighbour) Watch(changed func()) (stop func())    { return p.bell.add(p, changed) }
func (p *neighbour) WatchDue(changed func()) (stop func()) { return p.bell.add(p, changed) }

func (p *neighbour) Commit(ctx context.Context, batch []*backend.Change) error {
	defer p.bell.ring(p)
	return p.Faulty.Commit(ctx, batch)
}

// verbs is a store under every verb at once, and what was said of each.
type verbs struct {
	t    *testing.T
	seed uint64
	base *memory.Backend
	all  []*neighbour

	mu       sync.Mutex
	runs     map[string]string    // run id by foreign id, of acknowledged triggers
	begins   map[string]time.Time // when each foreign id may begin, at the earliest
	said     map[string]answer    // by actor
	told     map[string][]uint    // by run and hook: the versions that it was told of
	callback map[string]int       // acknowledged callbacks by foreign id
	perhaps  map[string]int       // callbacks of which nobody knows
}

type answer struct{ yes, perhaps int }

const (
	verbRuns    = 12
	verbHelpers = 6
	verbActs    = 40
)

// TestTortureOfEveryVerb lets triggers, callbacks, signals and operators of several processes meet failing steps, hooks and stores, and restarts. In the
// end every run has ended, everything that was acknowledged has its effect exactly once, and what was refused has none.
func TestTortureOfEveryVerb(t *testing.T) {
	seeds := uint64(8)
	if n, err := strconv.Atoi(os.Getenv("STILLWATER_SEEDS")); err == nil {
		seeds = uint64(n)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tortureVerbs(t, seed) })
		})
	}
}

func tortureVerbs(t *testing.T, seed uint64) {
	v := &verbs{t: t, seed: seed, base: newStore(t),
		runs: make(map[string]string), begins: make(map[string]time.Time), said: make(map[string]answer),
		told: make(map[string][]uint), callback: make(map[string]int), perhaps: make(map[string]int)}
	bell := &doorbell{bells: make(map[*neighbour][]func())}
	for i := range uint64(3) {
		p := &neighbour{Faulty: adaptertest.NewFaulty(v.base, seed*3+i), bell: bell}
		for _, m := range []adaptertest.Method{adaptertest.MethodCommit, adaptertest.MethodReadLog, adaptertest.MethodLookup, adaptertest.MethodLatest,
			adaptertest.MethodHistory, adaptertest.MethodDue, adaptertest.MethodHeld, adaptertest.MethodLoadCursors, adaptertest.MethodSaveCursors,
			adaptertest.MethodSignalSeen, adaptertest.MethodFind, adaptertest.MethodCount} {
			p.Set(m, adaptertest.Fault{Before: 0.04, After: 0.04, Twice: 0.04, Delay: v.delay(seed, i, m)})
		}
		v.all = append(v.all, p)
	}
	client := v.build(v.all[2]) // it never runs
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { v.comeAndGo(i) })
	}
	for g := range verbHelpers {
		wg.Go(func() { v.act(client, rand.New(rand.NewPCG(seed, uint64(g)+7))) })
	}
	wg.Wait()
	for _, p := range v.all {
		p.Heal()
	}
	w := v.build(v.all[0])
	w.Run(context.Background())
	for range 200 { // whatever is paused is resumed, until nothing is left
		pass(20 * time.Minute)
		if !v.resume(client) {
			break
		}
	}
	pass(48 * time.Hour)
	v.check()
	w.Stop()
}

// delay makes calls take their time now and then.
func (v *verbs) delay(seed, i uint64, m adaptertest.Method) func(ctx context.Context) error {
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, i*100+uint64(len(m))))
	return func(ctx context.Context) error {
		mu.Lock()
		d := time.Duration(0)
		if rnd.IntN(4) == 0 {
			d = time.Duration(rnd.IntN(3000)) * time.Microsecond
		}
		mu.Unlock()
		if d == 0 {
			return nil
		}
		return waitFor(ctx, d)
	}
}

func (v *verbs) build(on backend.Backend) *flow {
	w, err := v.program().BuildOn(on, workflow.WithLogger(&quietLog{}), workflow.WithPauseRetry(5*time.Minute), workflow.WithStopTimeout(time.Second))
	if err != nil {
		v.t.Fatal(err)
	}
	return w
}

// comeAndGo is a process that is started and stopped again and again.
func (v *verbs) comeAndGo(i int) {
	rnd := rand.New(rand.NewPCG(v.seed, uint64(i)+1000))
	for range 6 {
		w := v.build(v.all[i])
		for w.Run(context.Background()); rnd.IntN(8) > 0; {
			<-time.After(time.Duration(rnd.IntN(400)) * time.Millisecond)
		}
		w.Stop()
	}
}

// program has every verb. A waits for its start, B for a callback, a signal or an hour, C works in rounds.
func (v *verbs) program() *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status]("verbs")
	dice := func(r *run, faces int) int {
		return rand.New(rand.NewPCG(v.seed, uint64(len(r.Object.Trail))*131+uint64(r.RunID[35])*7+uint64(r.Meta.Version)*31+uint64(r.Attempt())*1009)).IntN(faces)
	}
	fails := func(r *run) error {
		switch dice(r, 10) {
		case 0:
			return errTest
		case 1:
			panic("torture")
		case 2:
			return workflow.Permanent(errTest)
		}
		return nil
	}
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		v.mu.Lock()
		begin := v.begins[r.ForeignID]
		v.mu.Unlock()
		if r.Meta.Visit == 1 && time.Now().Before(begin) {
			v.t.Errorf("run %s began %v early, in version %d", r.ForeignID, time.Until(begin), r.Meta.Version)
		}
		return statusB, fails(r)
	}, statusB).WithOptions(quickRetry(4)...)
	b.AddCallback(statusB, func(_ context.Context, r *run, _ reader) (status, error) { return statusC, fails(r) }, statusC)
	b.AddTimeout(statusB, workflow.DurationTimerFunc[object, status](time.Hour), func(_ context.Context, r *run, _ time.Time) (status, error) {
		return statusC, fails(r)
	}, statusC).WithOptions(quickRetry(4)...)
	b.AddStep(statusC, func(ctx context.Context, r *run) (status, error) {
		if err := waitFor(ctx, time.Duration(dice(r, 5))*time.Millisecond); err != nil {
			return 0, err
		}
		if err := fails(r); err != nil {
			return 0, err
		}
		switch r.Object.Count++; {
		case r.Object.Count > 6:
			return statusEnd, nil
		case dice(r, 3) == 0:
			return statusB, nil
		}
		return r.SaveAndRepeat()
	}, statusB, statusEnd).WithOptions(quickRetry(4)...)
	note := func(_ context.Context, r *run, text string) (status, error) {
		if err := fails(r); err != nil {
			return 0, err
		}
		if strings.HasSuffix(text, "0") {
			return 0, nil
		}
		r.Object.Trail = append(r.Object.Trail, text)
		return r.SaveAndRepeat()
	}
	for _, s := range []status{statusA, statusC} {
		workflow.AddSignal(b, s, remark, note).WithOptions(quickRetry(3)...)
	}
	workflow.AddSignal(b, statusB, approve, func(_ context.Context, r *run, a approval) (status, error) { return statusC, fails(r) }, statusC).WithOptions(quickRetry(3)...)
	hook := func(name string) workflow.RunStateChangeHookFunc[object, status] {
		return func(_ context.Context, r *workflow.TypedRecord[object, status]) error {
			if rand.IntN(4) == 0 {
				return errTest
			}
			v.mu.Lock()
			defer v.mu.Unlock()
			v.told[r.RunID+"/"+name] = append(v.told[r.RunID+"/"+name], r.Meta.Version)
			return nil
		}
	}
	b.OnAnyStatus(hook("status")).WithOptions(quickRetry(-1)...)
	b.OnRunStateChange(hook("state")).WithOptions(quickRetry(-1)...)
	return b
}

// act does this and that to the runs.
func (v *verbs) act(client *flow, rnd *rand.Rand) {
	ctx := context.Background()
	for range verbActs {
		<-time.After(time.Duration(rnd.IntN(30)) * time.Millisecond)
		on := name(rnd.IntN(verbRuns))
		v.mu.Lock()
		id := v.runs[on]
		v.mu.Unlock()
		if id == "" {
			v.start(client, rnd, on)
			continue
		}
		actor := fmt.Sprintf("%s-%d", on, rnd.Uint64())
		op := client.Operator(actor)
		switch rnd.IntN(16) {
		case 0, 1, 2, 3:
			v.signal(client, rnd, id, actor)
		case 4, 5:
			err := client.Callback(ctx, on, statusB, nil)
			v.mu.Lock()
			switch {
			case err == nil:
				v.callback[on]++
			case errors.Is(err, workflow.ErrOutcomeUnknown):
				v.perhaps[on]++
			}
			v.mu.Unlock()
		case 6:
			v.note(actor, op.Pause(ctx, id, "look"))
		case 7, 8, 9:
			v.note(actor, op.Resume(ctx, id, "go"))
		case 10:
			if rnd.IntN(4) == 0 {
				v.note(actor, op.Cancel(ctx, id, "no"))
			}
		case 11:
			v.note(actor, op.ForceStatus(ctx, id, []status{statusA, statusB, statusC, statusEnd}[rnd.IntN(4)], "there", nil))
		case 12:
			v.note(actor, op.Rewind(ctx, id, uint(1+rnd.IntN(4)), "back"))
		case 13:
			_ = op.RetryNow(ctx, id, "now") // it may leave no trace
		case 14:
			at := time.Time{}
			if rnd.IntN(3) > 0 {
				at = time.Now().Add(time.Duration(rnd.IntN(3600*20)) * time.Second)
			}
			v.note(actor, op.SetDeadline(ctx, id, at, "until then"))
		}
	}
}

// start triggers with a key, again and again until it is known.
func (v *verbs) start(client *flow, rnd *rand.Rand, on string) {
	opts := []workflow.TriggerOption[object, status]{workflow.WithStartKey[object, status]("key of " + on), workflow.WithRunTimeout[object, status](30 * time.Hour)}
	v.mu.Lock()
	if _, known := v.begins[on]; !known {
		v.begins[on] = time.Now().Add(time.Duration(rnd.IntN(4)) * 100 * time.Millisecond)
	}
	at := v.begins[on]
	v.mu.Unlock()
	id, err := client.Trigger(context.Background(), on, append(opts, workflow.WithStartAt[object, status](at))...)
	if err != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if first := v.runs[on]; first != "" && first != id {
		v.t.Errorf("one key, runs %s and %s", first, id)
	}
	v.runs[on] = id
}

// signal sends one signal, with an id mostly, up to three times.
func (v *verbs) signal(client *flow, rnd *rand.Rand, id, actor string) {
	opts := []workflow.SignalOption{workflow.WithSender(actor)}
	times := 1
	if rnd.IntN(3) > 0 {
		opts, times = append(opts, workflow.WithSignalID(actor)), 1+rnd.IntN(3)
	}
	approves := rnd.IntN(3) == 0
	for range times {
		var r workflow.Receipt
		var err error
		if approves {
			r, err = approve.SendToRun(context.Background(), client, id, approval{actor}, opts...)
		} else {
			r, err = remark.SendToRun(context.Background(), client, id, actor, opts...)
		}
		if r.State == workflow.SignalApplied || r.State == workflow.SignalQueued || r.State == workflow.SignalDuplicate {
			v.mu.Lock()
			a := v.said["signal "+actor]
			a.yes++
			if r.State == workflow.SignalQueued {
				a.perhaps++ // its run may end before
			}
			v.said["signal "+actor] = a
			v.mu.Unlock()
			continue
		}
		v.noteAs("signal "+actor, err)
	}
}

func (v *verbs) note(actor string, err error) { v.noteAs(actor, err) }

func (v *verbs) noteAs(actor string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := v.said[actor]
	switch {
	case err == nil:
		a.yes++
	case errors.Is(err, workflow.ErrOutcomeUnknown):
		a.perhaps++
	}
	v.said[actor] = a
}

// resume resumes what is paused, and reports whether any run is unfinished.
func (v *verbs) resume(client *flow) (unfinished bool) {
	ctx := context.Background()
	for _, id := range v.runs {
		rec := lookup(v.t, v.base, id)
		unfinished = unfinished || !rec.RunState.Finished()
		if rec.RunState == backend.RunStatePaused {
			_ = client.Operator("healer").Resume(ctx, id, "go on") // the engine may be faster
		}
	}
	return unfinished
}

// check compares what was said with what is stored.
func (v *verbs) check() {
	actors := make(map[string]int) // versions by who made them, signals apart
	ctx := ctxFor(v.t)
	for on, id := range v.runs {
		rec := lookup(v.t, v.base, id)
		if !rec.RunState.Finished() {
			v.t.Errorf("run %s (%s) has not ended: %v in status %d, version %d, %q, deadline %v", on, id, rec.RunState, rec.Status, rec.Meta.Version, rec.Meta.RunStateReason, rec.Meta.Deadline)
		}
		history, err := v.base.History(ctx, id, 0, 10000)
		if err != nil {
			v.t.Fatal(err)
		}
		callbacks := 0
		want := map[string][]uint{}
		for _, e := range history {
			switch e.Cause {
			case backend.CauseSignal:
				actors["signal "+e.Actor]++
			case backend.CauseOperator:
				actors[e.Actor]++
			case backend.CauseCallback:
				callbacks++
			}
			if e.Record.Meta.Visit == e.Record.Meta.Version {
				want["status"] = append(want["status"], e.Record.Meta.Version)
			}
			if e.From.RunState != e.Record.RunState {
				want["state"] = append(want["state"], e.Record.Meta.Version)
			}
		}
		if callbacks < v.callback[on] || callbacks > v.callback[on]+v.perhaps[on] {
			v.t.Errorf("run %s: %d callbacks took effect, %d were acknowledged, %d perhaps", on, callbacks, v.callback[on], v.perhaps[on])
		}
		for hook, versions := range want {
			var got []uint
			for _, n := range v.told[id+"/"+hook] {
				if !slices.Contains(got, n) {
					got = append(got, n)
				}
			}
			if !slices.Equal(got, versions) {
				v.t.Errorf("run %s: its %s hook was told of %d, want %d", on, hook, got, versions)
			}
		}
		held, err := v.base.Held(ctx, id)
		if err != nil {
			v.t.Fatal(err)
		}
		for _, d := range held {
			if !d.Receiver.IsSignal() || !d.Due.IsZero() {
				v.t.Errorf("run %s: a delivery is left: %+v", on, d)
			}
		}
	}
	for actor, a := range v.said {
		n := actors[actor]
		_, isSignal := strings.CutPrefix(actor, "signal ")
		switch {
		case n > 1 && isSignal:
			v.t.Errorf("%s took effect %d times", actor, n)
		case isSignal && n > 0 && a.yes == 0 && a.perhaps == 0:
			v.t.Errorf("%s was refused, and took effect", actor)
		case isSignal && n == 0 && a.yes > 0 && a.perhaps == 0:
			v.t.Errorf("%s was applied, and has no effect", actor)
		case !isSignal && (n < a.yes || n > a.yes+a.perhaps):
			v.t.Errorf("%s: %d versions, %d acknowledged, %d perhaps", actor, n, a.yes, a.perhaps)
		}
	}
}
