package adaptertest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

var (
	_ backend.Finder     = (*refStore)(nil)
	_ backend.HeldLister = (*refStore)(nil)
	_ backend.Eraser     = (*refStore)(nil)
	_ backend.DueWatcher = (*refStore)(nil)

	_ backend.SignalReader = (*refStore)(nil)
)

// matcher is the filters as one function.
func (d *refDisk) matcher(filters []backend.RecordFilter) func(r *backend.Record) bool {
	f := backend.MakeFilter(filters...)
	needle := f.ByReason()
	plain := backend.MakeFilter(append(slices.Clone(filters), backend.FilterByReason(""))...)
	return func(r *backend.Record) bool {
		switch d.bug {
		case reasonsAreFolded:
			return plain.Match(r) && strings.Contains(strings.ToLower(r.Meta.RunStateReason), strings.ToLower(needle))
		case reasonsArePatterns:
			return plain.Match(r) && like(needle, r.Meta.RunStateReason)
		case updatedIsCreated:
			other := *r
			other.UpdatedAt = r.CreatedAt
			r = &other
		case foreignIDsAreAList:
			other := *r
			other.ForeignID, _, _ = strings.Cut(r.ForeignID, ",")
			return f.Match(r) || f.Match(&other)
		}
		return f.Match(r)
	}
}

// like reports whether a text contains a pattern in which % stands for any text.
func like(pattern, text string) bool {
	for _, part := range strings.Split(pattern, "%") {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return true
}

func (s *refStore) SignalSeen(ctx context.Context, runID, signalID string) (bool, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	return s.d.bug == seesEverySignal || s.d.signals[s.d.signalRun(runID)][s.d.signalID(signalID)], nil
}

func (s *refStore) Find(ctx context.Context, q backend.Query) ([]backend.Found, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	d := s.d
	match := d.matcher(q.Filters)
	var out []backend.Found
	for i, id := range d.order {
		r := d.runs[id]
		key := d.keys[id]
		if d.bug == keysArePlaces {
			key = int64(i + 1)
		}
		past := key > q.After
		if q.Order == backend.OrderTypeDescending {
			past = key < q.After || q.After == 0
		}
		if past && (q.WorkflowName == "" && d.bug != findsOneWorkflow || r.WorkflowName == q.WorkflowName) && match(r) {
			out = append(out, backend.Found{Key: key, Record: r.Clone()})
		}
	}
	if q.Order == backend.OrderTypeDescending && d.bug != findsUpwards {
		slices.Reverse(out)
	}
	if q.Limit <= 0 && d.bug == noLimitIsAll {
		return out, nil
	}
	return out[:min(max(q.Limit, 0), len(out))], nil
}

func (s *refStore) Count(ctx context.Context, workflowName string, filters ...backend.RecordFilter) ([]backend.Count, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	match := s.d.matcher(filters)
	var out []backend.Count
	for _, id := range s.d.order {
		r := s.d.runs[id]
		if workflowName != "" && r.WorkflowName != workflowName || !match(r) && s.d.bug != countsAll {
			continue
		}
		i := slices.IndexFunc(out, func(c backend.Count) bool { return c.Status == r.Status && c.RunState == r.RunState })
		if i < 0 {
			out = append(out, backend.Count{Status: r.Status, RunState: r.RunState})
			i = len(out) - 1
		}
		out[i].Runs++
		if s.d.bug == countsTwice {
			out[i].Runs++
		}
	}
	slices.SortFunc(out, func(a, b backend.Count) int {
		if s.d.bug == countsByRunState {
			return cmp.Or(cmp.Compare(a.RunState, b.RunState), cmp.Compare(a.Status, b.Status))
		}
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.RunState, b.RunState))
	})
	return out, nil
}

func (s *refStore) ListHeld(ctx context.Context, workflowName string, after backend.DeliveryKey, limit int) ([]backend.Delivery, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []backend.Delivery
	for k, h := range s.d.deliveries {
		given := h.Due.IsZero() && (h.State == backend.DeliveryHeld || s.d.bug == queuedIsGivenUp)
		ours := h.WorkflowName == workflowName || s.d.bug == workflowsAreOne
		past := compareDue(backend.Delivery{DeliveryKey: k}, backend.Delivery{DeliveryKey: after}) > 0
		if s.d.bug == heldPagesAreOfRuns && after.RunID != "" {
			past = k.RunID > after.RunID
		}
		if given && ours && past && s.d.bug != heldListIsEmpty {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b backend.Delivery) int {
		if s.d.bug == heldOrderIsByVersion {
			return cmp.Or(cmp.Compare(a.RunID, b.RunID), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Receiver, b.Receiver))
		}
		return compareDue(backend.Delivery{DeliveryKey: a.DeliveryKey}, backend.Delivery{DeliveryKey: b.DeliveryKey})
	})
	return out[:min(max(limit, 0), len(out))], nil
}

func (s *refStore) Erase(ctx context.Context, runs []*backend.Erasure) error {
	if s.d.bug == cancelIsALie {
		defer func(ended error) {
			for _, x := range runs {
				x.Err = ended
			}
		}(ctx.Err())
		ctx = context.WithoutCancel(ctx)
	}
	leave, err := s.enter(ctx)
	if err != nil {
		for _, x := range runs {
			x.Err = err
		}
		return err
	}
	defer leave()
	d := s.d
	for _, x := range runs {
		r := d.runs[x.RunID]
		switch {
		case r == nil:
			if x.Err = fmt.Errorf("reference: %w: %s", backend.ErrRecordNotFound, x.RunID); d.bug == erasesNobody {
				x.Err = nil
			}
		case r.Meta.Version != x.Version && d.bug != erasesAnyVersion:
			x.Err = &backend.ConflictError{RunID: x.RunID, Want: x.Version, Have: r.Meta.Version}
		case !r.RunState.Finished() && d.bug != erasesTheUnfinished:
			x.Err = fmt.Errorf("reference: %w: %s", backend.ErrUnfinished, x.RunID)
		default:
			x.Err = nil
			d.erase(r)
		}
		if x.Err != nil && d.bug == badErasureFailsAll {
			return x.Err
		}
	}
	return nil
}

// erase removes everything about a run.
func (d *refDisk) erase(r *backend.Record) {
	id := r.RunID
	d.gone = append(d.gone, r)
	mine := func(e backend.Entry) bool { return e.Record.RunID == id }
	if d.bug != erasesNoLog {
		d.log = slices.DeleteFunc(slices.Clone(d.log), mine)
	}
	if d.bug == headGoesBack && len(d.log) > 0 {
		d.pos = d.log[len(d.log)-1].Pos
	}
	if d.bug != erasesNoHistory {
		delete(d.history, id)
		delete(d.bare, id)
	}
	if d.bug != erasesNoAttempts {
		delete(d.attempts, id)
	}
	if d.bug != erasesNoSignals {
		delete(d.signals, id)
	}
	for k := range d.deliveries {
		if k.RunID == id && d.bug != erasesNoDeliveries {
			delete(d.deliveries, k)
		}
	}
	if d.bug == erasesAllDeliveries {
		clear(d.deliveries)
	}
	d.outbox = slices.DeleteFunc(d.outbox, func(e backend.OutboxEvent) bool {
		m, err := backend.ParseOutboxEventData(e.Data)
		return err == nil && m.RunID == id && d.bug != erasesNoOutbox
	})
	drop := []string{id}
	for _, other := range d.order {
		if o := d.runs[other]; d.bug == erasesForeignIDs && o.WorkflowName == r.WorkflowName && o.ForeignID == r.ForeignID && other != id {
			drop = append(drop, other)
		}
	}
	for _, id := range drop {
		delete(d.runs, id)
		delete(d.keys, id)
		d.order = slices.DeleteFunc(slices.Clone(d.order), func(o string) bool { return o == id })
	}
	if d.bug == keysAreReused {
		d.lastKey = 0
		for _, key := range d.keys {
			d.lastKey = max(d.lastKey, key)
		}
	}
}

// bringBack is what a restart does to the erased where erasing was not written down.
func (d *refDisk) bringBack() {
	if d.bug != erasesInMemoryOnly {
		return
	}
	for _, r := range d.gone {
		d.order = append(d.order, r.RunID)
		d.runs[r.RunID] = r
	}
}

func (s *refStore) Ended(ctx context.Context, workflowName string, mark int64, before time.Time) (backend.EndedPage, error) {
	const stretch = 5
	var page backend.EndedPage
	leave, err := s.enter(ctx)
	if err != nil {
		return page, err
	}
	defer leave()
	d := s.d
	skipped := int64(0)
	looked := 0
	for i, id := range d.order {
		r, key := d.runs[id], d.keys[id]
		if d.bug == endedMarksAreOffsets {
			key = int64(i + 1)
		}
		if r.WorkflowName != workflowName && d.bug != workflowsAreOne {
			continue
		}
		ended := r.RunState.Finished() || d.bug == endedMeansOld
		due := r.UpdatedAt.Before(before) || d.bug == endedIsInclusive && r.UpdatedAt.Equal(before)
		if ended && !due && (page.Next.IsZero() || r.UpdatedAt.Before(page.Next)) && d.bug != endedSaysNotWhen {
			page.Next = r.UpdatedAt
		}
		if skipped = key; key <= mark || looked == stretch {
			continue
		}
		looked++
		if ended && due {
			page.Runs = append(page.Runs, r.Clone())
		}
		if looked == stretch {
			page.Mark = skipped
		}
	}
	if page.Mark != 0 {
		page.Next = time.Time{}
	}
	if d.bug == endedStopsAfterAPage {
		page.Mark = 0
	}
	slices.SortStableFunc(page.Runs, func(a, b *backend.Record) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	if d.bug == endedNewestFirst {
		slices.Reverse(page.Runs)
	}
	return page, nil
}

// toldOfDue are the watchers who have to be told of due deliveries that s stored.
func (d *refDisk) toldOfDue(s *refStore, batch []*backend.Change) []*refWatcher {
	var out []*refWatcher
	for _, w := range d.dues {
		if w.s != s && d.bug != dueWatchIsDeaf && slices.ContainsFunc(batch, func(c *backend.Change) bool { return c.Wake && c.Err == nil }) {
			out = append(out, w)
		}
	}
	return out
}

func (s *refStore) WatchDue(changed func()) func() {
	w := &refWatcher{s: s, fn: changed}
	s.d.mu.Lock()
	s.d.dues = append(s.d.dues, w)
	s.d.mu.Unlock()
	return w.stop
}
