package overlay

import "bytes"

// Unknown reports whether the JSON has fields that the shape does not know. It must be valid: a decoder has accepted it. The cost is a
// few percent of decoding it, most of all where it was encoded by the same program, whose fields come in the order of the type.
func (s *Shape) Unknown(stored []byte) bool {
	if s == nil {
		return false
	}
	f := finder{b: stored}
	f.value(s, 0)
	return len(f.unknown) > 0
}

// finder looks for unknown fields: for the first, or for all.
type finder struct {
	b        []byte
	all      bool
	unknown  []span // the fields, each from its name to the end of its value, in order; those within them are theirs
	inArrays bool   // some lie in elements of arrays
	arrays   int    // how many of those the search is in
}

// value goes over a value of that shape; -1 ends the search.
func (f *finder) value(s *Shape, i int) int {
	i = space(f.b, i)
	switch {
	case s == nil || i >= len(f.b):
		return value(f.b, i)
	case f.b[i] == '{' && s.byName != nil:
		return f.object(s, i)
	case f.b[i] == '{' && s.dict, f.b[i] == '[' && s.byName == nil && !s.dict:
		return f.elements(s, i)
	}
	return value(f.b, i)
}

// object goes over the members of a struct.
func (f *finder) object(s *Shape, i int) int {
	next := 0 // the field that comes next if the order is the type's
	for i = space(f.b, i+1); i < len(f.b) && f.b[i] == '"'; {
		at, end := -1, 0
		for k := next; k < len(s.fields); k++ {
			if start := s.fields[k].start; len(f.b)-i >= len(start) && string(f.b[i:i+len(start)]) == start {
				at, end = k, i+len(start)
				break
			}
		}
		if at < 0 {
			var known bool
			if end = text(f.b, i); end < 0 {
				return -1
			}
			at, known = s.find(name(f.b[i:end]))
			end = space(f.b, end) + 1 // the colon
			if !known {
				if i = f.foundOne(i, end); i < 0 {
					return -1
				}
				i = f.comma(i)
				continue
			}
		}
		next = at + 1
		if shape := s.fields[at].shape; shape == nil {
			i = value(f.b, end)
		} else {
			i = f.value(shape, end)
		}
		if i < 0 {
			return -1
		}
		i = f.comma(i)
	}
	return i + 1
}

// foundOne notes the unknown field that begins at i, with its value at the other place, and goes over it; -1 ends the search.
func (f *finder) foundOne(i, at int) int {
	end := value(f.b, at)
	f.unknown = append(f.unknown, span{i, max(i, end)})
	f.inArrays = f.inArrays || f.arrays > 0
	if !f.all {
		return -1
	}
	return end
}

// comma goes over the comma between two members or elements, if there is one.
func (f *finder) comma(i int) int {
	if i = space(f.b, i); i < len(f.b) && f.b[i] == ',' {
		i = space(f.b, i+1)
	}
	return i
}

// elements goes over the elements of an array or a map.
func (f *finder) elements(s *Shape, i int) int {
	if !s.dict {
		f.arrays++
		defer func() { f.arrays-- }()
	}
	for i = space(f.b, i+1); i < len(f.b) && f.b[i] != ']' && f.b[i] != '}'; {
		if s.dict {
			colon := bytes.IndexByte(f.b[i:], '"')
			if colon < 0 {
				return -1
			}
			if i = text(f.b, i+colon); i < 0 {
				return -1
			}
			i = space(f.b, i) + 1
		}
		if i = f.value(s.elem, i); i < 0 {
			return -1
		}
		i = f.comma(i)
	}
	return i + 1
}
