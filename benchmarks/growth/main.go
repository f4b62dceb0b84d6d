// Command growth measures whether Stillwater on SQLite stays as fast as it was when there is more of something: stored runs, workflows, runs
// that wait in timers, bytes in an object. Each size is measured in turn with what the same file takes without an engine, because a disk is
// not the same from one minute to the next: what counts is the share.
//
//	cd benchmarks && go run ./growth
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

// options are what the flags say.
type options struct {
	most  int
	long  time.Duration
	turns int
	dir   string
	out   string
}

func main() {
	var o options
	flag.IntVar(&o.most, "most", 1_000_000, "how many stored runs to go up to; the other dimensions go up to a tenth of it, or to a thousand workflows")
	flag.DurationVar(&o.long, "time", 4*time.Second, "how long a turn is, of the engine and of the bare statements each")
	flag.IntVar(&o.turns, "turns", 3, "how many turns each size has; told are medians")
	flag.StringVar(&o.dir, "dir", "", "a `folder` on the disk to measure; a new folder in it is removed again; empty for a temporary one")
	flag.StringVar(&o.out, "out", "results", "a `folder` for the results")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := program(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(1)
	}
}

// results is what a results file holds.
type results struct {
	When   time.Time `json:"when"`
	Go     string    `json:"go"`
	Cores  int       `json:"cores"`
	Points []point   `json:"points"`
	Pages  []page    `json:"pages"`
	Start  *startUp  `json:"start"`
}

// point is one size of one dimension.
type point struct {
	Dimension string  `json:"dimension"`
	Size      int     `json:"size"`
	Engine    float64 `json:"engine"` // transitions per second
	Raw       float64 `json:"raw"`    // the same, without an engine
}

func (p point) share() float64 { return p.Engine / p.Raw }

func program(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp(o.dir, "stillwater-growth-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m := &measurement{options: o, dir: dir, log: os.Stderr}
	r := &results{When: time.Now(), Go: runtime.Version(), Cores: runtime.GOMAXPROCS(0)}
	for _, part := range []func(context.Context, *results) error{m.stored, m.workflows, m.timers, m.objects, m.start} {
		if err := part(ctx, r); err != nil {
			return err
		}
	}
	if err := r.write(os.Stdout); err != nil {
		return err
	}
	return r.keep(o.out)
}

// keep writes the results and their table.
func (r *results) keep(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "growth-"+r.When.Format(time.DateOnly))
	table, err := os.Create(name + ".md")
	if err != nil {
		return err
	}
	return errors.Join(r.write(table), table.Close(), os.WriteFile(name+".json", append(data, '\n'), 0o644))
}

// write writes the table as a page.
func (r *results) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "# Growth, %s\n\n%s, %d cores\n\n| of | size | engine, transitions/s | without an engine | share |\n|---|---:|---:|---:|---:|\n",
		r.When.Format(time.DateOnly), r.Go, r.Cores)
	for _, p := range r.Points {
		if err == nil {
			_, err = fmt.Fprintf(w, "| %s | %d | %.0f | %.0f | %.0f %% |\n", p.Dimension, p.Size, p.Engine, p.Raw, 100*p.share())
		}
	}
	if err == nil {
		_, err = fmt.Fprint(w, "\n| page of 100 runs | stored runs | median ms | highest ms |\n|---|---:|---:|---:|\n")
	}
	for _, p := range r.Pages {
		if err == nil {
			_, err = fmt.Fprintf(w, "| %s | %d | %.2f | %.2f |\n", p.Of, p.Stored, p.Median, p.Highest)
		}
	}
	if s := r.Start; err == nil && s != nil {
		_, err = fmt.Fprintf(w, "\nStart with %d unfinished runs: the first step after %.0f ms, full speed (%.0f steps/s, 80 %% of it) after %.2f s.\n",
			s.Unfinished, s.FirstStep, s.Steps, s.FullSpeed)
	}
	return err
}
