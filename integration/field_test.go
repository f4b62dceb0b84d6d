package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// The tests in this file are those of the root's field_a_test.go to field_f_test.go that need a file, a database or the go command.

// raceBy calls fn n times at once; each must succeed or fail with want.
func raceBy(t *testing.T, n int, want error, fn func(i int) error) (won int) {
	t.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			err := fn(i)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, want) {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	group.Wait()
	return won
}

func waitingParcels(name string) *workflow.Builder[parcel, parcelStatus] {
	b := workflow.NewBuilder[parcel, parcelStatus](name)
	b.AddTimeout(parcelReceived, workflow.DurationTimerFunc[parcel, parcelStatus](1000*time.Hour),
		func(context.Context, *workflow.Run[parcel, parcelStatus], time.Time) (parcelStatus, error) {
			return parcelDone, nil
		}, parcelDone)
	return b
}

// Racing triggers of one foreign id made a run each, because no index of the database forbade it.
func TestField25RacingTriggersOfTwoProcessesMakeOneRun(t *testing.T) {
	first, second := openTwice(t)
	var flows []*workflow.Workflow[parcel, parcelStatus]
	for _, on := range []*sqlite.Backend{first, second} {
		w, err := waitingParcels("racing").BuildOn(on, quiet())
		if err != nil {
			t.Fatal(err)
		}
		flows = append(flows, w)
	}
	for round := range 20 {
		foreignID := fmt.Sprint("parcel-", round)
		if won := raceBy(t, 16, workflow.ErrWorkflowInProgress, func(i int) error {
			_, err := flows[i%2].Trigger(within(t), foreignID)
			return err
		}); won != 1 {
			t.Fatalf("%d of 16 triggers made a run", won)
		}
	}
	db, err := sql.Open("sqlite", first.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var indexes int // the rule is the schema's own
	if err := db.QueryRow(`SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql LIKE '%UNIQUE%WHERE%'`).Scan(&indexes); err != nil || indexes == 0 {
		t.Errorf("the schema has %d partial unique indexes, %v", indexes, err)
	}
}

// An update of the database was written over whatever was there.
func TestField26AnUpdateOfTheFileIsOneCompareAndSwap(t *testing.T) {
	first, second := openTwice(t)
	stores := []*sqlite.Backend{first, second}
	write := func(i int, version uint) error {
		at := time.Now()
		c := &backend.Change{Cause: backend.CauseTrigger, Record: &backend.Record{
			WorkflowName: "swap", ForeignID: "f", RunID: "r", RunState: backend.RunStateRunning, Status: int(parcelReceived),
			Object: fmt.Append(nil, i), CreatedAt: at, UpdatedAt: at, Meta: backend.Meta{Version: version, Visit: 1},
		}}
		if version > 1 {
			c.Cause, c.From = backend.CauseStep, backend.Point{RunState: backend.RunStateRunning, Status: int(parcelReceived)}
		}
		if i%3 == 0 && version > 1 { // by the classic way as well
			return stores[i%2].RecordStore().Store(within(t), c.Record)
		}
		return errors.Join(stores[i%2].Commit(within(t), []*backend.Change{c}), c.Err)
	}
	if err := write(1, 1); err != nil {
		t.Fatal(err)
	}
	for v := uint(2); v < 12; v++ {
		if won := raceBy(t, 12, workflow.ErrVersionConflict, func(i int) error { return write(i, v) }); won != 1 {
			t.Fatalf("version %d was written by %d", v, won)
		}
	}
}

// stoppedClock shows one time.
type stoppedClock struct{ at time.Time }

func (c stoppedClock) Now() time.Time                       { return c.at }
func (c stoppedClock) After(time.Duration) <-chan time.Time { return nil }

// The only database was MySQL, which the documentation did not say, and it put its own time on every update.
func TestField55RunsLiveInAFileWithTheClocksTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.db")
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	var id string
	for _, session := range []string{"first", "second"} {
		on, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		b := workflow.NewBuilder[parcel, parcelStatus]("filed")
		b.AddStep(parcelReceived, func(context.Context, *workflow.Run[parcel, parcelStatus]) (parcelStatus, error) {
			return parcelDone, nil
		}, parcelDone)
		w, err := b.BuildOn(on, quiet(), workflow.WithClock(stoppedClock{at}))
		if err != nil {
			t.Fatal(err)
		}
		if session == "first" {
			w.Run(t.Context())
			if id, err = w.Trigger(within(t), "f"); err != nil {
				t.Fatal(err)
			}
		}
		r, err := w.Await(within(t), "f", id, parcelDone)
		if err != nil {
			t.Fatal(err)
		}
		if !r.CreatedAt.Equal(at) || !r.UpdatedAt.Equal(at) || r.Meta.Version != 2 {
			t.Errorf("%s: created %v, updated %v by a clock that shows %v", session, r.CreatedAt, r.UpdatedAt, at)
		}
		w.Stop()
		if err := on.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A step could not commit together with rows of the user's own.
func TestField57AStepCommitsWithRowsOfTheUsersOwn(t *testing.T) {
	on, _ := openTwice(t)
	db, err := sql.Open("sqlite", on.Path()+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE payments (id TEXT PRIMARY KEY, attempt INTEGER NOT NULL) STRICT"); err != nil {
		t.Fatal(err)
	}
	b := workflow.NewBuilder[parcel, parcelStatus]("paid")
	b.AddStep(parcelReceived, func(_ context.Context, r *workflow.Run[parcel, parcelStatus]) (parcelStatus, error) {
		attempt := r.Attempt() // the function runs after the attempt
		return parcelDone, sqlite.Transact(r, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, "INSERT INTO payments (id, attempt) VALUES (?, ?)", r.ForeignID, attempt); err != nil {
				return err
			}
			if attempt < 3 {
				return errScales // and the row goes with it
			}
			return nil
		})
	}, parcelDone).WithOptions(workflow.ErrBackOff(time.Millisecond))
	w, err := b.BuildOn(on, quiet())
	if err != nil {
		t.Fatal(err)
	}
	w.Run(t.Context())
	defer w.Stop()
	var ids []string
	for i := range 10 {
		id, err := w.Trigger(within(t), fmt.Sprint("parcel-", i))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		if _, err := w.Await(within(t), "", id, parcelDone); err != nil {
			t.Fatal(err)
		}
	}
	var rows, attempts int
	if err := db.QueryRow("SELECT count(*), sum(attempt) FROM payments").Scan(&rows, &attempts); err != nil || rows != 10 || attempts != 30 {
		t.Errorf("%d rows of %d attempts, %v; want the 10 of each third attempt", rows, attempts, err)
	}
}

// Programs linked the testing packages, by the helpers that the package has for tests.
func TestField62ProgramsDoNotLinkTesting(t *testing.T) {
	for _, pkg := range []string{"github.com/stillwater-go/workflow", "github.com/stillwater-go/workflow/adapters/sqlite"} {
		out, err := exec.Command("go", "list", "-deps", pkg).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		deps := strings.Fields(string(out))
		for _, bad := range []string{"testing", "testing/synctest", "github.com/stretchr/testify/require", "expvar", "flag"} {
			if slices.Contains(deps, bad) {
				t.Errorf("%s links %s", pkg, bad)
			}
		}
		if !slices.Contains(deps, pkg) {
			t.Errorf("%s is not among its own parts: %q", pkg, deps)
		}
	}
}
