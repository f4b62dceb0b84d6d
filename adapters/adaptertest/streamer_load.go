package adaptertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// streamLoadCases are contexts that end, receivers that close, and many at once.
func streamLoadCases() []streamCase {
	return []streamCase{
		{name: "Context/EndsAParkedRecv", run: contextEndsAParkedRecv},
		{name: "Context/EndedBefore", run: contextEndedBefore},
		{name: "Context/EndLosesNothing", run: contextEndLosesNothing},
		{name: "Context/OfASend", run: contextOfASend},
		{name: "Close/WakesAParkedRecv", run: closeWakesAParkedRecv},
		{name: "Close/ThenErrClosed", needs: []string{"NoClosedError"}, run: closedStreamParts},
		{name: "Close/OfOneReceiverAlone", needs: []string{"SplitsEvents"}, run: closeOfOneReceiver},
		{name: "Load/SendWakesAllNames", run: sendWakesAllNames},
		{name: "Load/ManySenders", run: manySenders},
		{name: "Load/ManyNames", run: manyNames},
		{name: "Load/FromLatestUnderLoad", needs: []string{"NoCursorAtOpen"}, run: fromLatestUnderLoad},
	}
}

// promptly is how long the end of a context may take to be noticed on a busy machine.
const promptly = 2 * time.Second

func contextEndsAParkedRecv(s *stream) {
	r := s.receiver(topicA, "name")
	s.receiver(topicA, "other")
	for range 3 {
		ctx, cancel := context.WithCancel(s.Context())
		ch := s.recvAsync(ctx, r)
		linger(ctx, glance) // so that it is parked
		elapsed := stopwatch()
		cancel()
		g := await(s.T, ch, "Recv to end with its context")
		if !errors.Is(g.err, context.Canceled) {
			s.Errorf("Recv whose context was cancelled gives %v", g.err)
		}
		if took := elapsed(); took > promptly {
			s.Errorf("Recv took %v to notice the end of its context", took)
		}
	}
	ctx, cancel := context.WithTimeout(s.Context(), glance)
	defer cancel()
	if g := s.recvWith(ctx, r); !errors.Is(g.err, context.DeadlineExceeded) {
		s.Errorf("Recv whose deadline passed gives %v", g.err)
	}
	s.send(s.sender(topicA), 1, 1)
	s.want(r, 1, 1)
}

// contextEndedBefore receives with an ended context: with nothing there, and with events there, which are not lost by it.
func contextEndedBefore(s *stream) {
	ended, cancel := context.WithCancel(s.Context())
	cancel()
	r := s.receiver(topicA, "name")
	if g := s.recvWith(ended, r); !errors.Is(g.err, context.Canceled) {
		s.Errorf("Recv whose context had ended gives %v", g.err)
	}
	s.send(s.sender(topicA), 1, 20)
	next := 1
	for range 10 {
		g := s.recvWith(ended, r)
		if g.err == nil {
			if g.event.Type != next {
				s.Fatalf("received event %d, want %d", g.event.Type, next)
			}
			s.ack(g)
			next++
		} else if !errors.Is(g.err, context.Canceled) {
			s.Errorf("Recv whose context had ended gives %v", g.err)
		}
	}
	s.want(r, next, 20)
}

// contextEndLosesNothing receives with deadlines of a few microseconds while events come.
func contextEndLosesNothing(s *stream) {
	const total = 400
	sender, r := s.sender(topicA), s.receiver(topicA, "name")
	together(2, func(i int) {
		if i == 0 {
			for n := 1; n <= total; n++ {
				if err := sendNumber(s.Context(), sender, n); err != nil {
					s.Errorf("send: %v", err)
					return
				}
			}
			return
		}
		rng := rand.New(rand.NewPCG(3, 4))
		bound, stop := context.WithTimeout(s.Context(), patienceOf(s.T))
		defer stop()
		for next := 1; next <= total && bound.Err() == nil; {
			ctx, cancel := context.WithTimeout(bound, time.Duration(rng.Int64N(int64(200*time.Microsecond))))
			event, ack, err := r.Recv(ctx)
			cancel()
			switch {
			case err == nil && event.Type == next:
				next++
				if err := ack(); err != nil {
					s.Errorf("ack: %v", err)
				}
			case err == nil:
				s.Errorf("received event %d, want %d", event.Type, next)
				return
			case !errors.Is(err, context.DeadlineExceeded):
				s.Errorf("Recv with a deadline gives %v", err)
				return
			}
		}
	})
	s.wantNothing(r)
}

// contextOfASend sends with an ended context: the error, or its absence, says whether the event is there.
func contextOfASend(s *stream) {
	ended, cancel := context.WithCancel(s.Context())
	cancel()
	sender := s.sender(topicA)
	err := sendNumber(ended, sender, 1)
	s.send(sender, 2, 2)
	r := s.receiver(topicA, "name")
	if err == nil {
		s.want(r, 1, 2)
		return
	}
	if !errors.Is(err, context.Canceled) {
		s.Errorf("Send whose context had ended gives %v", err)
	}
	s.want(r, 2, 2)
}

func closeWakesAParkedRecv(s *stream) {
	r := s.receiver(topicA, "name")
	ch := s.recvAsync(s.Context(), r)
	linger(s.Context(), glance)
	s.close(r)
	g := await(s.T, ch, "Recv to end with Close")
	if g.err == nil {
		s.Fatalf("Recv of a closed receiver gives event %d", g.event.Type)
	}
	if !s.g.NoClosedError && !errors.Is(g.err, backend.ErrClosed) {
		s.Errorf("Recv that was woken by Close gives %v, want ErrClosed", g.err)
	}
}

func closedStreamParts(s *stream) {
	sender, r := s.sender(topicA), s.receiver(topicA, "name")
	s.send(sender, 1, 2)
	s.close(r)
	if err := r.Close(); err != nil && !errors.Is(err, backend.ErrClosed) {
		s.Errorf("a second close gives %v", err)
	}
	if g := s.recv(r); !errors.Is(g.err, backend.ErrClosed) {
		s.Errorf("Recv after Close gives %v, want ErrClosed", g.err)
	}
	s.close(sender)
	if err := sendNumber(s.Context(), sender, 3); !errors.Is(err, backend.ErrClosed) {
		s.Errorf("Send after Close gives %v, want ErrClosed", err)
	}
	anew := s.sender(topicA)
	s.send(anew, 3, 3)
	s.want(s.receiver(topicA, "name"), 1, 3)
}

// closeOfOneReceiver closes one of two receivers of a name, and one of another name.
func closeOfOneReceiver(s *stream) {
	a, b, other := s.receiver(topicA, "name"), s.receiver(topicA, "name"), s.receiver(topicA, "other")
	s.close(a)
	sender := s.sender(topicA)
	s.close(s.sender(topicA))
	s.send(sender, 1, 2)
	s.want(b, 1, 2)
	s.want(other, 1, 2)
}

func sendWakesAllNames(s *stream) {
	const names = 20
	var parked []<-chan got
	for i := range names {
		parked = append(parked, s.recvAsync(s.Context(), s.receiver(topicA, string(rune('a'+i)))))
	}
	linger(s.Context(), glance)
	s.send(s.sender(topicA), 1, 1)
	for i, ch := range parked {
		g := await(s.T, ch, "every parked receiver to wake")
		if g.err != nil || g.event.Type != 1 {
			s.Errorf("receiver %d got %v, %v", i, g.event, g.err)
		}
	}
}

// manySenders lets 64 senders send at once: nothing is lost or comes twice, and each sender's events keep their order.
func manySenders(s *stream) {
	const senders, each = 64, 20
	r := s.receiver(topicA, "name")
	var seen [senders]int
	together(senders+1, func(i int) {
		if i < senders {
			sender, err := s.s.NewSender(s.Context(), topicA)
			if err != nil {
				s.Errorf("new sender: %v", err)
				return
			}
			for n := range each {
				if err := sendNumber(s.Context(), sender, i*1000+n); err != nil {
					s.Errorf("send: %v", err)
				}
			}
			return
		}
		ctx, cancel := context.WithTimeout(s.Context(), patienceOf(s.T))
		defer cancel()
		for range senders * each {
			event, ack, err := r.Recv(ctx)
			if err != nil {
				s.Errorf("receive: %v", err)
				return
			}
			from, n := event.Type/1000, event.Type%1000
			if n != seen[from] {
				s.Errorf("event %d of sender %d came where %d was next", n, from, seen[from])
				return
			}
			seen[from]++
			if err := ack(); err != nil {
				s.Errorf("ack: %v", err)
			}
		}
	})
	s.wantNothing(r)
}

// manyNames lets eight names read all of three topics while they grow.
func manyNames(s *stream) {
	const names, events = 8, 150
	topics := []string{topicA, topicB, "orders-3"}
	var receivers []backend.EventReceiver
	for i := range names * len(topics) {
		receivers = append(receivers, s.receiver(topics[i%3], string(rune('a'+i/3))))
	}
	var senders []backend.EventSender
	for _, topic := range topics {
		senders = append(senders, s.sender(topic))
	}
	ctx, cancel := context.WithTimeout(s.Context(), patienceOf(s.T))
	defer cancel()
	together(len(receivers)+len(senders), func(i int) {
		if i < len(senders) {
			for n := 1; n <= events; n++ {
				if err := sendNumber(ctx, senders[i], n); err != nil {
					s.Errorf("send: %v", err)
					return
				}
			}
			return
		}
		for n := 1; n <= events; n++ {
			event, ack, err := receivers[i-len(senders)].Recv(ctx)
			if err != nil || event.Type != n {
				s.Errorf("receiver %d got %v, %v; want event %d", i, event, err, n)
				return
			}
			if err := ack(); err != nil {
				s.Errorf("ack: %v", err)
			}
		}
	})
}

// fromLatestUnderLoad opens new names at the end while events pour in. Each gets what was sent after NewReceiver returned,
// without a gap, and nothing of what was there before it was called.
func fromLatestUnderLoad(s *stream) {
	const rounds, events = 20, 20
	var started, sent atomic.Int64
	sender := s.sender(topicA)
	ctx, stop := context.WithCancel(s.Context())
	var sending sync.WaitGroup
	sending.Go(func() {
		for ctx.Err() == nil {
			n := started.Add(1)
			if err := sendNumber(s.Context(), sender, int(n)); err != nil {
				s.Errorf("send: %v", err)
				return
			}
			sent.Add(1)
		}
	})
	defer sending.Wait()
	defer stop()
	for round := range rounds {
		before := sent.Load()
		r := s.receiver(topicA, string(rune('a'+round)), backend.StreamFromLatest())
		after := started.Load()
		g := s.recv(r)
		if g.err != nil {
			s.Fatalf("receive: %v", g.err)
		}
		s.ack(g)
		first := g.event.Type
		if int64(first) <= before || int64(first) > after+1 {
			s.Errorf("the new name began with event %d; %d were there before, event %d came after", first, before, after+1)
		}
		for _, g := range s.want(r, first+1, first+events) {
			s.ack(g)
		}
		s.close(r)
	}
}

func parkedReceiversCostNothing(s *stream) {
	ctx, cancel := context.WithCancel(s.Context())
	var parked []<-chan got
	for i := range 100 {
		parked = append(parked, s.recvAsync(ctx, s.receiver(topicA, "name "+string(rune('a'+i)))))
	}
	wantStill(s.T, "100 parked receivers")
	cancel()
	for _, ch := range parked {
		if g := await(s.T, ch, "a parked receiver to end"); !errors.Is(g.err, context.Canceled) {
			s.Errorf("a parked receiver ended with %v", g.err)
		}
	}
}
