package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

const (
	idleFlows = 100
	idleRuns  = 5 // of each workflow, before it becomes idle
	// idleShare is the share of one core that an idle process may use at most in a short measurement, where the runtime's own minute
	// of work counts for much; over idleLong or more it is what rounds to 0.0 %.
	idleShare     = 0.01
	idleShareLong = 0.0005
	idleLong      = time.Minute
	// idleSwitches is how often a thread of the process may go to sleep: some for the measurement and the runtime, which looks around once a
	// minute and wakes several threads for it, and one for each second. What polls once a second needs two or three for each look.
	idleSwitches = 60
	// idleCalls are the reads and writes that the process may make while idle: the measurement's own.
	idleCalls = 20
	// settleTime is how long the last commits may have an aftermath: cursors are stored about once a second.
	settleTime = 3 * time.Second
)

// stillness is what an idle process has measured of itself.
type stillness struct {
	CPU, Wall    time.Duration
	Reads        int64 // system calls that read, -1 where the system does not tell
	Writes       int64
	Switches     int64          // how often a thread went to sleep, -1 where the system does not tell
	Calls        map[string]int // of the store, by method
	Goroutines   int
	Transitions  int
	Took         time.Duration // what came before
	GoroutinesAt int           // at the beginning of the measurement
}

// TestIdle has 100 workflows of five steps become idle in a process of their own, with hooks, connectors, a retention, and runs that wait for signals,
// timers, starts and deadlines a year ahead, and measures what that process still does: nothing. (G10) The time is short in the everyday suite; see
// make idle.
func TestIdle(t *testing.T) {
	seconds := number(t, envIdle, 3)
	for _, on := range []string{"memory", "sqlite"} {
		t.Run(on, func(t *testing.T) {
			path := ""
			if on == "sqlite" {
				path = filepath.Join(t.TempDir(), "idle.db")
			}
			s := measureIdle(t, "idle", path, seconds)
			if want := idleFlows * idleRuns * 5; s.Transitions != want {
				t.Errorf("%d transitions before, want %d", s.Transitions, want)
			}
		})
	}
}

// measureIdle has a process of that task become idle, and fails the test where it does something then.
func measureIdle(t *testing.T, task, path string, seconds int) (s stillness) {
	t.Helper()
	c := spawn(t, copyOfSelf(t, task, envDB+"="+path, envIdle+"="+fmt.Sprint(seconds)), func(line string) {
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Errorf("the idle process said %q", line)
		}
	})
	select {
	case <-c.exited:
	case <-time.After(time.Duration(seconds)*time.Second + 2*time.Minute):
		t.Fatal("the idle process does not end")
	}
	if c.err != nil || s.Wall == 0 {
		t.Fatalf("the idle process: %v: %s", c.err, &c.stderr)
	}
	share := s.CPU.Seconds() / s.Wall.Seconds()
	t.Logf("%d transitions in %v, then idle for %v: CPU %v = %.4f %% of a core, %d switches, %d reads, %d writes, calls %v, %d goroutines",
		s.Transitions, s.Took.Round(time.Millisecond), s.Wall.Round(time.Millisecond), s.CPU, 100*share, s.Switches, s.Reads, s.Writes, s.Calls, s.Goroutines)
	most := idleShare
	if s.Wall >= idleLong {
		most = idleShareLong
	}
	if share > most {
		t.Errorf("idle costs %.3f %% of a core, at most %.3f %% are allowed", 100*share, 100*most)
	}
	if len(s.Calls) > 0 {
		t.Errorf("calls of the store while idle, by method: %v; none are allowed", s.Calls)
	}
	if most := idleSwitches + int64(s.Wall.Seconds()); s.Switches > most {
		t.Errorf("threads went to sleep %d times while idle, at most %d are allowed", s.Switches, most)
	}
	if s.Reads+s.Writes > idleCalls {
		t.Errorf("%d reads and %d writes while idle, at most %d are allowed", s.Reads, s.Writes, idleCalls)
	}
	if s.Goroutines > s.GoroutinesAt {
		t.Errorf("%d goroutines have become %d while idle", s.GoroutinesAt, s.Goroutines)
	}
	return s
}

// counting is a store that counts the calls of its methods.
type counting struct {
	*adaptertest.Faulty
	mu    sync.Mutex
	calls map[string]int // nil while nothing is counted
}

// countCalls wraps a store in one that has the hooks and capabilities to count with, and breaks nothing.
func countCalls(store backend.Backend) *counting {
	c := &counting{Faulty: adaptertest.NewFaulty(store, 1)}
	for _, m := range []adaptertest.Method{
		adaptertest.MethodCommit, adaptertest.MethodReadLog, adaptertest.MethodHead, adaptertest.MethodLookup, adaptertest.MethodLatest,
		adaptertest.MethodList, adaptertest.MethodHistory, adaptertest.MethodAttempts, adaptertest.MethodDue, adaptertest.MethodHeld,
		adaptertest.MethodLoadCursors, adaptertest.MethodSaveCursors, adaptertest.MethodJoin, adaptertest.MethodSignalSeen, adaptertest.MethodFind,
		adaptertest.MethodCount, adaptertest.MethodListHeld, adaptertest.MethodErase, adaptertest.MethodEnded,
	} {
		c.Set(m, adaptertest.Fault{Delay: func(context.Context) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.calls != nil {
				c.calls[string(m)]++
			}
			return nil
		}})
	}
	return c
}

func (c *counting) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = make(map[string]int)
}

func (c *counting) end() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

type idleStatus int

func (s idleStatus) String() string { return fmt.Sprintf("Stage %d", int(s)) }

// A run goes from 1 to idleLast. One that starts in idleWaits waits: for a signal, for a timer in a year; then it comes to idleThen.
const (
	idleLast idleStatus = iota + 6
	idleWaits
	idleThen
)

const idleYear = 365 * 24 * time.Hour

// workIdle is the life of the idle process; before is what it does first.
func workIdle(before func(ctx context.Context, store backend.Backend) (transitions int, err error)) int {
	if err := beIdle(os.NewFile(3, "result"), before); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		return 1
	}
	return 0
}

func beIdle(result *os.File, before func(ctx context.Context, store backend.Backend) (transitions int, err error)) error {
	var store backend.Backend = memory.New()
	if path := os.Getenv(envDB); path != "" {
		b, err := sqlite.Open(path)
		if err != nil {
			return err
		}
		store = b
	}
	counted := countCalls(store)
	ctx := context.Background()
	begun := time.Now()
	transitions, err := before(ctx, counted)
	if err != nil {
		return err
	}
	took := time.Since(begun)
	debug.FreeOSMemory() // what the runtime would do in the background later on is done
	<-time.After(settleTime)

	seconds, err := time.ParseDuration(os.Getenv(envIdle) + "s")
	if err != nil {
		return err
	}
	s := stillness{Transitions: transitions, Took: took, GoroutinesAt: runtime.NumGoroutine()}
	reads, writes := systemCalls()
	counted.begin()
	cpu, asleep, from := processCPU(), switches(), time.Now()
	<-time.After(seconds)
	s.CPU, s.Wall = processCPU()-cpu, time.Since(from)
	if s.Switches = switches(); s.Switches >= 0 {
		s.Switches -= asleep
	}
	s.Calls = counted.end()
	if s.Reads, s.Writes = systemCalls(); s.Reads >= 0 {
		s.Reads, s.Writes = s.Reads-reads, s.Writes-writes
	}
	s.Goroutines = runtime.NumGoroutine()
	return json.NewEncoder(result).Encode(s)
}

// tire gives the workflows something to do and returns when it is done, with how many transitions that took. The workflows go on running.
func tire(ctx context.Context, store backend.Backend) (transitions int, err error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for f := range idleFlows {
		b := workflow.NewBuilder[parcel, idleStatus](fmt.Sprintf("idle-%d", f))
		for s := idleStatus(1); s < idleLast; s++ {
			b.AddStep(s, func(context.Context, *workflow.Run[parcel, idleStatus]) (idleStatus, error) { return s + 1, nil }, s+1)
		}
		b.AddConnector("outside", memstreamer.NewConnector([]workflow.ConnectorEvent{{ID: "1", ForeignID: "1"}, {ID: "2", ForeignID: "2"}}),
			func(context.Context, workflow.API[parcel, idleStatus], *workflow.ConnectorEvent) error { return nil }) // it is idle too, behind its last event
		waits(b)
		w, err := b.BuildOn(store, workflow.WithRetention(idleYear))
		if err != nil {
			return 0, err
		}
		w.Run(ctx)
		if err := leaveWaiting(ctx, w); err != nil {
			return 0, err
		}
		for n := range idleRuns {
			group.Go(func() {
				id := fmt.Sprint(n)
				runID, terr := w.Trigger(ctx, id)
				r, aerr := (*workflow.Run[parcel, idleStatus])(nil), terr
				if terr == nil {
					r, aerr = w.Await(ctx, id, runID, idleLast)
				}
				mu.Lock()
				defer mu.Unlock()
				if aerr != nil {
					err = aerr
					return
				}
				transitions += int(r.Meta.Version) - 1
			})
		}
	}
	group.Wait()
	return transitions, err
}

// waits adds what an idle workflow waits for.
func waits(b *workflow.Builder[parcel, idleStatus]) {
	type run = workflow.Run[parcel, idleStatus]
	handle := func(to idleStatus) workflow.SignalFunc[int, parcel, idleStatus] {
		return func(context.Context, *run, int) (idleStatus, error) { return to, nil }
	}
	workflow.AddSignal(b, idleWaits, workflow.NewSignal[int]("then"), handle(idleThen), idleThen)
	workflow.AddSignal(b, idleThen, workflow.NewSignal[int]("last"), handle(idleLast), idleLast)
	for range 3 {
		b.AddTimeout(idleWaits, workflow.DurationTimerFunc[parcel, idleStatus](idleYear), func(context.Context, *run, time.Time) (idleStatus, error) {
			return idleThen, nil
		}, idleThen)
	}
	hook := func(context.Context, *workflow.TypedRecord[parcel, idleStatus]) error { return nil }
	b.OnComplete(hook)
	b.OnAnyStatus(hook)
	b.OnRunStateChange(hook)
}

// leaveWaiting starts runs that wait for a long time: one has a signal that came too early, one is paused.
func leaveWaiting(ctx context.Context, w *workflow.Workflow[parcel, idleStatus]) error {
	in := workflow.WithStartingPoint[parcel](idleWaits)
	late := workflow.WithStartAfter[parcel, idleStatus](idleYear)
	started, err := w.TriggerMany(ctx,
		workflow.Start[parcel, idleStatus]{ForeignID: "waits", Options: []workflow.TriggerOption[parcel, idleStatus]{in, workflow.WithRunTimeout[parcel, idleStatus](idleYear)}},
		workflow.Start[parcel, idleStatus]{ForeignID: "later", Options: []workflow.TriggerOption[parcel, idleStatus]{late}},
		workflow.Start[parcel, idleStatus]{ForeignID: "early", Options: []workflow.TriggerOption[parcel, idleStatus]{in}},
		workflow.Start[parcel, idleStatus]{ForeignID: "paused", Options: []workflow.TriggerOption[parcel, idleStatus]{in}},
	)
	if err != nil {
		return err
	}
	if r, err := w.SignalRun(ctx, started[2].RunID, "last", nil, workflow.WithSignalID("1")); err != nil || r.State != workflow.SignalQueued {
		return fmt.Errorf("an early signal: %v, %w", r.State, err)
	}
	return w.RunStateController(started[3].RunID).Pause(ctx, "wait")
}
