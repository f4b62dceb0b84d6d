package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
)

// ErrInjected is wrapped by every error that a [Faulty] or [FaultyRecordStore] makes up.
var ErrInjected = errors.New("injected fault")

// Method names a method that can be made to fail.
type Method string

// The methods of a [backend.Backend]. A [backend.RecordStore] shares Lookup, Latest and List.
const (
	MethodCommit      Method = "Commit"
	MethodReadLog     Method = "ReadLog"
	MethodHead        Method = "Head"
	MethodLookup      Method = "Lookup"
	MethodLatest      Method = "Latest"
	MethodList        Method = "List"
	MethodHistory     Method = "History"
	MethodAttempts    Method = "Attempts"
	MethodDue         Method = "Due"
	MethodHeld        Method = "Held"
	MethodLoadCursors Method = "LoadCursors"
	MethodSaveCursors Method = "SaveCursors"
	MethodJoin        Method = "Join"
	MethodSignalSeen  Method = "SignalSeen"
	MethodFind        Method = "Find"
	MethodCount       Method = "Count"
	MethodListHeld    Method = "ListHeld"
	MethodErase       Method = "Erase"
	MethodEnded       Method = "Ended"
)

// The methods that only a [backend.RecordStore] has.
const (
	MethodStore             Method = "Store"
	MethodListOutboxEvents  Method = "ListOutboxEvents"
	MethodDeleteOutboxEvent Method = "DeleteOutboxEvent"
)

// Fault says how often, and how, a method fails. The zero value never does.
type Fault struct {
	// Before is the share of calls, from 0 to 1, that fail before anything is done.
	Before float64
	// After is the share of calls that do their work and then fail. A Commit that fails so says [backend.ErrOutcomeUnknown].
	After float64
	// Twice is the share of calls that do their work twice, as after a lost answer; the caller gets the first result. A
	// second Commit is made with changes of its own, so that what is versioned conflicts with itself.
	Twice float64
	// Delay is called before each call, outside of all locks; nil for none. Its error fails the call.
	Delay func(ctx context.Context) error
}

// injector decides which calls fail, and counts them.
type injector struct {
	mu     sync.Mutex
	rng    *rand.Rand
	faults map[Method]Fault
	counts map[Method]int
}

func newInjector(seed uint64) injector {
	return injector{
		rng:    rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15)),
		faults: make(map[Method]Fault), counts: make(map[Method]int),
	}
}

// Set makes a method fail from now on; the zero Fault heals it.
func (f *injector) Set(m Method, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[m] = fault
}

// Heal ends all faults.
func (f *injector) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.faults)
}

// Injected returns how many faults a method has had so far, duplicates included and delays not.
func (f *injector) Injected(m Method) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[m]
}

// plan is what is to happen to one call.
type plan struct{ before, after, twice bool }

// draw decides what happens to a call of m, and lets its delay pass.
func (f *injector) draw(ctx context.Context, m Method) (plan, error) {
	f.mu.Lock()
	fault := f.faults[m]
	roll := func(share float64) bool { return f.rng.Float64() < share }
	p := plan{before: roll(fault.Before), after: roll(fault.After), twice: roll(fault.Twice)}
	if p.before || p.after || p.twice {
		f.counts[m]++
	}
	f.mu.Unlock()
	if fault.Delay != nil {
		if err := fault.Delay(ctx); err != nil {
			return plan{}, err
		}
	}
	if p.before {
		return plan{}, fmt.Errorf("%w before %s", ErrInjected, m)
	}
	return p, nil
}

// faulty calls one method that gives a value and an error.
func faulty[V any](ctx context.Context, f *injector, m Method, call func() (V, error)) (V, error) {
	var none V
	p, err := f.draw(ctx, m)
	if err != nil {
		return none, err
	}
	v, err := call()
	if p.twice {
		_, _ = call() // the answer to a repetition is lost
	}
	if err != nil {
		return none, err
	}
	if p.after {
		return none, fmt.Errorf("%w after %s", ErrInjected, m)
	}
	return v, nil
}
