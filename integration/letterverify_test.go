package integration

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// letterAcks is what the workers were told of letters.
type letterAcks struct {
	triggered map[string]string // run id -> foreign id
	signals   []ackedSignal
	fetched   map[string]string // run id -> key
	ended     map[string]bool
	hooks     map[hookOfRun][]toldOf
}

type ackedSignal struct{ runID, id, state string }

type hookOfRun struct{ hook, runID string }

// toldOf is a version that a hook was told of.
type toldOf struct {
	at      int64
	version uint
}

func newLetterAcks() letterAcks {
	return letterAcks{triggered: map[string]string{}, fetched: map[string]string{}, ended: map[string]bool{}, hooks: map[hookOfRun][]toldOf{}}
}

// hear takes one line of a postman; it returns what is strange about it.
func (a *letterAcks) hear(f []string) string {
	switch {
	case len(f) == 3 && f[0] == "t":
		if other := a.triggered[f[2]]; other != "" && other != f[1] {
			return fmt.Sprintf("run %s is of %s and of %s", f[2], other, f[1])
		}
		a.triggered[f[2]] = f[1]
	case len(f) == 4 && f[0] == "s":
		a.signals = append(a.signals, ackedSignal{f[1], f[2], f[3]})
	case len(f) == 3 && f[0] == "c":
		if other := a.fetched[f[1]]; other != "" {
			return fmt.Sprintf("run %s was fetched by %s and by %s", f[1], other, f[2])
		}
		a.fetched[f[1]] = f[2]
	case len(f) == 2 && f[0] == "d":
		a.ended[f[1]] = true
	case len(f) == 5 && f[0] == "h":
		at, err := strconv.ParseInt(f[1], 10, 64)
		version, verr := strconv.ParseUint(f[4], 10, 32)
		if err != nil || verr != nil {
			return strings.Join(f, " ")
		}
		k := hookOfRun{f[2], f[3]}
		a.hooks[k] = append(a.hooks[k], toldOf{at, uint(version)})
	default:
		return strings.Join(f, " ")
	}
	return ""
}

// letterRecord is a letter as the log tells it.
type letterRecord struct {
	foreignID string
	version   uint
	at        backend.Point
	object    letter
	signals   int // versions that signals made
	reminders int
	tells     map[string][]uint // by hook: the versions that it is to be told of
}

// letterVerifier compares letters with what was acknowledged of them.
type letterVerifier struct {
	complain func(format string, args ...any)
	letters  map[string]*letterRecord
	foreign  map[string]string
	versions int
}

// follow takes a letter one version further.
func (v *letterVerifier) follow(e *backend.Entry) {
	rec, id := e.Record, e.Record.RunID
	l := v.letters[id]
	if l == nil {
		l = &letterRecord{foreignID: rec.ForeignID, tells: map[string][]uint{}}
		v.letters[id] = l
		if other := v.foreign[l.foreignID]; other != "" {
			v.complain("letter %s has two runs, %s and %s, for one start key", l.foreignID, other, id)
		}
		v.foreign[l.foreignID] = id
	}
	v.versions++
	to := backend.Point{RunState: rec.RunState, Status: rec.Status}
	if rec.Meta.Version != l.version+1 || e.From != l.at {
		v.complain("letter %s: version %d from %v after version %d at %v", id, rec.Meta.Version, e.From, l.version, l.at)
	}
	expired := e.Cause == backend.CauseEngine && rec.RunState == backend.RunStateCancelled && rec.Status == l.at.Status &&
		!rec.UpdatedAt.Before(rec.Meta.Deadline) && strings.Contains(rec.Meta.RunStateReason, "deadline")
	if !expired && !isLetterMove(e.Cause, l.at.Status, rec.Status) {
		v.complain("letter %s version %d: %v -> %v by %v, %q", id, rec.Meta.Version, l.at, to, e.Cause, rec.Meta.RunStateReason)
	}
	switch {
	case e.Cause == backend.CauseSignal:
		l.signals++
	case e.Cause == backend.CauseTimeout && l.at.Status == rec.Status:
		l.reminders++
	}
	if rec.Meta.Visit == rec.Meta.Version {
		l.tells["status"] = append(l.tells["status"], rec.Meta.Version)
	}
	if l.at.RunState != rec.RunState {
		l.tells["state"] = append(l.tells["state"], rec.Meta.Version)
	}
	l.version, l.at, l.object = rec.Meta.Version, to, letter{}
	if err := workflow.Unmarshal(rec.Object, &l.object); err != nil {
		v.complain("letter %s version %d: %v", id, rec.Meta.Version, err)
	}
	v.consistent(id, l)
}

// consistent compares a letter's object with its history: each signal, each reminder took effect once, and nothing before its time.
func (v *letterVerifier) consistent(id string, l *letterRecord) {
	o := &l.object
	distinct := slices.Compact(slices.Sorted(slices.Values(o.Heard)))
	if len(distinct) != len(o.Heard) || len(o.Heard) != l.signals {
		v.complain("letter %s has heard %q, by %d versions", id, o.Heard, l.signals)
	}
	if o.Reminders != l.reminders || o.Reminders > 1 {
		v.complain("letter %s has %d reminders, by %d versions", id, o.Reminders, l.reminders)
	}
	if o.Early {
		v.complain("letter %s: something began before its time", id)
	}
	if l.at.RunState != backend.RunStateCompleted {
		return
	}
	fetched := o.FetchedBy != ""
	returned := !fetched && kindOf(l.foreignID) != letterOrdinary
	if !slices.Equal(distinct, signalsFor(id)) || o.Heard[stamps] != signalsFor(id)[stamps] || fetched == returned {
		v.complain("letter %s is delivered: heard %q, fetched by %q", id, o.Heard, o.FetchedBy)
	}
}

// compare holds every acknowledgement against the store.
func (v *letterVerifier) compare(ctx context.Context, a *letterAcks, store *sqlite.Backend) error {
	for runID, foreignID := range a.triggered {
		if l := v.letters[runID]; l == nil || l.foreignID != foreignID {
			v.complain("letter %s was acknowledged for %s and is stored as %+v", runID, foreignID, l)
		}
	}
	for _, s := range a.signals {
		l := v.letters[s.runID]
		if l == nil {
			v.complain("letter %s has taken signal %s and is not there", s.runID, s.id)
			continue
		}
		if slices.Contains(l.object.Heard, s.id) {
			continue
		}
		held, err := store.Held(ctx, s.runID)
		if err != nil {
			return err
		}
		waits := slices.ContainsFunc(held, func(d backend.Delivery) bool {
			return d.Receiver.IsSignal() && bytes.Contains(d.Data, []byte(strconv.Quote(s.id)))
		})
		if s.state == "applied" || !waits {
			v.complain("letter %s: signal %s was acknowledged as %s, it has heard %q and %d deliveries wait", s.runID, s.id, s.state, l.object.Heard, len(held))
		}
	}
	for runID, key := range a.fetched {
		if l := v.letters[runID]; l == nil || l.object.FetchedBy != key {
			v.complain("letter %s was acknowledged as fetched by %s and is %+v", runID, key, l)
		}
	}
	for runID := range a.ended {
		if l := v.letters[runID]; l == nil || !l.at.RunState.Finished() {
			v.complain("letter %s was acknowledged as ended and is %+v", runID, l)
		}
	}
	return nil
}

// judgeHooks looks whether hooks were told of what they want, of one run in order. A process that dies takes the news of what it told with
// it, so that the next one tells again; what was told first was told in order. final says that all must have been told.
func (v *letterVerifier) judgeHooks(a *letterAcks, final bool) {
	for runID, l := range v.letters {
		for hook, want := range l.tells {
			told := slices.Clone(a.hooks[hookOfRun{hook, runID}])
			slices.SortFunc(told, func(x, y toldOf) int { return cmp.Compare(x.at, y.at) })
			var first []uint
			for _, t := range told {
				if !slices.Contains(first, t.version) {
					first = append(first, t.version)
				}
			}
			if len(first) > len(want) || !slices.Equal(first, want[:len(first)]) || final && len(first) < len(want) {
				v.complain("letter %s: hook %s was told of versions %d, in this order, of %d", runID, hook, first, want)
			}
		}
	}
	for k := range a.hooks {
		if v.letters[k.runID] == nil {
			v.complain("hook %s was told of letter %s, which is not there", k.hook, k.runID)
		}
	}
}

// letterFigures are what a verification has counted of letters.
type letterFigures struct{ runs, versions, delivered, fetched, expired, signals, told int }

func (f *letterFigures) add(g letterFigures) {
	f.runs += g.runs
	f.versions += g.versions
	f.delivered += g.delivered
	f.fetched += g.fetched
	f.expired += g.expired
	f.signals += g.signals
	f.told += g.told
}

func (f letterFigures) String() string {
	return fmt.Sprintf("%d letters, %d versions; %d delivered, %d of them by a callback, %d ended by their deadlines; %d signals acknowledged, hooks told %d times",
		f.runs, f.versions, f.delivered, f.fetched, f.expired, f.signals, f.told)
}

// judge looks where every letter stands.
func (v *letterVerifier) judge(a *letterAcks, final bool) letterFigures {
	f := letterFigures{runs: len(v.letters), versions: v.versions, signals: len(a.signals)}
	for _, told := range a.hooks {
		f.told += len(told)
	}
	for id, l := range v.letters {
		forgotten := kindOf(l.foreignID) == letterForgotten
		switch {
		case l.at.RunState == backend.RunStateCompleted && !forgotten:
			f.delivered++
			if l.object.FetchedBy != "" {
				f.fetched++
			}
		case l.at.RunState == backend.RunStateCancelled && forgotten:
			f.expired++
		case l.at.RunState.Finished() || final:
			v.complain("letter %s (%s) is %v", id, l.foreignID, l.at)
		}
	}
	v.judgeHooks(a, final)
	return f
}
