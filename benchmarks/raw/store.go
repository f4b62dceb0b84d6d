package raw

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/benchmarks/load"
)

// What the engine writes for the measured workflow, beside the values that differ from row to row.
const (
	buckets     = 16 // roles of a workflow, each with a cursor
	cursorEvery = time.Second

	initiated, running, completed = 1, 2, 5 // run states
	triggered, stepped            = 1, 2    // causes
	trace                         = "main.start.func1:68"
)

// run is what has to be known of a run to write its next version.
type run struct {
	id, head, version, created int64
	runID, foreignID           string
}

// move is one transition: a run on its way to its next version.
type move struct {
	*run
	pos, prev, at int64
}

// version, status and state as of after the move.
func (m move) status() int64 { return m.version }

func (m move) state() int64 {
	switch m.version {
	case 1:
		return initiated
	case load.Transitions:
		return completed
	}
	return running
}

// Store is a file of the adapter's schema that is written without the adapter.
type Store struct {
	c        *conn
	form     Form
	workflow int64
	next     int64
	saved    time.Time
	objects  [load.Transitions + 1][]byte // by version
	slots    []slot
	started  int
	random   [10]byte
	args     args

	// Settings are what the connection answered when asked.
	Settings map[string]string
}

// slot holds one run after another. It begins later than its neighbours, so that a commit holds transitions of every kind.
type slot struct {
	run  *run
	wait int
}

// Open has the adapter make the file, and opens it behind its back.
func Open(ctx context.Context, path, workflow string, form Form) (*Store, error) {
	s, err := open(ctx, path, form)
	if err != nil {
		return nil, err
	}
	o := load.NewObject()
	for v := 1; v <= load.Transitions; v++ {
		s.objects[v] = o.JSON()
		o.Count++
	}
	if err := s.prepare(ctx, workflow); err != nil {
		return nil, errors.Join(err, s.c.close())
	}
	return s, nil
}

func open(ctx context.Context, path string, form Form) (*Store, error) {
	made, err := sqlite.Open(path)
	if err != nil {
		return nil, err
	}
	if err := made.Close(); err != nil {
		return nil, err
	}
	c, err := dial(ctx, path)
	if err != nil {
		return nil, err
	}
	s := &Store{c: c, form: form, next: 1, Settings: map[string]string{}}
	_, _ = rand.Read(s.random[:]) // never fails, by its contract
	return s, nil
}

// prepare writes the workflow's row, and notes the settings.
func (s *Store) prepare(ctx context.Context, workflow string) error {
	_, err := s.c.exec("INSERT INTO sw_workflows (name, buckets, first_pos) VALUES (?, ?, 1)", []driverValue{workflow, int64(buckets)})
	if err != nil {
		return err
	}
	if err := s.know(ctx, workflow); err != nil {
		return err
	}
	for _, name := range []string{"synchronous", "journal_mode", "wal_autocheckpoint", "cache_size", "page_size", "secure_delete"} {
		v, err := s.c.ask(ctx, "PRAGMA "+name)
		if err != nil {
			return err
		}
		s.Settings[name] = fmt.Sprint(v)
	}
	if s.Settings["synchronous"] != "2" {
		return fmt.Errorf("synchronous is %s, not 2 (FULL)", s.Settings["synchronous"])
	}
	return nil
}

// know finds the workflow's row, and the position that comes next.
func (s *Store) know(ctx context.Context, workflow string) error {
	id, err := s.c.ask(ctx, "SELECT id FROM sw_workflows WHERE name = '"+workflow+"'")
	if err != nil {
		return err
	}
	s.workflow, _ = id.(int64)
	head, err := s.c.ask(ctx, "SELECT coalesce(max(pos), 0) FROM sw_log")
	if err != nil {
		return err
	}
	n, _ := head.(int64)
	s.next = n + 1
	return nil
}

// Spread makes room for so many runs in flight, each of which makes one transition in every commit.
func (s *Store) Spread(runs int) {
	s.slots = make([]slot, runs)
	for i := range s.slots {
		s.slots[i].wait = i % load.Transitions
	}
}

// Commit writes one transition of every run in flight, in one transaction, and returns how many. Runs that ended are followed by new ones
// until limit runs were started in all.
func (s *Store) Commit(ctx context.Context, limit int) (int, error) {
	if _, err := s.c.exec("BEGIN IMMEDIATE", nil); err != nil {
		return 0, err
	}
	if err := s.c.dataVersion(); err != nil {
		return 0, err
	}
	moves := s.moves(limit)
	if err := s.form.write(s, moves); err != nil {
		return 0, err
	}
	if err := s.cursors(len(moves) == 0); err != nil {
		return 0, err
	}
	if _, err := s.c.exec("COMMIT", nil); err != nil {
		return 0, err
	}
	return len(moves), s.c.dataVersion()
}

// moves takes every slot one transition further.
func (s *Store) moves(limit int) []move {
	moves := make([]move, 0, len(s.slots))
	for i := range s.slots {
		slot := &s.slots[i]
		if slot.wait > 0 {
			slot.wait--
			continue
		}
		now := time.Now()
		if slot.run == nil || slot.run.version == load.Transitions {
			slot.run = nil
			if s.started == limit {
				continue
			}
			slot.run = &run{id: s.next, runID: s.id(now), foreignID: "load-" + strconv.Itoa(i) + "-" + strconv.Itoa(s.started), created: now.UnixNano()}
			s.started++
		}
		r := slot.run
		m := move{run: r, pos: s.next, prev: r.head, at: now.UnixNano()}
		r.version, r.head = r.version+1, s.next
		s.next++
		moves = append(moves, m)
	}
	return moves
}

// id makes a run id as the engine does: a UUID that grows with time.
func (s *Store) id(now time.Time) string {
	var b [16]byte
	copy(b[6:], s.random[:])
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	for i := range 6 { // instead of new random bits: the index sees a new key in either case
		b[10+i] ^= byte(s.started >> (40 - 8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// cursors stores how far each role has come: about once a second, and in the end.
func (s *Store) cursors(now bool) error {
	if !now && time.Since(s.saved) < cursorEvery {
		return nil
	}
	s.saved = time.Now()
	for bucket := range int64(buckets) {
		_, err := s.c.exec(`INSERT INTO sw_cursors (workflow, bucket, pos) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET pos = excluded.pos WHERE excluded.pos > sw_cursors.pos`, []driverValue{s.workflow, bucket, s.next - 1})
		if err != nil {
			return err
		}
	}
	return nil
}

// Write takes so many runs to their ends, with so many in flight.
func (s *Store) Write(ctx context.Context, runs, inFlight int) error {
	s.Spread(inFlight)
	for left := runs * load.Transitions; left > 0; {
		n, err := s.Commit(ctx, runs)
		if err != nil {
			return err
		}
		left -= n
	}
	_, err := s.Commit(ctx, runs) // the cursors alone
	return err
}

// Close closes the file.
func (s *Store) Close() error { return s.c.close() }
