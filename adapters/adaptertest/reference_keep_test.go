package adaptertest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stillwater-go/workflow/backend"
)

// guard says whether the run is as a change expects it, and has not had its signal.
func (d *refDisk) guard(c *backend.Change) error {
	id := c.RunID()
	r := d.runs[id]
	if c.Expect != 0 && d.bug != expectsNothing {
		switch {
		case r == nil && d.bug != expectsOnlyOfTheLiving:
			return fmt.Errorf("reference: %w: %s", backend.ErrRecordNotFound, id)
		case r != nil && r.Meta.Version != c.Expect && (c.Attempt != nil || d.bug != expectsOnlyOfAttempts):
			return &backend.ConflictError{RunID: id, Want: c.Expect, Have: r.Meta.Version}
		}
	}
	if c.SignalID == "" {
		return nil
	}
	if r == nil && c.Record == nil && d.bug != signalsAnybody {
		return fmt.Errorf("reference: %w: %s", backend.ErrRecordNotFound, id)
	}
	if d.signals[d.signalRun(id)][d.signalID(c.SignalID)] && d.bug != countsSignalsTwice && (c.Record == nil || d.bug != recordsCountSignalsTwice) {
		if d.bug == duplicatesNameNobody {
			return fmt.Errorf("reference: %w", backend.ErrDuplicateSignal)
		}
		return fmt.Errorf("reference: %w: run %s", backend.ErrDuplicateSignal, id)
	}
	if d.bug == remembersBeforeJudging {
		d.remember(id, c.SignalID)
	}
	return nil
}

func (d *refDisk) signalRun(id string) string {
	if d.bug == signalsAreForAll {
		return ""
	}
	return id
}

func (d *refDisk) signalID(id string) string {
	if d.bug == signalIDsAreFolded {
		return strings.ToLower(strings.TrimSpace(id))
	}
	return id
}

func (d *refDisk) remember(runID, signalID string) {
	runID = d.signalRun(runID)
	if d.signals[runID] == nil {
		d.signals[runID] = map[string]bool{}
	}
	d.signals[runID][d.signalID(signalID)] = true
}

// trim drops the objects of a run's old versions.
func (d *refDisk) trim(id string) {
	h, r := d.history[id], d.runs[id]
	if r == nil || d.bug == trimsNothing {
		return
	}
	if d.bug == signalsEndWithTheRun && r.RunState.Finished() {
		delete(d.signals, id)
	}
	passed := d.began[r.WorkflowName] - 1
	if pos, stored := d.cursors[r.WorkflowName][backend.BucketOf(id, bucketCount)]; stored {
		passed = pos
	}
	hook := uint(math.MaxUint)
	for k := range d.deliveries {
		if k.RunID == id && strings.HasPrefix(string(k.Receiver), hookPrefix) && d.bug != trimsUnderHooks {
			hook = min(hook, k.Version)
		}
	}
	if d.bug == trimsBeforeTheCursor {
		passed = math.MaxInt64
	}
	keep := keptObjects
	if d.bug == trimsTooMuch {
		keep--
	}
	for ; d.bare[id] < len(h)-keep; d.bare[id]++ {
		e := &h[d.bare[id]]
		if e.Pos > passed || e.Record.Meta.Version >= hook {
			return
		}
		bare := e.Record.Clone()
		bare.Object = nil
		for i := range d.log {
			if d.log[i].Pos == e.Pos {
				d.log[i].Record, d.log[i].Trimmed = bare, d.bug != trimsSecretly
			}
		}
		e.Record, e.Trimmed = bare, d.bug != trimsSecretly
	}
}

// scrub deletes what a run knew, but for its newest version.
func (d *refDisk) scrub(r *backend.Record) {
	if d.bug == scrubsNothing {
		return
	}
	replace := func(es []backend.Entry) {
		for i := range es {
			if es[i].Record.RunID != r.RunID {
				continue
			}
			es[i].Record = es[i].Record.Clone()
			if !es[i].Trimmed {
				es[i].Record.Object = slices.Clone(r.Object)
			}
			if newest := es[i].Record.Meta.Version == r.Meta.Version; d.bug != scrubsNoReasons && !newest || d.bug == scrubsEveryReason {
				es[i].Record.Meta.RunStateReason = ""
			}
			if d.bug == scrubsStatuses {
				es[i].Record.Status = 0
			}
		}
	}
	replace(d.history[r.RunID])
	if d.bug != scrubsOnlyTheHistory {
		replace(d.log)
	}
	for i := range d.attempts[r.RunID] {
		if d.bug != scrubsNoAttempts {
			d.attempts[r.RunID][i].Error, d.attempts[r.RunID][i].Stack = "", ""
		}
	}
	for k, h := range d.deliveries {
		if k.RunID != r.RunID {
			continue
		}
		if k.Receiver.IsSignal() && d.bug != scrubsNoSignals || d.bug == scrubsAllDeliveries {
			delete(d.deliveries, k)
			continue
		}
		if d.bug != scrubsNoDeliveries {
			h.LastError, h.Data = "", nil
			d.deliveries[k] = h
		}
	}
	if d.bug != scrubsNoSignalIDs {
		delete(d.signals, r.RunID)
	}
}
