package raw

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

// Sizes are the transitions per commit that are tried.
func Sizes() []int { return []int{1, 8, 64, 256, 512} }

// loneRuns is how many runs the latency of four commits is taken from, at the least.
const loneRuns = 50

// Sweep measures how many transitions a second can be written with every size of commit, in the adapter's form and in the fastest one; the
// time of the load is divided among them. Its throughput is the best of all.
func Sweep(ctx context.Context, job load.Job) (*load.Outcome, error) {
	return sweep(ctx, job, []Form{Forms()[0], Best()}, Sizes())
}

// Compare measures every form with three sizes of commit.
func Compare(ctx context.Context, job load.Job) (*load.Outcome, error) {
	return sweep(ctx, job, Forms(), []int{8, 64, 512})
}

func sweep(ctx context.Context, job load.Job, forms []Form, sizes []int) (*load.Outcome, error) {
	o := &load.Outcome{Modules: load.Named("modernc.org/sqlite", "modernc.org/libc")}
	each := 2 * job.Load / time.Duration(len(forms)*len(sizes))
	best := 0.0
	for _, form := range forms {
		for _, size := range sizes {
			r, settings, err := rate(ctx, job, form, size, each)
			if err != nil {
				return nil, fmt.Errorf("%s, %d per commit: %w", form.Name, size, err)
			}
			per, name := float64(r.transitions)/r.took.Seconds(), fmt.Sprintf("%s: %d per commit", form.Name, size)
			o.Extra = append(o.Extra, load.Figure{Name: name, Value: per, Unit: "transitions/s"},
				load.Figure{Name: name, Value: 1e6 * r.spent.CPU.Seconds() / float64(r.transitions), Unit: "µs CPU/transition"})
			if per > best {
				best, o.Settings = per, settings
				o.Settings["best form"] = name
				o.InFlight, o.Runs, o.Seconds, o.CPU, o.Written = size, r.transitions/load.Transitions, r.took.Seconds(), r.spent.CPU.Seconds(), r.spent.Written
			}
		}
	}
	o.PeakRSS = load.PeakRSS()
	lone, err := lone(ctx, job)
	if err != nil {
		return nil, err
	}
	o.Lone = lone
	return o, nil
}

// measured is what one form did with one size of commit.
type measured struct {
	transitions int64
	took        time.Duration
	spent       load.Used
}

// rate measures one form with one size of commit, on a new file.
func rate(ctx context.Context, job load.Job, form Form, size int, long time.Duration) (r measured, settings map[string]string, err error) {
	s, err := Open(ctx, filepath.Join(job.Dir, "raw.db"), "bench", form)
	if err != nil {
		return r, nil, err
	}
	defer func() {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
		if rerr := removeFiles(job.Dir); err == nil {
			err = rerr
		}
	}()
	if err := s.preheat(ctx, job); err != nil {
		return r, nil, err
	}
	s.Spread(size)
	warm := long / 4
	begun, before := time.Now(), load.OwnUsage()
	var from time.Time
	for time.Since(begun) < warm+long {
		if from.IsZero() && time.Since(begun) >= warm {
			from, before, r.transitions = time.Now(), load.OwnUsage(), 0
		}
		n, err := s.Commit(ctx, -1)
		if err != nil {
			return r, nil, err
		}
		r.transitions += int64(n)
	}
	r.took, r.spent = time.Since(from), load.OwnUsage().Less(before)
	return r, s.Settings, nil
}

// preheatRuns fill the write-ahead log until it was copied back once. From then on it is written over in place, which costs the disk less than
// a file that grows: what is measured later is a store that has been in use, as that of an engine is after its warm-up.
const preheatRuns = 5000

func (s *Store) preheat(ctx context.Context, job load.Job) error {
	if job.Load < time.Second {
		return nil // nobody looks at the figures of so short a time
	}
	return s.Write(ctx, preheatRuns, 512)
}

// removeFiles removes the file, and what stands beside it.
func removeFiles(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "raw.db*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// lone measures the four commits of a run, one transition each, one run after another.
func lone(ctx context.Context, job load.Job) (_ *load.Latency, err error) {
	s, err := Open(ctx, filepath.Join(job.Dir, "lone.db"), "bench", Best())
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
	}()
	if err := s.preheat(ctx, job); err != nil {
		return nil, err
	}
	s.Spread(1)
	var took []time.Duration
	for begun := time.Now(); len(took) < loneRuns || time.Since(begun) < job.Lone; {
		from := time.Now()
		for range load.Transitions {
			if _, err := s.Commit(ctx, -1); err != nil {
				return nil, err
			}
		}
		took = append(took, time.Since(from))
	}
	return load.Latencies(took), nil
}
