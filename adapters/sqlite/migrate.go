package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

type driverValue = driver.Value

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the schema. Its version is its place in the folder, counted from one.
type migration struct {
	version  int
	checksum string
	script   string
	// fill computes what SQL cannot, after the script and in the same transaction; nil where there is nothing.
	fill func(ctx context.Context, c *conn) error
}

// fillOf returns the fill of a step.
func fillOf(version int) func(ctx context.Context, c *conn) error {
	if version == 2 {
		return fillOutbox
	}
	return nil
}

// schemaVersion is the newest version that this library knows.
func schemaVersion() int {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return 0 // the pattern is a constant
	}
	return len(names)
}

// migrations returns every step, in order.
func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	var all []migration
	for i, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{version: i + 1, checksum: hex.EncodeToString(sum[:]), script: string(text), fill: fillOf(i + 1)})
	}
	return all, nil
}

// migrate brings the schema up to date. Each step is one transaction that holds the write lock and looks again what is
// missing, so that two processes that open the file at once do not do it twice, and an interrupted step leaves nothing.
func migrate(ctx context.Context, c *conn) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	have, err := checkOurs(ctx, c, true)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.version <= have {
			continue
		}
		if err := m.apply(ctx, c); err != nil {
			return fmt.Errorf("migrate to schema %d: %w", m.version, err)
		}
	}
	return verifyChecksums(ctx, c, all)
}

func (m migration) apply(ctx context.Context, c *conn) error {
	if err := c.script(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := m.steps(ctx, c)
	if err == nil {
		err = c.script(ctx, "COMMIT")
	}
	if err == nil {
		return nil
	}
	if rerr := c.script(context.WithoutCancel(ctx), "ROLLBACK"); rerr != nil {
		return errors.Join(err, rerr)
	}
	return err
}

func (m migration) steps(ctx context.Context, c *conn) error {
	have, err := schemaOf(ctx, c, true)
	if err != nil || have >= m.version {
		return err // another process was faster
	}
	if err := c.script(ctx, m.script); err != nil {
		return err
	}
	if m.fill != nil {
		if err := m.fill(ctx, c); err != nil {
			return err
		}
	}
	_, err = c.exec(ctx, "INSERT INTO sw_migrations (version, checksum, applied_at) VALUES (?, ?, ?)",
		int64(m.version), m.checksum, time.Now().UnixNano())
	if err != nil {
		return err
	}
	return c.script(ctx, fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", applicationID, m.version))
}

// fillBatch is how many rows a fill has in memory.
const fillBatch = 1000

// fillOutbox finds out which run each waiting outbox event is of.
func fillOutbox(ctx context.Context, c *conn) error {
	type event struct {
		id    int64
		runID string
	}
	for last := int64(0); ; {
		batch := make([]event, 0, fillBatch)
		err := c.query(ctx, func(row []driver.Value) error {
			last = asInt(row[0])
			// What cannot be read stays as it is, without a run: whoever sends it will say so.
			if m, err := backend.ParseOutboxEventData(asBlob(row[1])); err == nil {
				batch = append(batch, event{id: last, runID: m.RunID})
			}
			return nil
		}, "SELECT id, data FROM sw_outbox WHERE id > ? ORDER BY id LIMIT ?", last, int64(fillBatch))
		if err != nil {
			return err
		}
		for _, e := range batch {
			_, err := c.exec(ctx, "UPDATE sw_outbox SET run = (SELECT id FROM sw_runs WHERE run_id = ?) WHERE id = ?", e.runID, e.id)
			if err != nil {
				return err
			}
		}
		more, _, err := c.queryInt(ctx, "SELECT EXISTS (SELECT 1 FROM sw_outbox WHERE id > ?)", last)
		if err != nil || more == 0 {
			return err
		}
	}
}

// verifyChecksums makes sure that the file was made by these very steps.
func verifyChecksums(ctx context.Context, c *conn, all []migration) error {
	found := map[int64]string{}
	err := c.query(ctx, func(row []driver.Value) error {
		found[asInt(row[0])] = asText(row[1])
		return nil
	}, "SELECT version, checksum FROM sw_migrations")
	if err != nil {
		return err
	}
	for _, m := range all {
		if found[int64(m.version)] != m.checksum {
			return fmt.Errorf("%w: its schema %d was made by other steps than this library's", backend.ErrNotOurs, m.version)
		}
	}
	return nil
}
