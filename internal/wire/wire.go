// Package wire is the envelope around stored bytes that are more than plain JSON: bytes that a codec made, and objects of a numbered version.
// Objects with neither are stored as plain JSON, without an envelope.
//
// The bytes of an envelope of format 1, which never change:
//
//	00 'S' 'W'   what no JSON text begins with
//	01           the format
//	uvarint      the object's version, 0 for none
//	1 byte       the length of the codec's name, at most MaxCodecName
//	…            the codec's name, UTF-8; empty where no codec was used
//	…            the payload, to the end
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxCodecName bounds a codec's name, in bytes.
const MaxCodecName = 50

// The errors of Parse.
var (
	// ErrUnknownFormat says that the bytes are neither JSON nor an envelope that this library knows.
	ErrUnknownFormat = errors.New("unknown envelope format")
	// ErrDamaged says that an envelope is cut short or contradicts itself.
	ErrDamaged = errors.New("damaged envelope")
)

const (
	magic  = "\x00SW"
	format = 1
)

// Envelope is what stored bytes say of themselves.
type Envelope struct {
	// Plain says that there is no envelope: the payload is what is stored.
	Plain bool
	// Version is the object's version; zero for none.
	Version uint64
	// Codec is the name of the codec that made the payload; empty for none.
	Codec string
	// Payload is the object's JSON, or what the codec made of it. It shares memory with what was parsed.
	Payload []byte
}

// Enveloped reports whether the bytes begin as an envelope does.
func Enveloped(b []byte) bool { return len(b) >= len(magic) && string(b[:len(magic)]) == magic }

// Append appends the envelope's bytes to dst. The codec's name must be valid: see [CheckName].
func Append(dst []byte, e Envelope) []byte {
	if e.Plain {
		return append(dst, e.Payload...)
	}
	dst = append(dst, magic...)
	dst = append(dst, format)
	dst = binary.AppendUvarint(dst, e.Version)
	dst = append(dst, byte(len(e.Codec)))
	dst = append(dst, e.Codec...)
	return append(dst, e.Payload...)
}

// Parse reads stored bytes. It needs nothing of the program that wrote them: what the codec made stays as it is. The errors match
// [ErrUnknownFormat] or [ErrDamaged].
func Parse(b []byte) (Envelope, error) {
	if len(b) == 0 || b[0] != magic[0] {
		return Envelope{Plain: true, Payload: b}, nil
	}
	if !Enveloped(b) {
		return Envelope{}, fmt.Errorf("%w: neither JSON nor one of ours", ErrUnknownFormat)
	}
	rest := b[len(magic):]
	if len(rest) == 0 {
		return Envelope{}, fmt.Errorf("%w: it ends before its format", ErrDamaged)
	}
	if rest[0] != format {
		return Envelope{}, fmt.Errorf("%w %d: a newer version of this library wrote it", ErrUnknownFormat, rest[0])
	}
	rest = rest[1:]
	version, n := binary.Uvarint(rest)
	var shortest [binary.MaxVarintLen64]byte
	if n <= 0 || n != binary.PutUvarint(shortest[:], version) { // cut short, too large, or not the shortest form
		return Envelope{}, fmt.Errorf("%w: the object version cannot be read", ErrDamaged)
	}
	rest = rest[n:]
	if len(rest) == 0 || int(rest[0]) > len(rest)-1 {
		return Envelope{}, fmt.Errorf("%w: it ends within the codec's name", ErrDamaged)
	}
	end := 1 + int(rest[0])
	name, payload := string(rest[1:end]), rest[end:]
	if name != "" {
		if err := CheckName(name); err != nil {
			return Envelope{}, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return Envelope{Version: version, Codec: name, Payload: payload}, nil
}

// CheckName reports what makes a name unfit for a codec: it is 1 to [MaxCodecName] bytes of printable UTF-8.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("codec name is empty")
	case len(name) > MaxCodecName:
		return fmt.Errorf("codec name has %d bytes, the limit is %d", len(name), MaxCodecName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("codec name %q is not printable UTF-8", name)
	}
	return nil
}
