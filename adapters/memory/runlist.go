package memory

import (
	"sort"

	"github.com/stillwater-go/workflow/backend"
)

// runList is a list of runs in the order of their creation, which is that of their keys. Erased runs go at once from its ends, and
// from its middle when they are half of it, so that taking one out costs the same however long the list is. Whoever walks it lets
// go of the lock between stretches, and finds its place again by key. The zero value is empty.
type runList struct {
	runs []*run
	dead int // erased runs that are still in the list
}

// add appends a new run.
func (l *runList) add(r *run) { l.runs = append(l.runs, r) }

// remove takes out a run that was marked as erased.
func (l *runList) remove() {
	l.dead++
	for n := len(l.runs); n > 0 && l.runs[n-1].erased; n-- {
		l.runs[n-1] = nil
		l.runs = l.runs[:n-1]
		l.dead--
	}
	for len(l.runs) > 0 && l.runs[0].erased {
		l.runs[0] = nil
		l.runs = l.runs[1:]
		l.dead--
	}
	if l.dead*2 <= len(l.runs) {
		return
	}
	living := make([]*run, 0, len(l.runs)-l.dead)
	for _, r := range l.runs {
		if !r.erased {
			living = append(living, r)
		}
	}
	l.runs, l.dead = living, 0
}

// len returns how many runs are in the list.
func (l *runList) len() int { return len(l.runs) - l.dead }

// newest returns the last run, nil in an empty list. It is never an erased one.
func (l *runList) newest() *run {
	if len(l.runs) == 0 {
		return nil
	}
	return l.runs[len(l.runs)-1]
}

// stretch returns at most n neighbours past the key, in the order of creation; descending those before it, where zero is the end of
// the list. Erased ones may be among them.
func (l *runList) stretch(key int64, descending bool, n int) []*run {
	if !descending {
		from := sort.Search(len(l.runs), func(i int) bool { return l.runs[i].key > key })
		return l.runs[from:min(from+n, len(l.runs))]
	}
	to := len(l.runs)
	if key != 0 {
		to = sort.Search(len(l.runs), func(i int) bool { return l.runs[i].key >= key })
	}
	return l.runs[max(to-n, 0):to]
}

// skip returns the key of the run after which a listing goes on that skips the first offset runs, and how many it has to skip then.
func (l *runList) skip(offset int64, descending bool) (key, rest int64) {
	offset = min(offset, int64(len(l.runs)))
	if l.dead > 0 || offset == 0 {
		return 0, offset // where some are erased, they have to be counted
	}
	if descending {
		return l.runs[int64(len(l.runs))-offset].key, 0
	}
	return l.runs[offset-1].key, 0
}

// descending reports whether a listing goes from the newest run to the oldest.
func descending(order backend.OrderType) bool { return order == backend.OrderTypeDescending }
