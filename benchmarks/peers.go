package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// build builds the programs of the peers that are wanted, each in its own module and outside the workspace, which would lift the versions of
// all to the highest that any of them asks for. One that cannot be built is not measured.
func (h *harness) build(ctx context.Context, chosen []engine) error {
	for _, e := range chosen {
		if e.peer == "" || h.programs[e.peer] != "" || h.failed[e.name] != "" {
			continue
		}
		home, err := moduleDir()
		if err != nil {
			return err
		}
		h.say("building peers/%s (the first time takes minutes)", e.peer)
		program := filepath.Join(h.keepIn(), "peer-"+e.peer)
		if err := goBuild(ctx, filepath.Join(home, "peers", e.peer), program); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			for _, other := range chosen {
				if other.peer == e.peer {
					h.failed[other.name] = err.Error()
				}
			}
			h.say("  not measured: %v", err)
			continue
		}
		h.programs[e.peer] = program
	}
	return nil
}

// keepIn is where programs of peers stay from one time to the next: the go command links one only if something has changed. Where there is no
// such place, they go into our temporary folder.
func (h *harness) keepIn() string {
	dir, err := os.UserCacheDir()
	if err == nil {
		dir = filepath.Join(dir, "stillwater-benchmarks")
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return h.dir
	}
	return dir
}

func goBuild(ctx context.Context, dir, program string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		return fmt.Errorf("does not build: %w: %s", err, lines[len(lines)-1])
	}
	return nil
}
