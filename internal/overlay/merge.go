package overlay

import "slices"

// Merge returns the encoded object with the unknown fields of the stored one put back. All three are valid JSON of one type: stored is what
// was decoded, before what the decoded value encodes to without any change (nil where that is not known: then elements of arrays are told by
// their index alone), and encoded what it encodes to now. Without anything to put back the result is encoded as it is.
func (s *Shape) Merge(stored, before, encoded []byte) []byte {
	out := merge(make([]byte, 0, len(encoded)+len(stored)), s, stored, before, encoded)
	return slices.Clip(out)
}

// merge appends the value now, with what the old one has beyond its shape.
func merge(out []byte, s *Shape, old, before, now []byte) []byte {
	switch {
	case s == nil || old == nil:
	case s.byName != nil || s.dict:
		o, ok := members(old)
		n, also := members(now)
		if ok && also {
			b, _ := members(before)
			return mergeObject(out, s, o, b, n)
		}
	default:
		o, ok := elements(old)
		n, also := elements(now)
		if ok && also {
			b, _ := elements(before)
			return mergeArray(out, s.elem, o, b, n)
		}
	}
	return append(out, now...)
}

func mergeObject(out []byte, s *Shape, old, before, now []member) []byte {
	olds := make(map[string][]byte, len(old)) // by the name of the field, or the key of the map
	var unknown []member
	for _, m := range old {
		key := m.name
		if !s.dict {
			i, known := s.find(key)
			if !known {
				unknown = append(unknown, m)
				continue
			}
			key = s.fields[i].name
		}
		olds[key] = m.value // the last of a name counts, as it does for the decoder
	}
	befores := make(map[string][]byte, len(before))
	for _, m := range before {
		befores[m.name] = m.value
	}
	names := make(map[string]bool, len(now))
	out = append(out, '{')
	for i, m := range now {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, m.key...), ':')
		elem := s.elem
		if i, known := s.byName[m.name]; known {
			elem = s.fields[i].shape
		}
		out = merge(out, elem, olds[m.name], befores[m.name], m.value)
		names[m.name] = true
	}
	for _, m := range unknown {
		if names[m.name] {
			continue
		}
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = append(append(append(out, m.key...), ':'), m.value...)
	}
	return append(out, '}')
}

// mergeArray finds for each element the one that it was.
func mergeArray(out []byte, elem *Shape, old, before, now [][]byte) []byte {
	from := origins(len(old), before, now)
	out = append(out, '[')
	for i, v := range now {
		if i > 0 {
			out = append(out, ',')
		}
		if k := from[i]; k < 0 {
			out = append(out, v...)
		} else if k < len(before) {
			out = merge(out, elem, old[k], before[k], v)
		} else {
			out = merge(out, elem, old[k], nil, v)
		}
	}
	return append(out, ']')
}

// origins says of each element of an array which one of the old array it was, -1 for none: the one at its place if that is unchanged, else the first
// unchanged one that is free, else, in an array of the same length, the one at its place if that is free.
func origins(old int, before, now [][]byte) []int {
	from := make([]int, len(now))
	taken := make([]bool, old)
	take := func(i, k int) { from[i], taken[k] = k, true }
	for i := range from {
		from[i] = -1
		if i < old && i < len(before) && string(before[i]) == string(now[i]) {
			take(i, i)
		}
	}
	free := make(map[string][]int) // the unchanged ones by what they encode to, in order
	for k := 0; k < old && k < len(before); k++ {
		if !taken[k] {
			free[string(before[k])] = append(free[string(before[k])], k)
		}
	}
	for i := range from {
		if ks := free[string(now[i])]; from[i] < 0 && len(ks) > 0 {
			take(i, ks[0])
			free[string(now[i])] = ks[1:]
		}
	}
	for i := range from {
		if from[i] < 0 && old == len(now) && !taken[i] {
			take(i, i)
		}
	}
	return from
}
