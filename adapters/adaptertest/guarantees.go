package adaptertest

import (
	"context"
	"reflect"
	"strings"

	"github.com/stillwater-go/workflow/backend"
)

// Store is what one case works on.
type Store struct {
	// Backend is open and empty. The case closes it.
	Backend backend.Backend
	// Reopen opens the same data again. It is called after Backend, or what an earlier call returned, was closed. Nil where
	// nothing is left after Close: then NoRestart must be waived.
	Reopen func() (backend.Backend, error)
	// Crash opens the same data again as if the process had died: the Backend before was not closed, and is not used any
	// more. Nil where that cannot be had: then NoCrash must be waived.
	Crash func() (backend.Backend, error)
	// Peer opens a second Backend on the same data while the first is at work, as another process would. Nil where one
	// process has the data to itself: then NoPeers must be waived.
	Peer func() (backend.Backend, error)
	// Tx wraps do in a function of the transaction, of the type that the Backend runs (see Change.Tx). Nil where the Backend
	// runs none: then NoTransactions must be waived.
	Tx func(do func(ctx context.Context) error) any
}

// Guarantees names what a Backend does not give. The zero value demands everything; each field that is true waives the cases
// that need it, which the test log then names.
type Guarantees struct {
	// NoRestart: nothing is left after Close, as in a store in memory.
	NoRestart bool
	// NoCrash: the suite has no way to end a Backend without closing it.
	NoCrash bool
	// NoPeers: one Backend at a time has the data to itself.
	NoPeers bool
	// NoTransactions: the Backend runs no function of the transaction; it is no [backend.Transactor].
	NoTransactions bool
	// NoHistory: History knows the present version alone.
	NoHistory bool
	// NoAttempts: failed attempts are not kept.
	NoAttempts bool
	// VolatileDeliveries: held deliveries are gone after a restart, and so are attempts.
	VolatileDeliveries bool
	// NoCheck: the Backend is no [backend.Checker].
	NoCheck bool
	// NoRecordStore: there is no method RecordStore() [backend.RecordStore] that gives the classic view of the same data.
	NoRecordStore bool
	// NoFinder: the Backend is no [backend.Finder].
	NoFinder bool
	// NoHeldLister: the Backend is no [backend.HeldLister].
	NoHeldLister bool
	// NoEraser: the Backend is no [backend.Eraser].
	NoEraser bool
	// NoDueWatch: the Backend is no [backend.DueWatcher]. It need not be one where NoPeers is waived too.
	NoDueWatch bool
	// NoExpect: a change does not hold for one version only (see Change.Expect).
	NoExpect bool
	// NoSignals: the ids of signals are not remembered (see Change.SignalID).
	NoSignals bool
	// NoDeadline: Meta.Deadline is not kept.
	NoDeadline bool
	// NoObjectBound: the objects of all versions of a run are kept as long as the run.
	NoObjectBound bool
	// NoStillness: the Backend polls while it is idle, and costs processor time.
	NoStillness bool
}

// waived names the guarantees that were given up, in the order of declaration.
func (g Guarantees) waived() []string { return waivedFields(reflect.ValueOf(g)) }

// lacks reports whether one of the named guarantees was given up, and which.
func (g Guarantees) lacks(names []string) (string, bool) {
	return lacksField(reflect.ValueOf(g), names)
}

func waivedFields(v reflect.Value) []string {
	var names []string
	for i := range v.NumField() {
		if v.Field(i).Bool() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return names
}

func lacksField(v reflect.Value, names []string) (string, bool) {
	for _, name := range names {
		if v.FieldByName(name).Bool() {
			return name, true
		}
	}
	return "", false
}

// verify reports a Store that leaves out a part without waiving it.
func (s Store) verify(t T, g Guarantees) {
	t.Helper()
	var missing []string
	need := func(waiver string, waived, has bool) {
		if !waived && !has {
			missing = append(missing, waiver)
		}
	}
	if s.Backend == nil {
		t.Fatalf("the factory returned no Backend")
	}
	_, isTransactor := s.Backend.(backend.Transactor)
	_, isChecker := s.Backend.(backend.Checker)
	_, isClassic := s.Backend.(classicViewer)
	need("NoRestart", g.NoRestart, s.Reopen != nil)
	need("NoCrash", g.NoCrash, s.Crash != nil)
	need("NoPeers", g.NoPeers, s.Peer != nil)
	need("NoTransactions", g.NoTransactions, s.Tx != nil && isTransactor)
	need("NoCheck", g.NoCheck, isChecker)
	need("NoRecordStore", g.NoRecordStore, isClassic)
	_, isFinder := s.Backend.(backend.Finder)
	_, isHeldLister := s.Backend.(backend.HeldLister)
	_, isEraser := s.Backend.(backend.Eraser)
	_, isDueWatcher := s.Backend.(backend.DueWatcher)
	need("NoFinder", g.NoFinder, isFinder)
	need("NoHeldLister", g.NoHeldLister, isHeldLister)
	need("NoEraser", g.NoEraser, isEraser)
	need("NoDueWatch", g.NoDueWatch || g.NoPeers, isDueWatcher)
	if len(missing) > 0 {
		t.Fatalf("the Store lacks what only a waiver may leave out: waive %s", strings.Join(missing, ", "))
	}
}

// classicViewer is implemented by backends that give the classic view of the same data.
type classicViewer interface {
	RecordStore() backend.RecordStore
}
