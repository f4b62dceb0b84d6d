package workflow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// oldProgram has the status Other; newProgram has not.
func oldProgram() *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status]("evolving")
	b.AddStep(statusA, step(statusOther), statusOther)
	b.AddCallback(statusOther, goes(statusEnd), statusEnd)
	b.AddTimeout(statusOther, workflow.DurationTimerFunc[object, status](time.Hour), func(_ context.Context, r *run, _ time.Time) (status, error) {
		r.Object.Note = "expired"
		return statusEnd, nil
	}, statusEnd)
	return b
}

func newProgram() *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status]("evolving")
	b.AddStep(statusA, step(statusB), statusB)
	b.AddStep(statusB, step(statusEnd), statusEnd)
	return b
}

// TestAStatusThatIsGone: runs in it are told of at the start, paused with the reason, lose nothing, and go on with the program that
// has it.
func TestAStatusThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, oldProgram())
		ids := []string{trigger(t, w, "a"), trigger(t, w, "b")}
		held := trigger(t, w, "held")
		synctest.Wait()
		if err := w.RunStateController(held).Pause(ctxFor(t), "legal hold"); err != nil {
			t.Fatal(err)
		}
		w.Stop()

		log := &quietLog{}
		w = build(t, on, newProgram(), workflow.WithLogger(log))
		synctest.Wait()
		for _, id := range ids {
			rec := lookup(t, on, id)
			if rec.RunState != backend.RunStatePaused || rec.Meta.PausedBy != backend.PausedByEngine || !strings.Contains(rec.Meta.RunStateReason, "no status 5 (Other)") {
				t.Errorf("run %s is %v, %q", rec.ForeignID, rec.RunState, rec.Meta.RunStateReason)
			}
		}
		if log.count("3 unfinished runs are in it") != 1 || log.count(ids[0]) == 0 {
			t.Errorf("the start said %v", log.errs)
		}
		orphans, err := w.Orphans(ctxFor(t))
		if err != nil || len(orphans) != 1 || orphans[0].Status != int(statusOther) || orphans[0].Runs != 3 || orphans[0].Description != "Other" || len(orphans[0].Examples) != 3 {
			t.Errorf("Orphans: %+v, %v", orphans, err)
		}
		if err := w.RunStateController(ids[1]).Resume(ctxFor(t)); err != nil { // nothing has changed
			t.Fatal(err)
		}
		pass(3 * time.Hour) // the timers come due meanwhile
		if rec := lookup(t, on, ids[1]); rec.RunState != backend.RunStatePaused {
			t.Errorf("resumed without the status, the run is %v", rec.RunState)
		}
		w.Stop()

		build(t, on, oldProgram())
		pass(time.Second)
		for _, id := range ids {
			if rec := lookup(t, on, id); rec.RunState != backend.RunStateCompleted || !strings.Contains(string(rec.Object), "expired") {
				t.Errorf("with the status again, run %s is %v in status %d: %s", rec.ForeignID, rec.RunState, rec.Status, rec.Object)
			}
		}
		if rec := lookup(t, on, held); rec.Meta.RunStateReason != "legal hold" {
			t.Errorf("an operator's pause became %q", rec.Meta.RunStateReason)
		}
	})
}

// TestARenamedStatus: runs go on in the new one, also those that were paused meanwhile, and an operator's pause stays.
func TestARenamedStatus(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		w := build(t, on, oldProgram())
		waits, pausedRun, held := trigger(t, w, "waits"), trigger(t, w, "paused"), trigger(t, w, "held")
		synctest.Wait()
		if err := w.RunStateController(held).Pause(ctxFor(t), "legal hold"); err != nil {
			t.Fatal(err)
		}
		w.Stop()
		w = build(t, on, newProgram())
		synctest.Wait()
		w.Stop()

		renamed := newProgram()
		renamed.RenameStatus(int(statusOther), statusB)
		w = build(t, on, renamed)
		synctest.Wait()
		for _, id := range []string{waits, pausedRun} {
			rec := lookup(t, on, id)
			if rec.RunState != backend.RunStateCompleted {
				t.Errorf("run %s is %v in status %d, %q", rec.ForeignID, rec.RunState, rec.Status, rec.Meta.RunStateReason)
			}
			history, err := on.History(ctxFor(t), id, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			moved := history[len(history)-2]
			if moved.Record.Status != int(statusB) || moved.Cause != backend.CauseEngine || !strings.Contains(moved.Record.Meta.RunStateReason, "status 5 (Other) was renamed") || moved.Record.Meta.StatusDescription != "B" {
				t.Errorf("the history says %+v of %+v", moved.Record.Meta, moved)
			}
		}
		if rec := lookup(t, on, held); rec.RunState != backend.RunStatePaused {
			t.Errorf("an operator's pause was undone: %v", rec.RunState)
		}
		if err := w.RunStateController(held).Resume(ctxFor(t)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if rec := lookup(t, on, held); rec.RunState != backend.RunStateCompleted {
			t.Errorf("resumed, it is %v in status %d", rec.RunState, rec.Status)
		}
		pass(2 * time.Hour)
		for _, id := range []string{waits, pausedRun, held} {
			if rows, err := on.Held(ctxFor(t), id); err != nil || len(rows) > 0 {
				t.Errorf("left of the old status: %+v, %v", rows, err)
			}
		}
	})
}

func TestRenameMisuse(t *testing.T) {
	b := newProgram()
	b.RenameStatus(int(statusA), statusB)
	b.RenameStatus(77, statusOther)
	_, err := b.BuildOn(newStore(t))
	if err == nil || !strings.Contains(err.Error(), "has that status still") || !errors.Is(err, workflow.ErrUnknownStatus) {
		t.Errorf("BuildOn: %v", err)
	}
}

// TestARenamedStatusIsNoMatterOfConcern: runs that nobody has looked at yet are moved without a word, whoever meets them first.
func TestARenamedStatusIsNoMatterOfConcern(t *testing.T) {
	bubble(t, func(t *testing.T, on *memory.Backend) {
		old, err := oldProgram().BuildOn(on) // it only triggers
		must(t, err)
		var ids []string
		for i := range 50 {
			ids = append(ids, trigger(t, old, name(i), workflow.WithStartingPoint[object](statusOther)))
		}
		b, log := newProgram(), &quietLog{}
		b.RenameStatus(int(statusOther), statusB)
		w := build(t, on, b, workflow.WithLogger(log))
		for _, id := range ids {
			await(t, w, id, statusEnd)
		}
		if n := log.count("has no status"); n > 0 {
			t.Errorf("a renamed status was reported %d times as one that the program lacks", n)
		}
	})
}
