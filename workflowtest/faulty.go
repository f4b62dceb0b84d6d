package workflowtest

import (
	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/adaptertest"
)

// The stores that fail on purpose, and what they are told; see package adaptertest for each.
type (
	Faulty            = adaptertest.Faulty
	FaultyRecordStore = adaptertest.FaultyRecordStore
	Fault             = adaptertest.Fault
	Method            = adaptertest.Method
)

// ErrInjected is wrapped by every error that a faulty store makes up.
var ErrInjected = adaptertest.ErrInjected

// The methods that are worth failing in a test of a workflow. Those of a backend: a Commit stores what a trigger, a step, a callback or a
// timer did, the others read. Store is the Commit of a classic store. [Method] takes the name of every other method too.
const (
	MethodCommit  = adaptertest.MethodCommit
	MethodLookup  = adaptertest.MethodLookup
	MethodLatest  = adaptertest.MethodLatest
	MethodHistory = adaptertest.MethodHistory
	MethodDue     = adaptertest.MethodDue
	MethodHeld    = adaptertest.MethodHeld

	MethodStore             = adaptertest.MethodStore
	MethodList              = adaptertest.MethodList
	MethodListOutboxEvents  = adaptertest.MethodListOutboxEvents
	MethodDeleteOutboxEvent = adaptertest.MethodDeleteOutboxEvent
)

// NewFaulty wraps a backend. Nothing fails until its Set says which method fails how often:
//
//	store := workflowtest.NewFaulty(memory.New(), 1)
//	store.Set(workflowtest.MethodCommit, workflowtest.Fault{Before: 0.3, After: 0.2}) // half of the commits: not done, or done without an answer
//
// In a bubble hand it to [T.Use]. The functions of this package read the backend inside, which does not lie; so does the check at the end.
// The same seed gives the same faults to the same sequence of calls; runs that are in work at once draw in any order.
func NewFaulty(inside workflow.Backend, seed uint64) *Faulty {
	return adaptertest.NewFaulty(inside, seed)
}

// NewFaultyRecordStore wraps a classic store, for [workflow.Builder.Build]. Nothing fails until its Set says which method fails how often. A Delay
// that receives from a channel holds a call back until the test lets it go.
func NewFaultyRecordStore(inside workflow.RecordStore, seed uint64) *FaultyRecordStore {
	return adaptertest.NewFaultyRecordStore(inside, seed)
}
