package shim

import (
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

type cacheKey struct {
	runID   string
	version uint
}

// recordCache keeps the last records that this process committed, so that their events need no lookup. It is a ring: the
// oldest goes first.
type recordCache struct {
	mu     sync.Mutex
	byKey  map[cacheKey]*backend.Record
	newest map[string]uint // the highest version cached of each run
	ring   []cacheKey
	next   int
}

func newRecordCache(size int) *recordCache {
	c := &recordCache{ring: make([]cacheKey, size)}
	c.clear()
	return c
}

// put takes a committed record; records of version 0 have no place here, because they change without one.
func (c *recordCache) put(r *backend.Record) {
	if r.Meta.Version == 0 {
		return
	}
	k := cacheKey{r.RunID, r.Meta.Version}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[k]; ok {
		c.byKey[k] = r
		return
	}
	if old := c.ring[c.next]; old.runID != "" {
		delete(c.byKey, old)
		if c.newest[old.runID] == old.version {
			delete(c.newest, old.runID)
		}
	}
	c.ring[c.next] = k
	c.next = (c.next + 1) % len(c.ring)
	c.byKey[k] = r
	c.newest[r.RunID] = max(c.newest[r.RunID], r.Meta.Version)
}

// get returns the run as of the version, or nil.
func (c *recordCache) get(runID string, version uint) *backend.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byKey[cacheKey{runID, version}]
}

// between returns what is known of the run's versions above after and below the present one, in order.
func (c *recordCache) between(runID string, after, present uint) (out []*backend.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := after + 1
	if room := uint(len(c.ring)); present > room {
		first = max(first, present-room)
	}
	for v := first; v < present; v++ {
		if r := c.byKey[cacheKey{runID, v}]; r != nil {
			out = append(out, r)
		}
	}
	return out
}

// overtaken reports whether this process knows a newer version of the run.
func (c *recordCache) overtaken(runID string, version uint) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest[runID] > version
}

func (c *recordCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byKey = make(map[cacheKey]*backend.Record)
	c.newest = make(map[string]uint)
	clear(c.ring)
	c.next = 0
}

// versions remembers a version for each of the last runs. The oldest run goes first.
type versions struct {
	of   map[string]uint
	ring []string
	next int
}

func newVersions(size int) *versions {
	return &versions{of: make(map[string]uint), ring: make([]string, size)}
}

func (v *versions) put(runID string, version uint) {
	if old, ok := v.of[runID]; ok {
		v.of[runID] = max(old, version)
		return
	}
	delete(v.of, v.ring[v.next])
	v.ring[v.next] = runID
	v.next = (v.next + 1) % len(v.ring)
	v.of[runID] = version
}

func (v *versions) get(runID string) (uint, bool) {
	version, ok := v.of[runID]
	return version, ok
}

func (v *versions) clear() {
	clear(v.of)
	clear(v.ring)
	v.next = 0
}
