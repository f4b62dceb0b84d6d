package engine

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// committer bundles changes (group commit). The first who brings a change while nobody commits becomes the leader and commits
// all that is pending, again and again until nothing is; so a lone change is committed at once, and a busy engine fills its
// batches by itself.
type committer struct {
	mu      sync.Mutex
	pending []*member
	leading bool
}

// member is a change on its way to the store, and what hangs on it.
type member struct {
	change *backend.Change
	task   *task
	kind   memberKind
	told   bool          // its refusal was reported
	more   bool          // the next one belongs into the same commit
	done   chan struct{} // closed when a waiting caller may read change.Err; nil where nobody waits
}

type memberKind int

const (
	kindOutside memberKind = iota // a caller waits for it
	kindAdvance                   // the delivery is finished by it
	kindHold                      // the delivery goes to its due row
	kindClaim                     // the delivery's attempt becomes a claim
)

// submit hands a change over. The calling goroutine may be made the leader; it must be one that can wait.
func (e *Engine) submit(m *member) {
	if e.enqueue(m) {
		e.lead(true)
	}
}

// submitAsync hands changes over, to be stored together, and returns at once.
func (e *Engine) submitAsync(group ...*member) {
	if e.enqueue(group...) {
		go e.lead(false) // ends when nothing is pending; whoever hangs on the batch waits for it
	}
}

// Commit hands a change over and waits until it is stored or refused. If ctx ends first, the error wraps ctx.Err(), and
// ErrOutcomeUnknown unless the change could be taken back.
func (e *Engine) Commit(ctx context.Context, c *backend.Change) error {
	if err := e.CommitAll(ctx, []*backend.Change{c}); err != nil {
		return err
	}
	return c.Err
}

// CommitAll is Commit for changes that are to be stored in one transaction. Each has its own Err, which may be read when the returned
// error is nil; that one says that ctx ended first.
func (e *Engine) CommitAll(ctx context.Context, changes []*backend.Change) error {
	if err := ctx.Err(); err != nil || len(changes) == 0 {
		return err
	}
	group := make([]*member, len(changes))
	for i, c := range changes {
		group[i] = &member{change: c, more: i < len(changes)-1}
	}
	group[len(group)-1].done = make(chan struct{})
	switch {
	case !e.enqueue(group...):
	case ctx.Done() != nil:
		go e.lead(false)
	case e.leadOnce(&round{}, false): // the caller has all the time: it commits by itself, but not for others again and again
		go e.lead(false)
	}
	return e.await(ctx, group...)
}

// await waits until a group of members is settled, or takes it back when ctx ends first.
func (e *Engine) await(ctx context.Context, group ...*member) error {
	last := group[len(group)-1]
	select {
	case <-last.done:
		return nil
	case <-ctx.Done():
	}
	if e.withdraw(group[0], len(group)) {
		return ctx.Err()
	}
	select {
	case <-last.done: // it was decided meanwhile: the truth is better than the context's end
		return nil
	default:
		return errors.Join(backend.ErrOutcomeUnknown, ctx.Err())
	}
}

// enqueue adds members, side by side, and reports whether the caller must lead.
func (e *Engine) enqueue(ms ...*member) bool {
	c := &e.committer
	c.mu.Lock()
	c.pending = append(c.pending, ms...)
	lead := !c.leading
	c.leading = true
	c.mu.Unlock()
	return lead
}

// withdraw takes a group of n that begins with m back, if no commit has taken it yet: commits take groups whole.
func (e *Engine) withdraw(m *member, n int) bool {
	c := &e.committer
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.pending, m)
	if i < 0 {
		return false
	}
	c.pending = slices.Delete(c.pending, i, i+n)
	return true
}

// round is the memory of a leader's rounds.
type round struct {
	batch   []*member
	changes []*backend.Change
}

// lead commits until nothing is pending. worker says that the caller takes a ready delivery itself afterwards.
func (e *Engine) lead(worker bool) {
	var r round
	for e.leadOnce(&r, worker) {
	}
}

// leadOnce commits what is pending. It reports whether there is more by now: then the caller goes on, or makes another one the leader.
func (e *Engine) leadOnce(r *round, worker bool) (more bool) {
	c := &e.committer
	c.mu.Lock()
	n := min(len(c.pending), maxBatch)
	for n > 0 && n < len(c.pending) && c.pending[n-1].more {
		n++
	}
	if n == 0 { // it was withdrawn
		c.leading = false
		c.mu.Unlock()
		return false
	}
	r.batch = append(r.batch[:0], c.pending[:n]...)
	rest := copy(c.pending, c.pending[n:])
	clear(c.pending[rest:])
	c.pending = c.pending[:rest]
	c.mu.Unlock()

	r.changes = r.changes[:0]
	for _, m := range r.batch {
		r.changes = append(r.changes, m.change)
	}
	// The engine's own context: a batch carries the work of many, and one caller's end must not undo the others'.
	err := e.b.Commit(e.commitCtx, r.changes)
	e.complete(r.batch, err, worker && rest == 0)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.leading = len(c.pending) > 0
	return c.leading
}

// complete does what hangs on the changes of a committed batch. self says that the caller will take a ready delivery.
func (e *Engine) complete(batch []*member, err error, self bool) {
	if err != nil {
		e.storeFailing(err)
		for _, m := range batch {
			if m.change.Err == nil {
				m.change.Err = err
			}
		}
	} else {
		e.storeHealthy()
	}
	var again []*member
	e.mu.Lock()
	if err != nil { // it may be stored all the same
		e.missed()
		e.readDueAgain()
	}
	for _, m := range batch {
		if m.change.Err == nil {
			e.noteDues(m)
		}
		if m.task != nil && e.settle(m, err != nil) {
			again = append(again, m)
		}
	}
	e.routeCommitted(batch)
	e.kick(self)
	cursors := e.promptCursors()
	e.mu.Unlock()

	for _, m := range batch {
		if m.done != nil {
			close(m.done)
		}
	}
	for _, m := range again {
		e.submitAsync(m)
	}
	e.saveCursors(cursors)
	e.say()
}

// noteDues tells the flow's pump which due rows a change has set and deleted, but for the one that its task waits for; e.mu is held.
func (e *Engine) noteDues(m *member) {
	c := m.change
	held := c.Hold
	if m.kind == kindHold || m.kind == kindClaim {
		held = held[1:]
	}
	if len(held) == 0 && len(c.Done) == 0 {
		return
	}
	for _, rt := range e.routes {
		for _, k := range c.Done {
			rt.flow.due.cancelled(k)
		}
		for _, d := range held {
			if d.WorkflowName == rt.flow.spec.Name {
				rt.flow.due.add(d, nil)
			}
		}
	}
}

// settle decides what a stored or refused change means for its delivery; e.mu is held. down says that the commit failed as a whole. It
// reports true where the member carries a new change that has to be submitted.
func (e *Engine) settle(m *member, down bool) bool {
	t, err := m.task, m.change.Err
	switch {
	case err == nil:
		switch m.kind {
		case kindHold:
			e.waitDue(t, m.change.Hold[0])
		case kindClaim:
			e.claimed(t)
		default:
			e.finish(t)
		}
		return false
	case down || isOwn(err):
		return e.refused(m, down)
	case errors.Is(err, backend.ErrVersionConflict) && t.ofTheMoment() && (m.change.Record != nil || m.change.Expect != 0):
		t.rec, t.verify = nil, true // the run moved, this delivery may still have something to say, if its row is still there
		e.missed()
		if t.conflicts++; t.conflicts%atOnce == 0 { // the run moves fast: not as fast as it does
			e.lookAgain(t)
		} else {
			e.outOfHand(t)
			t.role.push(t)
			t.role.flow.rested()
		}
		return false
	case errors.Is(err, backend.ErrVersionConflict), errors.Is(err, backend.ErrRecordNotFound):
		e.missed()
		if t.mayHaveRow() {
			t.role.flow.overtaken(t.key)
		}
		e.finish(t) // somebody else moved the run: the event of that version is on its way
		return false
	default:
		return e.refused(m, down)
	}
}

// atOnce is how many conflicts with its run a delivery of the moment has, each looked at again right away, until it waits for the watchdog.
const atOnce = 4

// isOwn reports whether a change was refused by the user's function of the transaction: then what its error wraps, or even does, is its own.
func isOwn(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if _, ok := err.(*backend.TxError); ok {
			return true
		}
	}
	return false
}

// refused settles a change that the store did not take: because it failed as a whole, or because the change itself is bad, which is a
// failed attempt.
func (e *Engine) refused(m *member, down bool) bool {
	t := m.task
	switch {
	case m.kind == kindClaim:
		if t.claim == claimAsked { // tried again by the watchdog
			t.claim = claimNone
			e.claims--
		}
		return false
	case m.kind == kindAdvance && m.change.Attempt == nil && !down:
		*m = e.failed(t, m.change.Err)
		return true
	case t.role.gone:
		e.finishUnsafe(t)
		return false
	default:
		if !down && !m.told { // not the store's failure, and nothing better to do than to try again
			m.told = true
			t.role.flow.logError(&backend.Error{Op: "store delivery", Workflow: t.role.flow.spec.Name, RunID: t.key.RunID, Err: m.change.Err})
		}
		e.stalled = append(e.stalled, m)
		e.armWatchdog()
		return false
	}
}

// missed makes the dispatcher read the log: an entry may have been stored without this process having been told. e.mu is held.
func (e *Engine) missed() {
	e.behind = true
	e.wakeDispatcher()
}

// storeFailing reports a failing store once per streak.
func (e *Engine) storeFailing(err error) {
	if !e.failing.Swap(true) && !errors.Is(err, backend.ErrClosed) {
		e.logError(&backend.Error{Op: "commit", Err: err, Hint: "the changes are kept and tried again"})
	}
}

func (e *Engine) storeHealthy() {
	if e.failing.Load() {
		e.failing.Store(false)
	}
}
