package engine

// window keeps in order which of a role's events are safe: what they led to is stored. The cursor may not pass one that is not. It holds
// positions alone, so that an event that stays unsafe for long keeps nothing alive of those behind it. The zero value is empty.
type window struct {
	marks fifo[mark]
	first uint64 // the number of the oldest mark
}

type mark struct {
	pos  int64
	safe bool
}

// add takes an event in, behind all others, and returns its number, which is never zero.
func (w *window) add(pos int64) uint64 {
	if w.first == 0 {
		w.first = 1
	}
	w.marks.push(mark{pos: pos})
	return w.first + uint64(w.marks.len()) - 1
}

// release makes an event safe. A number that is zero, or was released, is nothing.
func (w *window) release(n uint64) {
	if n == 0 || n < w.first {
		return
	}
	w.marks.at(int(n - w.first)).safe = true
	for w.marks.len() > 0 && w.marks.at(0).safe {
		w.marks.pop()
		w.first++
	}
}

// low is the position of the oldest event that is not safe; ok is false where all are.
func (w *window) low() (pos int64, ok bool) {
	if w.marks.len() == 0 {
		return 0, false
	}
	return w.marks.at(0).pos, true
}
