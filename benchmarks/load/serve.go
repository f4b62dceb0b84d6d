package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
)

// ChildVariable is set in the environment of a child process.
const ChildVariable = "STILLWATER_BENCH_CHILD"

// Task measures something.
type Task func(ctx context.Context, job Job) (*Outcome, error)

// Main is the main function of a program that is measured: it reads a job, does it, writes the outcome, and returns the exit code. What the
// engine prints on its standard output goes to standard error, so that the outcome stays alone.
func Main(tasks map[string]Task) int {
	out := os.Stdout
	os.Stdout = os.Stderr
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := Serve(ctx, os.Stdin, out, tasks); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Serve does one job. A job that fails is an outcome too; the error is about the talk itself.
func Serve(ctx context.Context, in io.Reader, out io.Writer, tasks map[string]Task) error {
	var job Job
	if err := json.NewDecoder(in).Decode(&job); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	outcome, err := do(ctx, job, tasks)
	if err != nil {
		outcome = &Outcome{Failed: err.Error()}
	}
	outcome.Engine = job.Engine
	outcome.Modules = modules(outcome.Modules)
	if err := json.NewEncoder(out).Encode(outcome); err != nil {
		return fmt.Errorf("write the outcome: %w", err)
	}
	return nil
}

// do runs the task; a panic in it is a failure like another.
func do(ctx context.Context, job Job, tasks map[string]Task) (outcome *Outcome, err error) {
	task := tasks[job.Engine]
	if task == nil {
		return nil, fmt.Errorf("no engine %q here", job.Engine)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if outcome, err = task(ctx, job); err == nil && outcome == nil {
		err = errors.New("the task has no outcome")
	}
	return outcome, err
}

// modules keeps of the names those that are linked into this program, with their versions. Named are none where the task wants none.
func modules(wanted map[string]string) map[string]string {
	info, ok := debug.ReadBuildInfo()
	if !ok || len(wanted) == 0 {
		return wanted
	}
	found := map[string]string{}
	for _, d := range info.Deps {
		if _, ok := wanted[d.Path]; ok {
			found[d.Path] = d.Version
		}
	}
	return found
}

// Named makes the set of modules whose versions an outcome tells.
func Named(paths ...string) map[string]string {
	set := make(map[string]string, len(paths))
	for p := range slices.Values(paths) {
		set[p] = ""
	}
	return set
}
