package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

// TestMain lets the test's program be a child that is measured, as the harness starts itself again.
func TestMain(m *testing.M) {
	if os.Getenv(load.ChildVariable) != "" {
		os.Exit(load.Main(tasks()))
	}
	os.Exit(m.Run())
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}}, {[]float64{3}, spread{3, 3, 3, 1}}, {[]float64{9, 1}, spread{5, 1, 9, 2}}, {[]float64{7, 100, 2}, spread{7, 2, 100, 3}},
	} {
		if got := sum(c.values); got != c.want {
			t.Errorf("sum(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestFiguresThatAreMissingCountForNothing(t *testing.T) {
	full := &load.Outcome{Runs: 300, Seconds: 2, CPU: 0.9, Lone: &load.Latency{P50: 4, P99: 5}, Idle: &load.Idle{CPU: 1, ServerCPU: 2, Queries: 7}}
	passes := []*load.Outcome{{}, full, {Idle: &load.Idle{Queries: -1}}}
	for name, c := range map[string]struct {
		figure func(*load.Outcome) (float64, bool)
		want   float64
		n      int
	}{
		"runs": {runsPerSecond, 150, 1}, "cpu": {stepCPU, 1000, 1}, "p50": {loneP50, 4, 1}, "p99": {loneP99, 5, 1}, "idle": {idleCPU, 1.5, 2},
		"queries": {idleQueries, 7, 1}, "memory": {peakMemory, 0, 0}, "extra": {extra("x", "y"), 0, 0},
	} {
		if got := over(passes, c.figure); math.Abs(got.median-c.want) > 1e-9 || got.n != c.n {
			t.Errorf("%s: %v, want %v of %d", name, got, c.want, c.n)
		}
	}
}

func TestChoose(t *testing.T) {
	all, err := choose("")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.asked {
			t.Errorf("%s is measured unasked", e.name)
		}
		if (e.task == nil) != (e.kind == kindPeer) || (e.peer == "") != (e.kind != kindPeer) {
			t.Errorf("%s has neither a task nor a peer's folder, or both", e.name)
		}
		if _, err := os.Stat(filepath.Join("peers", e.peer, "main.go")); err != nil && e.peer != "" {
			t.Error(err)
		}
	}
	if some, err := choose("fsync, raw-forms"); err != nil || len(some) != 2 || some[1].name != "raw-forms" {
		t.Errorf("chose %v, %v", some, err)
	}
	if _, err := choose("sqlite,unheard"); err == nil || !strings.Contains(err.Error(), "unheard") {
		t.Errorf("an unknown engine gives %v", err)
	}
}

// TestSmoke measures everything that needs no peer for an instant, through child processes, and reads what was written.
func TestSmoke(t *testing.T) {
	var out, log bytes.Buffer
	dir := t.TempDir()
	err := program(t.Context(), []string{"-engines", "memory,classic,sqlite,fsync,raw-sqlite", "-passes", "2", "-time", "200ms", "-lone", "20ms", "-idle", "50ms",
		"-inflight", "16", "-dir", dir, "-out", filepath.Join(dir, "out")}, &out, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	left, err := filepath.Glob(filepath.Join(dir, "stillwater-bench-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "out", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("results: %v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var r Results
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Engines {
		if m.NotMeasured != "" || len(m.Passes) != 2 {
			t.Errorf("%s: %d passes, not measured: %q", m.Name, len(m.Passes), m.NotMeasured)
			continue
		}
		if m.Name != "fsync" && over(m.Passes, runsPerSecond).low <= 0 {
			t.Errorf("%s: no runs", m.Name)
		}
		if m.Kind == kindOurs && over(m.Passes, idleSwitches).n != 2 {
			t.Errorf("%s: no idle time", m.Name)
		}
	}
	for _, want := range []string{"Stillwater, SQLite", "of the raw limit", "512 per commit"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &out)
		}
	}
	picture := filepath.Join(dir, "out", "benchmarks.svg")
	if err := os.Remove(picture); err != nil {
		t.Fatal(err)
	}
	if err := program(t.Context(), []string{"-chart", files[0], "-out", filepath.Join(dir, "out")}, &out, &log); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(picture); err != nil {
		t.Error(err)
	}
}

// TestPeerThatDoesNotBuild is named with its reason, and the rest goes on.
func TestPeerThatDoesNotBuild(t *testing.T) {
	h := &harness{opts: options{passes: 1, load: 50 * time.Millisecond}, dir: t.TempDir(), out: &bytes.Buffer{}, failed: map[string]string{}, programs: map[string]string{}}
	r, err := h.measure(t.Context(), []engine{{name: "gone", kind: kindPeer, peer: "there-is-none"}, {name: "fsync", kind: kindLimit}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Engines[0].NotMeasured == "" || len(r.Engines[1].Passes) != 1 {
		t.Errorf("not measured: %q; the other has %d passes", r.Engines[0].NotMeasured, len(r.Engines[1].Passes))
	}
	if !strings.Contains(notes(r), "not measured:  (gone)") {
		t.Errorf("the notes do not say it:\n%s", notes(r))
	}
}

func TestRatios(t *testing.T) {
	pass := func(runs int64) []*load.Outcome { return []*load.Outcome{{Runs: runs, Seconds: 1}} }
	r := &Results{Engines: []*Measured{
		{Name: "sqlite", Kind: kindOurs, Store: onSQLite, Passes: pass(800)}, {Name: "raw-sqlite", Kind: kindLimit, Store: onSQLite, Passes: pass(1600)},
		{Name: "a", Kind: kindPeer, Store: onSQLite, Passes: pass(100)}, {Name: "b", Kind: kindPeer, Store: onSQLite, Passes: pass(200)},
		{Name: "c", Kind: kindPeer, Store: onPostgres, Passes: pass(5000)}, {Name: "memory", Kind: kindOurs, Store: inMemory, Passes: pass(9000)},
	}}
	for i, want := range [][2]string{{"50 %", "4.0"}, {"–", "–"}, {"6 %", "–"}, {"12 %", "–"}, {"–", "–"}, {"–", "–"}} {
		if got := [2]string{ofRaw(r, r.Engines[i]), timesPeer(r, r.Engines[i])}; got != want {
			t.Errorf("%s: %v, want %v", r.Engines[i].Name, got, want)
		}
	}
}

func TestTail(t *testing.T) {
	keeps := &tail{limit: 8}
	for _, text := range []string{"a long line\n", "and ", "last\n"} {
		if n, err := keeps.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := keeps.lastLine(); got != "nd last" {
		t.Errorf("the last line is %q", got)
	}
}
