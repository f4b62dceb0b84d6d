package workflow

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// Compressed returns a codec that compresses (DEFLATE, RFC 1951, tuned for speed), named "flate". What does not shrink, such as a small object, is
// kept as it is behind one byte; damaged bytes are found by a checksum. Equal objects make equal bytes in programs of one Go version.
func Compressed() Codec { return &compressed{} }

// compressed keeps its writers, which are large.
type compressed struct{ writers sync.Pool }

// What the first byte says of the rest.
const (
	asItIs   = 0
	deflated = 1 // the CRC-32 (IEEE) of the plain bytes, little-endian, and a DEFLATE stream
)

const (
	minCompressed  = 64 // bytes; less hardly ever shrinks
	deflatedHeader = 5
)

var errDamaged = errors.New("the compressed bytes are damaged")

// Name returns "flate".
func (c *compressed) Name() string { return "flate" }

// Encode compresses where that pays.
func (c *compressed) Encode(plain []byte) ([]byte, error) {
	if len(plain) > maxPlainBytes {
		return nil, Permanent(fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(plain), maxPlainBytes))
	}
	if len(plain) >= minCompressed {
		out, err := c.deflate(plain)
		if err != nil {
			return nil, err
		}
		if len(out) <= len(plain) {
			return out, nil
		}
	}
	return append(append(make([]byte, 0, 1+len(plain)), asItIs), plain...), nil
}

func (c *compressed) deflate(plain []byte) ([]byte, error) {
	var buf bytes.Buffer
	buf.Write(binary.LittleEndian.AppendUint32([]byte{deflated}, crc32.ChecksumIEEE(plain)))
	w, ok := c.writers.Get().(*flate.Writer)
	if ok {
		w.Reset(&buf)
	} else {
		var err error
		if w, err = flate.NewWriter(&buf, flate.BestSpeed); err != nil {
			return nil, err
		}
	}
	defer c.writers.Put(w)
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// Decode undoes Encode.
func (c *compressed) Decode(stored []byte) ([]byte, error) {
	switch {
	case len(stored) > 0 && stored[0] == asItIs:
		return stored[1:], nil
	case len(stored) < deflatedHeader || stored[0] != deflated:
		return nil, Permanent(errDamaged)
	}
	in := bytes.NewReader(stored[deflatedHeader:])
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(in), maxPlainBytes+1))
	switch {
	case err != nil:
		return nil, Permanent(fmt.Errorf("%w: %w", errDamaged, err))
	case len(plain) > maxPlainBytes:
		return nil, Permanent(fmt.Errorf("%w: it decompresses to more than %d bytes", ErrTooLarge, maxPlainBytes))
	case in.Len() > 0 || crc32.ChecksumIEEE(plain) != binary.LittleEndian.Uint32(stored[1:]):
		return nil, Permanent(errDamaged)
	}
	return plain, nil
}
