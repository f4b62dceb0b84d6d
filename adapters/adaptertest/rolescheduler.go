package adaptertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// RunRoleSchedulerTest tests a classic RoleScheduler. It demands what it always demanded: the returned context descends from
// the one given, a role has one holder at a time, and a waiting Await ends with its context. factory gives as many
// schedulers of the same roles as it is asked for.
func RunRoleSchedulerTest(t *testing.T, factory func(t *testing.T, instances int) []backend.RoleScheduler) {
	t.Run("The returned context is a child", func(t *testing.T) { classicChildContext(t, factory(t, 1)[0]) })
	t.Run("A role has one holder", func(t *testing.T) { classicOneHolder(t, factory(t, 5)) })
	t.Run("A waiting Await ends with its context", func(t *testing.T) { classicAwaitEnds(t, factory(t, 2)) })
}

type classicKey struct{}

func classicChildContext(t T, rs backend.RoleScheduler) {
	parent := context.WithValue(t.Context(), classicKey{}, "parent")
	ctx, cancel, err := rs.Await(parent, "leader-cancelled-ctx")
	if err != nil {
		t.Fatalf("await: %v", err)
	}
	cancel()
	if ctx.Value(classicKey{}) != "parent" {
		t.Errorf("the returned context does not descend from the one given")
	}
}

// classicOneHolder lets all wait for one role, and watches for a quarter of a second that no second one gets it.
func classicOneHolder(t T, schedulers []backend.RoleScheduler) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held := make(chan struct{}, len(schedulers))
	var wg sync.WaitGroup
	for _, rs := range schedulers {
		wg.Go(func() {
			_, _, err := rs.Await(ctx, "leader-lock")
			switch {
			case ctx.Err() != nil: // too late to count
			case err != nil:
				t.Errorf("await: %v", err)
			default:
				held <- struct{}{}
			}
		})
	}
	linger(ctx, 250*time.Millisecond)
	if n := len(held); n > 1 {
		t.Errorf("%d schedulers hold one role", n)
	}
	cancel()
	finish(t, "the waiting schedulers to return", wg.Wait)
}

func classicAwaitEnds(t T, schedulers []backend.RoleScheduler) {
	holding, cancelHolding := context.WithCancel(t.Context())
	t.Cleanup(cancelHolding)
	if _, _, err := schedulers[0].Await(holding, "leader-releasing"); err != nil {
		t.Fatalf("await: %v", err)
	}
	waiting, cancelWaiting := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, _, err := schedulers[1].Await(waiting, "leader-releasing")
		ended <- err
	}()
	cancelWaiting()
	if err := await(t, ended, "Await to end with its context"); !errors.Is(err, context.Canceled) {
		t.Errorf("Await whose context ended gives %v, want context.Canceled", err)
	}
}
