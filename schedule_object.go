package workflow

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/internal/cron"
)

// scheduleDef is what a schedule is, as it is stored. Its names never change.
type scheduleDef struct {
	ForeignID string        `json:"foreign_id"`
	Spec      string        `json:"spec"`
	Zone      string        `json:"zone"`
	Initial   []byte        `json:"initial,omitempty"`
	Start     *int          `json:"start,omitempty"`
	Missed    MissedPolicy  `json:"missed,omitempty"`
	Overlap   OverlapPolicy `json:"overlap,omitempty"`
	// Filter and Value say that the schedule needs such functions.
	Filter bool `json:"filter,omitempty"`
	Value  bool `json:"value,omitempty"`
}

// same reports whether two definitions say the same, but for their initial values.
func (d scheduleDef) same(o scheduleDef) bool {
	start := d.Start == o.Start || d.Start != nil && o.Start != nil && *d.Start == *o.Start
	return start && d.ForeignID == o.ForeignID && d.sameSlots(o) && d.Missed == o.Missed && d.Overlap == o.Overlap && d.Filter == o.Filter && d.Value == o.Value
}

// sameSlots reports whether two definitions have the same slots by the same words.
func (d scheduleDef) sameSlots(o scheduleDef) bool { return d.Spec == o.Spec && d.Zone == o.Zone }

// parse reads the spec in its zone.
func (d scheduleDef) parse() (*cron.Schedule, error) {
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrScheduleZone, d.Zone, err)
	}
	return cron.Parse(d.Spec, zone)
}

// startKey is the start key of a slot's run. Stored runs depend on it: it never changes.
func (d scheduleDef) startKey(id string, slot time.Time) string {
	h := sha256.New()
	for _, part := range []string{id, d.ForeignID} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return "schedule " + hex.EncodeToString(h.Sum(nil)[:16]) + " " + slot.UTC().Format(time.RFC3339)
}

// scheduleObject is the object of a schedule's run, as it is stored. Its names never change.
type scheduleObject struct {
	scheduleDef
	// Next is the slot that comes next.
	Next time.Time `json:"next"`
	// Last is the slot that was dealt with last, LastResult how.
	Last       time.Time      `json:"last,omitzero"`
	LastResult ScheduleResult `json:"last_result,omitempty"`
	// LastRunID is the run that was started last, whatever became of later slots.
	LastRunID string `json:"last_run_id,omitempty"`
	Fired     int64  `json:"fired,omitempty"`
	Skipped   int64  `json:"skipped,omitempty"`
}

// ScheduleResult says what became of a slot. The numbers are stored and never change.
type ScheduleResult int

// The results of a slot.
const (
	// SlotNone: there was no slot yet.
	SlotNone ScheduleResult = 0
	// SlotFired: its run was started.
	SlotFired ScheduleResult = 1
	// SlotFiltered: a filter said no.
	SlotFiltered ScheduleResult = 2
	// SlotOverlapped: the foreign id had an unfinished run.
	SlotOverlapped ScheduleResult = 3
	// SlotMissed: it was older than the policy for missed slots allows.
	SlotMissed ScheduleResult = 4
)

// String returns the result's name.
func (r ScheduleResult) String() string {
	names := [...]string{"none", "fired", "filtered", "overlapped", "missed"}
	if r >= 0 && int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// scheduleStatus is where a schedule is. The numbers are stored and never change.
type scheduleStatus int

const (
	scheduleWaiting scheduleStatus = 1
	scheduleEnded   scheduleStatus = 2 // its spec has no further slot
)

// String returns the status's name.
func (s scheduleStatus) String() string {
	switch s {
	case scheduleWaiting:
		return "Waiting"
	case scheduleEnded:
		return "Ended"
	}
	return "Unknown"
}

const (
	// missedAfter is how old a slot is that counts as missed.
	missedAfter = time.Minute
	// maxCounted bounds how many missed slots are counted at a time.
	maxCounted = 10000
)

// plan says which slot is next in line when the schedule, whose next slot is next, is looked at: next itself, or a later one where slots were
// missed; it may be one that has not come yet. missed counts those left out, as far as that is worth counting.
func (d scheduleDef) plan(s *cron.Schedule, next, look time.Time) (slot time.Time, missed int64) {
	if look.Sub(next) <= missedAfter {
		return next, 0
	}
	switch {
	case d.Missed == SkipMissed:
		after := look.Add(-missedAfter - 1)
		var ok bool
		if slot, ok = s.Next(after); !ok {
			return next, 0 // there is no later one: better late than never
		}
	case d.Missed > 0:
		slot = newestSlots(s, next, look, int(d.Missed))
	default:
		slot = newestSlots(s, next, look, 1)
	}
	for t := next; t.Before(slot) && missed < maxCounted; missed++ {
		t, _ = s.Next(t)
	}
	return slot, missed
}

// newestSlots returns the first of the newest n slots up to look, none before first, which is a slot itself. It looks back further and further,
// so that it costs little however many slots there were.
func newestSlots(s *cron.Schedule, first, look time.Time, n int) time.Time {
	for span := missedAfter; ; span *= 2 {
		from := look.Add(-span)
		all := !from.After(first)
		if all {
			from = first.Add(-1)
		}
		ring := make([]time.Time, 0, min(n, 64))
		count := 0
		for t, ok := s.Next(from); ok && !t.After(look); t, ok = s.Next(t) {
			if len(ring) < n {
				ring = append(ring, t)
			} else {
				ring[count%n] = t
			}
			count++
		}
		switch {
		case count >= n:
			return ring[count%n]
		case all && count > 0:
			return ring[0]
		case all:
			return first
		}
	}
}
