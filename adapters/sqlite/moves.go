package sqlite

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// move is the next version of a run whose row stays what it was but for where the run stands. Moves of a group are gathered and written
// many at a time: the statement costs less than half as much per row then.
type move struct {
	id, version, head        int64 // as the row is expected to be
	toStatus, toState, toPos int64
	ends                     bool // the run is finished by it
}

// minGrouped is from how many units on a transaction gathers its moves.
const minGrouped = 8

// errMoved says that a gathered move found its row moved on: another process was there first. Which one it was is found by writing the
// units one by one.
var errMoved = errors.New("a run was moved by another process meanwhile")

// gathers reports whether the move of a run to a version can be written together with others: it is the next one, of an unfinished run.
func (t *txn) gathers(info runInfo, version int64) bool {
	return t.grouped && version == info.version+1 && live(info.version, info.state)
}

// gather puts a move in line. One of a run that this transaction has moved already waits for that to be written.
func (t *txn) gather(m move) error {
	if len(t.moves) > 0 && m.head >= t.moves[0].toPos {
		if err := t.writeMoves(); err != nil {
			return err
		}
	}
	t.moves = append(t.moves, m)
	return nil
}

// writeMoves writes the moves in line.
func (t *txn) writeMoves() error {
	if len(t.moves) == 0 {
		return nil
	}
	for _, ends := range [...]bool{false, true} {
		kind := t.kind[:0]
		for _, m := range t.moves {
			if m.ends == ends {
				kind = append(kind, m)
			}
		}
		t.kind = kind
		for len(kind) > 0 {
			n := chunk(len(kind))
			if err := t.writeChunk(kind[:n], ends); err != nil {
				return err
			}
			kind = kind[n:]
		}
	}
	t.moves = t.moves[:0]
	return nil
}

func (t *txn) writeChunk(moves []move, ends bool) error {
	args := slices.Grow(t.args[:0], 6*len(moves))
	for _, m := range moves {
		args = append(args, m.id, m.version, m.head, m.toStatus, m.toState, m.toPos)
	}
	t.args = args
	n, err := t.c.execN(context.Background(), t.w.text.move(len(moves), ends), args...)
	switch {
	case err != nil:
		return &memberError{err: err}
	case n != int64(len(moves)):
		return &memberError{err: errMoved}
	}
	return nil
}

// chunk is how many of n rows the next statement writes: one of a few sizes, so that the statements can be kept.
func chunk(n int) int {
	for _, size := range [...]int{64, 16, 4} {
		if n >= size {
			return size
		}
	}
	return 1
}

// tuples is the text of n rows of k values.
func tuples(n, k int) string {
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", k), ",") + ")"
	return strings.TrimSuffix(strings.Repeat(one+",", n), ",")
}
