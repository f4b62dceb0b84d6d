package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

const (
	lettersAtOnce = 12 // that a worker looks after
	lettersInBag  = 4  // that are started together
)

// postman is the part of a worker that starts letters and drives them from outside. What it was told is durable it says:
//
//	t foreignID runID           triggered
//	s runID signalID state      a signal was taken; state is "applied", "queued" or "duplicate"
//	c runID key                 the callback of that key was applied
//	d runID                     ended
//	h nanoseconds hook runID version   a hook was told, at that time
type postman struct {
	say   func(parts ...string)
	store *sqlite.Backend
	flow  *workflow.Workflow[letter, letterStatus]
	keys  atomic.Int64
	life  string
}

func newPostman(store *sqlite.Backend, life string, say func(parts ...string)) (*postman, error) {
	p := &postman{say: say, store: store, life: life}
	var err error
	p.flow, err = newLetters(store, func(hook string, rec *workflow.Record) {
		say("h", strconv.FormatInt(time.Now().UnixNano(), 10), hook, rec.RunID, strconv.FormatUint(uint64(rec.Meta.Version), 10))
	})
	return p, err
}

// work looks after the letters that are there, and starts new ones, for ever.
func (p *postman) work(ctx context.Context) error {
	room := make(chan struct{}, lettersAtOnce)
	broken := make(chan error, 1)
	after := func(foreignID, runID string, heard []string) {
		room <- struct{}{}
		go func() {
			defer func() { <-room }()
			if err := p.lookAfter(ctx, foreignID, runID, heard); err != nil {
				select {
				case broken <- err:
				default:
				}
			}
		}()
	}
	unfinished, err := p.unfinished(ctx)
	if err != nil {
		return err
	}
	for _, rec := range unfinished {
		after(rec.ForeignID, rec.RunID, heardOf(rec))
	}
	for bag := 0; ; bag++ {
		select {
		case err := <-broken:
			return err
		default:
		}
		started, err := p.start(ctx, bag)
		if err != nil {
			return err
		}
		for foreignID, runID := range started {
			after(foreignID, runID, nil)
		}
	}
}

// start starts a bag of letters, twice at the same time: both must come to the same runs.
func (p *postman) start(ctx context.Context, bag int) (map[string]string, error) {
	starts := make([]workflow.Start[letter, letterStatus], lettersInBag)
	now := time.Now()
	for i := range starts {
		starts[i] = startOf(fmt.Sprintf("%s-%d-%d", p.life, bag, i), now)
	}
	var both [2][]workflow.Started
	var errs [2]error
	var wg sync.WaitGroup
	for i := range both {
		wg.Go(func() {
			both[i], errs[i] = p.flow.TriggerMany(ctx, starts...)
			for n, s := range both[i] {
				if s.Err == nil {
					p.say("t", starts[n].ForeignID, s.RunID)
				}
			}
		})
	}
	wg.Wait()
	out := map[string]string{}
	for n := range starts {
		out[starts[n].ForeignID] = both[0][n].RunID
	}
	return out, errors.Join(errs[:]...)
}

// heardOf are the signals that a letter has heard.
func heardOf(rec backend.Record) []string {
	var l letter
	if err := workflow.Unmarshal(rec.Object, &l); err != nil {
		return nil // who verifies the store says so
	}
	return l.Heard
}

// lookAfter brings a letter to its end. Everything is asked for twice at the same time now and then, and again by every process that finds the
// letter unfinished; what it has heard already only now and then, or a worker would do nothing else in its short life.
func (p *postman) lookAfter(ctx context.Context, foreignID, runID string, heard []string) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	twice := func(do func() error) {
		for range 1 + rand.IntN(2) {
			wg.Go(func() {
				if err := do(); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			})
		}
	}
	kind := kindOf(foreignID)
	if kind != letterForgotten {
		ids := signalsFor(runID)
		for _, i := range rand.Perm(len(ids)) {
			if slices.Contains(heard, ids[i]) && rand.IntN(8) > 0 {
				continue
			}
			twice(func() error { return p.signal(ctx, runID, ids[i], i == stamps) })
		}
	}
	if kind == letterContested || kind == letterOrdinary {
		if _, err := p.flow.Await(ctx, "", runID, letterWaiting); err != nil {
			return err
		}
		twice(func() error { return p.callback(ctx, foreignID, runID) })
	}
	if _, err := p.flow.AwaitEnd(ctx, "", runID); err != nil {
		return err
	}
	p.say("d", runID)
	wg.Wait()
	return errors.Join(errs...)
}

func (p *postman) signal(ctx context.Context, runID, id string, release bool) error {
	s := stampSignal
	if release {
		s = releaseSignal
	}
	r, err := s.SendToRun(ctx, p.flow, runID, id, workflow.WithSignalID(id))
	if err != nil {
		return err
	}
	states := map[workflow.SignalState]string{workflow.SignalApplied: "applied", workflow.SignalQueued: "queued", workflow.SignalDuplicate: "duplicate"}
	p.say("s", runID, id, states[r.State])
	return nil
}

func (p *postman) callback(ctx context.Context, foreignID, runID string) error {
	key := fmt.Sprintf("%s/%d", p.life, p.keys.Add(1))
	err := p.flow.Callback(ctx, foreignID, letterWaiting, strings.NewReader(key))
	if errors.Is(err, workflow.ErrNotInStatus) { // somebody else was faster
		return nil
	}
	if err == nil {
		p.say("c", runID, key)
	}
	return err
}

func (p *postman) unfinished(ctx context.Context) ([]backend.Record, error) {
	return p.store.List(ctx, letterFlow, 0, 1000, backend.OrderTypeAscending,
		backend.FilterByRunState(backend.RunStateInitiated, backend.RunStateRunning, backend.RunStatePaused))
}

// drain brings every letter to its end, and waits until its hooks were told.
func (p *postman) drain(ctx context.Context) error {
	for {
		unfinished, err := p.unfinished(ctx)
		if err != nil {
			return err
		}
		if len(unfinished) == 0 {
			break
		}
		var group sync.WaitGroup
		errs := make([]error, len(unfinished))
		for i, rec := range unfinished {
			group.Go(func() { errs[i] = p.lookAfter(ctx, rec.ForeignID, rec.RunID, nil) })
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("letters do not move: %w", err)
		}
	}
	last := make([]int64, backend.DefaultBuckets) // the position of the last entry that may have something to tell
	for after := int64(0); ; {
		entries, err := p.store.ReadLog(ctx, after, 2000)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			if after = e.Pos; e.Record.WorkflowName == letterFlow {
				last[backend.BucketOf(e.Record.RunID, len(last))] = e.Pos
			}
		}
	}
	for {
		told, err := p.told(ctx, last)
		if told || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the hooks are not told: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// told reports whether every cursor is past its last entry, and no delivery waits.
func (p *postman) told(ctx context.Context, last []int64) (bool, error) {
	cursors, err := p.store.LoadCursors(ctx, letterFlow, len(last))
	if err != nil {
		return false, err
	}
	for i := range last {
		if cursors[i] < last[i] {
			return false, nil
		}
	}
	due, err := p.store.Due(ctx, letterFlow, backend.DueMark{}, 1)
	return len(due) == 0, err
}
