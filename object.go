package workflow

import (
	"fmt"
	"reflect"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/overlay"
)

// An object is stored as the JSON that [Marshal] makes of it, byte for byte. With [WithCodec] or [WithObjectVersion] that JSON, or what the
// codec makes of it, is stored in an envelope of its own (internal/wire), which says by what it can be read again.
//
// Fields that the stored JSON has and Type has not survive when a step, callback or timeout stores the object, with their bytes: programs of
// an older and a newer Type may work on the same runs. internal/overlay has the rules.

// objectOptions are the settings of a workflow's objects.
type objectOptions struct {
	current       *namedCodec
	codecs        []*namedCodec // current and older
	codecProblems []error

	limit   int
	limited bool

	version  uint
	upgrades map[uint]ObjectUpgrade
}

// WithMaxObjectBytes bounds a workflow's objects as they are stored, after the codec. One that would be larger is refused before anything is
// stored: [Workflow.Trigger] and [Workflow.Callback] return an error that matches [ErrTooLarge]; a run whose step made it keeps its
// object and is paused by the engine. What is stored already stays readable. Defaults to 2 MiB, which is also the most.
func WithMaxObjectBytes(n int) BuildOption {
	return func(b *buildOptions) { b.objects.limit, b.objects.limited = n, true }
}

// check returns what is wrong with the options.
func (o objectOptions) check() []error {
	problems := o.codecProblems
	if o.limited && (o.limit < 1 || o.limit > backend.MaxObjectBytes) {
		problems = append(problems, fmt.Errorf("WithMaxObjectBytes(%d): it must be from 1 to %d", o.limit, backend.MaxObjectBytes))
	}
	return append(problems, o.checkUpgrades()...)
}

// objects turns a workflow's objects and payloads into stored bytes and back. It is immutable.
type objects struct {
	current  *namedCodec // nil for none
	codecs   []*namedCodec
	limit    int
	version  uint64
	upgrades []ObjectUpgrade // by the version that they lift
	shape    *overlay.Shape
}

func newObjects(t reflect.Type, o objectOptions) objects {
	s := objects{current: o.current, codecs: o.codecs, limit: backend.MaxObjectBytes, version: uint64(o.version), shape: overlay.Of(t)}
	if o.limited {
		s.limit = o.limit
	}
	for v := uint(0); v < o.version && o.upgrades[v] != nil; v++ {
		s.upgrades = append(s.upgrades, o.upgrades[v])
	}
	return s
}

// extra is what came with a decoded object and is to be stored with it again: the fields that Type does not have. It is empty where
// there are none.
type extra struct {
	rest   *overlay.Rest
	before []byte // the JSON of the decoded object without them, before anybody changed it; nil where nobody asks
}

// decodeObject turns stored bytes into an object. What cannot be mended by trying again is a [Permanent] error: broken JSON, a codec or a version
// that this program lacks, an upgrade that failed. A codec's own errors are what the codec says they are.
func (w *Workflow[Type, Status]) decodeObject(stored []byte) (*Type, extra, error) {
	plain, err := w.plain(stored)
	if err != nil {
		return nil, extra{}, err
	}
	object := new(Type)
	if _, err := guarded(func() (bool, error) { return true, Unmarshal(plain, object) }); err != nil {
		return nil, extra{}, Permanent(err)
	}
	more := extra{rest: w.objects.shape.Rest(plain)}
	if !more.rest.InArrays() {
		return object, more, nil
	}
	if before, err := guarded(func() ([]byte, error) { return Marshal(object) }); err == nil { // without it, arrays go by their indexes
		more.before = before
	}
	return object, more, nil
}

// plain returns the JSON of a stored object, in the present version. It may be shared with what is stored.
func (w *Workflow[Type, Status]) plain(stored []byte) ([]byte, error) {
	if len(stored) == 0 {
		return nil, nil // a record that was stored by hand, without an object
	}
	plain, version, err := w.objects.open(stored)
	if err != nil {
		return nil, err
	}
	return w.objects.upgrade(plain, version)
}

// encodeObject makes the bytes to store of an object. An object above the limit is a [Permanent] error that matches [ErrTooLarge].
func (w *Workflow[Type, Status]) encodeObject(object *Type) ([]byte, error) {
	return w.encodeWith(object, extra{})
}

// encodeWith is encodeObject for an object that was decoded.
func (w *Workflow[Type, Status]) encodeWith(object *Type, more extra) ([]byte, error) {
	plain, err := guarded(func() ([]byte, error) { return Marshal(object) })
	if err != nil {
		return nil, fmt.Errorf("encode object: %w", err)
	}
	return w.objects.store(more.rest.PutBack(more.before, plain))
}

// store makes the bytes to store of an object's JSON.
func (o *objects) store(plain []byte) ([]byte, error) {
	stored, err := o.seal(plain, o.version)
	if err != nil {
		return nil, fmt.Errorf("encode object: %w", err)
	}
	if len(stored) > o.limit {
		return nil, Permanent(fmt.Errorf("%w: the object has %d bytes as it would be stored, the limit is %d", ErrTooLarge, len(stored), o.limit))
	}
	return stored, nil
}

// scrub makes what is left of a run's object when its data is deleted: what the user's function leaves, or an empty object. Without a function nothing
// is decoded, so that a run can be scrubbed whose key is lost.
func (w *Workflow[Type, Status]) scrub(stored []byte, custom func([]byte) ([]byte, error)) ([]byte, error) {
	if custom == nil {
		return w.encodeObject(new(Type))
	}
	plain, err := w.plain(stored)
	if err != nil {
		return nil, err
	}
	left, err := custom(plain)
	if err != nil {
		return nil, err
	}
	return w.objects.store(left)
}
