package engine

import (
	"context"
	"slices"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// dispatch is the dispatcher's goroutine. It reads what others committed, and gives lagging roles what they had no room for.
// Own commits never come here.
func (e *Engine) dispatch(ctx context.Context) {
	backOff := time.Duration(0)
	for {
		more, err := e.readOn(ctx)
		if err == nil {
			var lagging bool
			lagging, err = e.catchUp(ctx)
			more = more || lagging
		}
		e.savePrompt()
		e.say()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			e.storeFailing(err)
			backOff = min(max(2*backOff, 10*time.Millisecond), time.Second)
			if !pause(ctx, backOff) {
				return
			}
		case !more:
			backOff = 0
			select {
			case <-ctx.Done():
				return
			case <-e.wake:
			}
		}
	}
}

// readOn reads the log past the engine's position, if others wrote there, and routes what it finds.
func (e *Engine) readOn(ctx context.Context) (more bool, err error) {
	e.mu.Lock()
	behind, from := e.behind, e.pos
	e.behind = false
	e.mu.Unlock()
	if !behind {
		return false, nil
	}
	entries, err := e.b.ReadLog(ctx, from, readChunk)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.behind = true
		return false, err
	}
	for i := range entries {
		if entries[i].Pos > e.pos { // a leader may have routed some meanwhile
			e.pos = entries[i].Pos
			e.route(&entries[i], true)
		}
	}
	if len(entries) > 0 {
		e.behind = true // until a read finds nothing
	}
	e.kick(false)
	e.armWatchdog()
	return e.behind, nil
}

// routeCommitted routes the entries of a batch that this process committed; e.mu is held. Where somebody else's entries lie between,
// the dispatcher reads them all instead.
func (e *Engine) routeCommitted(batch []*member) {
	for _, m := range batch {
		c := m.change
		if c.Err != nil || c.Record == nil {
			continue
		}
		if c.Pos == 0 { // the entry comes back through a stream
			e.tell(c.Record)
			continue
		}
		switch {
		case !e.live || c.Pos <= e.pos:
		case c.Pos == e.pos+1 && !e.behind:
			e.pos = c.Pos
			entry := backend.Entry{Pos: c.Pos, Record: c.Record, From: c.From, Cause: c.Cause, Actor: c.Actor, Current: true, Held: startsHeld(c)}
			e.route(&entry, false)
		default:
			e.behind = true
			e.wakeDispatcher()
		}
	}
}

// route hands an entry to whom it concerns; e.mu is held. read says that it was read from the log, so that the run may
// have deliveries that this process does not know of.
func (e *Engine) route(en *backend.Entry, read bool) {
	e.tell(en.Record)
	rt := e.routes[en.Record.WorkflowName]
	if rt == nil {
		e.meet(en.Record.WorkflowName)
		return
	}
	if read && !e.prompt {
		rt.flow.due.readAgain() // others may have stored due rows with it
	}
	r := rt.roles[backend.BucketOf(en.Record.RunID, rt.buckets)]
	if r == nil {
		return
	}
	r.supersede(en)
	switch {
	case r.lagging:
	case r.crowded():
		r.lagging, r.received = true, en.Pos-1
		e.wakeDispatcher()
	default:
		r.receive(en)
	}
}

// startsHeld reports whether the change holds its own step back: the run begins later.
func startsHeld(c *backend.Change) bool {
	return slices.ContainsFunc(c.Hold, func(d backend.Delivery) bool { return d.Receiver == backend.ReceiverStep })
}

// catchUp reads for lagging roles that have room again, from the furthest behind on. It reports whether there is more to do.
func (e *Engine) catchUp(ctx context.Context) (more bool, err error) {
	e.mu.Lock()
	from, upTo, found := int64(0), e.pos, false
	for _, rt := range e.routes {
		for _, r := range rt.roles {
			if r != nil && r.lagging && !r.gone && r.hasRoom() {
				if r.received >= e.pos {
					r.lagging = false
					continue
				}
				if !found || r.received < from {
					from, found = r.received, true
				}
			}
		}
	}
	e.mu.Unlock()
	if !found {
		return false, nil
	}
	entries, err := e.b.ReadLog(ctx, from, readChunk)
	if err != nil {
		return false, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	last := upTo // an empty read means that nothing lies between
	if len(entries) == readChunk {
		last = min(upTo, entries[len(entries)-1].Pos)
	}
	for i := range entries {
		if entries[i].Pos <= last {
			e.offer(&entries[i], from)
		}
	}
	for _, rt := range e.routes {
		for _, r := range rt.roles {
			if r != nil && r.lagging && !r.gone && !r.full && r.received >= from && r.received < last {
				r.received = last
			}
			if r != nil {
				r.full = false
			}
		}
	}
	e.kick(false)
	e.armWatchdog()
	return true, nil
}

// savePrompt stores cursors that moved past entries without a receiver, for backends that wait for that.
func (e *Engine) savePrompt() {
	if !e.prompt {
		return
	}
	e.mu.Lock()
	cursors := e.promptCursors()
	e.mu.Unlock()
	e.saveCursors(cursors)
}

// offer gives an entry of a read that began at from to its role, if that one is waiting for it; e.mu is held. A role further
// behind than from would miss what lies between: its turn comes later.
func (e *Engine) offer(en *backend.Entry, from int64) {
	rt := e.routes[en.Record.WorkflowName]
	if rt == nil {
		return
	}
	r := rt.roles[backend.BucketOf(en.Record.RunID, rt.buckets)]
	if r == nil || r.gone || !r.lagging || r.full || r.received < from || r.received >= en.Pos {
		return
	}
	if r.crowded() {
		r.full = true
		return
	}
	r.supersede(en) // an older version may have been received as current
	r.receive(en)
}

// pause waits; it reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
