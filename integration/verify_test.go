package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// acks is everything that the workers were told is durable.
type acks struct {
	mu        sync.Mutex
	lines     int
	triggered map[string]string // run id -> foreign id
	done      map[string]bool
	cancelled map[string]string // run id -> reason, empty where only the end was seen
	ops       []op
	letters   letterAcks
	strange   []string
}

// op is an acknowledged pause or resume.
type op struct {
	resume bool
	runID  string
	reason string
}

func newAcks() *acks {
	return &acks{triggered: map[string]string{}, done: map[string]bool{}, cancelled: map[string]string{}, letters: newLetterAcks()}
}

// hear takes one line of a worker.
func (a *acks) hear(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines++
	f := strings.Split(line, " ")
	switch {
	case len(f) == 3 && f[0] == "T":
		a.triggered[f[2]] = f[1]
	case len(f) == 3 && f[0] == "D":
		a.done[f[2]] = true
	case len(f) == 3 && f[0] == "E":
		if a.cancelled[f[2]] == "" {
			a.cancelled[f[2]] = ""
		}
	case len(f) == 3 && f[0] == "C":
		a.cancelled[f[1]] = f[2]
	case len(f) == 3 && (f[0] == "P" || f[0] == "R"):
		a.ops = append(a.ops, op{resume: f[0] == "R", runID: f[1], reason: f[2]})
	case line == "ready" || line == "drained":
	default:
		if strange := a.letters.hear(f); strange != "" {
			a.strange = append(a.strange, strange)
		}
	}
}

// life is a run as the log tells it.
type life struct {
	foreignID string
	version   uint
	at        backend.Point
	booked    int
	key       string
	weighed   int
	paused    map[string]bool // by reason: false while paused for it, true once it went on
	reason    string
	by        backend.PausedBy
}

// figures are what a verification has counted.
type figures struct {
	runs, transitions, completed, cancelled, paused, moving int
	letters                                                 letterFigures
}

// verify reads the store as it lies on the disk, while nobody has it open, and compares it with what was acknowledged. final says that
// everything was drained: then no run may be on its way.
func verify(t *testing.T, path string, a *acks, final bool) figures {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	v := &verifier{lives: map[string]*life{}}
	v.letters = letterVerifier{complain: v.complain, letters: map[string]*letterRecord{}, foreign: map[string]string{}}
	store, err := sqlite.OpenReadOnly(path)
	if err != nil {
		t.Fatalf("open for verification: %v", err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := t.Context()
	err = store.Check(ctx, func(violation backend.Violation) { v.complain("%v", violation) })
	if err == nil {
		err = v.readLog(ctx, store)
	}
	if err == nil {
		err = v.readLedger(ctx, path)
	}
	if err == nil {
		err = v.letters.compare(ctx, &a.letters, store)
	}
	if err != nil {
		t.Fatalf("verification: %v", err)
	}
	v.compare(a)
	f := v.judge(final)
	f.letters = v.letters.judge(&a.letters, final)
	for i, complaint := range v.complaints {
		if i == 20 {
			t.Errorf("and %d more", len(v.complaints)-i)
			break
		}
		t.Error(complaint)
	}
	if t.Failed() {
		t.FailNow()
	}
	return f
}

type verifier struct {
	lives       map[string]*life
	transitions int
	letters     letterVerifier
	complaints  []string
}

func (v *verifier) complain(format string, args ...any) {
	v.complaints = append(v.complaints, fmt.Sprintf(format, args...))
}

// readLog follows every run through the log from its first version on.
func (v *verifier) readLog(ctx context.Context, log backend.Log) error {
	foreign := map[string]string{}
	for after := int64(0); ; {
		entries, err := log.ReadLog(ctx, after, 2000)
		if err != nil {
			return err
		}
		for i := range entries {
			e := &entries[i]
			after = e.Pos
			if e.Record.WorkflowName == letterFlow {
				v.letters.follow(e)
				continue
			}
			l := v.lives[e.Record.RunID]
			if l == nil {
				l = &life{foreignID: e.Record.ForeignID, paused: map[string]bool{}}
				v.lives[e.Record.RunID] = l
				if other, twice := foreign[l.foreignID]; twice {
					v.complain("foreign id %s has two runs, %s and %s", l.foreignID, other, e.Record.RunID)
				}
				foreign[l.foreignID] = e.Record.RunID
			}
			v.follow(l, e)
		}
		if len(entries) == 0 {
			return nil
		}
	}
}

// follow takes the run one version further, if that is legal.
func (v *verifier) follow(l *life, e *backend.Entry) {
	rec, id := e.Record, e.Record.RunID
	to := backend.Point{RunState: rec.RunState, Status: rec.Status}
	if rec.Meta.Version != l.version+1 {
		v.complain("run %s: version %d after %d", id, rec.Meta.Version, l.version)
	}
	if e.From != l.at {
		v.complain("run %s version %d comes from %v, the version before it was %v", id, rec.Meta.Version, e.From, l.at)
	}
	if why := illegal(l.at, to, e.Cause); why != "" {
		v.complain("run %s version %d: %v -> %v by %v: %s", id, rec.Meta.Version, l.at, to, e.Cause, why)
	}
	if to.RunState == backend.RunStatePaused {
		l.paused[rec.Meta.RunStateReason] = false
	} else if l.at.RunState == backend.RunStatePaused && to.RunState.Moving() {
		l.paused[l.reason] = true
	}
	var p parcel
	if err := workflow.Unmarshal(rec.Object, &p); err != nil {
		v.complain("run %s version %d: %v", id, rec.Meta.Version, err)
	}
	if l.at.Status == int(parcelWeighed) && to.Status == int(parcelBooked) {
		l.booked++
		l.key = fmt.Sprintf("%s/%d", id, l.version)
		if p.Key != l.key {
			v.complain("run %s was booked with the key %s, its version says %s", id, p.Key, l.key)
		}
	}
	l.version, l.at, l.weighed = rec.Meta.Version, to, p.Weighed
	l.reason, l.by = rec.Meta.RunStateReason, rec.Meta.PausedBy
	v.transitions++
}

// illegal says why a move is none that the workflow or an operator can make.
func illegal(from, to backend.Point, cause backend.Cause) string {
	switch cause {
	case backend.CauseTrigger:
		if from != (backend.Point{}) || to != (backend.Point{RunState: backend.RunStateInitiated, Status: int(parcelReceived)}) {
			return "a trigger starts at the first status"
		}
	case backend.CauseStep:
		want := backend.Point{RunState: backend.RunStateRunning, Status: from.Status + 1}
		if want.Status == int(parcelDone) {
			want.RunState = backend.RunStateCompleted
		}
		if !from.RunState.Moving() || to != want {
			return "a step leads to the next status"
		}
	case backend.CauseOperator:
		pause := from.RunState.Moving() && to.RunState == backend.RunStatePaused
		resume := from.RunState == backend.RunStatePaused && to.RunState.Moving()
		cancel := !from.RunState.Finished() && to.RunState == backend.RunStateCancelled
		if from.Status != to.Status || !pause && !resume && !cancel {
			return "an operator pauses, resumes or cancels"
		}
	default:
		return "nobody else works here"
	}
	return ""
}

// readLedger compares the users' own table with the runs: one line for each booking, and none besides.
func (v *verifier) readLedger(ctx context.Context, path string) error {
	db, err := openLedger(path, true)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT run_id, group_concat(key), count(*) FROM ledger GROUP BY run_id")
	if err != nil {
		return err
	}
	defer rows.Close()
	lines := 0
	for rows.Next() {
		var runID, keys string
		var n int
		if err := rows.Scan(&runID, &keys, &n); err != nil {
			return err
		}
		lines++
		switch l := v.lives[runID]; {
		case l == nil:
			v.complain("the ledger names run %s, which is not there", runID)
		case n != l.booked || keys != l.key:
			v.complain("run %s was booked %d times with %q, the ledger has %d lines with %q", runID, l.booked, l.key, n, keys)
		}
	}
	booked := 0
	for _, l := range v.lives {
		booked += min(1, l.booked)
	}
	if lines != booked {
		v.complain("%d runs were booked, the ledger has %d of them", booked, lines)
	}
	return rows.Err()
}

// compare holds every acknowledgement against the store.
func (v *verifier) compare(a *acks) {
	for _, line := range a.strange {
		v.complain("a worker said %q", line)
	}
	look := func(runID, what string) *life {
		l := v.lives[runID]
		if l == nil {
			v.complain("run %s was acknowledged as %s and is not there", runID, what)
			return &life{}
		}
		return l
	}
	for runID, foreignID := range a.triggered {
		if l := look(runID, "triggered"); l.foreignID != foreignID {
			v.complain("run %s was triggered for %s and is stored for %s", runID, foreignID, l.foreignID)
		}
	}
	for runID := range a.done {
		if l := look(runID, "done"); l.at != (backend.Point{RunState: backend.RunStateCompleted, Status: int(parcelDone)}) {
			v.complain("run %s was acknowledged as done and is %v", runID, l.at)
		}
	}
	for runID, reason := range a.cancelled {
		if l := look(runID, "cancelled"); l.at.RunState != backend.RunStateCancelled || reason != "" && l.reason != reason {
			v.complain("run %s was acknowledged as cancelled for %q and is %v for %q", runID, reason, l.at, l.reason)
		}
	}
	for _, o := range a.ops {
		wentOn, was := look(o.runID, "paused").paused[o.reason]
		if !was {
			v.complain("run %s was acknowledged as paused for %s and never was", o.runID, o.reason)
		} else if o.resume && !wentOn {
			v.complain("run %s was acknowledged as resumed after %s and did not go on", o.runID, o.reason)
		}
	}
}

// judge looks where every run stands.
func (v *verifier) judge(final bool) figures {
	f := figures{runs: len(v.lives), transitions: v.transitions}
	for id, l := range v.lives {
		switch {
		case l.at.RunState == backend.RunStateCompleted:
			f.completed++
			if l.booked != 1 || l.weighed != 1 {
				v.complain("run %s is complete, booked %d times, weighed %d times", id, l.booked, l.weighed)
			}
		case l.at.RunState == backend.RunStateCancelled:
			f.cancelled++
		case l.at.RunState == backend.RunStatePaused:
			f.paused++
			if l.by != backend.PausedByOperator || l.reason == "" {
				v.complain("run %s was paused by %v: %q", id, l.by, l.reason)
			}
		default:
			f.moving++
			if final {
				v.complain("run %s is still %v", id, l.at)
			}
		}
	}
	return f
}
