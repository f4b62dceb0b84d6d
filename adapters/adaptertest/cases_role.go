package adaptertest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stillwater-go/workflow/backend"
)

// roleCases are the contest for the roles of a workflow.
func roleCases() []testCase {
	return []testCase{
		{name: "Role/OneGetsAll", run: oneGetsAllRoles},
		{name: "Role/NextGetsThem", run: nextGetsTheRoles},
		{name: "Role/LeaveWhileWaiting", run: leaveWhileWaiting},
		{name: "Role/LeaveTwice", run: leaveTwice},
		{name: "Role/LeaveWaitsForGranted", run: leaveWaitsForGranted},
		{name: "Role/WorkflowsAreApart", run: rolesOfWorkflowsAreApart},
		{name: "Role/TwentyContenders", run: twentyContenders},
		{name: "Role/JoinAndLeaveAtOnce", run: joinAndLeaveAtOnce},
	}
}

// contest watches who holds which bucket of one workflow, and that nobody holds what another holds.
type contest struct {
	e        *env
	workflow string
	mu       sync.Mutex
	holder   map[int]held
	epoch    map[int]int64
	// changed is closed, and replaced, with every grant.
	changed chan struct{}
}

type held struct {
	by    *contender
	grant backend.Grant
}

// contender is one Join.
type contender struct {
	c     *contest
	name  string
	leave func()
	// busy is set while granted runs, gone once leave has returned.
	busy, gone atomic.Bool
	// gate, where set, is what granted waits for; entered is closed as it begins.
	gate, entered chan struct{}
	// first is closed with the first grant.
	first chan struct{}
	once  sync.Once
}

func newContest(e *env, workflow string) *contest {
	return &contest{e: e, workflow: workflow, holder: map[int]held{}, epoch: map[int]int64{}, changed: make(chan struct{})}
}

// join enters the contest on b. The contender leaves at the end of the case at the latest.
func (c *contest) join(b backend.Backend, name string) *contender {
	c.e.Helper()
	return c.enter(b, &contender{c: c, name: name, first: make(chan struct{})})
}

func (c *contest) enter(b backend.Backend, p *contender) *contender {
	c.e.Helper()
	leave, err := b.Join(c.e.Context(), c.workflow, bucketCount, p.granted)
	if err != nil {
		c.e.Errorf("join as %s: %v", p.name, err)
		leave = func() {}
	}
	p.leave = func() {
		leave()
		p.gone.Store(true)
	}
	c.e.Cleanup(leave)
	return p
}

// granted is what the backend calls.
func (p *contender) granted(g backend.Grant) {
	e := p.c.e
	if p.busy.Swap(true) {
		e.Errorf("%s: granted is called while it runs", p.name)
	}
	defer p.busy.Store(false)
	if p.gone.Load() {
		e.Errorf("%s: granted is called after leave returned", p.name)
	}
	if p.gate != nil {
		close(p.entered)
		<-p.gate
	}
	p.c.take(p, g)
	p.once.Do(func() { close(p.first) })
}

// take notes a grant and looks whether it may be.
func (c *contest) take(p *contender, g backend.Grant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.Context == nil || len(g.Buckets) == 0 {
		c.e.Errorf("%s: a grant of %d buckets with a context: %t", p.name, len(g.Buckets), g.Context != nil)
		return
	}
	for _, b := range g.Buckets {
		if b < 0 || b >= bucketCount {
			c.e.Errorf("%s: bucket %d is granted, there are %d", p.name, b, bucketCount)
		}
		if h, taken := c.holder[b]; taken && h.grant.Context.Err() == nil {
			c.e.Errorf("bucket %d is granted to %s while %s holds it", b, p.name, h.by.name)
		}
		if last, known := c.epoch[b]; known && g.Epoch <= last {
			c.e.Errorf("bucket %d is granted to %s with epoch %d after epoch %d", b, p.name, g.Epoch, last)
		}
		c.holder[b], c.epoch[b] = held{p, g}, g.Epoch
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// awaitAll waits until the contender holds every bucket.
func (p *contender) awaitAll() {
	p.c.e.Helper()
	for {
		p.c.mu.Lock()
		all, changed := p.holdsAll(), p.c.changed
		p.c.mu.Unlock()
		if all {
			return
		}
		await(p.c.e, changed, p.name+" to hold every bucket")
	}
}

// holdsAll needs the contest's lock.
func (p *contender) holdsAll() bool {
	for b := range bucketCount {
		if h, taken := p.c.holder[b]; !taken || h.by != p || h.grant.Context.Err() != nil {
			return false
		}
	}
	return true
}

// quit leaves, and demands that what was held has ended by then.
func (p *contender) quit() {
	p.c.e.Helper()
	finish(p.c.e, p.name+" to leave", p.leave)
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	for b, h := range p.c.holder {
		if h.by == p && h.grant.Context.Err() == nil {
			p.c.e.Errorf("%s has left, and its grant of bucket %d goes on", p.name, b)
		}
	}
}

func oneGetsAllRoles(e *env) {
	c := newContest(e, orders)
	p := c.join(e.b, "alone")
	p.awaitAll()
	p.quit()
}

func nextGetsTheRoles(e *env) {
	c := newContest(e, orders)
	p := c.join(e.b, "number 0")
	p.awaitAll()
	for i := 1; i <= 3; i++ {
		next := c.join(e.b, fmt.Sprintf("number %d", i))
		p.quit()
		next.awaitAll()
		p = next
	}
	p.quit()
}

func leaveWhileWaiting(e *env) {
	c := newContest(e, orders)
	a := c.join(e.b, "holder")
	a.awaitAll()
	waiting, next := c.join(e.b, "impatient"), c.join(e.b, "patient")
	waiting.quit()
	a.quit()
	next.awaitAll() // the one who left is not in its way; granted itself looks that he gets nothing any more
	next.quit()
}

func leaveTwice(e *env) {
	c := newContest(e, orders)
	a := c.join(e.b, "a")
	a.awaitAll()
	a.quit()
	b := c.join(e.b, "b")
	b.awaitAll()
	finish(e, "a second leave", a.leave)
	c.mu.Lock()
	stillHeld := b.holdsAll()
	c.mu.Unlock()
	if !stillHeld {
		e.Errorf("the second leave of one took the roles of another")
	}
	next := c.join(e.b, "c")
	finish(e, "a third leave", a.leave)
	b.quit()
	next.awaitAll()
}

// leaveWaitsForGranted leaves while granted runs.
func leaveWaitsForGranted(e *env) {
	c := newContest(e, orders)
	p := c.enter(e.b, &contender{c: c, name: "slow", first: make(chan struct{}), gate: make(chan struct{}), entered: make(chan struct{})})
	await(e, p.entered, "a grant")
	left := make(chan bool, 1)
	go func() {
		p.leave()
		left <- p.busy.Load()
	}()
	quiet(e, left, "leave returned while granted ran")
	close(p.gate)
	if await(e, left, "leave") {
		e.Errorf("leave returned before granted did")
	}
}

func rolesOfWorkflowsAreApart(e *env) {
	a, b := newContest(e, orders).join(e.b, "of orders"), newContest(e, billing).join(e.b, "of billing")
	a.awaitAll()
	b.awaitAll()
	a.quit()
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	if !b.holdsAll() {
		e.Errorf("leaving one workflow took the roles of another")
	}
}

// twentyContenders enter at once; whoever holds roles leaves, until each has been served.
func twentyContenders(e *env) {
	const n = 20
	c := newContest(e, orders)
	contenders := make([]*contender, n)
	together(n, func(i int) { contenders[i] = c.join(e.b, fmt.Sprintf("number %d", i)) })
	served := make(chan *contender, n)
	var wg sync.WaitGroup
	for _, p := range contenders {
		wg.Go(func() {
			select {
			case <-p.first:
				served <- p
			case <-e.Context().Done():
			}
		})
	}
	var order []string
	for range n {
		p := await(e, served, fmt.Sprintf("contender number %d of %d to be served", len(order)+1, n))
		if slices.Contains(order, p.name) {
			e.Errorf("%s was served twice", p.name)
		}
		order = append(order, p.name)
		p.quit()
	}
	wg.Wait()
}

// joinAndLeaveAtOnce storms the contest; afterwards it still works.
func joinAndLeaveAtOnce(e *env) {
	c := newContest(e, orders)
	together(8, func(i int) {
		for r := range 20 {
			p := c.join(e.b, fmt.Sprintf("stormer %d-%d", i, r))
			p.leave()
		}
	})
	p := c.join(e.b, "after the storm")
	p.awaitAll()
	p.quit()
}
