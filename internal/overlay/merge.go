package overlay

import "sort"

// Merge returns the encoded object with the unknown fields of the stored one put back. All three are valid JSON of one type: stored is what
// was decoded, before what the decoded value encodes to without any change (nil where that is not known: then elements of arrays are told by
// their index alone), and encoded what it encodes to now. Without anything to put back the result is encoded itself.
func (s *Shape) Merge(stored, before, encoded []byte) []byte {
	return s.Rest(stored).PutBack(before, encoded)
}

// Rest is what stored JSON has and a shape does not know. A nil Rest is nothing.
type Rest struct {
	shape    *Shape
	stored   []byte
	unknown  []span
	inArrays bool
}

// Rest returns the unknown fields of the stored JSON, nil where there are none. It keeps the bytes. They must be valid JSON: a decoder
// has accepted them.
func (s *Shape) Rest(stored []byte) *Rest {
	if s == nil {
		return nil
	}
	f := finder{b: stored, all: true}
	f.value(s, 0)
	if len(f.unknown) == 0 {
		return nil
	}
	return &Rest{shape: s, stored: stored, unknown: f.unknown, inArrays: f.inArrays}
}

// InArrays reports whether some of the unknown fields lie in elements of arrays. Where none do, PutBack has no use for its before.
func (r *Rest) InArrays() bool { return r != nil && r.inArrays }

// PutBack is Merge for JSON that was looked through.
func (r *Rest) PutBack(before, encoded []byte) []byte {
	if r == nil {
		return encoded
	}
	size := len(encoded)
	for _, u := range r.unknown {
		size += u.to - u.from + 1
	}
	m := merger{Rest: r, out: make([]byte, 0, size)}
	m.merge(r.shape, span{0, len(r.stored)}, before, encoded)
	return m.out
}

// span is a piece of JSON that begins at from and ends before to.
type span struct{ from, to int }

// merger appends to out. What has nothing unknown in it is copied as it is.
type merger struct {
	*Rest
	out []byte
}

// within reports whether an unknown field begins in that piece of the stored JSON.
func (r *Rest) within(at span) bool {
	i := sort.Search(len(r.unknown), func(i int) bool { return r.unknown[i].from >= at.from })
	return i < len(r.unknown) && r.unknown[i].from < at.to
}

// merge appends the value now, with what the old one has beyond its shape.
func (m *merger) merge(s *Shape, old span, before, now []byte) {
	if s == nil || !m.within(old) {
		m.out = append(m.out, now...)
		return
	}
	whole := m.stored[:old.to]
	if s.byName != nil || s.dict {
		o, ok := members(whole, old.from, len(s.fields)+2)
		n, also := members(now, 0, len(s.fields))
		if ok && also {
			m.object(s, o, before, n)
			return
		}
	} else {
		o, ok := elements(whole, old.from)
		n, also := elements(now, 0)
		if ok && also {
			m.array(s.elem, o, before, now, n)
			return
		}
	}
	m.out = append(m.out, now...)
}

func (m *merger) object(s *Shape, old []member, before []byte, now []member) {
	unknown, inner := m.sort(s, old)
	var befores map[string][]byte // of the members that have something in them
	if len(inner) > 0 && before != nil {
		befores = make(map[string][]byte, len(inner))
		bs, _ := members(before, 0, len(s.fields))
		for _, b := range bs {
			if _, ok := inner[string(b.name)]; ok {
				befores[string(b.name)] = b.value
			}
		}
	}
	m.out = append(m.out, '{')
	for i := range now {
		n := &now[i]
		if i > 0 {
			m.out = append(m.out, ',')
		}
		m.out = append(append(m.out, n.key...), ':')
		at, ok := inner[string(n.name)]
		if !ok {
			m.out = append(m.out, n.value...)
			continue
		}
		elem := s.elem
		if i, known := s.byName[string(n.name)]; known {
			elem = s.fields[i].shape
		}
		m.merge(elem, at, befores[string(n.name)], n.value)
	}
	for _, i := range unknown {
		u := &old[i]
		if has(now, u.name) {
			continue
		}
		if m.out[len(m.out)-1] != '{' {
			m.out = append(m.out, ',')
		}
		m.out = append(append(append(m.out, u.key...), ':'), u.value...)
	}
	m.out = append(m.out, '}')
}

// sort tells the members of a stored object apart: the indexes of those that are unknown, and where those lie, by the name of the field or
// the key of the map, that have something unknown in them.
func (m *merger) sort(s *Shape, old []member) (unknown []int, inner map[string]span) {
	for i := range old {
		o := &old[i]
		key := o.name
		if !s.dict {
			f, known := s.find(key)
			if !known {
				unknown = append(unknown, i)
				continue
			}
			key = s.fields[f].key
		}
		if m.within(o.at) {
			if inner == nil {
				inner = make(map[string]span)
			}
			inner[string(key)] = o.at
		} else if inner != nil {
			delete(inner, string(key)) // the last of a name counts, as it does for the decoder
		}
	}
	return unknown, inner
}

func has(ms []member, name []byte) bool {
	for i := range ms {
		if string(ms[i].name) == string(name) {
			return true
		}
	}
	return false
}

// array finds for each element the one that it was.
func (m *merger) array(elem *Shape, old []span, before, now []byte, ns []span) {
	bs, _ := elements(before, 0)
	from := origins(len(old), before, bs, now, ns)
	m.out = append(m.out, '[')
	for i, n := range ns {
		if i > 0 {
			m.out = append(m.out, ',')
		}
		v := now[n.from:n.to]
		switch k := from[i]; {
		case k < 0:
			m.out = append(m.out, v...)
		case k < len(bs):
			m.merge(elem, old[k], before[bs[k].from:bs[k].to], v)
		default:
			m.merge(elem, old[k], nil, v)
		}
	}
	m.out = append(m.out, ']')
}

// origins says of each element of an array which one of the old array it was, -1 for none: the one at its place if that is unchanged, else the first
// unchanged one that is free, else, in an array of the same length, the one at its place if that is free.
func origins(old int, before []byte, bs []span, now []byte, ns []span) []int {
	from := make([]int, len(ns))
	taken := make([]bool, old)
	take := func(i, k int) { from[i], taken[k] = k, true }
	was := func(k int) string { return string(before[bs[k].from:bs[k].to]) }
	is := func(i int) string { return string(now[ns[i].from:ns[i].to]) }
	placed := 0
	for i := range from {
		from[i] = -1
		if i < old && i < len(bs) && was(i) == is(i) {
			take(i, i)
			placed++
		}
	}
	if placed == len(ns) {
		return from
	}
	free := make(map[string][]int) // the unchanged ones by what they encode to, in order
	for k := 0; k < old && k < len(bs); k++ {
		if !taken[k] {
			free[was(k)] = append(free[was(k)], k)
		}
	}
	for i := range from {
		if from[i] >= 0 {
			continue
		}
		if ks := free[is(i)]; len(ks) > 0 {
			take(i, ks[0])
			free[is(i)] = ks[1:]
		}
	}
	for i := range from {
		if from[i] < 0 && old == len(ns) && !taken[i] {
			take(i, i)
		}
	}
	return from
}
