package shim

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// relay sends what waits in the outbox. It is one goroutine, and works while its role is held.
type relay struct {
	b       *Backend
	senders *senders
	held    map[string]*heldRow // rows that could not be sent, by id
	passes  int
	errs    streak
}

// heldRow is a row that is tried again on its own clock. Later rows of its run wait behind it.
type heldRow struct {
	wait   backoff
	due    time.Time
	sent   bool // only its deletion failed
	logged time.Time
	seen   int // the last pass that listed it
}

const (
	maxPoisonWait   = time.Minute     // between tries of a row that cannot be read
	reportHeldEvery = time.Minute     // a held row is reported at most this often
	relayMaxInARow  = 3               // failures in a row before the streamer or the store counts as failing as a whole
	relayIdleRetry  = 5 * time.Second // the longest wait after the outbox could not be read
)

// errRelayFailing says that a pass was given up, because nothing went through.
var errRelayFailing = errors.New("several outbox rows in a row could not be sent")

func newRelay(b *Backend) *relay {
	return &relay{b: b, held: make(map[string]*heldRow)}
}

// run competes for the role until ctx ends.
func (r *relay) run(ctx context.Context) {
	if r.b.notifier != nil {
		stop, err := r.subscribe()
		if err != nil {
			r.b.report(ctx, "watch the outbox", "", err)
		} else {
			defer stop()
		}
	}
	var wait backoff
	for ctx.Err() == nil {
		held, release, err := r.b.await(ctx, r.b.cfg.OutboxRole)
		if err != nil {
			if ctx.Err() == nil {
				r.errs.report(ctx, r.b, "await role "+r.b.cfg.OutboxRole, err)
			}
		} else {
			if held.Err() == nil {
				wait.reset()
				r.hold(held)
			}
			release()
		}
		wait.wait(ctx)
	}
}

func (r *relay) subscribe() (stop func(), err error) {
	defer guard("watch the outbox", &err)
	stop = r.b.notifier.NotifyOutbox(func() { poke(r.b.relayWake) })
	return stop, nil
}

// hold relays while the role is held.
func (r *relay) hold(ctx context.Context) {
	b := r.b
	b.stateChanged(b.cfg.OutboxRole, true)
	defer b.stateChanged(b.cfg.OutboxRole, false)
	r.senders = newSenders(b)
	defer r.senders.close(ctx)
	wait := backoff{min: b.cfg.OutboxBackOff, max: max(b.cfg.OutboxBackOff, relayIdleRetry)}
	for {
		more, err := r.pass(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !errors.Is(err, errRelayFailing) { // its rows were reported
				r.errs.report(ctx, b, "relay the outbox", err)
			} else {
				wait.reset()
			}
			if !wait.wait(ctx) {
				return
			}
		case !more:
			wait.reset()
			r.errs.reset()
			if !waitFor(ctx, b.relayWake, r.idle()) {
				return
			}
		}
	}
}

// idle is how long there is nothing to do unless somebody wakes the relay; negative for ever.
func (r *relay) idle() time.Duration {
	d := time.Duration(-1)
	if r.b.notifier == nil {
		d = r.b.cfg.OutboxPoll
	}
	if len(r.held) == 0 {
		return d
	}
	now := realNow()
	for _, h := range r.held {
		if w := max(h.due.Sub(now), 0); d < 0 || w < d {
			d = w
		}
	}
	return d
}

// parsedRow is a row of the outbox, and its message where it can be read.
type parsedRow struct {
	id      string
	message backend.OutboxMessage
	err     error
	held    *heldRow
}

// pass sends what the outbox lists: first what was never tried, then what is due again. more says that there is more to do at once.
func (r *relay) pass(ctx context.Context) (more bool, err error) {
	b := r.b
	r.passes++
	// Rows that are held back do not use up the page.
	limit := b.cfg.OutboxLimit + min(len(r.held), maxHeldRows)
	events, err := b.store.ListOutboxEvents(ctx, b.cfg.WorkflowName, int64(limit))
	if err != nil {
		return false, err
	}
	blocked := make(map[string]bool) // runs behind a held row
	var fresh, again []*parsedRow
	for i := range events {
		row := r.parse(&events[i])
		if row.held != nil {
			row.held.seen = r.passes
			if row.err == nil {
				blocked[row.message.RunID] = true
			}
			if !row.held.due.After(realNow()) {
				again = append(again, row)
			}
			continue
		}
		fresh = append(fresh, row)
	}
	done, failing := r.sendAll(ctx, fresh, blocked)
	// The one that has waited longest first, so that each gets its turn.
	slices.SortStableFunc(again, func(x, y *parsedRow) int { return cmp.Compare(x.held.due.UnixNano(), y.held.due.UnixNano()) })
	freed, failingAgain := r.sendAll(ctx, again, nil)
	for id, h := range r.held {
		if h.seen != r.passes { // somebody else has sent it
			delete(r.held, id)
		}
	}
	if failing || failingAgain {
		return false, errRelayFailing
	}
	return freed > 0 || (len(events) == limit && done > 0), nil
}

func (r *relay) parse(e *backend.OutboxEvent) *parsedRow {
	row := &parsedRow{id: e.ID, held: r.held[e.ID]}
	row.message, row.err = backend.ParseOutboxEventData(e.Data)
	switch {
	case row.err != nil:
	case row.message.Headers[backend.HeaderTopic] == "":
		row.err = errors.New("the outbox row names no topic")
	}
	return row
}

// sendAll sends rows in order, passing over runs that are blocked. It gives up after several failures in a row.
func (r *relay) sendAll(ctx context.Context, rows []*parsedRow, blocked map[string]bool) (done int, failing bool) {
	failures := 0
	for _, row := range rows {
		if ctx.Err() != nil {
			return done, false
		}
		if row.err == nil && blocked[row.message.RunID] {
			continue
		}
		err := r.relayRow(ctx, row)
		if err == nil {
			delete(r.held, row.id)
			done++
			failures = 0
			continue
		}
		if ctx.Err() != nil {
			return done, false
		}
		r.holdBack(ctx, row, err)
		if row.err != nil {
			continue // it says nothing about the streamer
		}
		if blocked != nil {
			blocked[row.message.RunID] = true
		}
		if failures++; failures == relayMaxInARow {
			return done, true
		}
	}
	return done, false
}

// relayRow sends one row and deletes it.
func (r *relay) relayRow(ctx context.Context, row *parsedRow) error {
	if row.err != nil {
		return row.err
	}
	if row.held == nil || !row.held.sent {
		if err := r.senders.send(ctx, row.message); err != nil {
			return err
		}
	}
	err := r.b.store.DeleteOutboxEvent(ctx, row.id)
	if err == nil || errors.Is(err, backend.ErrOutboxRecordNotFound) {
		return nil
	}
	if row.held == nil {
		row.held = &heldRow{}
	}
	row.held.sent = true
	return err
}

// holdBack puts a row aside until its own time.
func (r *relay) holdBack(ctx context.Context, row *parsedRow, err error) {
	h := row.held
	if h == nil {
		h = &heldRow{}
		row.held = h
	}
	h.wait.min, h.wait.max = r.b.cfg.OutboxBackOff, max(r.b.cfg.OutboxBackOff, maxBackoff)
	if row.err != nil {
		h.wait.max = max(r.b.cfg.OutboxBackOff, maxPoisonWait)
	}
	now := realNow()
	h.due = now.Add(h.wait.step())
	h.seen = r.passes
	r.held[row.id] = h
	if h.logged.IsZero() || now.Sub(h.logged) >= reportHeldEvery {
		h.logged = now
		r.b.report(ctx, "relay outbox row "+row.id, row.message.RunID, err)
	}
}
