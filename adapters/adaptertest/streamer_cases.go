package adaptertest

import (
	"math"

	"github.com/stillwater-go/workflow/backend"
)

func streamCases() []streamCase {
	cases := []streamCase{
		{name: "Idle/ParkedReceiversCostNothing", needs: []string{"NoStillness"}, alone: true, run: parkedReceiversCostNothing},
		{name: "Order/OfOneTopic", run: orderOfOneTopic},
		{name: "Order/EveryField", run: everyFieldOfAnEvent},
		{name: "Topics/AreApart", run: topicsAreApart},
		{name: "Names/AreIndependent", run: namesAreIndependent},
		{name: "Names/NewOneStartsAtTheFirst", run: newNameStartsAtTheFirst},
		{name: "Advance/BeforeTheAck", needs: []string{"OneAtATime"}, run: advanceBeforeTheAck},
		{name: "Advance/IsDeclared", needs: []string{"OneAtATime"}, run: advanceIsDeclared},
		{name: "Advance/OneAtATime", run: oneAtATime},
		{name: "Ack/Cumulative", needs: []string{"OneAtATime"}, run: ackIsCumulative},
		{name: "Ack/IdempotentAndForwardOnly", needs: []string{"OneAtATime"}, run: ackGoesForwardOnly},
		{name: "Ack/UnackedComeAgain", run: unackedComeAgain},
		{name: "Ack/OnlyWhatThisReceiverGot", needs: []string{"OneAtATime", "SplitsEvents"}, run: ackIsTheReceivers},
		{name: "Ack/NothingIsLostAcrossReceivers", run: nothingIsLostAcrossReceivers},
		{name: "Names/TwoReceiversOfOneName", needs: []string{"SplitsEvents", "OneAtATime"}, run: twoReceiversOfOneName},
		{name: "FromLatest/NewName", run: fromLatestOfANewName},
		{name: "FromLatest/KnownName", run: fromLatestOfAKnownName},
		{name: "FromLatest/CountsFromTheReturn", needs: []string{"NoCursorAtOpen"}, run: fromLatestIsStored},
		{name: "Headers/OfTheSender", run: headersOfTheSender},
		{name: "Headers/OfOtherReceivers", needs: []string{"SharesHeaders"}, run: headersOfOtherReceivers},
	}
	return append(cases, streamLoadCases()...)
}

func orderOfOneTopic(s *stream) {
	const n = 300
	sender := s.sender(topicA)
	s.send(sender, 1, n/2)
	r := s.receiver(topicA, "name")
	first := s.want(r, 1, n/3)
	s.send(sender, n/2+1, n)
	rest := s.want(r, n/3+1, n)
	last := int64(math.MinInt64)
	for _, g := range append(first, rest...) {
		if g.event.ID <= last {
			s.Fatalf("event %d has id %d, the one before it %d", g.event.Type, g.event.ID, last)
		}
		last = g.event.ID
	}
	s.wantNothing(r)
}

func everyFieldOfAnEvent(s *stream) {
	sender := s.sender(topicA)
	sent := []struct {
		foreignID string
		status    int
		headers   map[backend.Header]string
	}{
		{"run-1", 1, map[backend.Header]string{backend.HeaderForeignID: "order 66", backend.HeaderRunState: "2", "custom": ""}},
		{"", 0, nil},
		{"run-ü \U0001F30A", -1, map[backend.Header]string{"": "empty", backend.HeaderTopic: "a,b=c;\n"}},
		{"run-4", math.MaxInt32, map[backend.Header]string{}},
	}
	for _, e := range sent {
		if err := sender.Send(s.Context(), e.foreignID, e.status, e.headers); err != nil {
			s.Fatalf("send: %v", err)
		}
	}
	r := s.receiver(topicA, "name")
	for i, e := range sent {
		g := s.recv(r)
		if g.err != nil {
			s.Fatalf("receive: %v", g.err)
		}
		if g.event.ForeignID != e.foreignID || g.event.Type != e.status || g.event.CreatedAt.IsZero() {
			s.Errorf("event %d is of %q in %d, made at %v; want %q in %d", i+1, g.event.ForeignID, g.event.Type, g.event.CreatedAt, e.foreignID, e.status)
		}
		if len(g.event.Headers) != len(e.headers) {
			s.Errorf("event %d has %d headers, want %d", i+1, len(g.event.Headers), len(e.headers))
		}
		for h, want := range e.headers {
			if have, found := g.event.Headers[h]; !found || have != want {
				s.Errorf("event %d has header %q = %q, want %q", i+1, h, have, want)
			}
		}
		s.ack(g)
	}
}

func topicsAreApart(s *stream) {
	a, b := s.sender(topicA), s.sender(topicB)
	ra, rb := s.receiver(topicA, "name"), s.receiver(topicB, "name")
	s.send(a, 1, 3)
	s.send(b, 101, 102)
	s.send(a, 4, 4)
	s.want(rb, 101, 102)
	for _, g := range s.want(ra, 1, 4) {
		s.ack(g)
	}
	s.wantNothing(ra)
	s.close(ra)
	s.close(rb)
	s.send(b, 103, 103)
	rb = s.receiver(topicB, "name")
	if s.g.OneAtATime {
		s.want(rb, 103, 103)
		return
	}
	s.want(rb, 101, 103) // the acks of the same name's other topic did not count here
}

func namesAreIndependent(s *stream) {
	sender := s.sender(topicA)
	s.send(sender, 1, 5)
	names := []string{"one", "two", "three"}
	for i, name := range names {
		r := s.receiver(topicA, name)
		all := s.want(r, 1, 5)
		s.ack(all[i])
		s.close(r)
	}
	for i, name := range names {
		if s.g.OneAtATime {
			i = 4
		}
		s.want(s.receiver(topicA, name), i+2, 5)
	}
}

func newNameStartsAtTheFirst(s *stream) {
	sender := s.sender(topicA)
	s.send(sender, 1, 10)
	early := s.receiver(topicA, "early")
	s.want(early, 1, 10)
	s.send(sender, 11, 12)
	s.want(s.receiver(topicA, "late"), 1, 12)
	before := s.receiver(topicB, "before the first event")
	s.send(s.sender(topicB), 1, 2)
	s.want(before, 1, 2)
}

func advanceBeforeTheAck(s *stream) {
	s.send(s.sender(topicA), 1, 50)
	r := s.receiver(topicA, "name")
	all := s.want(r, 1, 50)
	s.wantNothing(r)
	for _, g := range all {
		s.ack(g)
	}
	s.close(r)
	s.wantNothing(s.receiver(topicA, "name"))
}

func advanceIsDeclared(s *stream) {
	a, ok := s.s.(backend.AdvancingStreamer)
	if !ok || !a.RecvAdvances() {
		s.Errorf("the streamer does not say that Recv advances before the ack; the engine will read it one event at a time")
	}
}

// oneAtATime is how the engine reads a streamer that does not declare itself: ack, then the next.
func oneAtATime(s *stream) {
	s.send(s.sender(topicA), 1, 20)
	r := s.receiver(topicA, "name")
	for n := 1; n <= 20; n++ {
		s.ack(s.want(r, n, n)[0])
		if n%6 == 0 {
			s.close(r)
			r = s.receiver(topicA, "name")
		}
	}
	s.close(r)
	s.wantNothing(s.receiver(topicA, "name"))
}

func ackIsCumulative(s *stream) {
	s.send(s.sender(topicA), 1, 10)
	r := s.receiver(topicA, "name")
	all := s.want(r, 1, 7)
	s.ack(all[4])
	s.close(r)
	s.want(s.receiver(topicA, "name"), 6, 10)
}

func ackGoesForwardOnly(s *stream) {
	s.send(s.sender(topicA), 1, 10)
	r := s.receiver(topicA, "name")
	all := s.want(r, 1, 8)
	for _, i := range []int{5, 5, 2, 0, 5, 3, 1} {
		s.ack(all[i])
	}
	s.close(r)
	s.want(s.receiver(topicA, "name"), 7, 10)
}

func unackedComeAgain(s *stream) {
	s.send(s.sender(topicA), 1, 3)
	for range 4 {
		r := s.receiver(topicA, "name")
		g := s.recv(r)
		if g.err != nil || g.event.Type != 1 {
			s.Fatalf("received %v, %v; want event 1 again", g.event, g.err)
		}
		s.close(r)
	}
	r := s.receiver(topicA, "name")
	s.ack(s.want(r, 1, 1)[0])
	s.close(r)
	s.want(s.receiver(topicA, "name"), 2, 3)
}

// ackIsTheReceivers acks at a receiver that is behind another one of the same name.
func ackIsTheReceivers(s *stream) {
	s.send(s.sender(topicA), 1, 10)
	far, near := s.receiver(topicA, "name"), s.receiver(topicA, "name")
	ahead, behind := s.want(far, 1, 8), s.want(near, 1, 3)
	s.ack(behind[1])
	third := s.receiver(topicA, "name")
	s.want(third, 3, 10)
	s.ack(ahead[5])
	s.ack(behind[2]) // behind what the other acked: the cursor stays
	s.close(far)
	s.close(near)
	s.want(s.receiver(topicA, "name"), 7, 10)
}

// nothingIsLostAcrossReceivers replaces the receiver again and again; what it has not acked comes again, in order.
func nothingIsLostAcrossReceivers(s *stream) {
	const n = 60
	sender := s.sender(topicA)
	next := 1
	for sent := 0; next <= n; {
		if sent < n {
			s.send(sender, sent+1, min(sent+5, n))
			sent = min(sent+5, n)
		}
		r := s.receiver(topicA, "name")
		last := min(next+3, sent)
		all := s.want(r, next, last)
		if s.g.OneAtATime {
			next = last + 1
		} else {
			s.ack(all[len(all)/2])
			next += len(all)/2 + 1
		}
		s.close(r)
	}
	s.wantNothing(s.receiver(topicA, "name"))
}

func twoReceiversOfOneName(s *stream) {
	sender := s.sender(topicA)
	s.send(sender, 1, 4)
	a := s.receiver(topicA, "name")
	s.ack(s.want(a, 1, 2)[1])
	b := s.receiver(topicA, "name") // begins at the cursor as it is now
	s.send(sender, 5, 6)
	s.want(a, 3, 6)
	s.want(b, 3, 6)
	s.wantNothing(a)
	s.wantNothing(b)
}

func fromLatestOfANewName(s *stream) {
	sender := s.sender(topicA)
	s.send(sender, 1, 5)
	r := s.receiver(topicA, "latest", backend.StreamFromLatest())
	s.send(sender, 6, 8)
	s.want(r, 6, 8)
	s.want(s.receiver(topicA, "first"), 1, 8)
	empty := s.receiver(topicB, "latest", backend.StreamFromLatest())
	s.send(s.sender(topicB), 1, 2)
	s.want(empty, 1, 2)
}

func fromLatestOfAKnownName(s *stream) {
	sender := s.sender(topicA)
	s.send(sender, 1, 3)
	r := s.receiver(topicA, "name")
	s.ack(s.want(r, 1, 1)[0])
	s.close(r)
	s.send(sender, 4, 5)
	r = s.receiver(topicA, "name", backend.StreamFromLatest())
	s.want(r, 2, 5)
}

// fromLatestIsStored closes a new name's receiver before it got anything.
func fromLatestIsStored(s *stream) {
	sender := s.sender(topicA)
	s.send(sender, 1, 3)
	s.close(s.receiver(topicA, "latest", backend.StreamFromLatest()))
	s.close(s.receiver(topicA, "first"))
	s.send(sender, 4, 5)
	s.want(s.receiver(topicA, "latest", backend.StreamFromLatest()), 4, 5)
	s.want(s.receiver(topicA, "first", backend.StreamFromLatest()), 1, 5)
}

func headersOfTheSender(s *stream) {
	headers := map[backend.Header]string{backend.HeaderRunID: "run-1", "other": "same"}
	sender := s.sender(topicA)
	if err := sender.Send(s.Context(), "1", 1, headers); err != nil {
		s.Fatalf("send: %v", err)
	}
	headers[backend.HeaderRunID] = "scribble"
	delete(headers, "other")
	g := s.recv(s.receiver(topicA, "name"))
	if g.err != nil {
		s.Fatalf("receive: %v", g.err)
	}
	if g.event.Headers[backend.HeaderRunID] != "run-1" || g.event.Headers["other"] != "same" {
		s.Errorf("the sender changed its map after Send, and the event has %v", g.event.Headers)
	}
}

func headersOfOtherReceivers(s *stream) {
	s.send(s.sender(topicA), 1, 1)
	a := s.recv(s.receiver(topicA, "a"))
	if a.err != nil {
		s.Fatalf("receive: %v", a.err)
	}
	a.event.Headers[backend.HeaderRunID] = "scribble"
	a.event.ForeignID = "scribble"
	b := s.recv(s.receiver(topicA, "b"))
	if b.err != nil {
		s.Fatalf("receive: %v", b.err)
	}
	if b.event.Headers[backend.HeaderRunID] != "run-1" || b.event.ForeignID != "1" {
		s.Errorf("another receiver changed its event, and this one has %q, %v", b.event.ForeignID, b.event.Headers)
	}
}
