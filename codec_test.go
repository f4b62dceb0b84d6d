package workflow_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/wire"
)

// xor is a codec that changes the very bytes that it is given, as ciphers do, and may be told to misbehave.
type xor struct {
	name           string
	key            byte
	encode, decode func([]byte) ([]byte, error)
	decoded        atomic.Int32
}

func (x *xor) Name() string { return x.name }

func (x *xor) Encode(b []byte) ([]byte, error) {
	if x.encode != nil {
		return x.encode(b)
	}
	return x.flip(b), nil
}

func (x *xor) Decode(b []byte) ([]byte, error) {
	x.decoded.Add(1)
	if x.decode != nil {
		return x.decode(b)
	}
	return x.flip(b), nil
}

func (x *xor) flip(b []byte) []byte {
	for i := range b {
		b[i] ^= x.key
	}
	return b
}

// stored returns the run's object as it lies in the store.
func stored(t testing.TB, on backend.Backend, runID string) []byte {
	t.Helper()
	rec, err := on.Lookup(ctxFor(t), runID)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Object
}

func envelope(t testing.TB, b []byte) wire.Envelope {
	t.Helper()
	e, err := wire.Parse(b)
	if err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	return e
}

// TestWithoutOptionsObjectsAreTheirJSON: what the library stored before it had envelopes is what it stores.
func TestWithoutOptionsObjectsAreTheirJSON(t *testing.T) {
	on := newStore(t)
	w := build(t, on, three("raw"), workflow.WithObjectVersion(0, nil), workflow.WithCodec(nil))
	id := trigger(t, w, "f", workflow.WithInitialValue[object, status](&object{Note: "<ü>"}))
	await(t, w, id, statusEnd)
	if got := stored(t, on, id); string(got) != `{"Count":3,"Note":"\u003cü\u003e"}` {
		t.Errorf("stored %s", got)
	}
}

// everywhere is a workflow whose object is read and stored by every kind of user code.
func everywhere(name string) *workflow.Builder[object, status] {
	b := workflow.NewBuilder[object, status](name)
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		r.Object.Trail = append(r.Object.Trail, "step")
		if len(r.Object.Trail) == 1 {
			return r.SaveAndRepeat()
		}
		return statusB, nil
	}, statusB)
	b.AddCallback(statusB, func(_ context.Context, r *run, payload io.Reader) (status, error) {
		body, err := io.ReadAll(payload)
		r.Object.Trail = append(r.Object.Trail, "callback "+string(body))
		return statusC, err
	}, statusC)
	b.AddTimeout(statusC, func(_ context.Context, r *run, now time.Time) (time.Time, error) {
		if len(r.Object.Trail) != 3 {
			return time.Time{}, errTest
		}
		return now, nil
	}, func(_ context.Context, r *run, _ time.Time) (status, error) {
		r.Object.Trail = append(r.Object.Trail, "timeout")
		return statusOther, nil
	}, statusOther)
	b.AddStep(statusOther, func(ctx context.Context, r *run) (status, error) {
		if r.Object.Note == "pause" {
			r.Object.Note = "paused"
			return r.Pause(ctx, "asked for")
		}
		return statusEnd, nil
	}, statusEnd)
	return b
}

// TestACodecIsUsedWhereverObjectsGo: trigger, step, save and repeat, callback, timer, timeout, pause, hook, await, scrubbing.
func TestACodecIsUsedWhereverObjectsGo(t *testing.T) {
	on := newStore(t)
	b := everywhere("codec")
	hooked := make(chan object, 1)
	b.OnPause(func(_ context.Context, rec *workflow.TypedRecord[object, status]) error {
		hooked <- *rec.Object
		return nil
	})
	scrub := workflow.WithCustomDelete(func(o *object) error {
		if len(o.Trail) != 4 {
			return errTest
		}
		*o = object{Note: "scrubbed"}
		return nil
	})
	w := build(t, on, b, workflow.WithCodec(&xor{name: "xor", key: 0x5a}), scrub)
	id := trigger(t, w, "f", workflow.WithInitialValue[object, status](&object{Note: "pause"}))
	await(t, w, id, statusB)
	if err := w.Callback(ctxFor(t), "f", statusB, strings.NewReader("hi")); err != nil {
		t.Fatal(err)
	}
	if o := <-hooked; o.Note != "paused" || strings.Join(o.Trail, ",") != "step,step,callback hi,timeout" {
		t.Errorf("the hook of the pause got %+v", o)
	}
	if err := w.RunStateController(id).Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	if r := await(t, w, id, statusEnd); r.Object.Note != "paused" || len(r.Object.Trail) != 4 {
		t.Errorf("at the end: %+v", r.Object)
	}
	entries, err := on.History(ctxFor(t), id, 0, 100)
	if err != nil || len(entries) < 7 {
		t.Fatalf("%d versions, %v", len(entries), err)
	}
	for _, e := range entries {
		if got := envelope(t, e.Record.Object); got.Plain || got.Codec != "xor" || bytes.Contains(e.Record.Object, []byte("Note")) {
			t.Errorf("version %d is stored as %q", e.Record.Meta.Version, e.Record.Object)
		}
	}
	if err := w.RunStateController(id).DeleteData(ctxFor(t), "asked for"); err != nil {
		t.Fatal(err)
	}
	rec := awaitRecord(t, on, id, func(r *backend.Record) bool { return r.RunState == backend.RunStateDataDeleted })
	if e := envelope(t, rec.Object); e.Codec != "xor" {
		t.Errorf("the scrubbed object is stored as %q", rec.Object)
	}
	workflow.WaitFor(t, w, "f", func(r *run) (bool, error) { return r.Object.Note == "scrubbed" && r.Object.Trail == nil, nil })
}

// TestScrubbingNeedsNoKey: without a function of the user's an object is scrubbed although nobody can read it any more.
func TestScrubbingNeedsNoKey(t *testing.T) {
	on := newStore(t)
	lost := &xor{name: "lost", key: 1}
	w := build(t, on, three("scrub"), workflow.WithCodec(lost))
	id := trigger(t, w, "f")
	await(t, w, id, statusEnd)
	lost.decode = func([]byte) ([]byte, error) { return nil, errTest }
	if err := w.RunStateController(id).DeleteData(ctxFor(t), "asked for"); err != nil {
		t.Fatal(err)
	}
	awaitRecord(t, on, id, func(r *backend.Record) bool { return r.RunState == backend.RunStateDataDeleted })
	lost.decode = nil
	workflow.WaitFor(t, w, "f", func(r *run) (bool, error) { return r.Object.Count == 0, nil })
}

// TestCodecsChangeUnderLivingRuns: plain, then one codec, then another, then plain again, with the same runs.
func TestCodecsChangeUnderLivingRuns(t *testing.T) {
	on := newStore(t)
	first, second := &xor{name: "first", key: 1}, &xor{name: "second", key: 2}
	var id string
	for i, c := range []struct {
		opt  workflow.BuildOption
		name string
		at   status
	}{
		{workflow.WithCodec(nil), "", statusA},
		{workflow.WithCodec(first), "first", statusB},
		{workflow.WithCodec(second, first), "second", statusC},
		{workflow.WithCodec(nil, second), "", statusEnd},
	} {
		b := workflow.NewBuilder[object, status]("changing")
		for _, s := range []status{statusA, statusB, statusC} {
			b.AddCallback(s, func(_ context.Context, r *run, _ io.Reader) (status, error) {
				r.Object.Count++
				return map[status]status{statusA: statusB, statusB: statusC, statusC: statusEnd}[r.Status], nil
			}, statusB, statusC, statusEnd)
		}
		w, err := b.BuildOn(on, c.opt)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			id = trigger(t, w, "f")
		} else if err := w.Callback(ctxFor(t), "f", c.at-1, nil); err != nil {
			t.Fatal(err)
		}
		if e := envelope(t, stored(t, on, id)); e.Codec != c.name {
			t.Errorf("stage %d: stored by %q, want %q", i, e.Codec, c.name)
		}
		if r := await(t, w, id, c.at); r.Object.Count != i {
			t.Errorf("stage %d: count %d", i, r.Object.Count)
		}
	}
}

// TestAnUnknownCodecLeavesTheRunAlone: it is paused with the codec's name, its bytes untouched, and goes on where the codec is known.
func TestAnUnknownCodecLeavesTheRunAlone(t *testing.T) {
	on := newStore(t)
	rich, err := three("unknown codec").BuildOn(on, workflow.WithCodec(&xor{name: "vault-7", key: 9}))
	if err != nil {
		t.Fatal(err)
	}
	id := trigger(t, rich, "f")
	was := stored(t, on, id)
	poor := build(t, on, three("unknown codec"), workflow.WithCodec(&xor{name: "other", key: 9}))
	rec := awaitRecord(t, on, id, paused)
	if rec.Meta.PausedBy != backend.PausedByEngine || !strings.Contains(rec.Meta.RunStateReason, `"vault-7"`) || !bytes.Equal(rec.Object, was) {
		t.Errorf("paused by %v, %q, object %q, was %q", rec.Meta.PausedBy, rec.Meta.RunStateReason, rec.Object, was)
	}
	if attempts, err := on.Attempts(ctxFor(t), id, 10); err != nil || len(attempts) != 1 {
		t.Errorf("%d attempts, want one: %v", len(attempts), err)
	}
	if _, err := poor.Await(ctxFor(t), "f", id, statusA); !errors.Is(err, workflow.ErrUnknownCodec) {
		t.Errorf("Await: %v", err)
	}
	poor.Stop()
	if err := rich.RunStateController(id).Resume(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	rich.Run(context.Background())
	t.Cleanup(rich.Stop)
	await(t, rich, id, statusEnd)
}

// TestDamagedObjectsPauseTheirRun: an envelope of a later library, or of nobody, is left as it is.
func TestDamagedObjectsPauseTheirRun(t *testing.T) {
	for raw, want := range map[string]string{
		"\x00SW\x02\x00\x00{}":        "unknown envelope format 2",
		"\x00junk":                    "unknown envelope format",
		"\x00SW\x01\x00\x09x":         "damaged envelope",
		"{":                           "unexpected end of JSON",
		"\x00SW\x01\x00\x05flate":     "damaged",
		"\x00SW\x01\x00\x05flate\x00": "made nothing",
		"\x00SW\x01\x00\x05flate\x07": "damaged",
	} {
		on := newStore(t)
		commit(t, on, "damaged", raw)
		w := build(t, on, three("damaged"), workflow.WithCodec(nil, workflow.Compressed()), workflow.WithDefaultOptions(quickRetry(2)...))
		rec := awaitRecord(t, on, "r", paused)
		if !strings.Contains(rec.Meta.RunStateReason, want) || string(rec.Object) != raw {
			t.Errorf("%q: reason %q, object %q", raw, rec.Meta.RunStateReason, rec.Object)
		}
		w.Stop()
	}
}

// TestCodecsThatMisbehave in a trigger, which runs in the caller's goroutine: an error, and nothing is stored.
func TestCodecsThatMisbehave(t *testing.T) {
	for what, c := range map[string]struct {
		encode func([]byte) ([]byte, error)
		want   func(error) bool
	}{
		"panic": {func([]byte) ([]byte, error) { panic("vault") }, func(err error) bool {
			var p *workflow.PanicError
			return errors.As(err, &p) && p.Value == "vault" && p.Stack != "" && strings.Contains(err.Error(), `codec "bad"`)
		}},
		"error":   {func([]byte) ([]byte, error) { return []byte("x"), errTest }, func(err error) bool { return errors.Is(err, errTest) }},
		"nothing": {func([]byte) ([]byte, error) { return nil, nil }, func(err error) bool { return strings.Contains(err.Error(), "nothing") }},
		"large": {func([]byte) ([]byte, error) { return make([]byte, backend.MaxObjectBytes+1), nil },
			func(err error) bool { return errors.Is(err, workflow.ErrTooLarge) }},
	} {
		on := newStore(t)
		w := build(t, on, three("bad codec"), workflow.WithCodec(&xor{name: "bad", encode: c.encode}))
		if _, err := w.Trigger(ctxFor(t), "f"); err == nil || !c.want(err) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := on.Latest(ctxFor(t), "bad codec", "f"); !errors.Is(err, workflow.ErrRecordNotFound) {
			t.Errorf("%s: something was stored: %v", what, err)
		}
	}
}

// TestAFailingCodecIsTriedAgain: a key service that is down for a moment costs attempts, not runs.
func TestAFailingCodecIsTriedAgain(t *testing.T) {
	on := newStore(t)
	shaky := &xor{name: "shaky", key: 3}
	shaky.decode = func(b []byte) ([]byte, error) {
		switch shaky.decoded.Load() {
		case 1:
			return nil, errTest
		case 2:
			panic("down")
		case 3:
			return nil, nil
		}
		return shaky.flip(b), nil
	}
	w := build(t, on, three("shaky"), workflow.WithCodec(shaky), workflow.WithDefaultOptions(quickRetry(4)...))
	id := trigger(t, w, "f")
	await(t, w, id, statusEnd)
	attempts, err := on.Attempts(ctxFor(t), id, 10)
	if err != nil || len(attempts) != 3 || attempts[1].Stack == "" || !strings.Contains(attempts[0].Error, `codec "shaky": decode`) {
		t.Errorf("attempts %+v, %v", attempts, err)
	}
}

type nameless struct{ xor }

func (*nameless) Name() string { panic("no name") }

func TestCodecProblemsAreFoundWhenBuilt(t *testing.T) {
	on := newStore(t)
	for what, opt := range map[string]workflow.BuildOption{
		"is empty":           workflow.WithCodec(&xor{}),
		"51 bytes":           workflow.WithCodec(&xor{name: strings.Repeat("x", 51)}),
		"not printable":      workflow.WithCodec(nil, &xor{name: "a\n"}),
		"two codecs":         workflow.WithCodec(&xor{name: "a"}, &xor{name: "a"}),
		"a codec is nil":     workflow.WithCodec(&xor{name: "a"}, nil),
		"panic: no name":     workflow.WithCodec(&nameless{}),
		"nil pointer":        workflow.WithCodec((*xor)(nil)),
		"from 1 to 2097152":  workflow.WithMaxObjectBytes(backend.MaxObjectBytes + 1),
		"MaxObjectBytes(0)":  workflow.WithMaxObjectBytes(0),
		"MaxObjectBytes(-1)": workflow.WithMaxObjectBytes(-1),
	} {
		if _, err := three("problems").BuildOn(on, opt); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q, got %v", what, err)
		}
	}
}

// TestTheSizeLimit: an object above it is refused before anything is stored, wherever it comes from.
func TestTheSizeLimit(t *testing.T) {
	on := newStore(t)
	large := strings.Repeat("x", 200)
	b := workflow.NewBuilder[object, status]("limited")
	b.AddStep(statusA, func(_ context.Context, r *run) (status, error) {
		if r.Object.Note == "grow" {
			r.Object.Note = large
		}
		return statusB, nil
	}, statusB)
	b.AddCallback(statusB, func(_ context.Context, r *run, _ io.Reader) (status, error) {
		r.Object.Note = large
		return statusEnd, nil
	}, statusEnd)
	w := build(t, on, b, workflow.WithMaxObjectBytes(100))
	if _, err := w.Trigger(ctxFor(t), "f", workflow.WithInitialValue[object, status](&object{Note: large})); !errors.Is(err, workflow.ErrTooLarge) ||
		!strings.Contains(err.Error(), `"limited"`) {
		t.Errorf("Trigger: %v", err)
	}
	grows := trigger(t, w, "grows", workflow.WithInitialValue[object, status](&object{Note: "grow"}))
	was := stored(t, on, grows)
	rec := awaitRecord(t, on, grows, paused)
	for _, part := range []string{`"limited"`, grows, "221 bytes", "limit is 100", "too large"} {
		if !strings.Contains(rec.Meta.RunStateReason, part) {
			t.Errorf("the reason %q lacks %q", rec.Meta.RunStateReason, part)
		}
	}
	if rec.Meta.PausedBy != backend.PausedByEngine || rec.Meta.Version != 2 || !bytes.Equal(rec.Object, was) {
		t.Errorf("paused record %+v with %s", rec.Meta, rec.Object)
	}
	if attempts, err := on.Attempts(ctxFor(t), grows, 10); err != nil || len(attempts) != 1 {
		t.Errorf("%d attempts, %v", len(attempts), err)
	}
	called := trigger(t, w, "called")
	await(t, w, called, statusB)
	if err := w.Callback(ctxFor(t), "called", statusB, nil); !errors.Is(err, workflow.ErrTooLarge) {
		t.Errorf("Callback: %v", err)
	}
	if rec, err := on.Lookup(ctxFor(t), called); err != nil || rec.Meta.Version != 2 {
		t.Errorf("the callback's run is in version %d, %v", rec.Meta.Version, err)
	}
}

// TestTheLimitCountsWhatIsStored: what the codec shrinks may be larger before.
func TestTheLimitCountsWhatIsStored(t *testing.T) {
	on := newStore(t)
	w := build(t, on, three("shrunk"), workflow.WithCodec(workflow.Compressed()))
	id := trigger(t, w, "f", workflow.WithInitialValue[object, status](&object{Note: strings.Repeat("still water ", backend.MaxObjectBytes/6)}))
	if r := await(t, w, id, statusEnd); len(r.Object.Note) != 12*(backend.MaxObjectBytes/6) || r.Object.Count != 3 {
		t.Errorf("%d bytes came back", len(r.Object.Note))
	}
}

func TestCompressed(t *testing.T) {
	c := workflow.Compressed()
	random := make([]byte, 10000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	for what, plain := range map[string][]byte{
		"empty": {}, "small": []byte("{}"), "63": bytes.Repeat([]byte("a"), 63), "64": bytes.Repeat([]byte("a"), 64), "random": random,
		"json": bytes.Repeat([]byte(`{"sku":"a-1","price":12.5},`), 5000),
	} {
		out, err := c.Encode(bytes.Clone(plain))
		if err != nil || len(out) > len(plain)+1 {
			t.Fatalf("%s: %d bytes became %d, %v", what, len(plain), len(out), err)
		}
		again, err := c.Encode(bytes.Clone(plain))
		if err != nil || !bytes.Equal(out, again) {
			t.Errorf("%s: other bytes the second time, %v", what, err)
		}
		if back, err := c.Decode(bytes.Clone(out)); err != nil || !bytes.Equal(back, plain) {
			t.Errorf("%s: %d bytes came back, %v", what, len(back), err)
		}
		for i := 1; i < len(out) && out[0] == 1; i += 1 + len(out)/50 {
			bad := bytes.Clone(out)
			bad[i] ^= 0x10
			if _, err := c.Decode(bad); err == nil {
				t.Errorf("%s: damage at byte %d goes unseen", what, i)
			}
			if _, err := c.Decode(out[:i]); err == nil {
				t.Errorf("%s: cut to %d bytes unseen", what, i)
			}
		}
	}
	if out, _ := c.Encode(bytes.Repeat([]byte("a"), 100000)); len(out) > 1000 {
		t.Errorf("100,000 equal bytes became %d", len(out))
	}
}

// TestCompressedIsGolden: these bytes are in stores.
func TestCompressedIsGolden(t *testing.T) {
	for in, want := range map[string]string{
		"007b7d": "{}",
		"014381812b04c08100000000009056ff13000000000000000000030000ffff": strings.Repeat("a", 70), // of this codec
		"014381812b4b4ca4060000":   strings.Repeat("a", 70), // of another implementation of DEFLATE
		"014381812b4b4ca406000000": "",                      // with something behind it
		"":                         "",
		"02":                       "",
	} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := workflow.Compressed().Decode(b)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

// TestCompressedOnClassicParts: envelopes pass through third parties' stores.
func TestCompressedOnClassicParts(t *testing.T) {
	w := classic(t, three("compressed"), workflow.WithCodec(workflow.Compressed()))
	ids := make([]string, 50)
	for i := range ids {
		ids[i] = trigger(t, w, name(i), workflow.WithInitialValue[object, status](&object{Note: strings.Repeat(name(i), 100)}))
	}
	for i, id := range ids {
		if r := await(t, w, id, statusEnd); r.Object.Note != strings.Repeat(name(i), 100) || r.Object.Count != 3 {
			t.Errorf("run %d: %+v", i, r.Object)
		}
	}
}
