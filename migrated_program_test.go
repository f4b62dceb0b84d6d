package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
	"github.com/stillwater-go/workflow/adapters/memtimeoutstore"
)

// loan is the object of a program as somebody wrote it for the predecessor; after the change of the import path it works here.
type loan struct {
	Customer string
	Score    int
	Signed   string
	Trail    []string
}

type loanStatus int

const (
	loanUnknown loanStatus = iota
	loanApplied
	loanScored
	loanWaitsForSignature
	loanSigned
	loanPaidOut
	loanExpired
	loanRejected
)

func (s loanStatus) String() string {
	return [...]string{"Unknown", "Applied", "Scored", "Waits For Signature", "Signed", "Paid Out", "Expired", "Rejected"}[s]
}

type (
	loanRun  = workflow.Run[loan, loanStatus]
	loanFlow = workflow.Workflow[loan, loanStatus]
	loanAPI  = workflow.API[loan, loanStatus]
)

// signature is the payload of the callback.
type signature struct{ By string }

const loanName = "personal loans"

// classicParts are what Build takes.
type classicParts struct {
	streamer workflow.EventStreamer
	store    workflow.RecordStore
	roles    workflow.RoleScheduler
	timeouts workflow.TimeoutStore
}

// eachParts runs a test on our classic parts and on somebody's own.
func eachParts(t *testing.T, test func(t *testing.T, parts classicParts)) {
	t.Run("in memory", func(t *testing.T) {
		test(t, classicParts{memstreamer.New(), memrecordstore.New(), memrolescheduler.New(), memtimeoutstore.New()})
	})
	t.Run("third party", func(t *testing.T) { test(t, ownParts()) })
}

func ownParts() classicParts {
	return classicParts{newOwnStream(), &ownStore{}, &ownRoles{}, &ownTimeouts{}}
}

// loans is the program: what its functions share, and what a test sees of them.
type loans struct {
	parts  classicParts
	clock  workflow.Clock
	errors *ownErrors
	log    *quietLog
	feed   []workflow.ConnectorEvent

	paused, cancelled, completed chan string // run ids that the hooks were told

	mu     sync.Mutex
	broken map[string]int // how often scoring still fails for a customer
	scored []string       // customers whose scoring was called
	ended  []time.Time    // when timeouts fired
	gate   chan struct{}  // scoring waits for it; nil does not
}

func newLoans(parts classicParts) *loans {
	return &loans{
		parts: parts, errors: &ownErrors{}, log: &quietLog{}, broken: make(map[string]int),
		paused: make(chan string, 100), cancelled: make(chan string, 100), completed: make(chan string, 1000),
	}
}

func (l *loans) score(ctx context.Context, r *loanRun) (loanStatus, error) {
	l.mu.Lock()
	l.scored = append(l.scored, r.Object.Customer)
	gate, broken := l.gate, l.broken[r.Object.Customer]
	l.broken[r.Object.Customer] = max(broken-1, 0)
	l.mu.Unlock()
	if gate != nil {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-gate:
		}
	}
	switch {
	case broken > 0:
		return 0, errTest
	case r.Object.Customer == "bad":
		return loanRejected, nil
	case r.Object.Customer == "odd":
		return r.Pause(ctx, "somebody has to look")
	case r.Object.Customer == "gone":
		return r.Cancel(ctx, "customer left")
	case r.Object.Customer == "later":
		return 0, nil // nothing to do now: a callback will come
	}
	r.Object.Score = 700
	return loanScored, nil
}

func (l *loans) ask(_ context.Context, r *loanRun) (loanStatus, error) {
	r.Object.Trail = append(r.Object.Trail, "asked "+r.ForeignID)
	if len(r.Object.Trail) < 2 {
		return r.SaveAndRepeat()
	}
	return loanWaitsForSignature, nil
}

func (l *loans) sign(_ context.Context, r *loanRun, reader io.Reader) (loanStatus, error) {
	var s signature
	if err := json.NewDecoder(reader).Decode(&s); err != nil {
		return 0, fmt.Errorf("decode signature: %w", err)
	}
	if s.By == "" {
		return r.Skip()
	}
	r.Object.Signed = s.By
	return loanSigned, nil
}

func (l *loans) expire(_ context.Context, r *loanRun, now time.Time) (loanStatus, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = append(l.ended, now)
	r.Object.Trail = append(r.Object.Trail, "expired")
	return loanExpired, nil
}

func hookTo(told chan string) workflow.RunStateChangeHookFunc[loan, loanStatus] {
	return func(_ context.Context, r *workflow.TypedRecord[loan, loanStatus]) error {
		told <- r.RunID
		return nil
	}
}

// builder is the program's graph.
func (l *loans) builder() *workflow.Builder[loan, loanStatus] {
	b := workflow.NewBuilder[loan, loanStatus](loanName)
	b.AddStep(loanApplied, l.score, loanScored, loanRejected).WithOptions(
		workflow.ParallelCount(3), workflow.PauseAfterErrCount(2), workflow.ErrBackOff(time.Millisecond),
	)
	b.AddStep(loanScored, l.ask, loanWaitsForSignature)
	b.AddCallback(loanApplied, func(context.Context, *loanRun, io.Reader) (loanStatus, error) { return loanRejected, nil }, loanRejected)
	b.AddCallback(loanWaitsForSignature, l.sign, loanSigned)
	b.AddTimeout(loanWaitsForSignature, workflow.DurationTimerFunc[loan, loanStatus](time.Hour), l.expire, loanExpired).WithOptions(
		workflow.PauseAfterErrCount(3),
	)
	b.AddStep(loanSigned, func(context.Context, *loanRun) (loanStatus, error) { return loanPaidOut, nil }, loanPaidOut)
	b.AddConnector("web site", memstreamer.NewConnector(l.feed), func(ctx context.Context, api loanAPI, e *workflow.ConnectorEvent) error {
		_, err := api.Trigger(ctx, e.ForeignID, workflow.WithInitialValue[loan, loanStatus](&loan{Customer: e.Headers["customer"]}))
		if errors.Is(err, workflow.ErrWorkflowInProgress) {
			return nil
		}
		return err
	}).WithOptions(workflow.ErrBackOff(time.Millisecond))
	b.OnPause(hookTo(l.paused))
	b.OnCancel(hookTo(l.cancelled))
	b.OnComplete(hookTo(l.completed))
	return b
}

// build is the program's main, without Run.
func (l *loans) build() *loanFlow {
	opts := []workflow.BuildOption{
		workflow.WithTimeoutStore(l.parts.timeouts),
		workflow.WithLogger(l.log),
		workflow.WithErrorCounter(l.errors),
		workflow.WithDefaultOptions(workflow.PollingFrequency(10*time.Millisecond), workflow.ErrBackOff(time.Millisecond)),
		workflow.WithOutboxOptions(workflow.OutboxPollingFrequency(5*time.Millisecond), workflow.OutboxErrBackOff(5*time.Millisecond), workflow.OutboxLookupLimit(100)),
	}
	if l.clock != nil {
		opts = append(opts, workflow.WithClock(l.clock))
	}
	return l.builder().Build(l.parts.streamer, l.parts.store, l.parts.roles, opts...)
}

// start builds and runs; the workflow is stopped when the test ends.
func (l *loans) start(t *testing.T) *loanFlow {
	w := l.build()
	w.Run(context.Background())
	t.Cleanup(w.Stop)
	return w
}

func apply(t *testing.T, w *loanFlow, foreignID, customer string) (runID string) {
	t.Helper()
	runID, err := w.Trigger(ctxFor(t), foreignID, workflow.WithInitialValue[loan, loanStatus](&loan{Customer: customer}))
	if err != nil {
		t.Fatalf("Trigger(%q): %v", foreignID, err)
	}
	return runID
}

func reached(t *testing.T, w *loanFlow, foreignID, runID string, s loanStatus) *loanRun {
	t.Helper()
	r, err := w.Await(ctxFor(t), foreignID, runID, s, workflow.WithAwaitPollingFrequency(5*time.Millisecond))
	if err != nil {
		t.Fatalf("Await(%s, %v): %v", runID, s, err)
	}
	return r
}

// told waits until a hook was told of all these runs.
func told(t *testing.T, hook chan string, runIDs ...string) {
	t.Helper()
	waiting := make(map[string]bool)
	for _, id := range runIDs {
		waiting[id] = true
	}
	for len(waiting) > 0 {
		delete(waiting, receive(t, hook))
	}
}

// timesScored counts the calls of the scoring step for a customer.
func (l *loans) timesScored(customer string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.scored {
		if c == customer {
			n++
		}
	}
	return n
}

// control is how an operator's program changes a run: over the store alone, as it read it.
func (l *loans) control(t *testing.T, runID string) workflow.RunStateController {
	t.Helper()
	rec, err := l.parts.store.Lookup(ctxFor(t), runID)
	if err != nil {
		t.Fatalf("Lookup(%s): %v", runID, err)
	}
	return workflow.NewRunStateController(l.parts.store.Store, rec)
}

func asked(foreignID string) []string { return slices.Repeat([]string{"asked " + foreignID}, 2) }
