package engine

// fifo is a queue that reuses its memory. The zero value is empty.
type fifo[T any] struct {
	items []T
	first int
}

func (q *fifo[T]) push(v T) { q.items = append(q.items, v) }

func (q *fifo[T]) len() int { return len(q.items) - q.first }

// at returns the i-th item, the oldest being the first; it must be there. What it points to may move with the next push or pop.
func (q *fifo[T]) at(i int) *T { return &q.items[q.first+i] }

// pop takes the oldest item; the queue must not be empty.
func (q *fifo[T]) pop() T {
	var zero T
	v := q.items[q.first]
	q.items[q.first] = zero
	q.first++
	switch {
	case q.first == len(q.items):
		q.items, q.first = q.items[:0], 0
	case q.first >= 1024 && q.first*2 >= len(q.items): // moved at most once per item: amortised constant
		n := copy(q.items, q.items[q.first:])
		clear(q.items[n:])
		q.items, q.first = q.items[:n], 0
	}
	return v
}
