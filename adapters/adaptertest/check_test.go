package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// damaged is a sound little store, and what is then done to it behind its back.
func damaged(t *testing.T, damage func(d *refDisk)) *refStore {
	t.Helper()
	s := newReference(noBug)
	b := s.Backend.(*refStore)
	for i, id := range []string{"a", "b"} {
		c := run(id)
		c.Hold = []backend.Delivery{timer(c.Record, 1, birth()), timer(c.Record, 2, birth().Add(time.Hour))}
		next := step(c.Record, 2)
		last := complete(next.Record)
		putIn(t, b, c, next)
		if i == 0 {
			putIn(t, b, last)
		}
	}
	damage(b.d)
	return b
}

// TestWalkFindsDamage does one kind of damage at a time and looks for the invariant that it breaks.
func TestWalkFindsDamage(t *testing.T) {
	edit := func(d *refDisk, id string, version int, change func(e *backend.Entry)) {
		for _, entries := range [][]backend.Entry{d.history[id], d.log} {
			for i := range entries {
				if entries[i].Record.RunID == id && int(entries[i].Record.Meta.Version) == version {
					entries[i].Record = entries[i].Record.Clone()
					change(&entries[i])
				}
			}
		}
	}
	for name, c := range map[string]struct {
		invariant, words string
		damage           func(d *refDisk)
	}{
		"record behind its history":  {"I2", "is not the record", func(d *refDisk) { d.runs["run-a"] = d.history["run-a"][1].Record }},
		"record without history":     {"I2", "no history", func(d *refDisk) { d.history["run-a"] = nil }},
		"history without beginning":  {"I2", "begins with version 2", func(d *refDisk) { d.history["run-a"] = d.history["run-a"][1:] }},
		"version lost in the middle": {"I2", "follows version 1", func(d *refDisk) { d.history["run-a"] = append(d.history["run-a"][:1:1], d.history["run-a"][2:]...) }},
		"entry lost in the middle":   {"I6", "is missing in the log", func(d *refDisk) { d.log = append(d.log[:2:2], d.log[3:]...) }},
		"log forgotten too early":    {"I6", "has forgotten", func(d *refDisk) { d.log = d.log[1:] }},
		"entry twice":                {"I2", "in the log twice", func(d *refDisk) { d.log = append(d.log, d.log[0]) }},
		"entry of nobody":            {"I2", "does not exist", func(d *refDisk) { d.log[0].Record = run("ghost").Record }},
		"entries swapped":            {"I6", "follows position", func(d *refDisk) { d.log[0], d.log[1] = d.log[1], d.log[0] }},
		"wrong origin":               {"I3", "comes from", func(d *refDisk) { edit(d, "run-a", 2, func(e *backend.Entry) { e.From.Status = 77 }) }},
		"first version from somewhere": {"I3", "instead of nowhere", func(d *refDisk) {
			edit(d, "run-a", 1, func(e *backend.Entry) { e.From = backend.Point{Status: 3} })
		}},
		"run left its end": {"I3", "although the version before it was Completed", func(d *refDisk) {
			edit(d, "run-a", 2, func(e *backend.Entry) { e.Record.RunState = backend.RunStateCompleted })
		}},
		"history and log disagree": {"I2", "is not that of the history", func(d *refDisk) {
			d.log[0].Record = d.log[0].Record.Clone()
			d.log[0].Record.Object = []byte("other")
		}},
		"two unfinished runs": {"I7", "same foreign id", func(d *refDisk) {
			c := newRun(orders, "b", "run-c")
			d.append(c)
		}},
		"listed twice":           {"I2", "listed twice", func(d *refDisk) { d.order = append(d.order, "run-a") }},
		"cursor beyond the end":  {"I5", "a cursor of workflow orders", func(d *refDisk) { d.cursors[orders] = map[int]int64{3: 1000} }},
		"head behind the log":    {"I6", "the head of the log", func(d *refDisk) { d.pos = 3 }},
		"head beyond the log":    {"I6", "the head of the log", func(d *refDisk) { d.pos = 99 }},
		"delivery of a lost due": {"I9", "never due", func(d *refDisk) { rekey(d, func(x *backend.Delivery) { x.WorkflowName = "elsewhere" }) }},
		"due without being held": {"I4", "not held by its run", func(d *refDisk) { rekey(d, func(x *backend.Delivery) { x.RunID = "run-x" }) }},
		"delivery of the future": {"I4", "of a version that the run", func(d *refDisk) { rekey(d, func(x *backend.Delivery) { x.Version = 9 }) }},
		"finished run left by a step": {"I3", "although the version before it was Completed", func(d *refDisk) {
			d.append(step(d.runs["run-a"], 5))
		}},
		"erased run left its log":    {"I2", "does not exist", func(d *refDisk) { delete(d.runs, "run-a"); d.order = d.order[1:] }},
		"object lost early":          {"I6", "the cursor has yet to pass it", func(d *refDisk) { edit(d, "run-a", 2, loseObject) }},
		"object of the present lost": {"I6", "the present version 3", func(d *refDisk) { edit(d, "run-a", 3, loseObject) }},
		"object said to be lost":     {"I6", "and has it", func(d *refDisk) { edit(d, "run-a", 1, func(e *backend.Entry) { e.Trimmed = true }) }},
		"object lost under a hook": {"I6", "a hook is to be told", func(d *refDisk) {
			passAll(d)
			edit(d, "run-a", 2, loseObject)
			rekey(d, func(x *backend.Delivery) { x.RunID, x.Receiver = "run-a", "hook:Paused" })
		}},
		"keys out of order":        {"I2", "the run before it has", func(d *refDisk) { d.keys["run-a"], d.keys["run-b"] = 2, 1 }},
		"run cannot be found":      {"I2", "not in the pages", func(d *refDisk) { d.keys["run-b"] = 0 }},
		"runs are counted wrongly": {"I2", "not those that are counted", func(d *refDisk) { d.bug = countsTwice }},
		"given up and not listed as": {"I4", "listed as given up", func(d *refDisk) {
			d.bug = heldListIsEmpty
			rekey(d, func(x *backend.Delivery) { x.Due, x.State = time.Time{}, backend.DeliveryHeld })
		}},
		"own check of the store":    {"I99", "the store itself says", func(d *refDisk) { d.bug = complainsItself }},
		"own check gives up at all": {"", "the store's own check: boom", func(d *refDisk) { d.bug = cannotCheckItself }},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Walk(t.Context(), damaged(t, c.damage), WalkOptions{NothingErased: true})
			var all []string
			for _, v := range found {
				all = append(all, v.String())
			}
			if err != nil {
				all = append(all, err.Error())
			}
			for _, line := range all {
				if strings.HasPrefix(line, c.invariant) && strings.Contains(line, c.words) {
					return
				}
			}
			t.Errorf("want %s … %q, got:\n%s", c.invariant, c.words, strings.Join(all, "\n"))
		})
	}
}

func loseObject(e *backend.Entry) { e.Record.Object, e.Trimmed = nil, true }

// passAll moves every cursor to the head.
func passAll(d *refDisk) {
	d.cursors[orders] = map[int]int64{}
	for bucket := range bucketCount {
		d.cursors[orders][bucket] = d.pos
	}
}

// rekey alters one held delivery, key included.
func rekey(d *refDisk, change func(x *backend.Delivery)) {
	for key, x := range d.deliveries {
		delete(d.deliveries, key)
		change(&x)
		d.deliveries[x.DeliveryKey] = x
		return
	}
}

func TestWalkAcceptsASoundStore(t *testing.T) {
	b := damaged(t, func(*refDisk) {})
	found, err := Walk(t.Context(), b, WalkOptions{})
	if err != nil || len(found) > 0 {
		t.Errorf("a sound store gives %v, %v", found, err)
	}
	Check(t, b)
}

// TestWalkAllowsWhatIsForgotten forgets entries that all cursors have passed, and versions beyond what is kept.
func TestWalkAllowsWhatIsForgotten(t *testing.T) {
	b := damaged(t, func(d *refDisk) {
		d.cursors[orders] = map[int]int64{}
		for bucket := range bucketCount {
			d.cursors[orders][bucket] = 2
		}
		d.log = d.log[2:]
		d.history["run-a"] = d.history["run-a"][1:]
	})
	found, err := Walk(t.Context(), b, WalkOptions{MinHistory: 2})
	if err != nil || len(found) > 0 {
		t.Errorf("a store that forgot what it may gives %v, %v", found, err)
	}
	b.d.cursors[orders][7] = 1
	if found, err = Walk(t.Context(), b, WalkOptions{MinHistory: 2}); err != nil || len(found) == 0 {
		t.Errorf("one cursor has yet to pass what is forgotten, and the walk gives %v, %v", found, err)
	}
}

// TestWalkAllowsWhatTheContractsAllow moves an ended run by hand, erases the newest entries, drops objects and numbers signals.
func TestWalkAllowsWhatTheContractsAllow(t *testing.T) {
	s := newReference(noBug)
	b := s.Backend.(*refStore)
	first := run("a")
	ended := complete(first.Record)
	again := step(ended.Record, 2)
	again.Cause = backend.CauseOperator
	last := complete(again.Record)
	gone := run("gone")
	away := complete(gone.Record)
	putIn(t, b, first, ended, again, last, signal(first.Record, "s", 1<<40), gone, away)
	if err := b.Erase(t.Context(), []*backend.Erasure{erasureOf(away.Record)}); err != nil {
		t.Fatal(err)
	}
	passAll(b.d)
	h := b.d.history["run-a"]
	h[0].Record = h[0].Record.Clone()
	loseObject(&h[0])
	found, err := Walk(t.Context(), b, WalkOptions{})
	if err != nil || len(found) > 0 {
		t.Errorf("what is allowed gives %v, %v", found, err)
	}
	// Where nothing was erased there is no reason for a gap at the end.
	for _, strict := range []struct {
		b    backend.Backend
		opts WalkOptions
	}{{b, WalkOptions{NothingErased: true}}, {struct{ backend.Backend }{b}, WalkOptions{}}} {
		if found, err := Walk(t.Context(), strict.b, strict.opts); err != nil || len(found) != 1 || found[0].Invariant != "I6" {
			t.Errorf("a head beyond the log of what erases nothing gives %v, %v", found, err)
		}
	}
}

func TestWalkIsBoundedAndReportsItsOwnFailure(t *testing.T) {
	b := damaged(t, func(d *refDisk) {
		for i := range 300 {
			d.order = append(d.order, "run-a")
			d.pos += int64(i)
		}
	})
	found, err := Walk(t.Context(), b, WalkOptions{})
	if err != nil || len(found) != maxViolations {
		t.Errorf("a ruined store gives %d violations, %v; want %d", len(found), err, maxViolations)
	}
	f := NewFaulty(b, 1)
	f.Set(MethodReadLog, Fault{Before: 1})
	if _, err := Walk(t.Context(), f, WalkOptions{}); !errors.Is(err, ErrInjected) {
		t.Errorf("a walk over a store that fails gives %v", err)
	}
	if failures := record(t, "Check", func(r *recorder) { Check(r, f) }); len(failures) == 0 {
		t.Errorf("Check accepts a store that cannot be walked")
	}
}

// TestWaivers shows that a part that is left out has to be named, and which cases a name takes away.
func TestWaivers(t *testing.T) {
	bare := Store{Backend: struct{ backend.Backend }{newReference(noBug).Backend}}
	failures := record(t, "verify", func(r *recorder) { bare.verify(r, Guarantees{NoCrash: true}) })
	if len(failures) != 1 {
		t.Fatalf("a bare store gives %q", failures)
	}
	for _, name := range []string{"NoRestart", "NoPeers", "NoTransactions", "NoCheck", "NoRecordStore", "NoFinder", "NoHeldLister", "NoEraser", "NoDueWatch"} {
		if !strings.Contains(failures[0], name) {
			t.Errorf("%q does not say that %s has to be waived", failures[0], name)
		}
	}
	if strings.Contains(failures[0], "NoCrash") {
		t.Errorf("%q names what was waived", failures[0])
	}
	all := Guarantees{
		NoRestart: true, NoCrash: true, NoPeers: true, NoTransactions: true, NoCheck: true, NoRecordStore: true,
		NoFinder: true, NoHeldLister: true, NoEraser: true, // NoPeers says that there is nothing to watch for due deliveries
	}
	if failures := record(t, "verify", func(r *recorder) { bare.verify(r, all) }); len(failures) > 0 {
		t.Errorf("everything is waived, and the store is refused: %q", failures)
	}
	if got := fmt.Sprint(all.waived()); got != "[NoRestart NoCrash NoPeers NoTransactions NoCheck NoRecordStore NoFinder NoHeldLister NoEraser]" {
		t.Errorf("the waivers are %s", got)
	}
	for _, c := range allCases() {
		if name, lacks := all.lacks(c.needs); lacks != (name != "") {
			t.Errorf("case %s is waived by %q: %t", c.name, name, lacks)
		}
	}
}

// TestSuiteWithWaivers runs the suite on a store that lacks all that can be waived.
func TestSuiteWithWaivers(t *testing.T) {
	Run(t, func(*testing.T) Store {
		return Store{Backend: struct{ backend.Backend }{newReference(keepsOnlyThePresent).Backend}}
	}, Guarantees{
		NoRestart: true, NoCrash: true, NoPeers: true, NoTransactions: true, NoHistory: true, NoAttempts: true,
		VolatileDeliveries: true, NoCheck: true, NoRecordStore: true, NoStillness: true, NoFinder: true, NoHeldLister: true, NoEraser: true,
		NoDueWatch: true, NoExpect: true, NoSignals: true, NoDeadline: true, NoObjectBound: true,
	})
}

// Not bugs, but ways of being that the tests above need of the reference.
const (
	complainsItself     bug = "says itself that it is broken"
	cannotCheckItself   bug = "cannot check itself"
	keepsOnlyThePresent bug = "keeps the present version alone and no attempts"
	countsTwice         bug = "counts every run twice"
	heldListIsEmpty     bug = "lists nothing that is given up"
)

func (s *refStore) Check(_ context.Context, report func(backend.Violation)) error {
	switch s.d.bug {
	case complainsItself:
		report(backend.Violation{Invariant: "I99", Detail: "I feel unwell"})
	case cannotCheckItself:
		return errors.New("boom")
	}
	return nil
}
