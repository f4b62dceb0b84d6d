package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// task is a delivery in memory: an event on its way to a piece of user code. All fields but phase are guarded by Engine.mu,
// or belong to the worker while the phase is running.
type task struct {
	role    *role
	handler *Handler
	key     backend.DeliveryKey
	rec     *backend.Record // as of the event's version; nil = look it up
	event   *backend.Record // as it came with its event, and stays; nil where it came from its row
	cause   backend.Cause
	kind    taskKind

	attempts  int // made before this one
	conflicts int // commits of its run that came before its own
	firstAt   time.Time
	stored    bool // it has a row in the store
	rowAsked  bool // a claim of it was handed over: it may have a row, whatever the answer was
	verify    bool // look at the store before user code runs: there may be a row, or a newer version
	data      []byte
	payload   []byte // of a signal
	actor     string // who sent it

	phase    atomic.Int32
	place    uint64   // its event's number in the window; zero where its row is what is safe
	next     *task    // what waits behind it: the run's newer version, or its next hook event
	attempt  *Attempt // the one in work
	cancel   context.CancelCauseFunc
	ended    error // why the context was ended
	endedAt  time.Time
	started  time.Time
	deadline time.Time
	claim    claimState
	inSlot   bool // counts in role.running

	overtaken bool // a newer version came while its change was on the way
	starts    bool // its row says that its run begins later: the next version of the visit takes that over
	leftVisit bool // that one is of another visit, or the run's end
	heldTimer bool // it is a timer that was held because the run is paused
	again     bool // its row was read while its change was on the way: the row may say more

	prevRun, nextRun *task // runList
}

// mayHaveRow reports whether its effect has to delete a row.
func (t *task) mayHaveRow() bool { return t.stored || t.rowAsked }

// lane is what the task waits in line for: hooks are told of a run's events in order, everything else stands for itself.
func (t *task) lane() laneKey {
	k := laneKey{run: t.key.RunID, receiver: t.key.Receiver}
	if !t.inOrder() {
		k.version = t.key.Version
	}
	return k
}

// inOrder reports whether earlier deliveries of the receiver go first.
func (t *task) inOrder() bool { return t.kind == kindHook || t.kind == kindDelete }

// ofTheMoment reports whether the task works on the run as it is now, not as of its event.
func (t *task) ofTheMoment() bool {
	switch t.kind {
	case kindTimeout, kindDelete, kindResume, kindTimers, kindRearm, kindSignal, kindDeadline:
		return true
	}
	return false
}

// engines reports whether the engine itself does what the task asks for, without user code.
func (t *task) engines() bool {
	switch t.kind {
	case kindResume, kindTimers, kindRearm, kindDeadline:
		return true
	}
	return false
}

// pauses reports whether giving the task up pauses its run. Hooks and deletions are held instead: they are beside the run's way.
func (t *task) pauses() bool {
	switch t.kind {
	case kindStep, kindTimeout, kindTimers, kindSignal:
		return true
	}
	return false
}

type taskKind int

const (
	kindStep taskKind = iota
	kindHook
	kindDelete
	kindResume
	kindTimeout
	kindTimers // "set the timers of this visit"
	kindRearm  // "give what waited for this version its time back": timers that a pause held, signals that came early
	kindSignal
	kindDeadline
)

// The phases of a task.
const (
	phaseReady int32 = iota
	phaseRunning
	phaseCommitting
	phaseWaiting // its truth is its due row
	phaseGone    // done, or dropped
)

type claimState int

const (
	claimNone claimState = iota
	claimAsked
	claimHeld
)

// runList is the list of tasks in the hands of user code, oldest first.
type runList struct {
	head, tail *task
	n          int
}

func (l *runList) add(t *task) {
	t.prevRun = l.tail
	if l.tail == nil {
		l.head = t
	} else {
		l.tail.nextRun = t
	}
	l.tail = t
	l.n++
}

func (l *runList) remove(t *task) {
	if t.prevRun == nil && l.head != t {
		return // not in the list
	}
	if t.prevRun == nil {
		l.head = t.nextRun
	} else {
		t.prevRun.nextRun = t.nextRun
	}
	if t.nextRun == nil {
		l.tail = t.prevRun
	} else {
		t.nextRun.prevRun = t.prevRun
	}
	t.prevRun, t.nextRun = nil, nil
	l.n--
}
