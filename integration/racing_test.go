package integration

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/sqlite"
)

// TestRacingTriggersOnAFile: sixteen triggers of one foreign id, from two programs on one slow file, make one run each time. With a start key they
// all get that one's id.
func TestRacingTriggersOnAFile(t *testing.T) {
	const rounds = 100
	path := filepath.Join(t.TempDir(), "racing.db")
	var flows [2]*workflow.Workflow[serving, idleStatus]
	for i := range flows {
		store, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if i == 0 {
				adaptertest.Check(t, store)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
		slow := adaptertest.NewFaulty(store, uint64(i))
		for _, m := range []adaptertest.Method{adaptertest.MethodCommit, adaptertest.MethodLatest, adaptertest.MethodLookup} {
			slow.Set(m, adaptertest.Fault{Delay: func(ctx context.Context) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(50 * time.Microsecond):
					return nil
				}
			}})
		}
		if flows[i], err = newServed(slow, true, func(string) {}); err != nil { // nobody runs it: the runs stay unfinished
			t.Fatal(err)
		}
	}
	for round := range rounds {
		foreignID := fmt.Sprint("racing-", round)
		keyed := round%2 == 0
		var opts []workflow.TriggerOption[serving, idleStatus]
		if keyed {
			opts = append(opts, workflow.WithStartKey[serving, idleStatus](foreignID))
		}
		var mu sync.Mutex
		ids, refused := map[string]int{}, map[string]int{}
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				id, err := flows[i%2].Trigger(within(t), foreignID, opts...)
				mu.Lock()
				defer mu.Unlock()
				var in *workflow.InProgressError
				switch {
				case err == nil:
					ids[id]++
				case errors.As(err, &in):
					refused[in.RunID]++
				default:
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		for id, n := range ids {
			if len(ids) != 1 || len(refused) > 1 || keyed && n != 16 || !keyed && (n != 1 || refused[id] != 15) {
				t.Fatalf("round %d, keyed %v: started %v, refused because of %v", round, keyed, ids, refused)
			}
		}
		if len(ids) == 0 {
			t.Fatalf("round %d: no run, refused because of %v", round, refused)
		}
	}
}
