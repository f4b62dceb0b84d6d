package sqlite

import "github.com/stillwater-go/workflow/backend"

// cachedRuns bounds how many runs are remembered: twice this number at the most.
const cachedRuns = 8192

// runInfo is what a commit needs to know of a run before it writes. It may be behind the file when another process wrote;
// the version check in the write itself finds that out.
type runInfo struct {
	id, workflow  int64
	version, head int64
	status        int
	state         backend.RunState
	createdAt     int64
	foreignID     string
	trace         string
}

// live reports whether a run counts for the rule of one unfinished run per foreign id.
func live(version int64, state backend.RunState) bool { return version > 0 && !state.Finished() }

// runCache remembers the runs used last, in two generations: when the young one is full it becomes the old one.
type runCache struct {
	young, old map[string]runInfo
}

func (c *runCache) get(runID string) (runInfo, bool) {
	if info, ok := c.young[runID]; ok {
		return info, true
	}
	info, ok := c.old[runID]
	if ok {
		c.put(runID, info)
	}
	return info, ok
}

func (c *runCache) put(runID string, info runInfo) {
	if c.young == nil || len(c.young) >= cachedRuns {
		c.young, c.old = make(map[string]runInfo, cachedRuns/4), c.young
	}
	c.young[runID] = info
}

func (c *runCache) drop(runID string) {
	delete(c.young, runID)
	delete(c.old, runID)
}

func (c *runCache) reset() { c.young, c.old = nil, nil }
