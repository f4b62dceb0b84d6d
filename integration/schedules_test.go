package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

const (
	idleSchedules = 10000
	// storeAtOnce is how many schedules are stored at the same time.
	storeAtOnce = 64
)

// TestIdleSchedules has a process store ten thousand schedules, none of which is due, and measures what it does then. (G10)
func TestIdleSchedules(t *testing.T) {
	seconds := number(t, envIdle, 3)
	for _, on := range []string{"memory", "sqlite"} {
		t.Run(on, func(t *testing.T) {
			path := ""
			if on == "sqlite" {
				path = filepath.Join(t.TempDir(), "idle.db")
			}
			if s := measureIdle(t, "idle-schedules", path, seconds); s.Transitions != idleSchedules {
				t.Errorf("%d schedules are listed, want %d", s.Transitions, idleSchedules)
			}
		})
	}
}

// storeSchedules stores schedules that are due in months, and lists them.
func storeSchedules(ctx context.Context, store backend.Backend) (listed int, err error) {
	b := workflow.NewBuilder[parcel, parcelStatus]("scheduled")
	b.AddStep(parcelReceived, weigh, parcelWeighed)
	w, err := b.BuildOn(store)
	if err != nil {
		return 0, err
	}
	w.Run(ctx)
	far := time.Now().UTC().AddDate(0, 3, 0)
	spec := fmt.Sprintf("%d %d %d %d *", far.Minute(), far.Hour(), min(far.Day(), 28), far.Month())
	room, errs := make(chan struct{}, storeAtOnce), make([]error, idleSchedules)
	var group sync.WaitGroup
	for n := range idleSchedules {
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			errs[n] = w.Schedule(fmt.Sprint("s-", n), spec)
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	all, err := w.Schedules(ctx)
	return len(all), err
}

const (
	clockFlow = "clocks"
	clockSpec = "@every 1s"
	clocks    = 8
	clockLife = 1500 * time.Millisecond // how long a worker lives at most
)

func clockID(n int) string { return fmt.Sprint("clock-", n) }

// newClocks builds a workflow that is started every second for each of a few foreign ids.
func newClocks(on backend.Backend) (*workflow.Workflow[parcel, parcelStatus], error) {
	b := workflow.NewBuilder[parcel, parcelStatus](clockFlow)
	b.AddStep(parcelReceived, weigh, parcelWeighed).WithOptions(workflow.ErrBackOff(5 * time.Millisecond))
	w, err := b.BuildOn(on)
	if err != nil {
		return nil, err
	}
	for n := range clocks {
		opts := []workflow.ScheduleOption[parcel, parcelStatus]{
			workflow.WithMissedSlots[parcel, parcelStatus](workflow.FireAll(workflow.MaxMissedSlots)),
		}
		if n%2 == 0 {
			opts = append(opts, workflow.WithSlotFilter[parcel, parcelStatus](func(context.Context, time.Time) (bool, error) { return true, nil }))
		}
		if err := w.Schedule(clockID(n), clockSpec, opts...); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// workClocks is the life of a worker that is killed; with drain it ends when every slot that has come is dealt with.
func workClocks(drain bool) int {
	said := os.NewFile(3, "said")
	if err := beClocks(said, drain); err != nil {
		fmt.Fprintln(os.Stderr, "clocks:", err)
		return 1
	}
	return 0
}

func beClocks(said *os.File, drain bool) error {
	store, err := sqlite.Open(os.Getenv(envDB))
	if err != nil {
		return err
	}
	w, err := newClocks(store)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(said, "ready"); err != nil {
		return err
	}
	ctx := context.Background()
	if !drain {
		return w.RunUntil(ctx)
	}
	w.Run(ctx)
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	until := time.Now()
	for n := range clocks {
		for {
			i, err := w.LookupSchedule(ctx, clockID(n))
			if err != nil {
				return err
			}
			if i.Next.After(until) {
				break
			}
			<-time.After(20 * time.Millisecond)
		}
		if err := w.PauseSchedule(ctx, clockID(n), "enough"); err != nil {
			return err
		}
	}
	w.Stop()
	return store.Close()
}

// TestSchedulesSurviveKills has two processes on one file take care of schedules of every second, and kills them at random moments: each slot
// has one run, none is lost and none is doubled. (G1, G7, G9)
func TestSchedulesSurviveKills(t *testing.T) {
	kills := (number(t, envKills, everydayKills) + 8) / 9
	seed := uint64(number(t, envSeed, int(time.Now().UnixNano()&0x7fffffff)))
	t.Logf("the moments come from %s=%d", envSeed, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "clocks.db")
	start := func() *child {
		return spawn(t, copyOfSelf(t, "clocks", envDB+"="+path), func(string) {})
	}
	workers := []*child{start(), start()}
	for n := range kills {
		c := workers[n%len(workers)]
		select {
		case <-time.After(time.Duration(random.Int64N(int64(clockLife)))):
		case <-c.exited:
			t.Fatalf("the worker ended by itself: %v: %s", c.err, &c.stderr)
		}
		c.kill()
		workers[n%len(workers)] = start()
	}
	for _, c := range workers {
		c.kill()
	}
	c := spawn(t, copyOfSelf(t, "clocks-drain", envDB+"="+path), func(string) {})
	<-c.exited
	if c.err != nil {
		t.Fatalf("drain: %v: %s", c.err, &c.stderr)
	}
	verifyClocks(t, path, kills)
}

// verifyClocks reads the file that nobody has open any more.
func verifyClocks(t *testing.T, path string, kills int) {
	t.Helper()
	store, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	adaptertest.Check(t, store)
	b := workflow.NewBuilder[parcel, parcelStatus](clockFlow)
	b.AddStep(parcelReceived, weigh, parcelWeighed)
	w, err := b.BuildOn(store)
	if err != nil {
		t.Fatal(err)
	}
	runs := make(map[string]int) // by schedule and slot
	total := 0
	for r, err := range w.AllRuns(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		runs[r.Meta.TraceOrigin]++
		total++
	}
	slots := 0
	for n := range clocks {
		i, err := w.LookupSchedule(t.Context(), clockID(n))
		if err != nil {
			t.Fatal(err)
		}
		from := i.CreatedAt
		for {
			next, err := i.Preview(from, 1)
			if err != nil || len(next) != 1 {
				t.Fatalf("preview: %v, %v", next, err)
			}
			from = next[0]
			key := "schedule " + i.ID + " " + from.UTC().Format(time.RFC3339)
			if from.After(i.Last) {
				total -= runs[key] // its start was stored when the schedule was paused
				break
			}
			if runs[key] != 1 {
				t.Errorf("%s has %d runs", key, runs[key])
			}
			slots++
		}
		if i.Skipped != 0 {
			t.Errorf("%s: %d slots were skipped", i.ID, i.Skipped)
		}
	}
	if total != slots {
		t.Errorf("%d runs for %d slots", total, slots)
	}
	t.Logf("%d kills, %d slots of %d schedules, one run each", kills, slots, clocks)
	if slots < clocks*5 {
		t.Error("too little happened for this to prove anything")
	}
}
