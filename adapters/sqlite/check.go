package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/stillwater-go/workflow/backend"
)

// Check walks the file and reports every broken invariant: SQLite's own structure, then what the store promises. It reads rows
// one at a time and holds none, so its memory does not grow with the file. While it runs the write-ahead log cannot be
// emptied. The error says that the walk itself failed.
func (b *Backend) Check(ctx context.Context, report func(backend.Violation)) error {
	return b.read(ctx, "check", func(c *conn) (err error) {
		// One transaction: everything is seen as of one moment.
		if _, err := c.exec(ctx, "BEGIN"); err != nil {
			return err
		}
		defer func() {
			if _, rerr := c.exec(context.WithoutCancel(ctx), "ROLLBACK"); err == nil {
				err = rerr
			}
		}()
		if err := checkStructure(ctx, c, report); err != nil {
			return err
		}
		for _, rule := range append(checkRules(), checkSideRules()...) {
			err := c.query(ctx, func(row []driver.Value) error {
				report(backend.Violation{Invariant: rule.invariant, RunID: asText(row[0]), Detail: rule.detail(row[1:])})
				return nil
			}, rule.query)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// checkStructure has SQLite look at its own pages.
func checkStructure(ctx context.Context, c *conn, report func(backend.Violation)) error {
	return c.query(ctx, func(row []driver.Value) error {
		if text := asText(row[0]); text != "ok" {
			report(backend.Violation{Invariant: "I0", Detail: "file structure: " + text})
		}
		return nil
	}, "PRAGMA quick_check")
}
