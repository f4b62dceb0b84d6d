package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

// grace is what a child may take beyond the times of its job, before it is taken for hung.
const grace = 3 * time.Minute

// child has a process measure one engine.
func (h *harness) child(ctx context.Context, e engine, job load.Job) (*load.Outcome, error) {
	program := h.programs[e.peer]
	if e.peer == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		program = self
	}
	ctx, cancel := context.WithTimeout(ctx, job.Warmup+job.Load+job.Lone+job.Settle+job.Idle+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), load.ChildVariable+"=1")
	cmd.Dir = job.Dir
	return talk(cmd, job)
}

// talk gives a child its job and takes the outcome.
func talk(cmd *exec.Cmd, job load.Job) (*load.Outcome, error) {
	in, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	errOut := &tail{limit: 4096}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, errOut
	runErr := cmd.Run()
	o, err := readOutcome(&out)
	switch {
	case runErr != nil:
		return nil, fmt.Errorf("%w: %s", runErr, errOut.lastLine())
	case err != nil:
		return nil, err
	case o.Failed != "":
		return nil, errors.New(o.Failed)
	}
	return o, nil
}

func readOutcome(r io.Reader) (*load.Outcome, error) {
	o := &load.Outcome{}
	if err := json.NewDecoder(r).Decode(o); err != nil {
		return nil, fmt.Errorf("the child's outcome: %w", err)
	}
	return o, nil
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	kept  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if n := len(t.kept) - t.limit; n > 0 {
		t.kept = append(t.kept[:0], t.kept[n:]...)
	}
	return len(p), nil
}

func (t *tail) lastLine() string {
	lines := strings.Split(strings.TrimSpace(string(t.kept)), "\n")
	return lines[len(lines)-1]
}
