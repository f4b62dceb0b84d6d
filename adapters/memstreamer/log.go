package memstreamer

import "github.com/stillwater-go/workflow/backend"

const (
	segmentShift = 6
	// segmentSize is how many events one piece of a log holds: few enough that an idle topic is small, enough that an
	// append hardly ever allocates. No append ever copies what is already in the log.
	segmentSize = 1 << segmentShift
	segmentMask = segmentSize - 1
)

// log keeps the events of a topic at the positions first … next-1, which are also their ids. A mark at a position says that
// somebody still needs the event there and all that follow; a mark at next waits for the event to come. The topic's lock
// guards it.
type log struct {
	segments []*segment // the first one holds the position first
	spare    *segment   // an emptied segment, kept for the next append
	first    int64
	next     int64
	// ahead counts the marks at next; they move onto the event that is appended there.
	ahead int
}

type segment [segmentSize]slot

type slot struct {
	event backend.Event
	marks int
}

func newLog() log { return log{first: 1, next: 1} }

// len returns how many events are kept.
func (l *log) len() int64 { return l.next - l.first }

// at returns the slot of a position from first to next-1.
func (l *log) at(position int64) *slot {
	return &l.segments[position>>segmentShift-l.first>>segmentShift][position&segmentMask]
}

// append adds the event and gives it its id.
func (l *log) append(e backend.Event) {
	e.ID = l.next
	if int(l.next>>segmentShift-l.first>>segmentShift) == len(l.segments) {
		s := l.spare
		if s == nil {
			s = new(segment)
		}
		l.spare = nil
		l.segments = append(l.segments, s)
	}
	l.next++
	s := l.at(e.ID)
	s.event, s.marks = e, l.ahead
	l.ahead = 0
}

// drop lets the oldest event go. The slot is cleared at once, so that its strings and headers are free.
func (l *log) drop() {
	*l.at(l.first) = slot{}
	l.first++
	if l.first&segmentMask == 0 {
		l.spare, l.segments[0] = l.segments[0], nil
		l.segments = l.segments[1:]
	}
}

// mark puts a mark at a position from first to next.
func (l *log) mark(position int64) { *l.marks(position)++ }

// unmark takes a mark away.
func (l *log) unmark(position int64) { *l.marks(position)-- }

func (l *log) marks(position int64) *int {
	if position == l.next {
		return &l.ahead
	}
	return &l.at(position).marks
}
