package engine

import (
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// role is the window of one (workflow, bucket) that this process holds. All of it is guarded by Engine.mu.
type role struct {
	engine *Engine
	flow   *Flow
	bucket int
	grant  int // which grant it belongs to

	lagging  bool  // it reads behind the engine's position
	full     bool  // it had no room in the present catch-up
	gone     bool  // it receives and starts nothing more
	received int64 // while lagging: the last entry taken

	steps map[string]*task  // by run id: the step delivery in hand
	lanes map[laneKey]*task // hooks and the like: the delivery in hand, others behind it

	queue   fifo[*task] // ready, in order
	queued  int         // ready and not dropped
	running int         // in a slot
	inRing  bool

	window window // what was received, until it is safe
	saved  int64  // the cursor as stored
	dirty  bool   // something was received since
}

type laneKey struct {
	run      string
	receiver backend.Receiver
	version  uint // zero where versions stand in line
}

func newRole(f *Flow, bucket, grant int, cursor int64) *role {
	return &role{
		engine: f.engine, flow: f, bucket: bucket, grant: grant,
		lagging: true, received: cursor, saved: cursor,
		steps: make(map[string]*task),
		lanes: make(map[laneKey]*task),
	}
}

// retire ends the role's receiving: what is in work may finish, nothing new starts.
func (r *role) retire() {
	r.gone = true
	if !r.lagging {
		r.lagging, r.received = true, r.engine.pos
	}
	for t := r.pop(); t != nil; t = r.pop() { // never started; its event is not safe
		t.phase.Store(phaseGone)
	}
}

// supersede tells the run's step in hand that a newer version exists.
func (r *role) supersede(en *backend.Entry) {
	t := r.steps[en.Record.RunID]
	if t == nil || t.key.Version >= en.Record.Meta.Version || r.gone {
		return
	}
	if n := t.next; n != nil && n.key.Version < en.Record.Meta.Version { // it never started
		t.next = nil
		n.phase.Store(phaseGone)
		r.release(n)
	}
	t.overtaken = true // it may fail for another reason, or not have begun yet: it must not be tried again
	t.leftVisit = t.leftVisit || en.Record.Meta.Visit > t.key.Version || en.Record.RunState.Finished()
	switch t.phase.Load() {
	case phaseRunning:
		r.engine.end(t, ErrSuperseded)
	case phaseReady, phaseWaiting:
		r.drop(t)
	}
}

// receive takes an entry into the window.
func (r *role) receive(en *backend.Entry) {
	r.received, r.dirty = en.Pos, true
	rec, spec := en.Record, r.flow.spec
	if rec.RunState.Moving() && en.Current {
		if h := spec.Steps[rec.Status]; h != nil {
			r.receiveStep(en, h, en.Held || resumed(en) || r.nudged(en))
		} else if !spec.knows(rec.Status) {
			r.receiveStep(en, unknownHandler(), true) // the worker keeps it for a program that has the step
		}
	}
	if rec.RunState == backend.RunStateRequestedDataDeleted {
		r.receiveLane(en, spec.Delete, kindDelete, backend.ReceiverDelete, en.Held)
	}
	for _, h := range spec.Hooks {
		if h.Wants(en.From, rec) {
			r.receiveLane(en, &h.Handler, kindHook, h.Receiver(), en.Held)
		}
	}
	timers := len(spec.Timeouts[rec.Status]) > 0 && resumed(en) // also where a newer version of the same visit is here already
	signals := len(spec.Signals[rec.Status]) > 0 && en.Current  // else the newer version's own entry sees to it
	if rec.RunState.Moving() && (timers || signals) {
		r.receiveLane(en, unknownHandler(), kindRearm, receiverRearm, false)
	}
}

// resumed reports whether the entry tells of a resume; streams of third parties do not say where a run came from.
func resumed(en *backend.Entry) bool {
	return en.From.RunState == backend.RunStatePaused || en.From.RunState == backend.RunStateUnknown && en.Record.Meta.Version > 1
}

// nudged reports whether something beside its step made this version of a run without taking it out of its visit: its start may be still to come.
func (r *role) nudged(en *backend.Entry) bool {
	return !r.engine.volatile && en.Cause != backend.CauseStep && en.Record.Meta.Visit != en.Record.Meta.Version
}

// receiverRearm is a delivery that lives in memory only; its event stays unsafe until it is done.
const receiverRearm backend.Receiver = "rearm"

func (r *role) receiveStep(en *backend.Entry, h *Handler, verify bool) {
	runID, version := en.Record.RunID, en.Record.Meta.Version
	cur := r.steps[runID]
	if cur != nil && cur.key.Version >= version || cur != nil && cur.next != nil && cur.next.key.Version >= version {
		return // it came twice
	}
	t := r.newTask(en, h, kindStep, backend.ReceiverStep)
	t.verify = verify
	if cur == nil {
		r.steps[runID] = t
		r.push(t)
		return
	}
	if cur.next != nil {
		r.release(cur.next)
	}
	cur.next = t
}

func (r *role) receiveLane(en *backend.Entry, h *Handler, kind taskKind, receiver backend.Receiver, verify bool) {
	if h == nil {
		return
	}
	t := r.newTask(en, h, kind, receiver)
	t.verify = verify || (t.inOrder() && r.flow.due.mayHold(t.lane()))
	r.enlane(t)
}

func (r *role) newTask(en *backend.Entry, h *Handler, kind taskKind, receiver backend.Receiver) *task {
	t := &task{
		role: r, handler: h, kind: kind, rec: en.Record, event: en.Record, cause: backend.CauseStep,
		key: backend.DeliveryKey{RunID: en.Record.RunID, Receiver: receiver, Version: en.Record.Meta.Version},
	}
	t.place = r.window.add(en.Pos)
	return t
}

// push makes a task ready.
func (r *role) push(t *task) {
	if r.gone {
		return // its event is not safe: it comes again to whom holds the role next
	}
	t.phase.Store(phaseReady)
	r.queue.push(t)
	r.queued++
	r.engine.ready++
	r.enring()
}

// enring gives the role a turn if it has work and a free slot.
func (r *role) enring() {
	if !r.inRing && r.queued > 0 && r.running < maxRunning {
		r.inRing = true
		r.engine.ring.push(r)
	}
}

// pop takes the next ready task, or nil.
func (r *role) pop() *task {
	for r.queue.len() > 0 {
		if t := r.queue.pop(); t.phase.Load() == phaseReady { // else dropped meanwhile; drop has counted it
			r.unready()
			return t
		}
	}
	return nil
}

// unready counts a delivery out of the ready ones, and tells those who wait for room that there is some.
func (r *role) unready() {
	r.queued--
	r.engine.ready--
	if !r.roomMade() {
		return
	}
	if r.lagging || r.engine.ready == maxReady/2 {
		r.engine.wakeDispatcher()
	}
	r.flow.due.roomAgain()
}

// crowded reports whether the role is to take no more. What it does not take it reads from the log when it has room again.
func (r *role) crowded() bool {
	return r.queued >= maxQueue || r.engine.ready >= maxReady && r.queued >= minQueue
}

// hasRoom reports whether a role that was crowded is to go on: not before half of what was in its way is gone, so that it reads
// many at a time.
func (r *role) hasRoom() bool {
	return r.queued <= minQueue/2 || r.queued <= maxQueue/2 && r.engine.ready <= maxReady/2
}

// roomMade reports whether the delivery that was just counted out made room, for this role or for all.
func (r *role) roomMade() bool {
	return r.queued == minQueue/2 || r.queued == maxQueue/2 || r.engine.ready == maxReady/2
}

// drop takes a step that is ready or waiting out of the window: it was overtaken.
func (r *role) drop(t *task) {
	if t.phase.Load() == phaseReady {
		r.unready()
	}
	t.phase.Store(phaseGone)
	switch {
	case t.stored && t.starts && !t.leftVisit:
		r.flow.due.leave(t.key)
	case t.stored:
		r.flow.overtaken(t.key)
	}
	r.release(t)
	r.dropStep(t)
}

// head reports whether nothing stands before the task in its lane.
func (r *role) head(t *task) bool { return t.kind == kindStep || r.lanes[t.lane()] == t }

// dropStep takes a step out of its run's place and lets the next version in.
func (r *role) dropStep(t *task) {
	if r.steps[t.key.RunID] != t {
		return
	}
	delete(r.steps, t.key.RunID)
	if next := t.next; next != nil {
		t.next = nil
		r.steps[t.key.RunID] = next
		r.push(next)
	}
}

// release makes the task's place in the window safe.
func (r *role) release(t *task) { r.window.release(t.place) }

// low is the position up to which everything is safe.
func (r *role) low() int64 {
	if pos, ok := r.window.low(); ok {
		return pos - 1
	}
	if r.lagging {
		return r.received
	}
	return r.engine.pos
}

// freeSlot gives the task's slot back.
func (r *role) freeSlot(t *task) {
	if t.inSlot {
		t.inSlot = false
		r.running--
		r.enring()
	}
}

// finish ends a task whose effect is stored, or that has nothing more to say; Engine.mu is held.
func (e *Engine) finish(t *task) {
	t.role.release(t)
	e.finishUnsafe(t)
}

// finishUnsafe ends a task without making its event safe: the cursor stays before it; Engine.mu is held.
func (e *Engine) finishUnsafe(t *task) {
	r := t.role
	e.outOfHand(t)
	t.phase.Store(phaseGone)
	if t.kind != kindStep {
		r.unlane(t)
	} else {
		r.dropStep(t)
	}
	r.flow.rested()
}

// outOfHand takes a task out of what is in work.
func (e *Engine) outOfHand(t *task) {
	e.running.remove(t)
	if t.claim != claimNone {
		e.claims--
	}
	t.claim = claimNone
	t.role.freeSlot(t)
}

// waitDue parks a task whose due row is stored; Engine.mu is held.
func (e *Engine) waitDue(t *task, d backend.Delivery) {
	r := t.role
	e.outOfHand(t)
	r.release(t)
	t.stored, t.starts = true, t.kind == kindStep && d.State == backend.DeliveryTimer
	t.attempts, t.firstAt = d.Attempts, d.FirstAt
	if t.ofTheMoment() {
		t.rec = nil // the next attempt sees the run as it is then
	}
	switch {
	case t.kind == kindStep && (t.next != nil || t.overtaken): // while it failed
		t.phase.Store(phaseGone)
		if t.starts && !t.leftVisit {
			r.flow.due.add(d, nil)
		} else {
			r.flow.overtaken(t.key)
		}
		r.dropStep(t)
	case d.State == backend.DeliveryHeld && t.kind == kindTimeout && !t.heldTimer: // look again: the run may have been resumed meanwhile
		t.heldTimer = true
		r.push(t)
	case d.State == backend.DeliveryHeld || d.Due.IsZero(): // it waits for somebody else; what is behind it goes on
		t.phase.Store(phaseGone)
		r.unlane(t)
	case r.flow.due.crowded() && t.next == nil && r.head(t): // its row is the truth, and comes back when it is due
		t.phase.Store(phaseGone)
		r.dropStep(t)
		r.unlane(t)
		r.flow.due.add(d, nil)
	default:
		t.phase.Store(phaseWaiting)
		r.flow.due.add(d, t)
		if t.inOrder() && r.lanes[t.lane()] == t && !r.yield(t) {
			r.storeFollowers(t)
		}
	}
	r.flow.rested()
}

// kick starts workers for what is ready; e.mu is held. self says that the calling worker will take one itself.
func (e *Engine) kick(self bool) {
	n := e.ready
	if self {
		n--
	}
	for n > 0 && e.starting < 2 && e.workers < maxWorkers && e.ring.len() > 0 && e.abandoned < maxAbandoned {
		e.workers++
		e.starting++
		n--
		go e.work(true)
	}
}

// next gives a worker its next task, or nil when there is none.
func (e *Engine) nextTask(starting bool) *task {
	e.mu.Lock()
	defer e.mu.Unlock()
	if starting {
		e.starting--
	}
	for e.ring.len() > 0 && e.abandoned < maxAbandoned {
		r := e.ring.pop()
		r.inRing = false
		if r.running >= maxRunning {
			continue
		}
		t := r.pop()
		if t == nil {
			continue
		}
		r.running++
		t.inSlot = true
		t.phase.Store(phaseRunning)
		t.ended, t.endedAt = nil, time.Time{}
		t.attempt, t.cancel, t.started = nil, nil, time.Time{}
		e.running.add(t)
		r.enring()
		e.armWatchdog()
		e.kick(false)
		return t
	}
	e.workers--
	return nil
}
