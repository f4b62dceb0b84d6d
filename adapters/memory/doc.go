// Package memory is a backend that keeps everything in the memory of the process: for tests, for programs whose runs need not
// outlive them, and as the reference that the other backends are compared with.
//
// It owns runs with their history, the log, deliveries, cursors and roles, and the classic parts over them. It promises every
// rule of package backend except to be there after the process ends: commits are atomic, the version check and the rule of one
// unfinished run per foreign id are part of the write, and an unfinished commit is never seen. It is a backend.Finder, HeldLister and
// Eraser, and no DueWatcher, because one process has the data to itself. The engine calls it
// through [backend.Backend]; users pass the [Backend] to BuildOn, or its classic parts to Build.
//
// # Bounds
//
// Runs are kept until they are erased, each with its last 10,000 versions, the last 100 of them with their object ([WithHistory] changes
// both), and its last 100 failed attempts. A version keeps its object longer while the cursor of its run's bucket has yet to pass it, or
// a stored delivery to a hook tells of it or of an older one. The log keeps an entry until every cursor
// of its workflow has passed it, and then until no older entry is waited for; so a workflow that nobody ever serves keeps its
// entries, and those that come after. Outbox events of the classic view are kept until they are deleted.
//
// # Failure
//
// Every error wraps a sentinel of package backend or the error of the caller's context. Nothing is retried, nothing is logged,
// and no goroutine is started but two: one per call of granted, for which leave waits, and one per function of a transaction,
// which is abandoned when it outlives its deadline of one second.
package memory
