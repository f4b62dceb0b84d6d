package integration

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/workflowtest"
)

type ticket struct{ Tries int }

type stage int

const (
	opened stage = iota + 1
	answered
	closed
)

func (s stage) String() string { return [...]string{"Unknown", "Opened", "Answered", "Closed"}[s] }

// tickets answers at the third attempt, with hours between them, and closes a day after the answer.
func tickets() *workflow.Builder[ticket, stage] {
	b := workflow.NewBuilder[ticket, stage]("ticket")
	b.AddStep(opened, func(_ context.Context, r *workflow.Run[ticket, stage]) (stage, error) {
		if r.Attempt() < 3 {
			return 0, errors.New("nobody is in")
		}
		r.Object.Tries = r.Attempt()
		return answered, nil
	}, answered).WithOptions(workflow.ErrBackOff(2*time.Hour), workflow.MaxBackOff(8*time.Hour))
	b.AddTimeout(answered, workflow.DurationTimerFunc[ticket, stage](24*time.Hour), func(context.Context, *workflow.Run[ticket, stage], time.Time) (stage, error) {
		return closed, nil
	}, closed)
	return b
}

// TestVirtualTimeOnAFile lets thirty hours pass on a SQLite file in a bubble, with a new process, as it were, in the middle of a backoff and
// another in the middle of the timeout.
func TestVirtualTimeOnAFile(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		path := filepath.Join(t.TempDir(), "tickets.db")
		open := func() (workflow.Backend, error) { return sqlite.Open(path, sqlite.WithExclusive()) }
		t.Use(open)
		w := workflowtest.Start(t, tickets())
		begin := time.Now()
		var ids []string
		for i := range 20 {
			ids = append(ids, workflowtest.Trigger(t, w, fmt.Sprint("ticket-", i)))
		}
		for _, step := range []struct {
			pass time.Duration
			want stage
		}{
			{time.Hour, opened},                           // after the first attempt
			{4 * time.Hour, opened},                       // an hour before the third
			{time.Hour, answered},                         // at the third
			{24*time.Hour - time.Millisecond, answered},   // just before the timeout
			{time.Millisecond + time.Millisecond, closed}, // just behind it
		} {
			t.Advance(step.pass)
			for _, id := range ids {
				workflowtest.RequireStatus(t, w, id, step.want)
			}
			t.Use(open)
			w = workflowtest.Start(t, tickets())
		}
		for _, id := range ids {
			workflowtest.RequireHistory(t, w, id, opened, answered, closed)
			workflowtest.RequireObject(t, w, id, ticket{Tries: 3})
			if took := workflowtest.Lookup(t, w, id).UpdatedAt.Sub(begin); took != 30*time.Hour {
				t.Errorf("run %s took %v, want 30h\n%s", id, took, workflowtest.Describe(w, id))
			}
		}
	})
}

// TestVirtualTimeOnAFileThatFails works on a file whose commits fail half of the time.
func TestVirtualTimeOnAFileThatFails(t *testing.T) {
	workflowtest.Run(t, func(t *workflowtest.T) {
		path := filepath.Join(t.TempDir(), "tickets.db")
		var faulty *workflowtest.Faulty
		t.Use(func() (workflow.Backend, error) {
			file, err := sqlite.Open(path, sqlite.WithExclusive())
			if err != nil {
				return nil, err
			}
			faulty = workflowtest.NewFaulty(file, 3)
			return faulty, nil
		})
		w := workflowtest.Start(t, tickets())
		var ids []string
		for i := range 20 {
			ids = append(ids, workflowtest.Trigger(t, w, fmt.Sprint("ticket-", i)))
		}
		faulty.Set(workflowtest.MethodCommit, workflowtest.Fault{Before: 0.3, After: 0.2})
		t.Advance(32 * time.Hour)
		for _, id := range ids {
			workflowtest.RequireHistory(t, w, id, opened, answered, closed)
		}
		if faulty.Injected(workflowtest.MethodCommit) == 0 {
			t.Error("no commit failed")
		}
	})
}
