package memory

// ring keeps the newest of what is pushed, up to a bound. The zero value is ready.
type ring[T any] struct {
	items []T
	start int // index of the oldest, once the bound was reached
}

// push appends, and forgets the oldest beyond the bound, which must be the same in every call.
func (r *ring[T]) push(v T, bound int) {
	if len(r.items) < bound {
		if r.items == nil {
			r.items = make([]T, 0, 2)
		}
		r.items = append(r.items, v)
		return
	}
	r.items[r.start] = v
	r.start = (r.start + 1) % bound
}

func (r *ring[T]) len() int { return len(r.items) }

// at returns the item that has i older ones before it.
func (r *ring[T]) at(i int) T {
	if i += r.start; i >= len(r.items) {
		i -= len(r.items)
	}
	return r.items[i]
}
