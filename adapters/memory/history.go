package memory

import (
	"math"

	"github.com/stillwater-go/workflow/backend"
)

// kept bounds what is kept of one run's history.
type kept struct {
	objects  int // versions with their object
	versions int // at least as many
}

// forget drops what the bounds on a run's history say, oldest first. It stops at what somebody still needs, and is called again when
// that may have changed, so that each version is looked at once.
func (t *table) forget(r *run) {
	surplus := len(r.versions) - t.keep.objects
	if surplus <= r.bare && len(r.versions) <= t.keep.versions {
		return
	}
	passed, hook := t.passed(r), r.oldestHook()
	late := false
	for r.bare < surplus && !late {
		e := r.versions[r.bare]
		if late = e.Pos > passed; late || e.Record.Meta.Version >= hook {
			break
		}
		rec := *e.Record // readers may hold the old one
		rec.Object = nil
		e.Record, e.Trimmed = &rec, true
		r.bare++
	}
	for r.bare > 0 && len(r.versions) > t.keep.versions {
		r.versions[0] = nil
		r.versions = r.versions[1:]
		r.bare--
	}
	if late {
		r.workflow.late[r] = struct{}{}
	} else {
		delete(r.workflow.late, r)
	}
}

// passed is the position that the cursor of the run's bucket has passed; where nobody reads a log it has passed everything.
func (t *table) passed(r *run) int64 {
	if t.log == nil {
		return math.MaxInt64
	}
	c := &r.workflow.cursors
	return c.at(backend.BucketOf(r.record.RunID, c.count()), t.log.head)
}

// oldestHook is the oldest version that a stored delivery to a hook tells of.
func (r *run) oldestHook() uint {
	oldest := uint(math.MaxUint)
	if r.hooks == 0 {
		return oldest
	}
	for d := r.held; d != nil; d = d.next {
		if d.isHook() {
			oldest = min(oldest, d.Version)
		}
	}
	return oldest
}

// scrub deletes the data of a run, all but its newest version. Records are replaced, not changed: readers may hold the old ones.
func (t *table) scrub(r *run) {
	for _, e := range r.versions[:len(r.versions)-1] {
		scrubEntry(e, r.record.Object)
	}
	t.eachForgotten(r, func(s *slot) { scrubEntry(s.entry, r.record.Object) })
	for i := range r.attempts.items {
		r.attempts.items[i].Error, r.attempts.items[i].Stack = "", ""
	}
	var next *delivery
	for d := r.held; d != nil; d = next {
		if next = d.next; d.Receiver.IsSignal() {
			t.done(d.DeliveryKey)
			continue
		}
		d.LastError, d.Data = "", nil
	}
	r.signals = nil
}

func scrubEntry(e *backend.Entry, object []byte) {
	rec := *e.Record
	if rec.Meta.RunStateReason = ""; !e.Trimmed {
		rec.Object = object
	}
	e.Record = &rec
}

// eachForgotten calls visit with the run's versions that the history has forgotten, and the log has not: older entries wait for another
// cursor.
func (t *table) eachForgotten(r *run, visit func(*slot)) {
	if t.log == nil || len(r.versions) < t.keep.versions {
		return
	}
	oldest := r.versions[0].Pos
	t.log.each(func(s *slot) bool {
		if s.entry == nil {
			return true
		}
		before := s.entry.Pos < oldest
		if before && s.run == r {
			visit(s)
		}
		return before
	})
}
