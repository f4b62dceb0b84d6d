package workflow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow/internal/machine"
)

// The bounds of a connector.
const (
	maxUnacked    = 1024            // events received and not acknowledged
	maxStuck      = 100             // calls of user code that ignore their end, before nothing more is received
	obeyWithin    = time.Second     // how long user code may ignore the end of its context before it is given up
	connectWithin = time.Minute     // how long a constructor may take
	maxReconnect  = time.Minute     // the longest wait between connections
	steadyAfter   = 5 * time.Minute // a connection that lasted so long was a good one, although nothing came through
	unhealthyAt   = 3               // failed connections in a row that Health speaks of
)

// connector consumes one outside stream, as long as this process has its role. It is a companion of its workflow.
type connector struct {
	workflow, name string
	consumer       string // names the cursor in the outside stream: it must never change
	process        string
	made           ConnectorConstructor
	fn             func(ctx context.Context, e *ConnectorEvent) error
	parking        *parking // nil on classic parts
	hold           func(ctx context.Context, fn func(held context.Context))

	shards      int
	policy      machine.Policy
	deadline    time.Duration
	lag         time.Duration
	stopTimeout time.Duration
	clock       Clock
	log         *logger
	counter     ErrorCounter
	noJitter    bool // waits are as long as they may be

	room  chan struct{} // tells the reader to look again whether it may receive
	stuck atomic.Int32  // calls of user code that were given up and have not returned

	mu       sync.Mutex
	state    State
	failures int // connections in a row that failed; zero while one is open
	quit     context.CancelFunc
	ended    chan struct{}
}

func (c *connector) start(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	soft, quit := context.WithCancel(ctx)
	c.quit, c.ended, c.state = quit, make(chan struct{}), StateIdle
	go func() { // ends after quit; stop waits for it
		defer close(c.ended)
		defer c.setState(StateShutdown)
		c.hold(soft, func(held context.Context) { c.run(ctx, soft, held) })
	}()
}

func (c *connector) stop() bool {
	c.mu.Lock()
	quit, ended := c.quit, c.ended
	c.mu.Unlock()
	if quit == nil {
		return true
	}
	quit()
	limit, cancel := context.WithTimeout(context.Background(), c.stopTimeout+4*obeyWithin)
	defer cancel()
	select {
	case <-ended:
	case <-limit.Done():
		return false
	}
	return true
}

func (c *connector) states() map[string]State {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == StateUnknown {
		return map[string]State{c.process: StateShutdown}
	}
	return map[string]State{c.process: c.state}
}

func (c *connector) setState(s State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
}

func (c *connector) health() error {
	var causes []error
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures >= unhealthyAt {
		causes = append(causes, fmt.Errorf("%w: %s, %d times in a row", ErrConnectorFailing, c.name, c.failures))
	}
	if n := c.stuck.Load(); n >= maxStuck {
		causes = append(causes, fmt.Errorf("%w: %d calls of connector %s ignore the end of their contexts, nothing more is received", ErrStuckHandlers, n, c.name))
	}
	return errors.Join(causes...)
}

// run consumes while the role is held. ctx is the workflow's: its end is the end of running calls too; soft ends earlier, with stop.
func (c *connector) run(ctx, soft, held context.Context) {
	c.setState(StateRunning)
	defer c.setState(StateIdle)
	work, endWork := context.WithCancelCause(held)
	defer endWork(nil)
	defer context.AfterFunc(ctx, func() { endWork(ErrStopping) })()
	receive, endReceive := context.WithCancel(work)
	defer endReceive()
	defer context.AfterFunc(soft, endReceive)()

	row := 0 // failures in a row
	for receive.Err() == nil {
		s := newSession(c, work)
		steady, unwatch := context.WithTimeout(context.Background(), steadyAfter)
		got, err := s.run(receive)
		if got || steady.Err() != nil {
			row = 0
		}
		unwatch()
		if receive.Err() != nil {
			break
		}
		row++
		c.setFailures(row)
		if row == 1 {
			c.report(err, "connected again by itself")
		}
		span := min(machine.Span(c.policy, row), maxReconnect)
		realPause(receive, span/2+time.Duration(c.chance()*float64(span/2)))
	}
	c.setFailures(0)
}

// chance spreads waits: a random number in [0,1), or 1 where there is to be no jitter.
func (c *connector) chance() float64 {
	if c.noJitter {
		return 1
	}
	return rand.Float64()
}

func (c *connector) setFailures(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = n
}

func (c *connector) report(err error, hint string) {
	c.log.Error(context.Background(), &Error{Op: "connector " + c.name, Workflow: c.workflow, Err: err, Hint: hint})
}
