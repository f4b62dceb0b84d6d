package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// The environment by which a test tells a copy of its own program what to be.
const (
	envWorker = "STILLWATER_WORKER" // what TestMain knows
	envDB     = "STILLWATER_DB"     // the store's file
	envPrefix = "STILLWATER_PREFIX" // begins the foreign ids that the worker triggers
	envIdle   = "STILLWATER_IDLE"   // seconds that TestIdle measures; 3 by default
	envKills  = "STILLWATER_KILLS"  // kills of TestKillLoop; 150 by default
	envSeed   = "STILLWATER_SEED"   // of the random moments
	envTimers = "STILLWATER_TIMERS" // timers of TestTimersDueAtOnce; 4,500 by default
)

// TestMain is also the entry of the worker processes: they are this very program with another task.
func TestMain(m *testing.M) {
	switch task := os.Getenv(envWorker); task {
	case "":
		code := m.Run()
		if dir, err := binDir(); err == nil {
			_ = os.RemoveAll(dir)
		}
		os.Exit(code)
	case "parcels":
		os.Exit(workParcels())
	case "drain":
		os.Exit(drainParcels())
	case "idle":
		os.Exit(workIdle(tire))
	case "idle-schedules":
		os.Exit(workIdle(storeSchedules))
	case "clocks":
		os.Exit(workClocks(false))
	case "clocks-drain":
		os.Exit(workClocks(true))
	case "client":
		os.Exit(workClient())
	default:
		fmt.Fprintln(os.Stderr, "unknown task", task)
		os.Exit(1)
	}
}

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q is not a number", name, text)
	}
	return n
}

// binDir is the folder of the command's binary.
var binDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "stillwater-bin-") })

// stillwater is the command's binary, built once.
var stillwater = sync.OnceValues(func() (string, error) {
	dir, err := binDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "stillwater")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = filepath.Join("..", "cmd", "stillwater")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return path, nil
})
