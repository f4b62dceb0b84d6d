package adaptertest

import (
	"fmt"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// keptObjects is how many versions of a run keep their object at least.
const keptObjects = 100

// historyBoundCases are what becomes of the objects of old versions.
func historyBoundCases() []testCase {
	needs := []string{"NoHistory"}
	return []testCase{
		{name: "History/ObjectBound", needs: []string{"NoHistory", "NoObjectBound"}, run: objectsAreBounded},
		{name: "History/ObjectsStayForTheCursor", needs: needs, run: objectsStayForTheCursor},
		{name: "History/ObjectsStayForHooks", needs: needs, run: objectsStayForHooks},
	}
}

// moved commits n more versions of the run, and returns all its changes.
func (e *env) moved(changes []*backend.Change, n int) []*backend.Change {
	e.Helper()
	for n > 0 {
		var batch []*backend.Change
		for range min(n, 50) {
			c := step(changes[len(changes)-1].Record, len(changes)%7)
			changes, batch = append(changes, c), append(batch, c)
		}
		e.put(batch...)
		n -= len(batch)
	}
	return changes
}

// wantTrimmed fails the case unless the run's history is the changes, with objects from the index on, and before it only where it says
// so. It returns how many versions have lost their object.
func (e *env) wantTrimmed(what string, changes []*backend.Change, objects int) (trimmed int) {
	e.Helper()
	entries := e.history(changes[0].RunID())
	if len(entries) != len(changes) {
		e.Fatalf("%s: the history holds %d versions, want %d", what, len(entries), len(changes))
	}
	for i, entry := range entries {
		want := changes[i].Record.Clone()
		if entry.Trimmed {
			trimmed++
			want.Object = nil
		}
		e.sameRecord(fmt.Sprintf("%s, version %d", what, i+1), entry.Record, want)
		if entry.Trimmed && i >= objects {
			e.Errorf("%s: version %d has lost its object", what, i+1)
		}
		if entry.Pos != changes[i].Pos || entry.From != changes[i].From || entry.Cause != changes[i].Cause {
			e.Errorf("%s: version %d is %+v", what, i+1, entry)
		}
	}
	for _, entry := range e.log() {
		i := int(entry.Record.Meta.Version) - 1
		if entry.Record.RunID != changes[0].RunID() {
			continue
		}
		want := changes[i].Record.Clone()
		if entry.Trimmed {
			want.Object = nil
		}
		e.sameRecord(fmt.Sprintf("%s, version %d in the log", what, i+1), entry.Record, want)
		if entry.Trimmed && i >= objects {
			e.Errorf("%s: version %d in the log has lost its object", what, i+1)
		}
	}
	e.wantRun(changes[len(changes)-1].Record)
	return trimmed
}

func objectsAreBounded(e *env) {
	first := run("a")
	e.put(first)
	changes := e.moved([]*backend.Change{first}, keptObjects-1)
	e.save(allAt(orders, e.head())...)
	if n := e.wantTrimmed("as many versions as keep their object", changes, 0); n > 0 {
		e.Errorf("%d versions of %d have lost their object", n, len(changes))
	}
	for range 3 {
		changes = e.moved(changes, keptObjects)
		e.save(allAt(orders, e.head())...)
	}
	changes = e.moved(changes, 1)
	if n := e.wantTrimmed("four times as many", changes, len(changes)-keptObjects); n < keptObjects {
		e.Errorf("%d of %d versions have lost their object: nothing bounds them", n, len(changes))
	}
}

// objectsStayForTheCursor leaves the cursor of the run's bucket behind: whoever reads there has yet to see the objects.
func objectsStayForTheCursor(e *env) {
	first := run("a")
	e.put(first)
	changes := e.moved([]*backend.Change{first}, 20)
	mine := backend.BucketOf("run-a", bucketCount)
	for bucket := range bucketCount {
		pos := changes[10].Pos
		if bucket != mine {
			pos = e.head()
		}
		e.save(backend.Cursor{WorkflowName: orders, Bucket: bucket, Pos: pos})
	}
	changes = e.moved(changes, 3*keptObjects)
	for bucket := range bucketCount {
		if bucket != mine {
			e.save(backend.Cursor{WorkflowName: orders, Bucket: bucket, Pos: e.head()})
		}
	}
	changes = e.moved(changes, 1)
	e.wantTrimmed("with a cursor that stays behind", changes, 11)
}

// objectsStayForHooks holds a delivery to a hook of an old version: the hook has yet to be given its object.
func objectsStayForHooks(e *env) {
	first := run("a")
	e.put(first)
	changes := e.moved([]*backend.Change{first}, 20)
	hook := timer(changes[10].Record, 0, birth().Add(time.Hour))
	hook.Receiver, hook.State = "hook:Paused", backend.DeliveryBackingOff
	e.put(&backend.Change{Hold: []backend.Delivery{hook, timer(changes[3].Record, 1, birth())}})
	for range 3 {
		changes = e.moved(changes, keptObjects)
		e.save(allAt(orders, e.head())...)
	}
	changes = e.moved(changes, 1)
	e.wantTrimmed("with a hook that is yet to be called", changes, 10)
	e.put(&backend.Change{Done: []backend.DeliveryKey{hook.DeliveryKey}})
	changes = e.moved(changes, keptObjects)
	e.save(allAt(orders, e.head())...)
	changes = e.moved(changes, 1)
	e.wantTrimmed("after the hook was called", changes, len(changes)-keptObjects)
}
