package shim_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/shim"
)

const (
	name    = "orders"
	buckets = 16
)

// rig is a shim over plain parts, inside a synctest bubble: time passes only when everybody waits.
type rig struct {
	t        *testing.T
	store    *plainStore
	streamer *plainStreamer
	roles    *freeScheduler
	timeouts *plainTimeouts
	b        *shim.Backend

	mu   sync.Mutex
	logs []error
}

// advancing makes a streamer read ahead.
type advancing struct{ backend.EventStreamer }

func (advancing) RecvAdvances() bool { return true }

func statusSpec(status int) shim.ReceiverSpec {
	return shim.ReceiverSpec{Topic: backend.Topic(name, status), Role: fmt.Sprintf("%s-%d-consumer-1-of-1", name, status)}
}

func hookSpec() shim.ReceiverSpec {
	return shim.ReceiverSpec{Topic: backend.RunStateChangeTopic(name), Role: name + "-run-state-change-hook-consumer"}
}

// run makes a rig in a bubble, and checks at its end that nothing goes on and nobody read ahead of an ack.
func run(t *testing.T, body func(r *rig), configure ...func(*shim.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, store: newPlainStore(), streamer: newPlainStreamer(), roles: newFreeScheduler(), timeouts: &plainTimeouts{}}
		r.rebuild(configure...)
		body(r)
		if err := r.b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if left := shimGoroutines(); left != "" {
			t.Errorf("goroutines of the shim go on:\n%s", left)
		}
		r.streamer.locked(func() {
			if r.streamer.open != 0 {
				t.Errorf("%d senders and receivers were not closed", r.streamer.open)
			}
			for _, v := range r.streamer.violations {
				t.Error(v)
			}
		})
	})
}

// rebuild makes a new shim over the same parts, as a new process would.
func (r *rig) rebuild(configure ...func(*shim.Config)) {
	cfg := shim.Config{
		WorkflowName: name, Store: r.store, Streamer: r.streamer, Scheduler: r.roles,
		OutboxRole: name + "-outbox-consumer",
		Receivers:  []shim.ReceiverSpec{statusSpec(1), hookSpec()},
		Logger: func(_ context.Context, err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.logs = append(r.logs, err)
		},
	}
	for _, c := range configure {
		c(&cfg)
	}
	r.b = shim.New(cfg)
}

// reports returns how many reports hold the text.
func (r *rig) reports(text string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, err := range r.logs {
		if strings.Contains(err.Error(), text) {
			n++
		}
	}
	return n
}

// engine is what the rig knows of the engine: it reads the log when told, and saves cursors.
type engine struct {
	r       *rig
	b       *shim.Backend
	leave   func()
	unwatch func()
	grants  []backend.Grant
	wake    chan struct{}
	pos     int64
}

func (r *rig) join() *engine {
	r.t.Helper()
	e := &engine{r: r, b: r.b, wake: make(chan struct{}, 1)}
	ctx := context.Background()
	e.unwatch = r.b.Watch(func() {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	})
	granted := make(chan struct{})
	leave, err := r.b.Join(ctx, name, buckets, func(g backend.Grant) {
		cursors, err := r.b.LoadCursors(ctx, name, buckets)
		if err != nil {
			r.t.Errorf("LoadCursors: %v", err)
		}
		for i, c := range cursors {
			if i == 0 || c < e.pos {
				e.pos = c
			}
		}
		e.grants = append(e.grants, g)
		close(granted)
	})
	if err != nil {
		r.t.Fatalf("Join: %v", err)
	}
	<-granted
	e.leave = func() { leave(); e.unwatch() }
	synctest.Wait() // the first scan is over
	return e
}

// next returns the next entry of the log, waiting for it.
func (e *engine) next() backend.Entry {
	e.r.t.Helper()
	limit := time.After(time.Hour)
	for {
		if got := e.read(1); len(got) == 1 {
			return got[0]
		}
		select {
		case <-e.wake:
		case <-limit:
			e.r.t.Fatal("no entry came")
		}
	}
}

// read returns what is in the log past the last read.
func (e *engine) read(limit int) []backend.Entry {
	e.r.t.Helper()
	got, err := e.b.ReadLog(context.Background(), e.pos, limit)
	if err != nil {
		e.r.t.Fatalf("ReadLog: %v", err)
	}
	if len(got) > 0 {
		e.pos = got[len(got)-1].Pos
	}
	return got
}

// settle waits until nobody has anything to do, and returns all that came.
func (e *engine) settle() []backend.Entry {
	e.r.t.Helper()
	synctest.Wait()
	return e.read(100_000)
}

// done moves the cursor of the entry's bucket to it.
func (e *engine) done(en backend.Entry) {
	e.r.t.Helper()
	err := e.b.SaveCursors(context.Background(), []backend.Cursor{{
		WorkflowName: name, Bucket: backend.BucketOf(en.Record.RunID, buckets), Pos: en.Pos,
	}})
	if err != nil {
		e.r.t.Fatalf("SaveCursors: %v", err)
	}
}

// record makes a version of a run.
func record(run string, version uint, state backend.RunState, status int) *backend.Record {
	now := time.Now()
	return &backend.Record{
		WorkflowName: name, ForeignID: "foreign-" + run, RunID: run, RunState: state, Status: status,
		Object: fmt.Appendf(nil, `{"v":%d}`, version), CreatedAt: now, UpdatedAt: now,
		Meta: backend.Meta{Version: version, Visit: version},
	}
}

// commit stores records, each in a change of its own, and fails the test if one is refused.
func (r *rig) commit(records ...*backend.Record) {
	r.t.Helper()
	for _, rec := range records {
		r.change(&backend.Change{Record: rec})
	}
}

func (r *rig) change(c *backend.Change) {
	r.t.Helper()
	if err := r.b.Commit(context.Background(), []*backend.Change{c}); err != nil || c.Err != nil {
		r.t.Fatalf("Commit: %v, %v", err, c.Err)
	}
}

// describe puts entries in words: run, version, run state, and whether they are current.
func describe(entries []backend.Entry) string {
	var out []string
	for _, e := range entries {
		s := fmt.Sprintf("%s v%d %v", e.Record.RunID, e.Record.Meta.Version, e.Record.RunState)
		if !e.Current {
			s += " overtaken"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func wantEntries(t *testing.T, got []backend.Entry, want string) {
	t.Helper()
	if d := describe(got); d != want {
		t.Errorf("entries:\n got %q\nwant %q", d, want)
	}
}

// shimGoroutines returns the stacks of goroutines that are inside the shim.
func shimGoroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []string
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "internal/shim.(") && !strings.Contains(g, "shimGoroutines") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}
