package wire_test

import (
	"bytes"
	"testing"

	"github.com/stillwater-go/workflow/internal/wire"
)

// An object of a usual size, in the two forms in which it is stored.
func benchEnvelopes() map[string]wire.Envelope {
	object := bytes.Repeat([]byte("x"), 600)
	return map[string]wire.Envelope{
		"plain":     {Plain: true, Payload: object},
		"versioned": {Version: 3, Payload: object},
		"codec":     {Version: 3, Codec: "gzip", Payload: object},
	}
}

// BenchmarkParse measures what is read of each object before its codec.
func BenchmarkParse(b *testing.B) {
	for name, e := range benchEnvelopes() {
		b.Run(name, func(b *testing.B) {
			stored := wire.Append(nil, e)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wire.Parse(stored); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppend measures what is written of each object after its codec, into memory that is there.
func BenchmarkAppend(b *testing.B) {
	for name, e := range benchEnvelopes() {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 700)
			b.ReportAllocs()
			for b.Loop() {
				if len(wire.Append(dst, e)) < 600 {
					b.Fatal("too short")
				}
			}
		})
	}
}

// TestReadingTheEnvelopeAllocatesNothing but the codec's name: it is read with every object.
func TestReadingTheEnvelopeAllocatesNothing(t *testing.T) {
	for name, e := range benchEnvelopes() {
		stored, want := wire.Append(nil, e), 0.0
		if e.Codec != "" {
			want = 1
		}
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := wire.Parse(stored); err != nil {
				t.Fatal(err)
			}
		}); n > want {
			t.Errorf("%s: Parse allocates %v times, want at most %v", name, n, want)
		}
	}
}
