package workflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ObjectUpgrade lifts the JSON of an object to the next version. It must be a pure function: the same object may be lifted many times, until
// something stores it. It may change the slice that it is given. An error or a panic pauses the run, whose object stays as it was.
type ObjectUpgrade func(object json.RawMessage) (json.RawMessage, error)

// WithObjectVersion stores objects with a version number, for changes of Type that JSON alone does not bridge, such as a field that is split
// in two. upgrades[n] lifts an object of version n to n+1, so there is one for each version from 0 to version-1; objects stored without a
// version are of version 0. An object is lifted whenever it is read, and stored in the present version by the next commit that stores
// the object. Fields that an upgrade leaves alone survive even where Type does not have them.
//
// A run whose object has a later version than this program knows is not touched: it is paused by the engine with an error that matches
// [ErrNewerObject], to be resumed where a newer program runs. So a version only goes up once every program that reads the runs can follow;
// fields that are merely added need no version.
func WithObjectVersion(version uint, upgrades map[uint]ObjectUpgrade) BuildOption {
	upgrades = maps.Clone(upgrades)
	return func(b *buildOptions) { b.objects.version, b.objects.upgrades = version, upgrades }
}

// checkUpgrades returns what is wrong with the chain of upgrades.
func (o objectOptions) checkUpgrades() []error {
	var problems []error
	next := uint(0)
	for _, n := range slices.Sorted(maps.Keys(o.upgrades)) {
		switch {
		case n >= o.version:
			problems = append(problems, fmt.Errorf("WithObjectVersion(%d): an upgrade of version %d leads beyond it", o.version, n))
		case o.upgrades[n] == nil:
			problems = append(problems, fmt.Errorf("WithObjectVersion(%d): the upgrade of version %d is nil", o.version, n))
		}
		if n > next && next < o.version {
			problems = append(problems, fmt.Errorf("WithObjectVersion(%d): there is no upgrade of version %d", o.version, next))
		}
		next = n + 1
	}
	if next < o.version {
		problems = append(problems, fmt.Errorf("WithObjectVersion(%d): there is no upgrade of version %d", o.version, next))
	}
	return problems
}

// upgrade lifts an object's JSON to the present version.
func (o *objects) upgrade(plain []byte, version uint64) ([]byte, error) {
	if version > o.version {
		return nil, Permanent(fmt.Errorf("%w: it is of version %d, this program knows versions up to %d: resume the run where a newer one works",
			ErrNewerObject, version, o.version))
	}
	for ; version < o.version; version++ {
		given := bytes.Clone(plain) // what is stored is shared
		next, err := guarded(func() ([]byte, error) { return o.upgrades[version](given) })
		if err == nil && !json.Valid(next) {
			err = errors.New("what it returned is not JSON")
		}
		if err != nil {
			return nil, Permanent(fmt.Errorf("upgrade the object of version %d: %w", version, err))
		}
		plain = next
	}
	return plain, nil
}
