package demo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"os"
)

// place is where an order stands in its input.
type place struct {
	line   int64 // from 1
	at     int64
	length int64 // its end included
	sum    uint64
}

// placeBytes is the size of a stored place, slotBytes that of a slot of the table of ids.
const (
	placeBytes = 32
	slotBytes  = 8
)

// index remembers which orders an input holds, and where. It is a temporary file, so that an input of any size costs no memory: first a hash
// table of the ids with open addressing, then the places by the order's number. A slot is zero, or 32 bits of the id's hash and the
// number plus one; whether it is that very id is told by the input itself.
type index struct {
	f      *os.File
	remove func() error
	seed   maphash.Seed
	slots  uint64 // a power of two, and more than twice the orders
	orders int
}

// newIndex makes an index for at most that many orders.
func newIndex(orders int64) (*index, error) {
	if orders >= math.MaxUint32 {
		return nil, fmt.Errorf("the input has %d lines, the limit is %d", orders, uint32(math.MaxUint32-1))
	}
	x := &index{seed: maphash.MakeSeed(), slots: 2}
	for x.slots <= 2*uint64(orders) {
		x.slots *= 2
	}
	var err error
	if x.f, x.remove, err = tempFile("stillwater-demo-*.index"); err != nil {
		return nil, err
	}
	if err := x.f.Truncate(int64(x.slots) * slotBytes); err != nil {
		return nil, errors.Join(err, x.close())
	}
	return x, nil
}

func (x *index) close() error { return errors.Join(x.f.Close(), x.remove()) }

// sum is a hash of a line, which tells whether it has changed.
func (x *index) sum(line []byte) uint64 { return maphash.Bytes(x.seed, line) }

// add remembers the next order, or returns the place of the one that has this id already. same reports whether the order at a place has the id.
func (x *index) add(id string, p place, same func(place) (bool, error)) (first place, seen bool, err error) {
	slot, first, seen, err := x.look(id, same)
	if err != nil || seen {
		return first, seen, err
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(p.line))
	b = binary.LittleEndian.AppendUint64(b, uint64(p.at))
	b = binary.LittleEndian.AppendUint64(b, uint64(p.length))
	b = binary.LittleEndian.AppendUint64(b, p.sum)
	if _, err := x.f.WriteAt(b, x.offset(x.orders)); err != nil {
		return place{}, false, err
	}
	x.orders++
	b = binary.LittleEndian.AppendUint64(b[:0], x.tag(id)<<32|uint64(x.orders))
	_, err = x.f.WriteAt(b, int64(slot)*slotBytes)
	return place{}, false, err
}

// look finds the order with the id, or the slot that it would take.
func (x *index) look(id string, same func(place) (bool, error)) (slot uint64, p place, seen bool, err error) {
	var b [slotBytes]byte
	for slot = maphash.String(x.seed, id) & (x.slots - 1); ; slot = (slot + 1) & (x.slots - 1) {
		if _, err := x.f.ReadAt(b[:], int64(slot)*slotBytes); err != nil {
			return 0, place{}, false, err
		}
		held := binary.LittleEndian.Uint64(b[:])
		if held == 0 {
			return slot, place{}, false, nil
		}
		if held>>32 != x.tag(id) {
			continue
		}
		if p, err = x.place(int(held&math.MaxUint32) - 1); err != nil {
			return 0, place{}, false, err
		}
		if seen, err = same(p); err != nil || seen {
			return slot, p, seen, err
		}
	}
}

// tag is the part of the id's hash that a slot keeps; where the slot is says the rest.
func (x *index) tag(id string) uint64 { return maphash.String(x.seed, id) >> 32 }

// place returns where the order with the number i (from 0) stands.
func (x *index) place(i int) (place, error) {
	var b [placeBytes]byte
	if _, err := x.f.ReadAt(b[:], x.offset(i)); err != nil {
		return place{}, err
	}
	word := func(n int) uint64 { return binary.LittleEndian.Uint64(b[8*n:]) }
	return place{line: int64(word(0)), at: int64(word(1)), length: int64(word(2)), sum: word(3)}, nil
}

// offset is where the order's place is stored.
func (x *index) offset(i int) int64 { return int64(x.slots)*slotBytes + int64(i)*placeBytes }
