-- The first schema. Every table carries the prefix sw_, so that a user's own tables fit into the same file.
-- Times are nanoseconds since 1970 in UTC; the smallest integer stands for "no time".

CREATE TABLE sw_migrations (
  version    INTEGER PRIMARY KEY,
  checksum   TEXT    NOT NULL,
  applied_at INTEGER NOT NULL
);

CREATE TABLE sw_workflows (
  id        INTEGER PRIMARY KEY,
  name      TEXT    NOT NULL UNIQUE,
  buckets   INTEGER,            -- fixed by the first Join
  first_pos INTEGER             -- position of the workflow's first log row
);

-- One row per run: who it is and where its newest log row stands. The object lives in the log alone.
CREATE TABLE sw_runs (
  id         INTEGER PRIMARY KEY,
  run_id     TEXT    NOT NULL UNIQUE,
  workflow   INTEGER NOT NULL,
  foreign_id TEXT    NOT NULL,
  version    INTEGER NOT NULL,
  status     INTEGER NOT NULL,
  state      INTEGER NOT NULL,
  head       INTEGER NOT NULL,
  live       INTEGER NOT NULL,  -- 1 while the run is unfinished and counts for the rule of one run per foreign id
  created_at INTEGER NOT NULL,
  trace      TEXT    NOT NULL,
  CHECK (live = (version > 0 AND state NOT IN (4, 5, 6, 7)))
);
CREATE INDEX sw_runs_latest ON sw_runs (workflow, foreign_id, id);
-- An update that does not touch live leaves this index alone.
CREATE UNIQUE INDEX sw_runs_live ON sw_runs (workflow, foreign_id) WHERE live = 1;

-- One row per version: delivery, history and audit at once. A run's history is the walk along prev.
CREATE TABLE sw_log (
  pos         INTEGER PRIMARY KEY AUTOINCREMENT,
  run         INTEGER NOT NULL,
  prev        INTEGER NOT NULL, -- position of the run's previous row, 0 for the first
  version     INTEGER NOT NULL,
  status      INTEGER NOT NULL,
  state       INTEGER NOT NULL,
  from_status INTEGER NOT NULL,
  from_state  INTEGER NOT NULL,
  visit       INTEGER NOT NULL,
  paused_by   INTEGER NOT NULL,
  cause       INTEGER NOT NULL,
  actor       TEXT    NOT NULL,
  reason      TEXT    NOT NULL,
  description TEXT    NOT NULL,
  updated_at  INTEGER NOT NULL,
  object      BLOB
);

CREATE TABLE sw_deliveries (
  run        INTEGER NOT NULL,
  receiver   TEXT    NOT NULL,
  version    INTEGER NOT NULL,
  run_id     TEXT    NOT NULL,
  workflow   INTEGER NOT NULL,
  bucket     INTEGER NOT NULL,
  attempts   INTEGER NOT NULL,
  due        INTEGER,
  state      INTEGER NOT NULL,
  last_error TEXT    NOT NULL,
  first_at   INTEGER NOT NULL,
  data       BLOB,
  PRIMARY KEY (run, receiver, version)
) WITHOUT ROWID;
CREATE INDEX sw_deliveries_due ON sw_deliveries (workflow, due, run_id, receiver, version) WHERE due IS NOT NULL;

CREATE TABLE sw_attempts (
  id       INTEGER PRIMARY KEY,
  run      INTEGER NOT NULL,
  workflow INTEGER NOT NULL,
  receiver TEXT    NOT NULL,
  version  INTEGER NOT NULL,
  number   INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  took     INTEGER NOT NULL,
  error    TEXT    NOT NULL,
  stack    TEXT    NOT NULL
);
CREATE INDEX sw_attempts_run ON sw_attempts (run);

CREATE TABLE sw_cursors (
  workflow INTEGER NOT NULL,
  bucket   INTEGER NOT NULL,
  pos      INTEGER NOT NULL,
  PRIMARY KEY (workflow, bucket)
) WITHOUT ROWID;

CREATE TABLE sw_outbox (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id   TEXT    NOT NULL UNIQUE,
  workflow   INTEGER NOT NULL,
  data       BLOB    NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX sw_outbox_workflow ON sw_outbox (workflow, id);

CREATE TABLE sw_timeouts (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow   TEXT    NOT NULL,
  foreign_id TEXT    NOT NULL,
  run_id     TEXT    NOT NULL,
  status     INTEGER NOT NULL,
  completed  INTEGER NOT NULL,
  expire_at  INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX sw_timeouts_expiry ON sw_timeouts (workflow, status, expire_at) WHERE completed = 0;

-- The names of classic roles; a role's lock is a byte of the lock file chosen by its id.
CREATE TABLE sw_roles (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

-- One row that is rewritten to find out whether a commit whose answer was lost is on disk.
CREATE TABLE sw_settle (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  count INTEGER NOT NULL
);
INSERT INTO sw_settle (id, count) VALUES (1, 0);
