package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// shaky is a backend whose calls fail now and then: before they did anything, or after they did it all and the answer was lost.
type shaky struct {
	backend.Backend
	mu   sync.Mutex
	rnd  *rand.Rand
	calm bool
	down bool
}

var errShaky = errors.New("connection lost")

func (s *shaky) roll() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.down:
		return 0
	case s.calm:
		return 1
	}
	return s.rnd.Float64()
}

// failAll makes every commit fail, or ends that.
func (s *shaky) failAll(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = on
}

func (s *shaky) settleDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = true
}

func (s *shaky) Commit(ctx context.Context, batch []*backend.Change) error {
	p := s.roll()
	if p < 0.05 {
		return errShaky
	}
	err := s.Backend.Commit(ctx, batch)
	if p < 0.10 && err == nil {
		for _, c := range batch {
			c.Err, c.Pos = backend.ErrOutcomeUnknown, 0
		}
		return backend.ErrOutcomeUnknown
	}
	return err
}

func (s *shaky) ReadLog(ctx context.Context, after int64, limit int) ([]backend.Entry, error) {
	if s.roll() < 0.1 {
		return nil, errShaky
	}
	return s.Backend.ReadLog(ctx, after, limit)
}

func (s *shaky) Lookup(ctx context.Context, runID string) (*backend.Record, error) {
	if s.roll() < 0.1 {
		return nil, errShaky
	}
	return s.Backend.Lookup(ctx, runID)
}

func (s *shaky) Due(ctx context.Context, name string, after backend.DueMark, limit int) ([]backend.Delivery, error) {
	if s.roll() < 0.1 {
		return nil, errShaky
	}
	return s.Backend.Due(ctx, name, after, limit)
}

func (s *shaky) Held(ctx context.Context, runID string) ([]backend.Delivery, error) {
	if s.roll() < 0.1 {
		return nil, errShaky
	}
	return s.Backend.Held(ctx, runID)
}

func (s *shaky) SaveCursors(ctx context.Context, c []backend.Cursor) error {
	if s.roll() < 0.3 {
		return errShaky
	}
	return s.Backend.SaveCursors(ctx, c)
}

func (s *shaky) LoadCursors(ctx context.Context, name string, buckets int) ([]int64, error) {
	if s.roll() < 0.3 {
		return nil, errShaky
	}
	return s.Backend.LoadCursors(ctx, name, buckets)
}

// TestTorture drives many runs over a store that fails, with steps that fail, operators that interfere and workers that come and go. In the
// end every run has ended or is paused with a reason, and every version was worked on with one idempotency key only.
func TestTorture(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			torture(t, seed)
		})
	}
}

func torture(t *testing.T, seed uint64) {
	const runs = 150
	base := newStore(t)
	on := &shaky{Backend: base, rnd: rand.New(rand.NewPCG(seed, 1))}
	make := func() *flow {
		w, err := tortured(seed).BuildOn(on, workflow.WithLogger(&quietLog{}), workflow.WithPauseRetry(20*time.Millisecond), workflow.WithStopTimeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	client, w := make(), make() // triggers and operators work without consumers
	w.Run(context.Background())
	ctx := ctxFor(t)
	var wg sync.WaitGroup
	ids := sync.Map{}
	for g := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(g)+100))
			for i := g; i < runs; i += 4 {
				id, err := client.Trigger(ctx, name(i))
				if err == nil {
					ids.Store(id, true)
				}
				c := client.RunStateController(id)
				switch rnd.IntN(6) {
				case 0:
					_ = c.Pause(ctx, "look") // any outcome is allowed here; what counts is the end
				case 1:
					_ = c.Cancel(ctx, "no")
				}
			}
		})
	}
	for range 3 { // workers come and go meanwhile
		<-time.After(30 * time.Millisecond)
		w.Stop()
		w = make()
		w.Run(context.Background())
	}
	wg.Wait()
	on.settleDown()
	for i := range runs {
		rec, err := base.Latest(ctx, w.Name(), name(i))
		if errors.Is(err, backend.ErrRecordNotFound) {
			continue // its trigger failed
		}
		awaitRecord(t, base, rec.RunID, func(rec *backend.Record) bool {
			if rec.RunState == backend.RunStatePaused && rec.Meta.PausedBy == backend.PausedByOperator {
				if err := w.RunStateController(rec.RunID).Resume(ctx); err != nil {
					t.Error(err)
				}
			}
			return rec.RunState.Finished()
		})
	}
	ids.Range(func(id, _ any) bool {
		if _, err := base.Lookup(ctx, id.(string)); err != nil {
			t.Errorf("an acknowledged trigger is lost: %s: %v", id, err)
		}
		return true
	})
	w.Stop()
}

// tortured is a workflow whose steps fail in every way, the same way for the same seed, run and attempt.
func tortured(seed uint64) *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status]("torture")
	shakyStep := func(to status) workflow.ConsumerFunc[object, status] {
		return func(ctx context.Context, r *run) (status, error) {
			r.Object.Trail = append(r.Object.Trail, r.IdempotencyKey())
			rnd := rand.New(rand.NewPCG(seed, uint64(len(r.RunID))+uint64(r.RunID[35])*7+uint64(r.Meta.Version)*31+uint64(r.Attempt())*1009))
			switch rnd.IntN(12) {
			case 0:
				return 0, errTest
			case 1:
				panic("torture")
			case 2:
				return r.SaveAndRepeat()
			case 3:
				return statusOther, nil
			case 4:
				return 0, workflow.Permanent(errTest)
			}
			return to, nil
		}
	}
	b.AddStep(statusA, shakyStep(statusB), statusB).WithOptions(quickRetry(4)...)
	b.AddStep(statusB, shakyStep(statusC), statusC).WithOptions(quickRetry(4)...)
	b.AddStep(statusC, shakyStep(statusEnd), statusEnd).WithOptions(quickRetry(4)...)
	return b
}
