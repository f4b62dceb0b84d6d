package main

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// The demo of memoryOrders orders keeps at most memoryBound bytes in memory, the program itself and the cached pages of the store included.
const (
	memoryOrders = "20000"
	memoryBound  = 40_000_000
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
		t.Logf("%s: at most %.1f MB resident", c.name, float64(peak)/1e6)
		if peak > memoryBound || peak == 0 {
			t.Errorf("%s: %d bytes resident, the bound is %d", c.name, peak, memoryBound)
		}
	}
}

// peakOf runs the command to its end and returns what it says of its own memory. What wait reports of a child begins with what the parent, a
// large test, held when it made the process.
func peakOf(t *testing.T, bin, dir string, args ...string) int64 {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := start(t.Context(), bin, dir, append(args, "--json")...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	// The runtime keeps memory for each of its processors: the same number everywhere makes figures that can be compared.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=4", "GOGC=", "GOMEMLIMIT=")
	err := cmd.Run()
	var s struct {
		Reconciled      bool  `json:"reconciled"`
		PeakMemoryBytes int64 `json:"peak_memory_bytes"`
	}
	if jerr := json.Unmarshal(out.Bytes(), &s); err != nil || jerr != nil || !s.Reconciled {
		t.Fatalf("%v: %v, %v\n%s%s", args, err, jerr, &out, &errs)
	}
	return s.PeakMemoryBytes
}
