package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// build makes the command's binary.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stillwater")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// result is how a process ended.
type result struct {
	out, err string
	code     int
}

func start(ctx context.Context, bin, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir = dir
	return cmd
}

func run(t *testing.T, bin, dir string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := start(t.Context(), bin, dir, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	return result{code: exitCode(t, cmd.Run()), out: out.String(), err: errs.String()}
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// TestBinary runs the command as a shell does: pipes on every side, and its exit codes.
func TestBinary(t *testing.T) {
	bin, dir := build(t), t.TempDir()
	sample, err := filepath.Abs(filepath.Join("testdata", "orders.jsonl"))
	if err != nil {
		t.Fatal(err)
	}

	if r := run(t, bin, dir, "demo", "--input", sample); r.code != 0 || !strings.Contains(r.out, "Reconciled") || strings.Contains(r.out+r.err, "\x1b") {
		t.Errorf("the sample: %+v", r)
	}
	if r := run(t, bin, dir, "check", "stillwater-demo.db"); r.code != 0 || !strings.Contains(r.out, "Clean") || r.err != "" {
		t.Errorf("check: %+v", r)
	}
	r := run(t, bin, dir, "check", "--json", "stillwater-demo.db")
	var report struct {
		Runs  int
		Clean bool
	}
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || report.Runs != 200 || !report.Clean {
		t.Errorf("check --json: %v: %+v", err, r)
	}
	for _, args := range [][]string{{"demo", "--fast"}, {"check", "missing.db"}, {"check", sample}, {"demo", "--seed", "2"}, {"nonsense"}} {
		if r := run(t, bin, dir, args...); r.code != 1 || r.out != "" || !strings.HasPrefix(r.err, "stillwater: ") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	for _, args := range [][]string{{"version"}, {"--help"}} {
		if r := run(t, bin, dir, args...); r.code != 0 || r.out == "" || r.err != "" {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

// TestBinaryFindsMismatches ends with 2 when the books were changed behind the demo's back.
func TestBinaryFindsMismatches(t *testing.T) {
	bin, dir := build(t), t.TempDir()
	if r := run(t, bin, dir, "demo", "--orders", "20", "-q"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	tamper(t, filepath.Join(dir, "stillwater-demo.db"), "DELETE FROM demo_ledger WHERE order_id = (SELECT min(order_id) FROM demo_ledger)")
	r := run(t, bin, dir, "demo", "--orders", "20", "-q")
	if r.code != 2 || !strings.Contains(r.out, "is Shipped, but was never charged") {
		t.Errorf("%+v", r)
	}
	tamper(t, filepath.Join(dir, "stillwater-demo.db"), "UPDATE sw_runs SET version = version + 1 WHERE id = 1")
	if r := run(t, bin, dir, "check", "stillwater-demo.db"); r.code != 2 || !strings.Contains(r.out, "broken I2") {
		t.Errorf("check: %+v", r)
	}
	if r := run(t, bin, dir, "check", "stillwater-demo.db", "--json"); r.code != 2 || !strings.Contains(r.out, `"clean": false`) {
		t.Errorf("check --json: %+v", r)
	}
}

// tamper changes a store with plain SQL.
func tamper(t *testing.T, path, statement string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	db := openSQL(t, path)
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
