package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/cmd/stillwater/internal/term"
)

// The defaults of the command.
const (
	DefaultDB     = "./stillwater-demo.db"
	DefaultOrders = 10_000
	DefaultSeed   = 1
	// MaxOrders bounds a generated demo; more would not fit on most disks.
	MaxOrders = 10_000_000
)

const (
	// placers is how many orders are placed at the same time: they share the commits. More of them would not make the demo faster, but
	// place orders further ahead of the steps, which takes memory.
	placers = 64
	// pageCache is how many bytes of the store are kept in memory: the demo shows that little is needed.
	pageCache = 2 << 20
	// readers bounds the connections that read, whatever the number of processors; each has pages of its own.
	readers = 4
	// chunkOrders is how many orders are made or read, and looked up, at once; listPage is how many runs are. They bound the memory.
	chunkOrders = 256
	listPage    = 500
	// maxComplaints bounds how many of the engine's own errors are shown.
	maxComplaints = 20
)

// Options is what the demo is to do.
type Options struct {
	// DB is the store's file. Defaults to DefaultDB.
	DB string
	// Orders and Seed say which orders are made. They do not count where Input is given. Orders must be positive.
	Orders int
	Seed   int64
	// Input is a file of orders as JSON lines, "-" for Stdin. Defaults to generated orders.
	Input string
	Stdin io.Reader
	// Fresh deletes what an earlier demo left.
	Fresh bool
	// Messages takes progress and bad lines. Live says that it is a terminal, Quiet that progress is not wanted.
	Messages io.Writer
	Live     bool
	Quiet    bool
	Style    term.Style
	// Clock defaults to the machine's.
	Clock backend.Clock
}

// Again returns the command that goes on with the same store and orders.
func (o Options) Again() string {
	args := []string{"stillwater demo"}
	if o.Input != "" {
		args = append(args, "--input "+quoteArg(o.Input))
	} else {
		if o.Orders != DefaultOrders {
			args = append(args, fmt.Sprintf("--orders %d", o.Orders))
		}
		if o.Seed != DefaultSeed {
			args = append(args, fmt.Sprintf("--seed=%d", o.Seed))
		}
	}
	if o.DB != DefaultDB {
		args = append(args, "--db "+quoteArg(o.DB))
	}
	return strings.Join(args, " ")
}

// quoteArg writes an argument so that a shell takes it as one.
func quoteArg(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("./_-+,:@%", r) && !letterOrDigit(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func letterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r > 127
}

// Run places the orders that are not there yet, takes all of them to their end, and reconciles. When ctx ends it stops in good order
// and the summary says Interrupted. A reconciliation that does not come out is in the summary too.
//
// The error says that the demo could not do its work: it matches backend.ErrNotOurs, ErrLocked, ErrFull and so on, and says what to do.
func Run(ctx context.Context, o Options) (*Summary, error) {
	if o.Clock == nil {
		o.Clock = backend.RealClock{}
	}
	if o.Fresh {
		if err := removeOld(ctx, o.DB); err != nil {
			return nil, err
		}
	}
	src, err := o.source()
	if err != nil {
		return nil, err
	}
	s, err := run(ctx, o, src)
	return s, errors.Join(err, src.close())
}

func (o Options) source() (*source, error) {
	if o.Input == "" {
		if o.Orders < 1 || o.Orders > MaxOrders {
			return nil, fmt.Errorf("the number of orders is %d, it must be 1 to %d", o.Orders, MaxOrders)
		}
		return generated(o.Seed, o.Orders), nil
	}
	return fromFile(o.Input, o.Stdin, func(line int64, reason error) {
		fmt.Fprintf(o.Messages, "%s line %d: %v\n", o.Style.Yellow("bad input,"), line, reason)
	})
}

func run(ctx context.Context, o Options, src *source) (s *Summary, err error) {
	store, books, err := open(ctx, o.DB, src)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, books.close(), store.Close()) }()
	d := &session{o: o, src: src, disk: disk{store: store, books: books}, meter: newMeter(store, o.Clock)}
	return d.run(ctx)
}

// session is one start of the demo.
type session struct {
	o     Options
	src   *source
	disk  disk
	meter *meter
	flow  *workflow.Workflow[Order, Status]

	thereRuns  int // runs of earlier starts
	thereEnded int // those of them that had come to an end, or to a pause
	began      time.Time
	progress   progress
	complaints atomic.Int64
}

func (d *session) run(ctx context.Context) (*Summary, error) {
	var err error
	if d.flow, err = newFlow(d.meter, d.o.Clock, engineLog{d}); err != nil {
		return nil, err
	}
	if err := d.takeStock(ctx); err != nil {
		return nil, stopped(ctx, err)
	}
	d.greet()
	d.began = d.o.Clock.Now()
	d.progress = progress{out: d.o.Messages, style: d.o.Style, live: d.o.Live, quiet: d.o.Quiet, clock: d.o.Clock, look: d.look}
	d.progress.start()
	err = d.work(ctx)
	d.progress.stop()
	if err != nil {
		return nil, fmt.Errorf("%w\nnothing is lost; go on with: %s", err, d.o.Again())
	}
	return d.sum(ctx)
}

// stopped makes an error of a context's end what people call it.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted before the first order: %w", ctx.Err())
	}
	return err
}

// takeStock counts what earlier starts have left.
func (d *session) takeStock(ctx context.Context) error {
	counts, _, err := d.disk.totals(ctx)
	for _, c := range counts {
		d.thereRuns += int(c.Runs)
		if ended(c.RunState) {
			d.thereEnded += int(c.Runs)
		}
	}
	return err
}

func (d *session) greet() {
	if d.o.Quiet {
		return
	}
	text := fmt.Sprintf("%s, store %s.", d.src.title, d.o.DB)
	if d.thereRuns > 0 {
		text += fmt.Sprintf(" Going on: %s placed before, %s done.", thousands(int64(d.thereRuns)), thousands(int64(d.thereEnded)))
	} else {
		text += " Stop it at any moment, even with kill -9: started again it goes on where it was."
	}
	fmt.Fprintln(d.o.Messages, d.o.Style.Dim(text))
}

// look says how far the demo is.
func (d *session) look() (snapshot, int64) {
	m := d.meter.read()
	return snapshot{
		done: d.thereEnded + int(m.settled), total: d.src.orders, before: d.thereEnded, elapsed: d.o.Clock.Now().Sub(d.began),
	}, m.transitions
}

// work places the orders and waits until all runs have come to an end, or ctx has.
func (d *session) work(ctx context.Context) error {
	// The engine outlives ctx, so that what is in work when ctx ends is finished in good order by Stop.
	engine, end := context.WithCancel(context.WithoutCancel(ctx))
	broken := make(chan error, 1)
	go func() { broken <- d.flow.RunUntil(engine) }()
	defer func() { d.flow.Stop(); end(); <-broken }()
	if err := d.resume(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	if err := d.place(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	for {
		if m := d.meter.read(); int64(d.thereEnded)+m.settled >= int64(d.thereRuns)+m.runs {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			broken <- nil // for the one who waits at the end
			return err
		case <-d.meter.moved:
		}
	}
}

// ignoreEnd returns err, or nil where it only says that ctx has ended.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// resume goes on with what an earlier start gave up on.
func (d *session) resume(ctx context.Context) error {
	if d.thereRuns == 0 {
		return nil
	}
	return d.disk.find(ctx, func(rec *backend.Record) error {
		return d.flow.RunStateController(rec.RunID).Resume(ctx)
	}, backend.FilterByRunState(backend.RunStatePaused))
}

// place triggers a run for every order that has none.
func (d *session) place(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	orders := make(chan *Order)
	var group sync.WaitGroup
	for range min(placers, d.src.orders) {
		group.Go(func() {
			for o := range orders {
				if _, err := d.flow.Trigger(ctx, o.ID, workflow.WithInitialValue[Order, Status](o)); err != nil {
					fail(err)
				}
			}
		})
	}
	for at := 0; at < d.src.orders && ctx.Err() == nil; at += chunkOrders {
		if err := d.hand(ctx, at, orders); err != nil {
			fail(err)
		}
	}
	close(orders)
	group.Wait()
	return context.Cause(ctx)
}

// hand gives the next few orders to those who place them, without those that an earlier start has placed.
func (d *session) hand(ctx context.Context, at int, orders chan<- *Order) error {
	next, err := d.src.chunk(at)
	if err != nil {
		return err
	}
	placed := map[string]bool{}
	if d.thereRuns > 0 {
		err = d.disk.runs(ctx, idsOf(next), func(rec *backend.Record) error { placed[rec.ForeignID] = true; return nil })
		if err != nil {
			return err
		}
	}
	for _, o := range next {
		if placed[o.ID] {
			continue
		}
		select {
		case orders <- o:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// sum reads everything back from the disk and adds it up.
func (d *session) sum(ctx context.Context) (*Summary, error) {
	m := d.meter.read()
	total := int64(d.thereRuns) + m.runs
	left := d.src.orders - d.thereEnded - int(m.settled)
	s := &Summary{
		DB: d.o.DB, Source: d.src.title, Orders: d.src.orders, BadLines: d.src.badLines, AlreadyThere: d.thereRuns,
		Left: max(0, left), Interrupted: ctx.Err() != nil && int64(d.thereEnded)+m.settled < max(total, int64(d.src.orders)), Again: d.o.Again(),
	}
	ctx = context.WithoutCancel(ctx) // a second signal ends the process
	s.measure(m.transitions, m.last.Sub(d.began).Seconds())
	// Retries that were all made here were counted when they were stored; of those of earlier starts only the store knows.
	r, err := reconcile(ctx, d.src, d.disk, d.thereRuns > 0)
	if err != nil {
		return nil, err
	}
	s.Retries = r.Retries
	if d.thereRuns == 0 {
		s.Retries = int(m.retries)
	}
	s.fill(r)
	s.PeakMemoryBytes = peakBytes()
	return s, nil
}

// engineLog shows the engine's own errors, such as a full disk, between the progress.
type engineLog struct{ d *session }

// Debug is not wanted.
func (l engineLog) Debug(context.Context, string, map[string]string) {}

// Error shows the first few.
func (l engineLog) Error(_ context.Context, err error) {
	switch n := l.d.complaints.Add(1); {
	case n < maxComplaints:
		l.d.progress.say("%s %v", l.d.o.Style.Yellow("engine:"), err)
	case n == maxComplaints:
		l.d.progress.say("engine: further errors are not shown")
	}
}
