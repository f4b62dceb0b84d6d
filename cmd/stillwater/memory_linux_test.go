package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The demo of memoryOrders orders keeps at most memoryBound KiB (40 MB) in memory, the program itself and the cached pages of the
// store included.
const (
	memoryOrders = "10000"
	memoryBound  = 39_062
)

// TestMemoryOfTheDemo watches the real process, built without the race detector: a first start, one that finds everything done, and one
// whose orders come from a file.
func TestMemoryOfTheDemo(t *testing.T) {
	bin, dir := build(t), t.TempDir()
	if r := run(t, bin, dir, "demo", "--orders", memoryOrders, "--write-input", "orders.jsonl", "-q"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"first start", []string{"demo", "--orders", memoryOrders, "-q"}},
		{"going on", []string{"demo", "--orders", memoryOrders, "-q"}},
		{"input", []string{"demo", "--input", "orders.jsonl", "--db", "input.db", "-q"}},
	} {
		peak := peakOf(t, bin, dir, c.args...)
		t.Logf("%s: at most %d KiB resident", c.name, peak)
		if peak > memoryBound {
			t.Errorf("%s: %d KiB resident, the bound is %d", c.name, peak, memoryBound)
		}
		if peak == 0 {
			t.Errorf("%s: the process was never seen", c.name)
		}
	}
}

// peakOf runs the command to its end and returns the most KiB that were resident. The kernel keeps the peak itself, so that looking now and
// then misses no more than what was new in the last moment. It is not the peak that wait reports: that one begins with what the
// parent, a large test, held when it made the process.
func peakOf(t *testing.T, bin, dir string, args ...string) (peak int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := start(t.Context(), bin, dir, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	// The runtime keeps memory for each of its processors: the same number everywhere makes figures that can be compared.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=4", "GOGC=", "GOMEMLIMIT=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	for {
		select {
		case err := <-exited:
			if code := exitCode(t, err); code != 0 || !strings.Contains(out.String(), "Reconciled") {
				t.Fatalf("%v: code %d\n%s%s", args, code, &out, &errs)
			}
			return peak
		case <-time.After(10 * time.Millisecond): // nothing tells when a process is about to end
			peak = max(peak, highWater(cmd.Process.Pid))
		}
	}
}

// highWater returns the most KiB that a process has had resident, or zero when it has ended.
func highWater(pid int) (kib int) {
	status, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "status"))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(status), "\nVmHWM:")
	_, _ = fmt.Sscan(line, &kib) // an ended process has no such line
	return kib
}
