// Package memrecordstore is the classic in-memory store of runs, a thin front of package memory, where the storing rules are.
//
// It owns the book-keeping of test snapshots and the relay of the outbox. It promises what [backend.RecordStore] demands, and
// is lost with the process. Users pass a [Store] to Build, tests look at its snapshots.
//
// Runs are kept for ever, each with the last 1,000 records that were stored of it. Outbox events wait until they are deleted: by the
// engine, by the relay that [WithOutbox] starts, or by [PurgeOutboxForever].
//
// Errors wrap a sentinel of package backend or the error of the caller's context.
package memrecordstore
