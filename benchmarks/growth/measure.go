package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/benchmarks/load"
	"github.com/stillwater-go/workflow/benchmarks/raw"
)

const (
	inFlight  = 1024 // runs of the engine; a quarter of that where objects are large
	perCommit = 512  // transitions of the bare statements: as many as the engine has at most
)

// measurement goes through all sizes.
type measurement struct {
	options
	dir string
	log io.Writer
	key atomic.Int64
	// beside runs what else is to run while the engine is measured; nil for nothing.
	beside func(ctx context.Context, on *sqlite.Backend) (stop func(), err error)
}

func (m *measurement) say(format string, args ...any) { fmt.Fprintf(m.log, format+"\n", args...) }

func (m *measurement) file(name string) string { return filepath.Join(m.dir, name+".db") }

// stage is the status of a run: the number of the step that comes next.
type stage int

const (
	first stage = 1
	ended stage = first + load.Steps
)

// String is stored with every version, as the description of its status.
func (s stage) String() string { return strconv.Itoa(int(s)) }

type flow = workflow.Workflow[load.Object, stage]

// steps declares a workflow whose steps add one to the object's counter.
func steps(name string, done func()) *workflow.Builder[load.Object, stage] {
	b := workflow.NewBuilder[load.Object, stage](name)
	for s := first; s < ended; s++ {
		b.AddStep(s, func(_ context.Context, r *workflow.Run[load.Object, stage]) (stage, error) {
			r.Object.Count++
			done()
			return s + 1, nil
		}, s+1)
	}
	return b
}

// turn measures one file: the engine and the bare statements in turns, and the median of each. textBytes is the size of the object's text.
func (m *measurement) turn(ctx context.Context, dimension string, size int, path string, flows, textBytes int) (point, error) {
	var engines, raws []float64
	for range m.turns {
		e, err := m.engine(ctx, path, flows, textBytes)
		if err != nil {
			return point{}, err
		}
		r, err := m.raw(ctx, path, textBytes)
		if err != nil {
			return point{}, err
		}
		engines, raws = append(engines, e), append(raws, r)
	}
	p := point{Dimension: dimension, Size: size, Engine: middle(engines), Raw: middle(raws)}
	m.say("%s %d: engine %.0f, bare %.0f transitions/s: %.0f %%", dimension, size, p.Engine, p.Raw, 100*p.share())
	return p, nil
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// engine measures how many transitions a second the engine makes.
func (m *measurement) engine(ctx context.Context, path string, flows, textBytes int) (_ float64, err error) {
	on, err := sqlite.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	if m.beside != nil {
		stop, err := m.beside(ctx, on)
		if err != nil {
			return 0, err
		}
		defer stop()
	}
	var ws []*flow
	defer func() {
		for _, w := range ws {
			w.Stop()
		}
	}()
	for i := range flows {
		w, err := steps(flowName(i), func() {}).BuildOn(on)
		if err != nil {
			return 0, err
		}
		w.Run(ctx)
		ws = append(ws, w)
	}
	return m.drive(ctx, ws, textBytes)
}

func flowName(i int) string {
	if i == 0 {
		return "bench"
	}
	return "bench-" + strconv.Itoa(i)
}

// drive keeps runs in flight for a quarter of a turn to warm up and for a turn, and returns the transitions per second of the latter.
func (m *measurement) drive(ctx context.Context, ws []*flow, textBytes int) (float64, error) {
	initial := load.Object{Text: strings.Repeat("x", textBytes)}
	var runs atomic.Int64
	var over atomic.Bool
	callers := inFlight
	if textBytes > 1<<10 {
		callers /= 4
	}
	failed := make(chan error, callers)
	var group sync.WaitGroup
	for g := range callers {
		group.Go(func() {
			w := ws[g%len(ws)]
			for !over.Load() {
				id, err := w.Trigger(ctx, "k"+strconv.FormatInt(m.key.Add(1), 10), workflow.WithInitialValue[load.Object, stage](&initial))
				if err == nil {
					_, err = w.Await(ctx, "", id, ended)
				}
				if err != nil {
					over.Store(true)
					failed <- err
					return
				}
				runs.Add(1)
			}
		})
	}
	wait(ctx, m.long/4)
	before, from := runs.Load(), time.Now()
	wait(ctx, m.long)
	rate := load.Transitions * float64(runs.Load()-before) / time.Since(from).Seconds()
	over.Store(true)
	group.Wait()
	close(failed)
	return rate, errors.Join(<-failed, ctx.Err())
}

// raw measures how many transitions a second the same file takes without an engine.
func (m *measurement) raw(ctx context.Context, path string, textBytes int) (_ float64, err error) {
	s, err := raw.Grow(ctx, path, "bare", textBytes)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := s.Rate(ctx, perCommit, m.long/4); err != nil {
		return 0, err
	}
	rate, err := s.Rate(ctx, perCommit, m.long)
	if err != nil {
		return 0, err
	}
	return rate, s.Finish(ctx)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
