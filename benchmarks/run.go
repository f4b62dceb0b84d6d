package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

// program does what the flags say.
func program(ctx context.Context, args []string, out, errOut io.Writer) error {
	o, err := parse(args, errOut)
	if err != nil {
		return err
	}
	if o.chart != "" {
		return redraw(o)
	}
	chosen, err := choose(o.engines)
	if err != nil {
		return err
	}
	scratch, err := scratchDir(o.dir)
	if err != nil {
		return err
	}
	h := &harness{opts: o, dir: scratch, out: errOut, failed: map[string]string{}, programs: map[string]string{}}
	results, err := h.measure(ctx, chosen)
	if err = errors.Join(err, h.close(), os.RemoveAll(scratch)); err != nil {
		return err
	}
	if err := writeTable(out, results); err != nil {
		return err
	}
	return keep(o, results, errOut)
}

// scratchDir makes a folder of our own on the disk that is measured. The system's temporary folder is often memory that only looks like a
// disk; then the working folder is taken.
func scratchDir(dir string) (string, error) {
	if dir == "" {
		dir = os.TempDir()
		if fileSystem(dir) == "tmpfs" {
			dir = "."
		}
	}
	made, err := os.MkdirTemp(dir, "stillwater-bench-")
	if err != nil {
		return "", err
	}
	// Servers that do not run as root run as somebody else.
	if err := os.Chmod(made, 0o755); err != nil {
		return "", err
	}
	return filepath.Abs(made)
}

// harness measures engines in child processes.
type harness struct {
	opts options
	dir  string
	out  io.Writer // for progress
	pg   *cluster  // nil until the first engine needs it
	// failed are the reasons why engines are not measured any more.
	failed map[string]string
	// programs are the built programs of peers by folder.
	programs map[string]string
}

// measure makes all passes.
func (h *harness) measure(ctx context.Context, chosen []engine) (*Results, error) {
	r := &Results{When: time.Now().UTC().Truncate(time.Second), Machine: describe(ctx, h.dir), Settings: h.settings()}
	for _, e := range chosen {
		r.Engines = append(r.Engines, &Measured{Name: e.name, Label: e.label, Kind: e.kind, Store: e.store})
	}
	if err := h.build(ctx, chosen); err != nil {
		return nil, err
	}
	begun, total := time.Now(), h.opts.passes*len(chosen)
	for pass := range h.opts.passes {
		for i, e := range chosen {
			done := pass*len(chosen) + i
			h.say("pass %d of %d: %s%s", pass+1, h.opts.passes, e.name, eta(time.Since(begun), done, total))
			if h.failed[e.name] != "" {
				continue
			}
			o, err := h.one(ctx, e)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				h.failed[e.name] = err.Error()
				h.say("  not measured: %v", err)
				continue
			}
			h.say("  %s", brief(o))
			r.Engines[i].Passes = append(r.Engines[i].Passes, o)
		}
	}
	for _, m := range r.Engines {
		m.NotMeasured = h.failed[m.Name]
	}
	return r, nil
}

// one measures one engine once.
func (h *harness) one(ctx context.Context, e engine) (o *load.Outcome, err error) {
	dir, err := os.MkdirTemp(h.dir, e.name+"-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	job := load.Job{Engine: e.name, Dir: dir, Warmup: h.opts.load / 4, Load: h.opts.load, Lone: h.opts.lone, Settle: settle(h.opts), Idle: h.opts.idle,
		InFlight: h.opts.inFlight}
	if e.store == onPostgres {
		stop, err := h.serve(ctx, &job)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	return h.child(ctx, e, job)
}

// settle is how long an engine may come to rest after a load: a few seconds, less where everything is short.
func settle(o options) time.Duration { return min(3*time.Second, o.load) }

func (h *harness) settings() map[string]string {
	o := h.opts
	return map[string]string{
		"passes": fmt.Sprint(o.passes), "load": o.load.String(), "warm-up": (o.load / 4).String(), "lone runs": o.lone.String(), "idle": o.idle.String(),
		"steps": fmt.Sprint(load.Steps), "object": fmt.Sprint(load.ObjectBytes) + " bytes of JSON",
	}
}

func (h *harness) say(format string, args ...any) {
	// Progress that cannot be shown is no reason to stop.
	_, _ = fmt.Fprintf(h.out, format+"\n", args...)
}

func (h *harness) close() error {
	if h.pg == nil {
		return nil
	}
	return h.pg.close()
}

// eta guesses what is left from what has passed.
func eta(passed time.Duration, done, total int) string {
	if done == 0 {
		return ""
	}
	left := passed / time.Duration(done) * time.Duration(total-done)
	return fmt.Sprintf(" (%v left)", left.Round(time.Second))
}

// brief is one line about an outcome.
func brief(o *load.Outcome) string {
	text := ""
	if o.Seconds > 0 {
		text = fmt.Sprintf("%.0f runs/s", float64(o.Runs)/o.Seconds)
	}
	if o.Lone != nil {
		text += fmt.Sprintf("  lone p50 %.2f ms p99 %.2f ms", o.Lone.P50, o.Lone.P99)
	}
	if o.Idle != nil {
		text += fmt.Sprintf("  idle %.2f %% CPU, %.1f wake-ups/s", o.Idle.CPU, o.Idle.Switches)
	}
	if o.Seconds == 0 && len(o.Extra) > 0 {
		text += fmt.Sprintf("  %s: %.0f %s", o.Extra[0].Name, o.Extra[0].Value, o.Extra[0].Unit)
	}
	return text
}
