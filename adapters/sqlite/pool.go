package sqlite

import (
	"context"
	"errors"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// pool keeps the reading connections. They are opened when needed and never more than its size.
type pool struct {
	open  func(ctx context.Context) (*conn, error)
	slots chan struct{} // one token per connection in use

	mu     sync.Mutex
	idle   []*conn
	closed bool
	inUse  sync.WaitGroup
}

func newPool(size int, open func(ctx context.Context) (*conn, error)) *pool {
	return &pool{open: open, slots: make(chan struct{}, size)}
}

// do runs fn on a connection, which nobody else uses meanwhile. It waits for one as long as ctx lasts.
func (p *pool) do(ctx context.Context, fn func(c *conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-p.slots }()
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.inUse.Done()
	err = fn(c)
	return errors.Join(err, p.give(c, err))
}

// take returns an idle connection or a new one; inUse counts it.
func (p *pool) take(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, backend.ErrClosed
	}
	p.inUse.Add(1)
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := p.open(ctx)
	if err != nil {
		p.inUse.Done()
	}
	return c, err
}

// give takes a connection back, or closes one that an error has left in an unknown state.
func (p *pool) give(c *conn, err error) error {
	if err != nil && !isVerdict(err) {
		return c.close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
	return nil
}

// close waits for the connections in use and closes all.
func (p *pool) close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.inUse.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	p.idle = nil
	return errors.Join(errs...)
}
