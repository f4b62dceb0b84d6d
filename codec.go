package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/wire"
)

// Codec turns encoded objects and payloads into stored bytes and back, such as compression or encryption. It must be safe for concurrent
// use. Its methods are called under recover; in a step, a failed Encode or Decode is tried again as the step's own errors are, unless it is
// [Permanent]. They may change and reuse the slice that they are given.
type Codec interface {
	// Name is stored with what the codec encoded, and must stay the same: 1 to 50 bytes of printable UTF-8. It is asked for once.
	Name() string
	// Encode makes the bytes to store. To make nothing of something is a failure.
	Encode(plain []byte) ([]byte, error)
	// Decode makes of what Encode returned what Encode was given.
	Decode(stored []byte) ([]byte, error)
}

// WithCodec stores objects and payloads as c encodes them. What was stored plain before still decodes, and so does what the older codecs once
// encoded; each run changes over with its next version. A nil c stores plain objects again. A process that meets a codec which it was not
// given leaves the run alone: it is paused by the engine with an error that names the codec (see [ErrUnknownCodec]).
//
// Only objects and payloads are encoded: ids, statuses, reasons and the texts of errors are stored as they are.
func WithCodec(c Codec, older ...Codec) BuildOption {
	var o objectOptions
	if c != nil {
		o.current = o.name(c)
	}
	for _, old := range older {
		o.name(old)
	}
	return func(b *buildOptions) {
		b.objects.current, b.objects.codecs, b.objects.codecProblems = o.current, o.codecs, o.codecProblems
	}
}

// namedCodec is a codec and what it called itself.
type namedCodec struct {
	name  string
	codec Codec
}

// name adds a codec under its own name.
func (o *objectOptions) name(c Codec) *namedCodec {
	n, err := guarded(func() (*namedCodec, error) {
		if c == nil {
			return nil, errors.New("a codec is nil")
		}
		name := c.Name()
		return &namedCodec{name, c}, wire.CheckName(name)
	})
	switch {
	case err != nil:
		err = fmt.Errorf("WithCodec: %w", err)
	case slices.ContainsFunc(o.codecs, func(have *namedCodec) bool { return have.name == n.name }):
		err = fmt.Errorf("WithCodec: two codecs are named %q", n.name)
	default:
		o.codecs = append(o.codecs, n)
		return n
	}
	o.codecProblems = append(o.codecProblems, err)
	return nil
}

// maxPlainBytes bounds what stored bytes may decode to: 64 MiB.
const maxPlainBytes = 64 << 20

// encode calls the codec; plain is its own.
func (c *namedCodec) encode(plain []byte) ([]byte, error) {
	stored, err := guarded(func() ([]byte, error) { return c.codec.Encode(plain) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("codec %q: encode: %w", c.name, err)
	case len(stored) == 0:
		return nil, fmt.Errorf("codec %q: encode: %w", c.name, errMadeNothing)
	}
	return stored, nil
}

// decode calls the codec with bytes of its own: what is stored may be shared.
func (c *namedCodec) decode(stored []byte) ([]byte, error) {
	stored = bytes.Clone(stored)
	plain, err := guarded(func() ([]byte, error) { return c.codec.Decode(stored) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("codec %q: decode: %w", c.name, err)
	case len(plain) == 0:
		return nil, fmt.Errorf("codec %q: decode: %w", c.name, errMadeNothing)
	case len(plain) > maxPlainBytes:
		return nil, Permanent(fmt.Errorf("codec %q: decode: %w: it made %d bytes, the limit is %d", c.name, ErrTooLarge, len(plain), maxPlainBytes))
	}
	return plain, nil
}

var errMadeNothing = errors.New("it made nothing of something")

// guarded calls the user's code and makes an error of its panic.
func guarded[T any](fn func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			var none T
			v, err = none, engine.Recovered(p)
		}
	}()
	return fn()
}

// seal puts plain bytes, which are the codec's from now on, into the form in which they are stored.
func (o *objects) seal(plain []byte, version uint64) ([]byte, error) {
	e := wire.Envelope{Version: version, Payload: plain, Plain: o.current == nil && version == 0}
	if o.current != nil {
		encoded, err := o.current.encode(plain)
		if err != nil {
			return nil, err
		}
		e.Codec, e.Payload = o.current.name, encoded
	}
	if e.Plain {
		return plain, nil
	}
	return wire.Append(make([]byte, 0, len(e.Payload)+len(e.Codec)+16), e), nil
}

// open undoes seal; it returns the version too. What it returns may be shared with what is stored.
func (o *objects) open(stored []byte) (plain []byte, version uint64, err error) {
	e, err := wire.Parse(stored)
	if err != nil {
		return nil, 0, Permanent(err) // trying again reads the same bytes
	}
	if e.Codec == "" {
		return e.Payload, e.Version, nil
	}
	i := slices.IndexFunc(o.codecs, func(c *namedCodec) bool { return c.name == e.Codec })
	if i < 0 {
		return nil, 0, Permanent(fmt.Errorf("%w: it was encoded by %q: give that one to WithCodec", ErrUnknownCodec, e.Codec))
	}
	plain, err = o.codecs[i].decode(e.Payload)
	return plain, e.Version, err
}

// encodePayload makes the bytes to store of a payload. Nothing stays nothing. It does not look at the size.
func (w *Workflow[Type, Status]) encodePayload(plain []byte) ([]byte, error) {
	switch {
	case len(plain) == 0:
		return nil, nil
	case w.objects.current != nil:
		return w.objects.seal(bytes.Clone(plain), 0)
	case wire.Enveloped(plain): // it must not be taken for one of ours when it is read
		return wire.Append(nil, wire.Envelope{Payload: plain}), nil
	}
	return plain, nil
}

// decodePayload undoes encodePayload.
func (w *Workflow[Type, Status]) decodePayload(stored []byte) ([]byte, error) {
	if !wire.Enveloped(stored) {
		return stored, nil
	}
	plain, _, err := w.objects.open(stored)
	return plain, err
}
