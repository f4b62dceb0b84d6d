// Package engine does all the input and output between the rules (internal/machine) and a backend: it takes every run from one
// commit to the next. Generics stop above it, SQL below.
//
// # Parts
//
//   - Engine: one per opened Backend and process, shared by all workflows built on it.
//   - Flow: one running workflow: its roles, its due pump, its share of the workers, and the duties that go on beside them: looking for runs in
//     statuses that the program lacks (evolve.go), erasing what has ended long ago (retention.go).
//   - committer: bundles the changes of many runs into one commit. Whoever finds it idle leads; a lone change never waits.
//   - dispatcher: knows how far the log was read, routes each entry to its role. Own commits are routed straight from memory by
//     whoever led them; the dispatcher's goroutine reads only what others committed, and what a role was too full to take.
//   - role: the window of one (workflow, bucket): per run strictly in order, many runs at once, and the low-water mark that
//     becomes the stored cursor.
//   - workers: goroutines that run user code. They are started when work is there and end when none is left.
//   - watchdog: looks after attempts that run long (claims, deadlines), commits that failed, cursors that moved. It sleeps when
//     there is nothing to watch.
//   - due pump: one goroutine per flow while something of it has a due time. The stored rows are the truth; a few thousand of the next
//     are in memory.
//   - Act: work on a run in its caller's goroutine, by the rules of a step: a callback, or a signal that the run accepts at once. Signals that
//     have to wait are deliveries (signal.go).
//   - operator.go: actions by run id, from flows and from processes without one.
//
// # States of a delivery in memory
//
//	ready --worker takes it--> running --answer--> committing --stored--> gone
//	  ^                          |  |                 |  \
//	  |                          |  `-deadline, ctx   |   `--store failed--> stalled --watchdog--> committing
//	  |                          |     ignored: given |
//	  |                          |     up, counted    `--failed attempt stored--> waiting (its due row is its truth)
//	  |                          `-runs a second: claimed (a due row), leaves its slot                  |
//	  `---------------------------------------------- due -----------------------------------------------'
//
// # Locks
//
// Engine.mu guards windows, lanes, due heaps and waiters; committer.mu guards the pending changes and may be taken under
// it, never the other way round. Neither is held during input, output or user code. Flow.life serialises start and stop and is taken before either.
//
// # How it fails
//
// A change that the store refuses fails its own delivery. After every failed commit, and after every conflict, the log is read: something may have
// been stored without an answer. What lost against another commit and still has something to say (a timer of the same visit, a signal, a callback)
// looks at the run anew. A store that fails as a whole leaves changes stalled; they are tried again until it heals or the flow stops, and user code
// does not run again for that. A process that dies leaves cursors behind what was done: those entries come again, and those overtaken are passed over.
//
// A signal is either handled, with its version stored, before its sender hears of it, or it is a row. A row without a due time was parked
// against the version of the run that it was judged by, so the entry of the next version finds it: no wake-up is lost, and nothing polls. Where rows
// are volatile, what has to last (later starts, signals that wait) is refused.
package engine
