package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// roles decides who holds the roles of each workflow: whoever came first, all buckets at once.
type roles struct {
	mu       sync.Mutex
	closed   bool
	contests map[string]*contest
}

// contest is about the roles of one workflow.
type contest struct {
	epoch int64
	// queue are those who take part; the first holds the roles, until it has left altogether.
	queue []*contender
}

// contender is one who joined.
type contender struct {
	ctx     context.Context // of the Join, without its end
	buckets int
	granted func(backend.Grant)
	cancel  context.CancelFunc // ends the grant's context; nil before there is one
	calls   sync.WaitGroup
}

// Join enters the contest for the roles of a workflow. One Join at a time holds all of them; when it leaves, the next in the order of
// coming gets them. granted is called once, on a goroutine of its own, and must not call leave, which waits for it. The grant's
// context carries the values of ctx and ends with leave or Close, not with ctx.
//
// The number of buckets is fixed by the first Join of a workflow; another number is an error. Join fails with
// backend.ErrInvalidID where the name cannot be one.
func (b *Backend) Join(ctx context.Context, workflowName string, buckets int, granted func(backend.Grant)) (leave func(), err error) {
	if err := backend.ValidateID("workflow name", workflowName, backend.MaxNameBytes); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	if err := b.table.fixBuckets(ctx, workflowName, buckets); err != nil {
		return nil, err
	}
	one := &contender{ctx: context.WithoutCancel(ctx), buckets: buckets, granted: granted}
	r := &b.roles
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("join: %w", backend.ErrClosed)
	}
	c := r.contests[workflowName]
	if c == nil {
		c = &contest{}
		r.contests[workflowName] = c
	}
	c.queue = append(c.queue, one)
	if len(c.queue) == 1 {
		c.grant(one)
	}
	return sync.OnceFunc(func() { r.leave(c, one) }), nil
}

// leave takes a contender out, and when it held the roles gives them to the next.
func (r *roles) leave(c *contest, one *contender) {
	r.mu.Lock()
	if one.cancel != nil {
		one.cancel()
	}
	held := c.queue[0] == one
	if !held {
		c.queue = slices.DeleteFunc(c.queue, func(other *contender) bool { return other == one })
	}
	r.mu.Unlock()
	if !held {
		return
	}
	one.calls.Wait() // at the head of the queue meanwhile, so that nobody else gets the roles
	r.mu.Lock()
	defer r.mu.Unlock()
	c.queue = c.queue[1:]
	if len(c.queue) > 0 && !r.closed {
		c.grant(c.queue[0])
	}
}

// grant gives the roles to the head of the queue; roles.mu is held.
func (c *contest) grant(one *contender) {
	c.epoch++
	grant := backend.Grant{Buckets: make([]int, one.buckets), Epoch: c.epoch}
	for i := range grant.Buckets {
		grant.Buckets[i] = i
	}
	grant.Context, one.cancel = context.WithCancel(one.ctx)
	one.calls.Go(func() { one.granted(grant) })
}

// close ends every grant, and makes no more.
func (r *roles) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	for _, c := range r.contests {
		if len(c.queue) > 0 {
			c.queue[0].cancel()
		}
	}
}

// fixBuckets stores the number of buckets of a workflow at first use, and demands it from then on.
func (t *table) fixBuckets(ctx context.Context, workflowName string, buckets int) error {
	if buckets < 1 {
		return fmt.Errorf("join workflow %s: %d buckets", backend.Quote(workflowName), buckets)
	}
	if err := t.write(ctx, "join"); err != nil {
		return err
	}
	defer t.mu.Unlock()
	c := &t.workflow(workflowName).cursors
	if c.buckets == 0 {
		c.buckets = buckets
		c.settle()
	}
	if c.buckets != buckets {
		return fmt.Errorf("join workflow %s: it has %d buckets, not %d", backend.Quote(workflowName), c.buckets, buckets)
	}
	return nil
}
