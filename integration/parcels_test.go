package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// parcel is what the killed workflow is about.
type parcel struct {
	Cents   int64
	Weighed int
	Key     string
	Padding string
}

type parcelStatus int

const (
	parcelReceived parcelStatus = iota + 1
	parcelWeighed
	parcelBooked
	parcelDone
)

func (s parcelStatus) String() string {
	names := [...]string{"?", "Received", "Weighed", "Booked", "Done"}
	if s > 0 && int(s) < len(names) {
		return names[s]
	}
	return names[0]
}

const parcelFlow = "parcels"

var errScales = errors.New("the scales are stuck")

// newParcels builds the workflow that is killed: one step that fails now and then, one whose line in the ledger is part of its commit,
// one that is slow now and then, so slow that it becomes a claim.
func newParcels(on backend.Backend) (*workflow.Workflow[parcel, parcelStatus], error) {
	b := workflow.NewBuilder[parcel, parcelStatus](parcelFlow)
	b.AddStep(parcelReceived, weigh, parcelWeighed).WithOptions(workflow.ErrBackOff(5 * time.Millisecond))
	b.AddStep(parcelWeighed, book, parcelBooked)
	b.AddStep(parcelBooked, send, parcelDone)
	return b.BuildOn(on)
}

func weigh(_ context.Context, r *workflow.Run[parcel, parcelStatus]) (parcelStatus, error) {
	if n := r.Attempt(); n < 4 && chance(r.RunID, fmt.Sprint("weigh", n))%7 == 0 {
		return 0, errScales
	}
	r.Object.Weighed++
	return parcelWeighed, nil
}

func book(_ context.Context, r *workflow.Run[parcel, parcelStatus]) (parcelStatus, error) {
	r.Object.Key = r.IdempotencyKey()
	runID, key, cents := r.RunID, r.Object.Key, r.Object.Cents
	return parcelBooked, sqlite.Transact(r, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO ledger (run_id, key, cents) VALUES (?, ?, ?)", runID, key, cents)
		return err
	})
}

func send(ctx context.Context, r *workflow.Run[parcel, parcelStatus]) (parcelStatus, error) {
	var wait time.Duration
	switch c := chance(r.RunID, "send") % 400; {
	case c == 0:
		wait = 1200 * time.Millisecond // longer than a step may take before it is claimed
	case c < 20:
		wait = 20 * time.Millisecond
	}
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return parcelDone, nil
}

// chance is a number that is the same for the same run and purpose in every process.
func chance(runID, purpose string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(runID + "/" + purpose))
	return h.Sum64() >> 7
}

// openLedger connects to the users' tables in the store's file, which a store has opened before. The ledger has no unique key on
// purpose: a line that is written twice must show.
func openLedger(path string, readOnly bool) (*sql.DB, error) {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	dsn := "file://" + (&url.URL{Path: p}).EscapedPath() + "?_pragma=busy_timeout(10000)"
	if readOnly {
		dsn += "&mode=ro"
	}
	db, err := sql.Open("sqlite", dsn)
	if err == nil && !readOnly {
		_, err = db.Exec("CREATE TABLE IF NOT EXISTS ledger (id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, key TEXT NOT NULL, cents INTEGER NOT NULL)")
	}
	return db, err
}
