package integration

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
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
	cmd := exec.CommandContext(t.Context(), bin, "demo", "--db", filepath.Join(t.TempDir(), "demo.db"), "--orders", fmt.Sprint(20_000), "--json", "--quiet")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var s summary
	if err := json.Unmarshal(out, &s); err != nil || !s.Reconciled {
		t.Errorf("the summary: %v: %s", err, out)
	}
	peak, known := peakBytes(cmd.ProcessState)
	t.Logf("%.1f MB at most", float64(peak)/1e6)
	if known && peak > demoBytes {
		t.Errorf("the demo held %.1f MB at once, the bound is %.1f MB", float64(peak)/1e6, float64(demoBytes)/1e6)
	}
}
