package memory

import (
	"slices"
	"strings"

	"github.com/stillwater-go/workflow/backend"
)

// pageSize is how many deliveries a page of a dueIndex holds at most.
const pageSize = 256

// dueIndex is an ordered set of deliveries by (due, run id, receiver, version). It is a list of sorted pages: finding a place
// takes O(log n) comparisons, an insert or a delete moves at most one page. The zero value is empty.
type dueIndex struct {
	pages [][]*delivery // none is empty
	count int
}

// compareDue orders a delivery against a mark.
func compareDue(d *delivery, m backend.DueMark) int {
	if c := d.Due.Compare(m.Due); c != 0 {
		return c
	}
	return compareKeys(d.DeliveryKey, m.Key)
}

func compareKeys(a, b backend.DeliveryKey) int {
	if c := strings.Compare(a.RunID, b.RunID); c != 0 {
		return c
	}
	if c := strings.Compare(string(a.Receiver), string(b.Receiver)); c != 0 {
		return c
	}
	switch {
	case a.Version < b.Version:
		return -1
	case a.Version > b.Version:
		return 1
	}
	return 0
}

// seek returns the place of the first delivery at or after the mark, and whether it is exactly there. The page may be len(pages).
func (x *dueIndex) seek(m backend.DueMark) (page, i int, found bool) {
	page, _ = slices.BinarySearchFunc(x.pages, m, func(p []*delivery, m backend.DueMark) int {
		return compareDue(p[len(p)-1], m)
	})
	if page == len(x.pages) {
		return page, 0, false
	}
	i, found = slices.BinarySearchFunc(x.pages[page], m, compareDue)
	return page, i, found
}

// insert adds a delivery that is not there.
func (x *dueIndex) insert(d *delivery) {
	page, i, _ := x.seek(d.mark())
	x.count++
	if page == len(x.pages) {
		if page == 0 {
			x.pages = append(x.pages, append(make([]*delivery, 0, pageSize), d))
			return
		}
		page--
		i = len(x.pages[page])
	}
	p := x.pages[page]
	if len(p) == pageSize {
		at := pageSize / 2
		if page == len(x.pages)-1 && i == pageSize {
			at = pageSize - 1 // times mostly grow: leave full pages behind
		}
		right := append(make([]*delivery, 0, pageSize), p[at:]...)
		clear(p[at:])
		x.pages[page] = p[:at]
		x.pages = slices.Insert(x.pages, page+1, right)
		if i > at {
			page, i = page+1, i-at
		}
	}
	x.pages[page] = slices.Insert(x.pages[page], i, d)
}

// remove takes a delivery out, which must not have been changed since it was inserted. It reports whether it was there.
func (x *dueIndex) remove(d *delivery) bool {
	page, i, found := x.seek(d.mark())
	if !found {
		return false
	}
	x.count--
	p := slices.Delete(x.pages[page], i, i+1)
	x.pages[page] = p
	switch {
	case len(p) == 0:
		x.pages = slices.Delete(x.pages, page, page+1)
	case len(p) <= pageSize/4 && page+1 < len(x.pages) && len(x.pages[page+1]) <= pageSize/4:
		x.pages[page] = append(p, x.pages[page+1]...)
		x.pages = slices.Delete(x.pages, page+1, page+2)
	}
	return true
}

// after calls visit with the deliveries past the mark, in order, while it returns true.
func (x *dueIndex) after(m backend.DueMark, visit func(*delivery) bool) {
	page, i, found := x.seek(m)
	if found {
		i++
	}
	for ; page < len(x.pages); page, i = page+1, 0 {
		for _, d := range x.pages[page][i:] {
			if !visit(d) {
				return
			}
		}
	}
}
