package adaptertest

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// Run tests that the Backends of factory keep their contract. factory is called once for each case, from that case's own
// subtest, and gives a fresh and empty store; what it needs to clean up goes into its t.Cleanup.
//
// All cases but those that measure idleness run in parallel. After each one [Check] walks what is left of the store.
func Run(t *testing.T, factory func(t *testing.T) Store, g Guarantees) {
	t.Helper()
	if names := g.waived(); len(names) > 0 {
		t.Log("waived: " + strings.Join(names, ", "))
	}
	for _, c := range allCases() {
		if name, lacks := g.lacks(c.needs); lacks {
			t.Logf("not demanded: %s (%s)", c.name, name)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if !c.alone {
				t.Parallel()
			}
			runCase(t, factory(t), g, c)
		})
	}
}

// testCase is one demand.
type testCase struct {
	name string
	// needs are the names of the waivers that take the case away.
	needs []string
	// alone keeps the case from running beside others.
	alone bool
	run   func(e *env)
}

func allCases() []testCase {
	groups := [][]testCase{
		idleCases(), commitCases(), fieldCases(), versionCases(), raceCases(), batchCases(), txCases(), logCases(), historyCases(),
		historyBoundCases(), scrubCases(), guardCases(), signalCases(), queryCases(), heldCases(), eraseCases(), dueWatchCases(),
		deliveryCases(), cursorCases(), roleCases(), listCases(), idCases(), cancelCases(), classicViewCases(), peerCases(), restartCases(),
	}
	var all []testCase
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// env is what a case works with: its store and the helpers bound to it.
type env struct {
	T
	Store
	g Guarantees
	// b is the Backend in use; a restart replaces it.
	b backend.Backend
	// unusable says that b cannot be walked at the end: it is closed, and stays so.
	unusable bool
	// erased says that the case has erased runs, or tried to.
	erased atomic.Bool
}

func runCase(t T, s Store, g Guarantees, c testCase) {
	t.Helper()
	s.verify(t, g)
	e := &env{T: t, Store: s, g: g, b: s.Backend}
	t.Cleanup(func() {
		if err := e.b.Close(); err != nil && !errors.Is(err, backend.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	c.run(e)
	if !e.unusable {
		e.walk()
	}
}

// walk checks every invariant of the store as it is now.
func (e *env) walk() {
	e.Helper()
	e.walkBackend(e.b)
}

func (e *env) walkBackend(b backend.Backend) {
	e.Helper()
	violations, err := Walk(e.Context(), b, WalkOptions{NoHistory: e.g.NoHistory, NothingErased: !e.erased.Load()})
	report(e.T, violations, err)
}

// reopen closes the Backend and opens its data again.
func (e *env) reopen() {
	e.Helper()
	if err := e.b.Close(); err != nil {
		e.Fatalf("close before the restart: %v", err)
	}
	b, err := e.Reopen()
	if err != nil {
		e.Fatalf("reopen: %v", err)
	}
	e.b = b
}

// crash drops the Backend and opens its data again.
func (e *env) crash() {
	e.Helper()
	b, err := e.Crash()
	if err != nil {
		e.Fatalf("open after the crash: %v", err)
	}
	e.b = b
}

// peer opens a second Backend on the same data, which is closed at the end of the case.
func (e *env) peer() backend.Backend {
	e.Helper()
	b, err := e.Peer()
	if err != nil {
		e.Fatalf("open a second backend on the same data: %v", err)
	}
	e.Cleanup(func() {
		if err := b.Close(); err != nil && !errors.Is(err, backend.ErrClosed) {
			e.Errorf("close the second backend: %v", err)
		}
	})
	return b
}

// classic is the classic view of the same data.
func (e *env) classic() backend.RecordStore {
	e.Helper()
	v, ok := e.b.(classicViewer)
	if !ok {
		e.Fatalf("the backend has no method RecordStore")
	}
	return v.RecordStore()
}
