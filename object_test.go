package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// newer is object as a later program has it.
type newer struct {
	Count  int
	Note   string
	Trail  []string   `json:",omitempty"`
	Amount *big.Int   `json:"amount"` // more digits than a float holds
	Owner  newerOwner `json:"owner"`
	Raw    json.RawMessage
}

type newerOwner struct {
	Name  string
	Since time.Time
}

func TestUnknownFieldsSurviveAnOlderProgram(t *testing.T) {
	for what, opts := range map[string][]workflow.BuildOption{
		"plain":   nil,
		"encoded": {workflow.WithCodec(&xor{name: "xor", key: 7})},
		"versioned": {workflow.WithObjectVersion(1, map[uint]workflow.ObjectUpgrade{
			0: func(o json.RawMessage) (json.RawMessage, error) { return nil, errTest }, // never needed
		})},
	} {
		t.Run(what, func(t *testing.T) {
			on := newStore(t)
			nb := workflow.NewBuilder[newer, status]("evolving") // it triggers and awaits; the older program works
			nb.AddCallback(statusA, func(context.Context, *workflow.Run[newer, status], io.Reader) (status, error) { return 0, errTest },
				statusB, statusC, statusOther, statusEnd)
			newProgram, err := nb.BuildOn(on, opts...)
			if err != nil {
				t.Fatal(err)
			}
			amount, ok := new(big.Int).SetString("123456789012345678901234567890", 10)
			if !ok {
				t.Fatal("no number")
			}
			id, err := newProgram.Trigger(ctxFor(t), "f", workflow.WithInitialValue[newer, status](&newer{
				Note: "pause", Amount: amount, Owner: newerOwner{"Ada", time.Unix(1e9, 0).UTC()}, Raw: json.RawMessage(`{"deep":[1.50,{"x":null}]}`),
			}))
			if err != nil {
				t.Fatal(err)
			}
			older := build(t, on, everywhere("evolving"), opts...)
			await(t, older, id, statusB)
			if err := older.Callback(ctxFor(t), "f", statusB, strings.NewReader("hi")); err != nil {
				t.Fatal(err)
			}
			awaitRecord(t, on, id, paused)
			if err := older.RunStateController(id).Resume(ctxFor(t)); err != nil {
				t.Fatal(err)
			}
			await(t, older, id, statusEnd)
			entries, err := on.History(ctxFor(t), id, 0, 100)
			if err != nil || len(entries) < 7 {
				t.Fatalf("%d versions, %v", len(entries), err)
			}
			r, err := newProgram.Await(ctxFor(t), "f", id, statusEnd)
			if err != nil {
				t.Fatal(err)
			}
			o := r.Object
			if o.Amount.Cmp(amount) != 0 || o.Owner != (newerOwner{"Ada", time.Unix(1e9, 0).UTC()}) || string(o.Raw) != `{"deep":[1.50,{"x":null}]}` {
				t.Errorf("the newer program's fields came back as %+v %s", o, o.Raw)
			}
			if o.Note != "paused" || strings.Join(o.Trail, ",") != "step,step,callback hi,timeout" {
				t.Errorf("the older program's work came back as %+v", o)
			}
		})
	}
}

// TestUnknownFieldsSurviveCancel inside a step.
func TestUnknownFieldsSurviveCancel(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[object, status]("cancelling")
	b.AddStep(statusA, func(ctx context.Context, r *run) (status, error) {
		r.Object.Note = "cancelled"
		return r.Cancel(ctx, "no more")
	}, statusEnd)
	commit(t, on, "cancelling", `{"Count":1,"Note":"","more": {"b" : 1e400}}`)
	build(t, on, b)
	rec := awaitRecord(t, on, "r", func(r *backend.Record) bool { return r.RunState == backend.RunStateCancelled })
	if string(rec.Object) != `{"Count":1,"Note":"cancelled","more":{"b" : 1e400}}` {
		t.Errorf("stored %s", rec.Object)
	}
}

// commit stores version 1 of a run "r" in status A as another program does.
func commit(t testing.TB, on backend.Backend, workflowName, object string) {
	t.Helper()
	rec := &backend.Record{
		WorkflowName: workflowName, ForeignID: "f", RunID: "r", RunState: backend.RunStateInitiated, Status: int(statusA), Object: []byte(object),
		CreatedAt: time.Now(), UpdatedAt: time.Now(), Meta: backend.Meta{Version: 1, Visit: 1},
	}
	c := &backend.Change{Cause: backend.CauseTrigger, Record: rec}
	if err := errors.Join(on.Commit(ctxFor(t), []*backend.Change{c}), c.Err); err != nil {
		t.Fatal(err)
	}
}

// TestScrubbingDropsWhatItDoesNotKnow: a field that the function cannot see is data too.
func TestScrubbingDropsWhatItDoesNotKnow(t *testing.T) {
	on := newStore(t)
	commit(t, on, "dropping", `{"Count":1,"Note":"Ada","phone":"555"}`)
	w := build(t, on, three("dropping"), workflow.WithCustomDelete(func(o *object) error { o.Note = ""; return nil }))
	if r := await(t, w, "r", statusEnd); !strings.Contains(string(r.Record.Object), "555") {
		t.Errorf("the field went too early: %s", r.Record.Object)
	}
	if err := w.RunStateController("r").DeleteData(ctxFor(t), "asked for"); err != nil {
		t.Fatal(err)
	}
	rec := awaitRecord(t, on, "r", func(r *backend.Record) bool { return r.RunState == backend.RunStateDataDeleted })
	if string(rec.Object) != `{"Count":4,"Note":""}` {
		t.Errorf("left is %s", rec.Object)
	}
}

// upgrades of object: version 0 had {"count":"3"}, version 1 {"total":3}, version 2 is object.
func upgrades() map[uint]workflow.ObjectUpgrade {
	return map[uint]workflow.ObjectUpgrade{
		0: func(o json.RawMessage) (json.RawMessage, error) {
			var v struct{ Text string }
			err := json.Unmarshal(o, &v)
			clear(o) // it is the function's own
			return fmt.Appendf(nil, `{"total":%s,"more":[1.50]}`, v.Text), err
		},
		1: func(o json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage(strings.Replace(string(o), "total", "Count", 1)), nil
		},
	}
}

func TestObjectsAreLiftedStepByStep(t *testing.T) {
	for from, c := range map[string]struct{ stored, want string }{
		"raw":       {`{"Text":"39"}`, `{"Count":42,"Note":"","more":[1.50]}`},
		"version 1": {"\x00SW\x01\x01\x00" + `{"total":39}`, `{"Count":42,"Note":""}`},
		"version 2": {"\x00SW\x01\x02\x00" + `{"Count":39}`, `{"Count":42,"Note":""}`},
	} {
		on := newStore(t)
		commit(t, on, "lifted", c.stored)
		w := build(t, on, three("lifted"), workflow.WithObjectVersion(2, upgrades()))
		if r := await(t, w, "r", statusEnd); r.Object.Count != 42 {
			t.Errorf("%s: count %d", from, r.Object.Count)
		}
		if e := envelope(t, stored(t, on, "r")); e.Version != 2 || e.Codec != "" || string(e.Payload) != c.want {
			t.Errorf("%s: stored %+v %s", from, e, e.Payload)
		}
		entries, err := on.History(ctxFor(t), "r", 0, 1)
		if err != nil || string(entries[0].Record.Object) != c.stored {
			t.Errorf("%s: version 1 became %q, %v", from, entries[0].Record.Object, err)
		}
	}
}

// TestAnObjectOfALaterVersionWaits: an older program does not touch it; a newer one goes on.
func TestAnObjectOfALaterVersionWaits(t *testing.T) {
	on := newStore(t)
	w2, err := three("later").BuildOn(on, workflow.WithObjectVersion(2, upgrades()))
	if err != nil {
		t.Fatal(err)
	}
	id := trigger(t, w2, "f", workflow.WithInitialValue[object, status](&object{Note: "new"}))
	was := string(stored(t, on, id))
	one := upgrades()
	delete(one, 1)
	for _, opts := range [][]workflow.BuildOption{nil, {workflow.WithObjectVersion(1, one)}} {
		w1 := build(t, on, three("later"), opts...)
		rec := awaitRecord(t, on, id, paused)
		if rec.Meta.PausedBy != backend.PausedByEngine || !strings.Contains(rec.Meta.RunStateReason, "of version 2, this program knows versions up to") || string(rec.Object) != was {
			t.Errorf("paused record %+v, object %q", rec.Meta, rec.Object)
		}
		if _, err := w1.Await(ctxFor(t), "f", id, statusA); !errors.Is(err, workflow.ErrNewerObject) {
			t.Errorf("Await: %v", err)
		}
		w1.Stop()
		if err := w2.RunStateController(id).Resume(ctxFor(t)); err != nil {
			t.Fatal(err)
		}
	}
	w2.Run(context.Background())
	t.Cleanup(w2.Stop)
	if r := await(t, w2, id, statusEnd); r.Object.Note != "new" || r.Object.Count != 3 {
		t.Errorf("%+v", r.Object)
	}
}

func TestUpgradesThatFailPauseTheirRun(t *testing.T) {
	for want, fn := range map[string]workflow.ObjectUpgrade{
		"upgrade the object of version 0: gateway says no": func(json.RawMessage) (json.RawMessage, error) { return nil, errTest },
		"upgrade the object of version 0: panic: bad":      func(json.RawMessage) (json.RawMessage, error) { panic("bad") },
		"version 0: what it returned is not JSON":          func(json.RawMessage) (json.RawMessage, error) { return nil, nil },
		"cannot unmarshal array":                           func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage("[]"), nil },
	} {
		on := newStore(t)
		commit(t, on, "failing", `{"Count":1}`)
		w := build(t, on, three("failing"), workflow.WithObjectVersion(1, map[uint]workflow.ObjectUpgrade{0: fn}))
		rec := awaitRecord(t, on, "r", paused)
		if !strings.Contains(rec.Meta.RunStateReason, want) || string(rec.Object) != `{"Count":1}` || rec.Meta.PausedBy != backend.PausedByEngine {
			t.Errorf("want %q, got %q, object %s", want, rec.Meta.RunStateReason, rec.Object)
		}
		w.Stop()
	}
}

func TestUpgradeProblemsAreFoundWhenBuilt(t *testing.T) {
	on := newStore(t)
	same := func(o json.RawMessage) (json.RawMessage, error) { return o, nil }
	for _, c := range []struct {
		version uint
		has     map[uint]workflow.ObjectUpgrade
		want    string
	}{
		{1, nil, "no upgrade of version 0"},
		{1 << 60, nil, "no upgrade of version 0"},
		{3, map[uint]workflow.ObjectUpgrade{0: same, 2: same}, "no upgrade of version 1"},
		{3, map[uint]workflow.ObjectUpgrade{0: same, 1: same}, "no upgrade of version 2"},
		{3, map[uint]workflow.ObjectUpgrade{1: same, 2: same}, "no upgrade of version 0"},
		{2, map[uint]workflow.ObjectUpgrade{0: same, 1: nil}, "the upgrade of version 1 is nil"},
		{1, map[uint]workflow.ObjectUpgrade{0: same, 1: same}, "leads beyond"},
		{0, map[uint]workflow.ObjectUpgrade{0: same}, "leads beyond"},
		{2, map[uint]workflow.ObjectUpgrade{0: same, 1: same}, ""},
	} {
		_, err := three("chain").BuildOn(on, workflow.WithObjectVersion(c.version, c.has))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("version %d: %v, want %q", c.version, err, c.want)
		}
	}
}

// badJSON panics where it is encoded or decoded.
type badJSON struct{ V string }

func (b badJSON) MarshalJSON() ([]byte, error) {
	if b.V != "" {
		panic("marshal " + b.V)
	}
	return []byte(`{}`), nil
}

func (*badJSON) UnmarshalJSON([]byte) error { panic("unmarshal") }

// TestEncodingsThatPanic are errors of Trigger and Await, which run in the caller's goroutine.
func TestEncodingsThatPanic(t *testing.T) {
	on := newStore(t)
	b := workflow.NewBuilder[badJSON, status]("bad json")
	b.AddCallback(statusA, func(context.Context, *workflow.Run[badJSON, status], io.Reader) (status, error) {
		return statusEnd, nil
	}, statusEnd)
	w, err := b.BuildOn(on)
	if err != nil {
		t.Fatal(err)
	}
	var p *workflow.PanicError
	if _, err := w.Trigger(ctxFor(t), "f", workflow.WithInitialValue[badJSON, status](&badJSON{"x"})); !errors.As(err, &p) || p.Value != "marshal x" {
		t.Errorf("Trigger: %v", err)
	}
	id, err := w.Trigger(ctxFor(t), "f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Await(ctxFor(t), "f", id, statusA); !errors.As(err, &p) || p.Value != "unmarshal" {
		t.Errorf("Await: %v", err)
	}
}
