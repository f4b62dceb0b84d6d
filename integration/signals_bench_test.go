package integration

import (
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// spoken is a workflow for the measurements of signals and callbacks: "first" leads from 1 to 2, "second" or the callback from 2 to 3.
type spoken struct {
	flow  *workflow.Workflow[benchObject, benchStatus]
	heard chan time.Time // when "second" was handled
}

func newSpoken(b *testing.B, on backend.Backend) *spoken {
	s := &spoken{heard: make(chan time.Time, 1)}
	builder := workflow.NewBuilder[benchObject, benchStatus]("spoken")
	workflow.AddSignal(builder, 1, workflow.NewSignal[int]("first"), func(context.Context, *workflow.Run[benchObject, benchStatus], int) (benchStatus, error) {
		return 2, nil
	}, 2)
	workflow.AddSignal(builder, 2, workflow.NewSignal[int]("second"), func(context.Context, *workflow.Run[benchObject, benchStatus], int) (benchStatus, error) {
		s.heard <- time.Now()
		return 3, nil
	}, 3)
	builder.AddCallback(2, func(context.Context, *workflow.Run[benchObject, benchStatus], io.Reader) (benchStatus, error) {
		return 3, nil
	}, 3)
	var err error
	if s.flow, err = builder.BuildOn(on, quiet()); err != nil {
		b.Fatal(err)
	}
	s.flow.Run(context.Background())
	b.Cleanup(s.flow.Stop)
	return s
}

// signal sends a signal and makes sure of what becomes of it.
func (s *spoken) signal(b *testing.B, runID, name string, id string, want workflow.SignalState) {
	if r, err := s.flow.SignalRun(context.Background(), runID, name, []byte("1"), workflow.WithSignalID(id)); err != nil || r.State != want {
		b.Fatalf("signal %s: %+v, %v", name, r, err)
	}
}

// BenchmarkSignal measures, one run at a time: a signal that its run accepts, from the sending to the receipt that says applied; one that comes
// early, from the sending to its receipt, and from the sending of the one that it waits for to its own handler; and a callback.
func BenchmarkSignal(b *testing.B) {
	on := map[string]func(b *testing.B) backend.Backend{
		"memory": func(*testing.B) backend.Backend { return memory.New() },
		"sqlite": func(b *testing.B) backend.Backend { return openBench(b) },
	}
	kinds := map[string]func(b *testing.B, s *spoken, runID, foreignID string) time.Duration{
		"applied": func(b *testing.B, s *spoken, runID, _ string) time.Duration {
			began := time.Now()
			s.signal(b, runID, "first", "1", workflow.SignalApplied)
			return time.Since(began)
		},
		"queued": func(b *testing.B, s *spoken, runID, _ string) time.Duration {
			began := time.Now()
			s.signal(b, runID, "second", "2", workflow.SignalQueued)
			return time.Since(began)
		},
		"early": func(b *testing.B, s *spoken, runID, _ string) time.Duration {
			s.signal(b, runID, "second", "2", workflow.SignalQueued)
			began := time.Now()
			s.signal(b, runID, "first", "1", workflow.SignalQueued)
			return (<-s.heard).Sub(began)
		},
		"callback": func(b *testing.B, s *spoken, runID, foreignID string) time.Duration {
			s.signal(b, runID, "first", "1", workflow.SignalApplied)
			began := time.Now()
			if err := s.flow.Callback(context.Background(), foreignID, 2, strings.NewReader("x")); err != nil {
				b.Fatal(err)
			}
			return time.Since(began)
		},
	}
	for _, store := range []string{"memory", "sqlite"} {
		for _, kind := range []string{"applied", "queued", "early", "callback"} {
			b.Run(kind+"/"+store, func(b *testing.B) {
				s := newSpoken(b, on[store](b))
				took := make([]time.Duration, b.N)
				for i := range took {
					foreignID := strconv.Itoa(b.N) + "-" + strconv.Itoa(i)
					runID, err := s.flow.Trigger(context.Background(), foreignID)
					if err != nil {
						b.Fatal(err)
					}
					took[i] = kinds[kind](b, s, runID, foreignID)
				}
				report(b, kind, took)
			})
		}
	}
}
