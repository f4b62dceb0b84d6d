// Package workflowtest tests workflows: in virtual time, without sleeping and without polling, with the run's history in every failure.
//
// [Run] puts a test into a bubble of testing/synctest. The workflow runs unchanged, on a backend in memory or on a SQLite file, but an hour
// passes at once and every run of the test has the same times:
//
//	func TestAnOrderExpires(t *testing.T) {
//		workflowtest.Run(t, func(t *workflowtest.T) {
//			w := workflowtest.Start(t, orders()) // a *workflow.Builder
//			id := workflowtest.Trigger(t, w, "order-1")
//			workflowtest.RequireStatus(t, w, id, Placed)
//			t.Advance(time.Hour)
//			workflowtest.RequireHistory(t, w, id, Placed, Expired)
//		})
//	}
//
// [T.Advance] lets time pass and returns when all that became due is done: timeouts, retries, auto-resumes. [T.Settle] returns when all that
// can be done now is done; the Require functions do that by themselves when they are given a [T]. [Restart] is a redeploy. At the end
// the workflows are stopped, the store's invariants are checked, and a goroutine that is left over fails the test.
//
// The Require functions and [Await] take a *testing.T as well, outside of a bubble, on any backend and on classic parts. [Clock] is for
// those: a clock that the test moves by hand.
//
// [NewFaulty] and [NewFaultyRecordStore] make stores fail, to see what a workflow makes of it.
//
// # What is the same at every run
//
// In a bubble, a run's versions, statuses, times and failed attempts. Not its id, which is random, and not the order among runs that are in work
// at once.
package workflowtest
