package overlay

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Shape is how a type is read from JSON, as far as unknown fields are concerned. A nil Shape has none. It is immutable.
type Shape struct {
	fields []field        // of a struct, in the order of their encoding
	byName map[string]int // of a struct; nil for others
	elem   *Shape         // of a map or an array
	dict   bool           // a map, not an array
}

type field struct {
	name  string
	key   []byte // the name again, for those that compare it with bytes
	start string // the member's first bytes as encoding/json writes it: the quoted name and the colon
	shape *Shape
}

// maxPointers bounds how many pointers to pointers are followed: a type can point to itself.
const maxPointers = 16

// Of returns the shape of a type, nil where nothing in it can be unknown.
func Of(t reflect.Type) *Shape { return maker{}.shape(t) }

// maker makes shapes; it keeps those under way, because types may hold themselves.
type maker map[reflect.Type]*Shape

func (m maker) shape(t reflect.Type) *Shape {
	for range maxPointers {
		if t.Kind() != reflect.Pointer || encodesItself(t) {
			break
		}
		t = t.Elem()
	}
	if encodesItself(t) {
		return nil
	}
	if s, ok := m[t]; ok {
		return s
	}
	switch t.Kind() {
	case reflect.Struct:
		s := &Shape{byName: make(map[string]int)}
		m[t] = s
		for i, f := range fieldsOf(t) {
			start, err := json.Marshal(f.name)
			if err != nil {
				continue // a string always encodes
			}
			s.fields = append(s.fields, field{name: f.name, key: []byte(f.name), start: string(start) + ":", shape: m.shape(f.typ)})
			s.byName[f.name] = i
		}
		return s
	case reflect.Map, reflect.Slice, reflect.Array:
		s := &Shape{dict: t.Kind() == reflect.Map}
		m[t] = s
		if s.elem = m.shape(t.Elem()); s.elem == nil {
			m[t] = nil
		}
		return m[t]
	}
	return nil
}

// encodesItself reports whether encoding/json leaves the type's encoding or decoding to its own methods.
func encodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	for _, i := range []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	} {
		if p.Implements(i) || t.Implements(i) {
			return true
		}
	}
	return false
}

// find returns the field that a member of that name is decoded into: the one of that name, else the first that differs in case alone.
func (s *Shape) find(name []byte) (int, bool) {
	if i, ok := s.byName[string(name)]; ok {
		return i, true
	}
	for i := range s.fields {
		if bytes.EqualFold(s.fields[i].key, name) {
			return i, true
		}
	}
	return 0, false
}

// candidate is a struct field that may be encoded.
type candidate struct {
	name   string
	tagged bool
	index  []int
	typ    reflect.Type
}

// fieldsOf returns the fields that encoding/json sees in a struct: its own and those of embedded structs, where a shallower field hides
// deeper ones of its name, a tagged one hides others of its depth, and those that remain equal hide each other.
func fieldsOf(t reflect.Type) []candidate {
	type level struct {
		typ   reflect.Type
		index []int
	}
	var found []candidate
	hidden := make(map[string]bool) // names that a shallower level has decided
	seen := map[reflect.Type]bool{}
	for now := []level{{typ: t}}; len(now) > 0; {
		var next []level
		here := make(map[string][]candidate)
		count := make(map[reflect.Type]int)
		for _, l := range now {
			seen[l.typ] = true
		}
		for _, l := range now {
			for i := range l.typ.NumField() {
				sf := l.typ.Field(i)
				name, tagged, embedded, ok := read(sf)
				index := append(slices.Clone(l.index), i)
				switch {
				case !ok:
				case embedded != nil:
					count[embedded]++
					if !seen[embedded] && count[embedded] <= 2 { // a third time hides no more than the second
						next = append(next, level{embedded, index})
					}
				default:
					here[name] = append(here[name], candidate{name: name, tagged: tagged, index: index, typ: sf.Type})
				}
			}
		}
		for name, cs := range here {
			if c, ok := dominant(cs); ok && !hidden[name] {
				found = append(found, c)
			}
			hidden[name] = true
		}
		now = next
	}
	slices.SortFunc(found, func(a, b candidate) int { return slices.Compare(a.index, b.index) })
	return found
}

// dominant returns the field that wins among those of one name and depth.
func dominant(cs []candidate) (candidate, bool) {
	if len(cs) == 1 {
		return cs[0], true
	}
	cs = slices.DeleteFunc(cs, func(c candidate) bool { return !c.tagged })
	if len(cs) == 1 {
		return cs[0], true
	}
	return candidate{}, false
}

// read says what encoding/json makes of one struct field: a member of a name, or an embedded struct whose fields count as its holder's.
func read(sf reflect.StructField) (name string, tagged bool, embedded reflect.Type, ok bool) {
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !sf.IsExported() && (!sf.Anonymous || t.Kind() != reflect.Struct) {
		return "", false, nil, false
	}
	tag := sf.Tag.Get("json")
	if tag == "-" {
		return "", false, nil, false
	}
	name, _, _ = strings.Cut(tag, ",")
	if name != "" && !strings.ContainsFunc(name, unfit) {
		return name, true, nil, true
	}
	if sf.Anonymous && t.Kind() == reflect.Struct {
		return "", false, t, true
	}
	return sf.Name, false, nil, true
}

// unfit reports whether a rune makes encoding/json ignore the name in a tag.
func unfit(r rune) bool {
	return !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}
