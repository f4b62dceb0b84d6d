// Package backend holds the contracts between the workflow engine and the places where runs live: records, events,
// changes, run states, and the interfaces that stores, streamers and schedulers implement.
//
// It is a leaf: it imports the standard library alone, and adapters import it and their client library, nothing else of
// this project. Users rarely need it, because package workflow re-exports its names.
//
// There are two families of interfaces.
//
//   - The four classic ones ([RecordStore], [EventStreamer], [RoleScheduler], [TimeoutStore]) are small enough to be
//     implemented over anything. The engine completes them with a shim, at the guarantees that they can give.
//   - [Backend] is what the engine is written against: atomic commits of a whole [Change], one log that is delivery,
//     history and audit at once, durable deliveries with due times, cursors, and roles.
//
// # Life of a change
//
// The engine asks its rules what a run becomes and gets a [Change]. [Committer.Commit] writes the record, its log
// entry, the deliveries that are held or done and the user's own statements in one transaction, and gives the entry
// its position. Entries are read in the order of positions; who has passed what is a [Cursor].
package backend
