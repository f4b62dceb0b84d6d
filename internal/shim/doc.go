// Package shim makes a backend.Backend from plain third-party parts: a RecordStore, an EventStreamer, a RoleScheduler and,
// where there is one, a TimeoutStore. The engine knows the full interface alone; what the parts lack is completed here, by
// several calls, by memory, by waking, and by a scan of unfinished runs.
//
// One Backend of this package serves one workflow. Package workflow makes it in Build; nobody else calls it.
//
// # How an event travels
//
//	Commit -> Store (record and outbox row) -> relay -> streamer -> receiver -> private log -> engine -> SaveCursors -> ack
//
// Commit gives no position: the entry comes back through the stream, or goes to the process that holds the role of its
// topic. The private log is what this process received and has not finished. It has positions of its own, which grow for as
// long as the Backend lives, and is bounded by what the receivers may leave unacknowledged.
//
// # What it promises
//
//   - A change that was reported as stored is in the RecordStore, with its outbox row.
//   - An event is acknowledged only when the engine's cursor has passed it, so it comes again until then.
//   - Events of one run leave the outbox in order. A row that cannot be sent holds back its own run alone.
//   - No goroutine runs before Join, and none after leave.
//
// # What it cannot promise
//
// Retries, claims and attempts live in memory. A scan of unfinished runs, when a receiver gets its role and then
// periodically, brings back what a crash lost, with its attempts counted from one again, and the deadlines of those runs where the
// store keeps them. What plain parts could only pretend to do is refused: transactional steps, signals. [Backend.Waivers] lists what the
// parts at hand cannot give, in words.
//
// # How it fails
//
// An error of a part is reported to the Logger once per streak and tried again with backoff; a panic of a part counts as an
// error. Errors of Commit and of reads are returned, not logged.
package shim
