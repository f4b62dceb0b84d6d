package overlay

import (
	"bytes"
	"encoding/json"
)

// The functions below go over JSON that a decoder has found valid; they look no closer than they must. On other bytes they return -1 or
// something useless, but never panic. i is where to begin, the result is where it ended.

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// text goes over a string that begins at i: to the next quote that no backslash escapes.
func text(b []byte, i int) int {
	for i++; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		slashes := 0
		for b[i-2-slashes] == '\\' { // at the latest the quote before ends them
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
}

// value goes over any value.
func value(b []byte, i int) int {
	if i = space(b, i); i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return text(b, i)
	case '{', '[':
		return nested(b, i)
	}
	start := i
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// nested goes over an object or array.
func nested(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			if i = text(b, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

// name decodes a member's quoted name. It shares memory with it where nothing is escaped.
func name(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	for _, c := range inner {
		if c != '\\' && c < 0x80 {
			continue
		}
		var s string
		if json.Unmarshal(quoted, &s) != nil {
			break
		}
		return []byte(s)
	}
	return inner
}

// member is one of an object.
type member struct {
	name  []byte // decoded
	key   []byte // quoted, as it stands
	value []byte
	at    span // of the value
}

// members takes the object apart that begins at i and has about n members; it reports false for anything else.
func members(b []byte, i, n int) ([]member, bool) {
	if i = space(b, i); i >= len(b) || b[i] != '{' {
		return nil, false
	}
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return nil, true
	}
	ms := make([]member, 0, n)
	for i < len(b) && b[i] == '"' {
		end := text(b, i)
		if end < 0 {
			return nil, false
		}
		m := member{name: name(b[i:end]), key: b[i:end]}
		if i = space(b, end); i >= len(b) || b[i] != ':' {
			return nil, false
		}
		i = space(b, i+1)
		if end = value(b, i); end < 0 {
			return nil, false
		}
		m.value, m.at = b[i:end], span{i, end}
		ms = append(ms, m)
		if i = space(b, end); i < len(b) && b[i] == '}' {
			return ms, true
		}
		i = space(b, i+1)
	}
	return nil, false
}

// elements takes the array apart that begins at i; it reports false for anything else.
func elements(b []byte, i int) ([]span, bool) {
	if i = space(b, i); i >= len(b) || b[i] != '[' {
		return nil, false
	}
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		return nil, true
	}
	es := make([]span, 0, 8)
	for i < len(b) {
		end := value(b, i)
		if end < 0 {
			return nil, false
		}
		es = append(es, span{i, end})
		if i = space(b, end); i < len(b) && b[i] == ']' {
			return es, true
		}
		i = space(b, i+1)
	}
	return nil, false
}
