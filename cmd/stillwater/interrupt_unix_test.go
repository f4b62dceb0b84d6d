//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"syscall"
	"testing"
)

// TestBinaryIsInterruptedAndGoesOn sends the signal of Ctrl-C and starts the demo again.
func TestBinaryIsInterruptedAndGoesOn(t *testing.T) {
	bin, dir := build(t), t.TempDir()
	const orders = "6000"
	cmd := start(t.Context(), bin, dir, "demo", "--orders", orders)
	var out bytes.Buffer
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(stderr)
	greeting, err := in.ReadString('\n') // said just before the first order
	if err != nil || !strings.Contains(greeting, "Stop it at any moment") {
		t.Fatalf("%q, %v", greeting, err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd.Wait()); code != 130 || !strings.Contains(out.String(), "Interrupted:") || !strings.Contains(out.String(), "\n  stillwater demo --orders "+orders+"\n") {
		t.Fatalf("code %d\n%s%s", code, &out, rest)
	}
	r := run(t, bin, dir, "demo", "--orders", orders, "--json")
	var s struct {
		Orders, Charges int
		Reconciled      bool
	}
	if err := json.Unmarshal([]byte(r.out), &s); err != nil || r.code != 0 || !s.Reconciled || s.Orders != 6000 {
		t.Errorf("going on: %v: %+v", err, r)
	}
	if r := run(t, bin, dir, "check", "stillwater-demo.db"); r.code != 0 {
		t.Errorf("check: %+v", r)
	}
}
