package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow/internal/wire"
)

// TestGolden: these bytes are in stores. They are read for ever.
func TestGolden(t *testing.T) {
	for what, c := range map[string]struct {
		hex string
		env wire.Envelope
	}{
		"plain":             {"7b7d", wire.Envelope{Plain: true, Payload: []byte("{}")}},
		"nothing":           {"", wire.Envelope{Plain: true, Payload: []byte{}}},
		"codec":             {"00535701" + "00" + "03" + "676d65" + "0102ff", wire.Envelope{Codec: "gme", Payload: []byte{1, 2, 255}}},
		"version":           {"00535701" + "03" + "00" + "7b7d", wire.Envelope{Version: 3, Payload: []byte("{}")}},
		"codec and version": {"00535701" + "ac02" + "01" + "78" + "00", wire.Envelope{Version: 300, Codec: "x", Payload: []byte{0}}},
		"no payload":        {"00535701" + "01" + "02" + "c3bc", wire.Envelope{Version: 1, Codec: "ü", Payload: []byte{}}},
		"largest version":   {"00535701" + "ffffffffffffffffff01" + "00", wire.Envelope{Version: 1<<64 - 1, Payload: []byte{}}},
	} {
		want, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := wire.Append(nil, c.env); !bytes.Equal(got, want) {
			t.Errorf("%s: bytes %x, want %x", what, got, want)
		}
		if got, err := wire.Parse(want); err != nil || !equal(got, c.env) {
			t.Errorf("%s: parsed %+v, %v", what, got, err)
		}
	}
}

func equal(a, b wire.Envelope) bool {
	return a.Plain == b.Plain && a.Version == b.Version && a.Codec == b.Codec && bytes.Equal(a.Payload, b.Payload)
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for in, want := range map[string]error{
		"\x00":                           wire.ErrUnknownFormat,
		"\x00S":                          wire.ErrUnknownFormat,
		"\x00XYZ":                        wire.ErrUnknownFormat,
		"\x00SW\x02{}":                   wire.ErrUnknownFormat,
		"\x00SW\x00{}":                   wire.ErrUnknownFormat,
		"\x00SW":                         wire.ErrDamaged,
		"\x00SW\x01":                     wire.ErrDamaged,
		"\x00SW\x01\x80":                 wire.ErrDamaged,
		"\x00SW\x01\x80\x00\x00":         wire.ErrDamaged, // not the shortest form of zero
		"\x00SW\x01\x00":                 wire.ErrDamaged,
		"\x00SW\x01\x00\x05gzip":         wire.ErrDamaged,
		"\x00SW\x01\x00\x02\xff\xfe":     wire.ErrDamaged,
		"\x00SW\x01\x00\x02a\x00":        wire.ErrDamaged,
		"\x00SW\x01\x00\xff" + long(255): wire.ErrDamaged,
		"\x00SW\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00": wire.ErrDamaged,
	} {
		if e, err := wire.Parse([]byte(in)); !errors.Is(err, want) || !equal(e, wire.Envelope{}) {
			t.Errorf("Parse(%q) = %+v, %v; want %v", in, e, err, want)
		}
	}
	if _, err := wire.Parse([]byte("\x00SW\x07")); err == nil || !strings.Contains(err.Error(), "unknown envelope format 7") {
		t.Errorf("a newer format: %v", err)
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{"": false, "aes": true, long(50): true, long(51): false, "a\nb": false, "\xff": false, "ü 1": true, "a\x00": false} {
		if err := wire.CheckName(name); (err == nil) != ok {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
}

// FuzzParse: no input panics, and what can be read is written again with the same bytes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "{}", "\x00", "\x00SW", "\x00SW\x01\x00\x03gme\x01", "\x00SW\x01\xac\x02\x00{}", "\x00SW\x01\x80\x00\x00", "\x00SW\x02"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := wire.Parse(b)
		if err != nil {
			if !errors.Is(err, wire.ErrUnknownFormat) && !errors.Is(err, wire.ErrDamaged) {
				t.Errorf("an error of neither kind: %v", err)
			}
			return
		}
		if got := wire.Append(nil, e); !bytes.Equal(got, b) {
			t.Errorf("%x became %x", b, got)
		}
		if e.Plain == wire.Enveloped(b) {
			t.Errorf("Enveloped(%x) and Parse disagree", b)
		}
	})
}
