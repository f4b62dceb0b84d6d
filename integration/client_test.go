package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

type serving struct {
	Notes []string
}

// The statuses of a run that one process serves and another one asks for: Waiting, until the signal "open"; Open, until the signal "go" or the
// callback; Going, a step that ends it. A run may also start in Going.
const (
	servedWaiting idleStatus = iota + 1
	servedOpen
	servedGoing
	servedDone
)

// moments are when something happened in this process, by what it was.
type moments struct {
	store *sqlite.Backend

	mu sync.Mutex
	at map[string]chan time.Time
}

func (m *moments) of(what string) chan time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at[what] == nil {
		m.at[what] = make(chan time.Time, 1000)
	}
	return m.at[what]
}

func (m *moments) note(what string) { m.of(what) <- time.Now() }

func (m *moments) await(t *testing.T, what string) time.Time {
	t.Helper()
	select {
	case at := <-m.of(what):
		return at
	case <-within(t).Done():
		t.Fatalf("%s did not happen", what)
		return time.Time{}
	}
}

var errElsewhere = errors.New("not in this process")

// newServed builds the workflow. note is told what this process does; client says that it is the one that runs nothing.
func newServed(on backend.Backend, client bool, note func(what string)) (*workflow.Workflow[serving, idleStatus], error) {
	type run = workflow.Run[serving, idleStatus]
	handle := func(name string, to idleStatus) workflow.SignalFunc[string, serving, idleStatus] {
		return func(_ context.Context, r *run, payload string) (idleStatus, error) {
			if payload == "elsewhere" && client {
				return 0, errElsewhere
			}
			note(name + " " + r.ForeignID)
			r.Object.Notes = append(r.Object.Notes, payload)
			return to, nil
		}
	}
	b := workflow.NewBuilder[serving, idleStatus]("served")
	workflow.AddSignal(b, servedWaiting, workflow.NewSignal[string]("open"), handle("open", servedOpen), servedOpen)
	workflow.AddSignal(b, servedOpen, workflow.NewSignal[string]("go"), handle("go", servedGoing), servedGoing).WithOptions(workflow.ErrBackOff(time.Microsecond))
	workflow.AddSignal(b, servedOpen, workflow.NewSignal[string]("note"), handle("note", 0))
	b.AddCallback(servedOpen, func(context.Context, *run, io.Reader) (idleStatus, error) { return servedGoing, nil }, servedGoing)
	b.AddStep(servedGoing, func(ctx context.Context, r *run) (idleStatus, error) {
		note("step " + r.ForeignID)
		switch kind, _, _ := strings.Cut(r.ForeignID, "-"); {
		case kind == "fails" && !failedBefore(ctx, on, r.RunID):
			return 0, workflow.RetryAfter(errScales, 1000*time.Hour)
		case kind == "hangs" && r.Meta.Version == 1:
			<-ctx.Done()
			note("ended " + r.ForeignID)
			return 0, ctx.Err()
		}
		return servedDone, nil
	}, servedDone)
	return b.BuildOn(on, quiet())
}

// failedBefore reports whether an attempt of the run has failed: the number of the attempt does not tell, for a retry counts anew.
func failedBefore(ctx context.Context, on backend.Backend, runID string) bool {
	attempts, err := on.Attempts(ctx, runID, 1)
	return err == nil && len(attempts) > 0
}

// workClient is the life of a process that asks for things and runs nothing. It does what it reads, line by line, and says of each when its
// call returned:
//
//	<nanoseconds> <what came of it>
func workClient() int {
	answers := os.NewFile(3, "answers")
	say := func(text string) {
		fmt.Fprintf(answers, "%d %s\n", time.Now().UnixNano(), strings.ReplaceAll(text, "\n", "; "))
	}
	store, err := sqlite.Open(os.Getenv(envDB))
	if err != nil {
		say(err.Error())
		return 1
	}
	w, err := newServed(store, true, func(string) {})
	if err != nil {
		say(err.Error())
		return 1
	}
	say("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		text, err := ask(context.Background(), w, workflow.NewOperator(store, workflow.WithActor("client")), strings.Fields(in.Text()))
		if err != nil {
			text = "error " + err.Error()
		}
		say(text)
	}
	if err := store.Close(); err != nil {
		return 1
	}
	return 0
}

// ask does one thing that the parent wants.
func ask(ctx context.Context, w *workflow.Workflow[serving, idleStatus], op *workflow.Operator, words []string) (string, error) {
	switch verb, id := words[0], words[1]; verb {
	case "signal": // foreign id, name, payload, signal id
		r, err := w.Signal(ctx, id, words[2], []byte(strconv.Quote(words[3])), workflow.WithSignalID(words[4]), workflow.WithSender("client"))
		return map[workflow.SignalState]string{workflow.SignalApplied: "applied", workflow.SignalQueued: "queued",
			workflow.SignalDuplicate: "duplicate", workflow.SignalTooLate: "too late"}[r.State], err
	case "callback":
		return "", w.Callback(ctx, id, servedOpen, strings.NewReader("x"))
	case "retry":
		return "", op.RetryNow(ctx, id, "mended")
	case "force":
		return "", op.ForceStatus(ctx, id, int(servedGoing), "by hand")
	case "pause":
		return "", op.Pause(ctx, id, "wait")
	case "resume":
		return "", op.Resume(ctx, id, "go on")
	case "many":
		var starts []workflow.Start[serving, idleStatus]
		for i := range 50 {
			starts = append(starts, workflow.Start[serving, idleStatus]{ForeignID: fmt.Sprint(id, "-", i),
				Options: []workflow.TriggerOption[serving, idleStatus]{workflow.WithStartingPoint[serving](servedGoing)}})
		}
		_, err := w.TriggerMany(ctx, starts...)
		return "", err
	case "start": // foreign id, status, at
		nanos, err := strconv.ParseInt(words[3], 10, 64)
		if err != nil {
			return "", err
		}
		status, err := strconv.Atoi(words[2])
		if err != nil {
			return "", err
		}
		opts := []workflow.TriggerOption[serving, idleStatus]{workflow.WithStartingPoint[serving](idleStatus(status))}
		if nanos != 0 {
			opts = append(opts, workflow.WithStartAt[serving, idleStatus](time.Unix(0, nanos)))
		}
		return w.Trigger(ctx, id, opts...)
	}
	return "", errors.New("unknown verb")
}

// client is the other process, as the test sees it.
type client struct {
	t    *testing.T
	in   io.Writer
	says chan string
}

func startClient(t *testing.T, path string) *client {
	t.Helper()
	c := &client{t: t, says: make(chan string, 1)}
	cmd := copyOfSelf(t, "client", envDB+"="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in = in
	child := spawn(t, cmd, func(line string) { c.says <- line })
	t.Cleanup(func() {
		_ = in.Close()
		<-child.exited
		if child.err != nil {
			t.Errorf("the client: %v: %s", child.err, &child.stderr)
		}
	})
	c.hear("ready")
	return c
}

func (c *client) hear(want string) (at time.Time, text string) {
	c.t.Helper()
	select {
	case line := <-c.says:
		stamp, text, _ := strings.Cut(line, " ")
		nanos, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil || want != "" && text != want || strings.HasPrefix(text, "error") {
			c.t.Fatalf("the client says %q, want %q", line, want)
		}
		return time.Unix(0, nanos), text
	case <-within(c.t).Done():
		c.t.Fatal("the client says nothing")
	}
	return time.Time{}, ""
}

// ask has the other process do something and returns when its call returned, and what came of it.
func (c *client) ask(want string, words ...any) (at time.Time, text string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, words...); err != nil {
		c.t.Fatal(err)
	}
	return c.hear(want)
}

// TestAClientInAnotherProcess: what a process asks for that runs no consumers is taken up at once by the one that does. None of it waits for a
// poll: the stores look by themselves once a second where nothing notifies them, so half of the time that would show in the median.
func TestAClientInAnotherProcess(t *testing.T) {
	const rounds = 15
	path := filepath.Join(t.TempDir(), "served.db")
	store, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		adaptertest.Check(t, store)
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	m := &moments{store: store, at: map[string]chan time.Time{}}
	w, err := newServed(store, false, m.note)
	if err != nil {
		t.Fatal(err)
	}
	w.Run(t.Context())
	defer w.Stop()
	c := startClient(t, path)

	for _, what := range asked {
		var took []time.Duration
		for i := range rounds {
			took = append(took, what.do(t, c, m, fmt.Sprint(what.name, "-", i)))
		}
		slices.Sort(took)
		t.Logf("%-9s p50 %v, max %v from the return of the client's call to the worker's code", what.name, took[rounds/2], took[rounds-1])
		if took[rounds/2] > 500*time.Millisecond {
			t.Errorf("%s: half of them took more than %v", what.name, took[rounds/2])
		}
	}
	for _, name := range []string{"accepted", "early", "failing"} {
		judgeSignals(t, w, fmt.Sprint(name, "-0"))
	}
}

// judgeSignals waits for the end of a run and looks whether each of its signals has made one version, in the name of who sent it.
func judgeSignals(t *testing.T, w *workflow.Workflow[serving, idleStatus], foreignID string) {
	t.Helper()
	r, err := w.AwaitEnd(within(t), foreignID, "")
	if err != nil {
		t.Fatal(err)
	}
	signals := 0
	for item, err := range w.History(within(t), r.RunID) {
		if err != nil {
			t.Fatal(err)
		}
		if item.Cause == backend.CauseSignal {
			signals++
			if item.Actor != "client" {
				t.Errorf("run %s: a signal of %q", foreignID, item.Actor)
			}
		}
	}
	if signals != len(r.Object.Notes) || signals == 0 || strings.Contains(strings.Join(r.Object.Notes, ""), "c") {
		t.Errorf("run %s has %d versions by signals, its notes are %q", foreignID, signals, r.Object.Notes)
	}
}

// asked are the things that the client asks for: each returns how long after the client's call the worker's code was called.
var asked = []struct {
	name string
	do   func(t *testing.T, c *client, m *moments, id string) time.Duration
}{
	{"start", func(t *testing.T, c *client, m *moments, id string) time.Duration {
		at, _ := c.ask("", "start", id, int(servedGoing), 0)
		return m.await(t, "step "+id).Sub(at)
	}},
	{"later", func(t *testing.T, c *client, m *moments, id string) time.Duration {
		due := time.Now().Add(30 * time.Millisecond)
		at, _ := c.ask("", "start", id, int(servedGoing), due.UnixNano())
		began := m.await(t, "step "+id)
		if began.Before(due) {
			t.Errorf("run %s began %v before its time", id, due.Sub(began))
		}
		if at.After(due) {
			due = at // the commit itself took longer
		}
		return began.Sub(due)
	}},
	{"many", func(t *testing.T, c *client, m *moments, id string) (slowest time.Duration) {
		at, _ := c.ask("", "many", id)
		for i := range 50 {
			slowest = max(slowest, m.await(t, fmt.Sprint("step ", id, "-", i)).Sub(at))
		}
		return slowest
	}},
	{"accepted", func(t *testing.T, c *client, m *moments, id string) time.Duration {
		c.ask("", "start", id, int(servedOpen), 0)
		at, _ := c.ask("applied", "signal", id, "go", "a", "1") // the client calls the handler; the step is the worker's
		c.ask("duplicate", "signal", id, "go", "b", "1")
		return m.await(t, "step "+id).Sub(at)
	}},
	{"early", func(t *testing.T, c *client, m *moments, id string) time.Duration {
		c.ask("", "start", id, int(servedWaiting), 0)
		c.ask("queued", "signal", id, "go", "b", "1")
		c.ask("duplicate", "signal", id, "go", "c", "1")
		at, _ := c.ask("queued", "signal", id, "open", "a", "2") // another one waits: the worker takes both
		return m.await(t, "go "+id).Sub(at)
	}},
	{"failing", func(t *testing.T, c *client, m *moments, id string) time.Duration {
		c.ask("", "start", id, int(servedOpen), 0)
		at, _ := c.ask("queued", "signal", id, "go", "elsewhere", "1") // its handler fails in the client; no log entry tells of the row
		return m.await(t, "go "+id).Sub(at)
	}},
	{"callback", func(t *testing.T, c *client, m *moments, id string) time.Duration {
		c.ask("", "start", id, int(servedOpen), 0)
		at, _ := c.ask("", "callback", id)
		return m.await(t, "step "+id).Sub(at)
	}},
	{"fails", func(t *testing.T, c *client, m *moments, id string) time.Duration {
		_, runID := c.ask("", "start", id, int(servedGoing), 0)
		m.await(t, "step "+id)
		heldSoon(t, m.store, runID, func(d backend.Delivery) bool { return d.State == backend.DeliveryBackingOff })
		at, _ := c.ask("", "retry", runID)
		return m.await(t, "step "+id).Sub(at)
	}},
	{"force", func(t *testing.T, c *client, m *moments, id string) time.Duration {
		_, runID := c.ask("", "start", id, int(servedWaiting), 0)
		at, _ := c.ask("", "force", runID)
		return m.await(t, "step "+id).Sub(at)
	}},
	{"hangs", func(t *testing.T, c *client, m *moments, id string) time.Duration {
		_, runID := c.ask("", "start", id, int(servedGoing), 0)
		m.await(t, "step "+id)
		paused, _ := c.ask("", "pause", runID)
		took := m.await(t, "ended "+id).Sub(paused)
		resumed, _ := c.ask("", "resume", runID)
		return max(took, m.await(t, "step "+id).Sub(resumed))
	}},
}
