package workflow

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// inPlace is a codec that works in the slice that it is given.
type inPlace struct{}

func (inPlace) Name() string { return "in place" }

func (inPlace) Encode(b []byte) ([]byte, error) {
	for i := range b {
		b[i] ^= 0x55
	}
	return b, nil
}

func (c inPlace) Decode(b []byte) ([]byte, error) { return c.Encode(b) }

type word int

func (word) String() string { return "word" }

// with makes a workflow's codecs without the rest of it.
func with(opts ...BuildOption) *Workflow[int, word] {
	return &Workflow[int, word]{objects: newObjects(reflect.TypeFor[int](), newBuildOptions(opts).objects)}
}

// TestPayloads: any bytes come back as they were, also those that look like ours, plain or encoded, and across a change of codecs.
func TestPayloads(t *testing.T) {
	plain, packed, worked := with(), with(WithCodec(Compressed())), with(WithCodec(inPlace{}))
	back := with(WithCodec(nil, Compressed()))
	for _, payload := range [][]byte{nil, []byte("x"), []byte("\x00"), []byte("\x00SW"), []byte("\x00SW\x01\x00\x00{}"), []byte("\x00SW\x09"), bytes.Repeat([]byte("ab"), 5000)} {
		was := bytes.Clone(payload)
		for what, w := range map[string]struct{ writer, reader *Workflow[int, word] }{"plain": {plain, plain}, "packed": {packed, packed}, "in place": {worked, worked},
			"packed later": {plain, packed}, "unpacked later": {packed, back}} {
			stored, err := w.writer.encodePayload(payload)
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.reader.decodePayload(stored)
			if err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%s: %q came back as %q, %v", what, payload, got, err)
			}
		}
		if !bytes.Equal(payload, was) {
			t.Errorf("the caller's %q was changed to %q", was, payload)
		}
	}
	stored, err := packed.encodePayload([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.decodePayload(stored); !errors.Is(err, ErrUnknownCodec) {
		t.Errorf("a payload of an unknown codec: %v", err)
	}
}
