package memory

import "github.com/stillwater-go/workflow/backend"

// segmentSize is how many entries the log allocates at once.
const segmentSize = 512

// log is the sequence of entries. Positions count from 1. Their prefix is forgotten, and the slots of erased runs are empty.
type log struct {
	segments []*[segmentSize]slot
	base     int64 // position of the first slot of the first segment
	first    int64 // position of the oldest entry kept
	head     int64 // position of the newest entry
}

// slot is one place in the log.
type slot struct {
	entry *backend.Entry
	run   *run
}

func newLog() *log { return &log{base: 1, first: 1} }

// append adds an entry and returns its position.
func (l *log) append(r *run, e *backend.Entry) int64 {
	l.head++
	i := l.head - l.base
	if i/segmentSize == int64(len(l.segments)) {
		l.segments = append(l.segments, new([segmentSize]slot))
	}
	*l.slot(l.head) = slot{entry: e, run: r}
	return l.head
}

func (l *log) slot(pos int64) *slot {
	i := pos - l.base
	return &l.segments[i/segmentSize][i%segmentSize]
}

// read returns at most limit entries above after.
func (l *log) read(after int64, limit int) []backend.Entry {
	from := max(after+1, l.first)
	n := min(int64(max(limit, 0)), l.head-from+1)
	if n <= 0 {
		return nil
	}
	out := make([]backend.Entry, 0, n)
	for pos := from; pos <= l.head && len(out) < limit; pos++ {
		s := l.slot(pos)
		if s.entry == nil {
			continue
		}
		e := *s.entry
		e.Current = s.entry.Record == s.run.record
		e.Held = s.run.held != nil
		out = append(out, e)
	}
	return out
}

// drop empties the slot at the position, if it is kept and the run's.
func (l *log) drop(pos int64, r *run) {
	if pos < l.first {
		return
	}
	if s := l.slot(pos); s.run == r {
		*s = slot{}
	}
}

// each calls visit with every slot kept, in order, while it returns true.
func (l *log) each(visit func(*slot) bool) {
	for pos := l.first; pos <= l.head; pos++ {
		if !visit(l.slot(pos)) {
			return
		}
	}
}

// trim forgets the oldest entries that every cursor of their workflow has passed, up to the first that waits for one.
func (l *log) trim() {
	for l.first <= l.head {
		s := l.slot(l.first)
		if s.run != nil && l.first > s.run.workflow.cursors.low {
			break
		}
		*s = slot{}
		l.first++
		if l.first-l.base == segmentSize {
			l.segments[0] = nil
			l.segments = l.segments[1:]
			l.base += segmentSize
		}
	}
}
