-- The second schema: deadlines, signals, erasure, and histories that are bounded.
--
-- From here on a run's id in sw_runs is the position of its first log row, so that no id is ever given twice. And the object of a log row
-- may be the integer 0: it was dropped, because the run has had so many versions since.

ALTER TABLE sw_log ADD COLUMN deadline INTEGER; -- of the run as of this version; NULL for none

ALTER TABLE sw_attempts ADD COLUMN actor TEXT NOT NULL DEFAULT ''; -- who ordered it, where number is 0

-- The ids of the signals that a run has had.
CREATE TABLE sw_signals (
  run INTEGER NOT NULL,
  id  TEXT    NOT NULL,
  PRIMARY KEY (run, id)
) WITHOUT ROWID;

-- Where every hundredth version of a run stands, so that the middle of a long history is found without walking there.
CREATE TABLE sw_posts (
  run     INTEGER NOT NULL,
  version INTEGER NOT NULL,
  pos     INTEGER NOT NULL,
  bare    INTEGER NOT NULL, -- 1 when the objects from here down to the post before it are dropped
  PRIMARY KEY (run, version)
) WITHOUT ROWID;
INSERT INTO sw_posts (run, version, pos, bare)
  SELECT run, version, pos, 0 FROM sw_log WHERE version > 0 AND version % 100 = 0;

CREATE INDEX sw_deliveries_given_up ON sw_deliveries (workflow, run_id, receiver, version) WHERE state = 5 AND due IS NULL;

-- The event of which run it is; NULL where its bytes do not say, or the run is not there.
ALTER TABLE sw_outbox ADD COLUMN run INTEGER;
CREATE INDEX sw_outbox_run ON sw_outbox (run);

-- One row, by which the processes on this file tell each other what no log row tells.
CREATE TABLE sw_marks (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  wakes    INTEGER NOT NULL, -- transactions after which somebody has to look at what is due
  erasures INTEGER NOT NULL  -- transactions that erased runs, which others may remember
);
INSERT INTO sw_marks (id, wakes, erasures) VALUES (1, 0, 0);
