// Package sqlite keeps workflow runs in one SQLite file: the default store, for one machine, without a server.
//
// It owns the file, what stands beside it (path-wal, path-shm, path-lock, path-bell), the schema, and the locks by which the
// processes of one machine share the file. The engine calls it through the contracts of package backend; users open it:
//
//	b, err := sqlite.Open("orders.db")
//
// # What it promises
//
//   - What was reported as committed is on the disk. Every commit is forced out (synchronous=FULL); concurrent ones share a
//     transaction, so many runs cost one force. [SynchronousNormal] gives that promise up when the power fails.
//   - A commit is atomic: the run with its version check, its log entry, deliveries, attempts, and the user's own statements.
//   - Positions in the log follow the order of commits. There is one writer at a time, so none becomes visible late.
//   - A store that is idle does nothing. Another process's commit wakes it through a file that is watched (on Linux; elsewhere
//     the store looks once a second).
//   - The roles of a workflow belong to one Backend at a time, by a lock that the kernel frees when the process dies.
//   - What was scrubbed or erased is gone from the bytes of the database, and from its write-ahead log as soon as no reader is in the way.
//     Positions in the log and keys of runs are never given twice.
//   - A history is bounded, see [WithHistory]; it is paged, queried and erased by key, so that a page costs the same wherever it lies.
//
// # The tables
//
// A commit writes one row of sw_log per version, which holds the object, and moves the run's row in sw_runs, which points to it; positions
// are integers that grow, and a version's row points to that of the version before. Every hundredth version has a row in sw_posts, from
// which histories are read and cut. sw_deliveries and sw_attempts hold what failed, waits or was given up, sw_signals the ids of the signals
// that a run has had, sw_cursors how far each role has come. sw_marks is one row by which processes tell each other of erasures and of
// deliveries that no log row tells of; it is read only when somebody else has written. sw_outbox and sw_timeouts serve the classic
// interfaces, and so do not follow a run that is erased in sw_timeouts. The schema is brought up to date by Open, in one transaction per
// step; close the programs that use an older version of this library first.
//
// # A user's own tables
//
// The store's tables begin with sw_; every other name is free. A transactional step ([TxFunc]) writes to the user's tables within
// the commit of its step. Other connections to the file must use the same driver (modernc.org/sqlite) when they are in the
// same process, should set a busy timeout, and must keep their write transactions short.
//
// # How it fails
//
// Every error can be matched with errors.Is against the sentinels of package backend and says what to do. A full or failing
// disk fails the commits that meet it; nothing is reported as stored that is not, and the store goes on by itself when the
// disk does. A commit whose outcome cannot be learnt wraps ErrOutcomeUnknown. A file that is removed or replaced while open
// fails every later commit. On Windows one process at a time can have a store open.
package sqlite
