package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/stillwater-go/workflow/backend"
)

const (
	// postEvery is the distance of the posts (sw_posts) in a run's history. It is in the files, and in what Check demands.
	postEvery = 100
	// postsAtOnce bounds how many stretches of a history are dropped in one go; more than one comes after they were needed for a while.
	postsAtOnce = 4
	// hookPrefix and hookEnd enclose the receivers that are hooks.
	hookPrefix, hookEnd = "hook:", "hook;"
)

// kept bounds what is kept of one run's history.
type kept struct {
	objects  int64 // versions with their object
	versions int64 // at least as many
}

// orDefault replaces what was not set.
func (k kept) orDefault() kept {
	if k.objects <= 0 {
		k.objects = 100
	}
	if k.versions <= 0 {
		k.versions = 10_000
	}
	k.versions = max(k.versions, k.objects)
	return k
}

// post is a place in a run's history: a version and its position.
type post struct {
	version, pos int64
	before       int64 // the version of the post before it, -1 where it is the first
}

// post marks the version just appended, and drops what lies too far behind it. Whoever commits a hundredth version pays for that hundred.
func (t *txn) post(runID string, info runInfo) error {
	ctx, keep := context.Background(), t.w.b.cfg.history
	_, err := t.c.exec(ctx, "INSERT OR REPLACE INTO sw_posts (run, version, pos, bare) VALUES (?, ?, ?, 0)", info.id, info.version, info.head)
	if err != nil || info.version <= keep.objects {
		return err
	}
	passed, err := t.passed(runID, info.workflow)
	if err != nil || passed == 0 {
		return err
	}
	unneeded, err := t.unneeded(info, keep)
	if err != nil {
		return err
	}
	posts, err := t.posts(`bare = 0 AND version <= ?2 AND pos <= ?3`, info.id, unneeded, passed)
	if err != nil {
		return err
	}
	if len(posts) > 0 {
		if err := t.flush(); err != nil {
			return err
		}
	}
	for _, p := range posts {
		if _, err := t.c.exec(ctx, stretch+"UPDATE sw_log SET object = 0 WHERE pos IN (SELECT pos FROM h)", p.pos, p.before, info.id); err != nil {
			return err
		}
		if _, err := t.c.exec(ctx, "UPDATE sw_posts SET bare = 1 WHERE run = ? AND version = ?", info.id, p.version); err != nil {
			return err
		}
	}
	if posts, err = t.posts(`bare = 1 AND version <= ?2 AND pos <= ?3`, info.id, info.version-keep.versions, passed); err != nil {
		return err
	}
	for _, p := range posts {
		if _, err := t.c.exec(ctx, stretch+"DELETE FROM sw_log WHERE pos IN (SELECT pos FROM h)", p.pos, p.before, info.id); err != nil {
			return err
		}
		if _, err := t.c.exec(ctx, "DELETE FROM sw_posts WHERE run = ? AND version = ?", info.id, p.version); err != nil {
			return err
		}
	}
	return nil
}

// stretch names the log rows from a post (?1) down to the one before it (?2), of one run (?3).
const stretch = `WITH RECURSIVE h(pos, prev) AS (
	SELECT pos, prev FROM sw_log WHERE pos = ?1 AND run = ?3
	UNION ALL SELECT l.pos, l.prev FROM h CROSS JOIN sw_log l ON l.pos = h.prev WHERE l.version > ?2 AND l.run = ?3) `

// posts returns the oldest posts of a run for which the condition holds.
func (t *txn) posts(condition string, run, version, pos int64) ([]post, error) {
	var posts []post
	err := t.c.query(context.Background(), func(row []driver.Value) error {
		p := post{version: asInt(row[0]), pos: asInt(row[1]), before: -1}
		if before, ok := row[2].(int64); ok {
			p.before = before
		}
		posts = append(posts, p)
		return nil
	}, `SELECT version, pos, (SELECT max(version) FROM sw_posts b WHERE b.run = ?1 AND b.version < p.version)
		FROM sw_posts p WHERE run = ?1 AND `+condition+` ORDER BY version LIMIT ?4`, run, version, pos, int64(postsAtOnce))
	return posts, err
}

// passed returns the position that the stored cursor of the run's bucket has passed; zero where none is stored.
func (t *txn) passed(runID string, workflow int64) (int64, error) {
	ctx := context.Background()
	buckets, ok, err := t.c.queryInt(ctx, "SELECT buckets FROM sw_workflows WHERE id = ?", workflow)
	if err != nil {
		return 0, err
	}
	if !ok || buckets <= 0 {
		buckets = backend.DefaultBuckets // nobody has joined yet
	}
	pos, _, err := t.c.queryInt(ctx, "SELECT pos FROM sw_cursors WHERE workflow = ? AND bucket = ?", workflow,
		int64(backend.BucketOf(runID, int(buckets))))
	return pos, err
}

// unneeded returns the newest version whose object is beyond the bound and told of by no stored delivery to a hook.
func (t *txn) unneeded(info runInfo, keep kept) (int64, error) {
	version := info.version - keep.objects
	hook, ok, err := t.c.queryInt(context.Background(),
		"SELECT min(version) FROM sw_deliveries WHERE run = ? AND receiver >= ? AND receiver < ?", info.id, hookPrefix, hookEnd)
	if ok {
		version = min(version, hook-1)
	}
	return version, err
}
