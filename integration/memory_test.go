package integration

import (
	"encoding/json"
	"path/filepath"
	"runtime"
	"testing"
)

// demoBytes bounds what the demo holds at once, its program text and its page cache included. By itself it needs 36 to 41 MB; the rest is
// room for a machine that collects garbage late.
const demoBytes = 48 << 20

// TestDemoNeedsLittleMemory runs the demo as a user would find it, with twice as many orders as it makes by itself: a process that
// held what it has finished with, or a record of every order, would need more. (G11)
func TestDemoNeedsLittleMemory(t *testing.T) {
	bin, err := stillwater()
	if err != nil {
		t.Fatal(err)
	}
	out, code := command(t, bin, "demo", "--db", filepath.Join(t.TempDir(), "demo.db"), "--orders", "20000", "--json", "--quiet")
	var s struct {
		Reconciled      bool  `json:"reconciled"`
		PeakMemoryBytes int64 `json:"peak_memory_bytes"`
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 || !s.Reconciled {
		t.Fatalf("exit code %d, %v: %s", code, err, out)
	}
	// It knows best: what the system counts for a child includes what its parent held before.
	t.Logf("%.1f MB at most", float64(s.PeakMemoryBytes)/1e6)
	if runtime.GOOS == "linux" && s.PeakMemoryBytes == 0 || s.PeakMemoryBytes > demoBytes {
		t.Errorf("the demo held %.1f MB at once, the bound is %.1f MB", float64(s.PeakMemoryBytes)/1e6, float64(demoBytes)/1e6)
	}
}
