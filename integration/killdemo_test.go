package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	demoKills   = 15                    // the least number of kills
	demoMoment  = 60 * time.Millisecond // the latest moment of the first kill; later ones may come later
	demoTimeout = 2 * time.Minute
)

// summary is what the demo's --json says, as far as it is needed here.
type summary struct {
	Orders        int            `json:"orders"`
	AlreadyThere  int            `json:"already_there"`
	Statuses      map[string]int `json:"statuses"`
	Charges       int            `json:"charges"`
	Reconciled    bool           `json:"reconciled"`
	MismatchCount int            `json:"mismatch_count"`
	Mismatches    []any          `json:"mismatches"`
}

// TestKillDemo kills the demo as a user would find it, until it has come to its end all the same. Everything must reconcile, and the
// outcome must be the one of a demo that was never killed. (G1, G4, G6, G7)
func TestKillDemo(t *testing.T) {
	bin, err := stillwater()
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(number(t, envSeed, int(time.Now().UnixNano()&0x7fffffff)))
	t.Logf("the moments come from %s=%d", envSeed, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	wanted := max(demoKills, number(t, envKills, 0)/100)
	for orders := 2000; ; orders *= 2 { // a machine that is done before the last kill gets more to do
		kills, s := killDemo(t, bin, random, orders, wanted)
		if kills < wanted {
			t.Logf("%d orders were done after %d kills: once more with twice as many", orders, kills)
			continue
		}
		t.Logf("%d orders, %d kills, %d of the orders placed before the last: %v, %d charges", orders, kills, s.AlreadyThere, s.Statuses, s.Charges)
		return
	}
}

// killDemo runs the demo again and again, and kills it, until it ends by itself. It returns how often it was killed.
func killDemo(t *testing.T, bin string, random *rand.Rand, orders, wanted int) (kills int, s summary) {
	db := filepath.Join(t.TempDir(), "demo.db")
	args := []string{"demo", "--db", db, "--orders", fmt.Sprint(orders), "--json", "--quiet"}
	within := float64(demoMoment)
	for {
		var out bytes.Buffer
		cmd := exec.Command(bin, args...)
		cmd.Stdout = &out
		c := spawn(t, cmd, func(string) {})
		moment := time.Duration(random.Float64() * within)
		if kills > 10*wanted {
			moment = demoTimeout // enough: now it may end
		}
		select {
		case <-c.exited:
		case <-time.After(moment):
		}
		c.kill()
		if c.err == nil {
			if err := json.Unmarshal(out.Bytes(), &s); err != nil {
				t.Fatalf("the summary: %v: %s", err, &out)
			}
			break
		}
		if code := c.cmd.ProcessState.ExitCode(); code >= 0 { // not by our signal
			t.Fatalf("the demo ended with %d after %d kills: %s%s", code, kills, &c.stderr, &out)
		}
		if kills++; kills > wanted {
			within *= 1.25 // it has been killed enough; now it shall come to its end
		}
	}
	if !s.Reconciled || s.MismatchCount != 0 || s.Orders != orders {
		t.Errorf("after %d kills the demo does not reconcile: %+v", kills, s)
	}
	if want := unharmed(t, bin, orders); fmt.Sprint(s.Statuses) != fmt.Sprint(want.Statuses) || s.Charges != want.Charges {
		t.Errorf("after %d kills: %v and %d charges; never killed: %v and %d", kills, s.Statuses, s.Charges, want.Statuses, want.Charges)
	}
	if report, code := command(t, bin, "check", db); code != 0 {
		t.Errorf("check ended with %d: %s", code, report)
	}
	return kills, s
}

// unharmed is the summary of a demo that nobody kills.
func unharmed(t *testing.T, bin string, orders int) (s summary) {
	out, code := command(t, bin, "demo", "--db", filepath.Join(t.TempDir(), "unharmed.db"), "--orders", fmt.Sprint(orders), "--json", "--quiet")
	if code != 0 {
		t.Fatalf("the demo ended with %d: %s", code, out)
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("the summary: %v: %s", err, out)
	}
	return s
}

// command runs a command to its end and returns what it wrote and its exit code.
func command(t *testing.T, bin string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	b, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return string(b) + string(exit.Stderr), exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return string(b), 0
}
