package demo

// dice is a stream of numbers that is the same on every machine and with every version of Go (SplitMix64, after Steele, Lea and Flood,
// "Fast Splittable Pseudorandom Number Generators", 2014).
type dice uint64

// roll returns the next number.
func (d *dice) roll() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1. The tiny bias of the division does not matter here.
func (d *dice) below(n int) int { return int(d.roll() % uint64(n)) }

// pick returns one of the choices.
func pick[T any](d *dice, choices []T) T { return choices[d.below(len(choices))] }

// hashOf returns a well mixed number that depends on every part and on nothing else.
func hashOf(parts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, p := range parts {
		for i := 0; i < len(p); i++ {
			h = (h ^ uint64(p[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211 // the end of a part: no text holds this byte
	}
	d := dice(h)
	return d.roll()
}
