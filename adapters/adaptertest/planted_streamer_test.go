package adaptertest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// streamBug is a mistake planted in the reference streamer.
type streamBug string

const (
	noStreamBug            streamBug = ""
	declaresNothing        streamBug = "does not declare that it advances"
	mixesTopics            streamBug = "mixes topics"
	mixesNames             streamBug = "has one cursor for all names"
	mixesCursorsOfTopics   streamBug = "has one cursor for all topics"
	swapsEvents            streamBug = "swaps two events"
	losesUnderLoad         streamBug = "loses an event now and then"
	keepsTheSendersMap     streamBug = "keeps the sender's map"
	sharesHeaders          streamBug = "shares headers between receivers"
	dropsEmptyHeaders      streamBug = "drops empty headers"
	sendsAfterClose        streamBug = "sends after close"
	sendsAndSaysCancelled  streamBug = "sends and says cancelled"
	wakesNobody            streamBug = "wakes nobody"
	closeEndsTheTopic      streamBug = "ends the topic with one sender"
	closeWakesNobody       streamBug = "leaves a parked receiver asleep on close"
	closeLosesTheCursor    streamBug = "loses the cursor on close"
	closeAcks              streamBug = "acks everything on close"
	closedForOtherReasons  streamBug = "has its own error for closed"
	latestAlwaysWins       streamBug = "starts a known name at the end"
	ignoresFromLatest      streamBug = "ignores StreamFromLatest"
	fromLatestIsOneLate    streamBug = "skips the first event of a new name"
	storesNoCursorAtOpen   streamBug = "stores no cursor for a new name"
	newNamesStartAtTheEnd  streamBug = "starts new names at the end"
	spinsWhileParked       streamBug = "spins while parked"
	deafToItsContext       streamBug = "is deaf to its context"
	contextErrorIsItsOwn   streamBug = "has its own error for an ended context"
	contextEndSkipsAnEvent streamBug = "skips an event when a context ends"
	advancesAtTheAck       streamBug = "advances at the ack"
	splitsEvents           streamBug = "splits events among the receivers of a name"
	acksGoBack             streamBug = "moves its cursor back"
	acksCountEach          streamBug = "counts acks instead of heeding what they are for"
	acksWhatOthersGot      streamBug = "acks what nobody got"
	forgetsAcks            streamBug = "forgets acks"
)

// TestReferenceStreamerPasses shows that the suite can be passed.
func TestReferenceStreamerPasses(t *testing.T) {
	RunStreamer(t, func(*testing.T) backend.EventStreamer { return newRefStream(noStreamBug) }, StreamGuarantees{})
}

// plantedStreamBugs are all bugs, each with cases of which every one has to notice it.
func plantedStreamBugs() map[streamBug][]string {
	return map[streamBug][]string{
		declaresNothing:        {"Advance/IsDeclared"},
		mixesTopics:            {"Topics/AreApart", "FromLatest/NewName"},
		mixesNames:             {"Names/AreIndependent", "FromLatest/NewName", "FromLatest/CountsFromTheReturn", "Load/FromLatestUnderLoad"},
		mixesCursorsOfTopics:   {"Topics/AreApart", "FromLatest/NewName"},
		swapsEvents:            {"Context/EndLosesNothing", "Load/ManyNames", "Order/OfOneTopic"},
		losesUnderLoad:         {"Order/OfOneTopic", "Load/ManySenders", "Load/ManyNames", "Load/FromLatestUnderLoad"},
		keepsTheSendersMap:     {"Headers/OfTheSender"},
		sharesHeaders:          {"Headers/OfOtherReceivers"},
		dropsEmptyHeaders:      {"Order/EveryField"},
		sendsAfterClose:        {"Close/ThenErrClosed"},
		sendsAndSaysCancelled:  {"Context/OfASend"},
		wakesNobody:            {"Load/SendWakesAllNames"},
		closeEndsTheTopic:      {"Close/ThenErrClosed"},
		closeWakesNobody:       {"Close/WakesAParkedRecv"},
		closeLosesTheCursor:    {"Advance/OneAtATime", "Advance/BeforeTheAck", "FromLatest/KnownName", "FromLatest/CountsFromTheReturn"},
		closeAcks:              {"Topics/AreApart", "Ack/UnackedComeAgain", "Ack/Cumulative", "Names/AreIndependent"},
		closedForOtherReasons:  {"Close/WakesAParkedRecv", "Close/ThenErrClosed"},
		latestAlwaysWins:       {"FromLatest/KnownName", "FromLatest/CountsFromTheReturn"},
		ignoresFromLatest:      {"FromLatest/NewName", "FromLatest/CountsFromTheReturn", "Load/FromLatestUnderLoad"},
		fromLatestIsOneLate:    {"FromLatest/NewName", "Load/FromLatestUnderLoad"},
		storesNoCursorAtOpen:   {"FromLatest/CountsFromTheReturn"},
		newNamesStartAtTheEnd:  {"Order/EveryField", "Names/NewOneStartsAtTheFirst", "Headers/OfTheSender", "Headers/OfOtherReceivers"},
		spinsWhileParked:       {"Idle/ParkedReceiversCostNothing"},
		deafToItsContext:       {"Idle/ParkedReceiversCostNothing", "Context/EndsAParkedRecv"},
		contextErrorIsItsOwn:   {"Context/EndsAParkedRecv", "Context/EndedBefore"},
		contextEndSkipsAnEvent: {"Context/EndedBefore"},
		advancesAtTheAck:       {"Close/OfOneReceiverAlone", "Names/NewOneStartsAtTheFirst", "Context/EndedBefore", "Order/OfOneTopic"},
		splitsEvents:           {"Topics/AreApart", "Ack/UnackedComeAgain", "Ack/Cumulative", "Names/AreIndependent"},
		acksGoBack:             {"Ack/IdempotentAndForwardOnly", "Ack/OnlyWhatThisReceiverGot"},
		acksCountEach: {
			"Names/TwoReceiversOfOneName", "Ack/Cumulative", "Names/AreIndependent", "Ack/IdempotentAndForwardOnly",
			"Ack/NothingIsLostAcrossReceivers",
		},
		acksWhatOthersGot: {"Advance/OneAtATime", "Names/TwoReceiversOfOneName", "FromLatest/KnownName", "Ack/UnackedComeAgain"},
		forgetsAcks:       {"Advance/OneAtATime", "Advance/BeforeTheAck", "Names/TwoReceiversOfOneName", "FromLatest/KnownName"},
	}
}

// TestPlantedStreamBugsAreCaught shows that every bug is noticed, and that no case is without a bug that it notices.
func TestPlantedStreamBugsAreCaught(t *testing.T) {
	byName := map[string]streamCase{}
	for _, c := range streamCases() {
		byName[c.name] = c
	}
	var (
		mu    sync.Mutex
		bites = map[string]bool{}
	)
	t.Run("bugs", func(t *testing.T) {
		for planted, names := range plantedStreamBugs() {
			t.Run(string(planted), func(t *testing.T) {
				if planted != spinsWhileParked {
					t.Parallel()
				}
				for _, name := range names {
					c, known := byName[name]
					if !known {
						t.Fatalf("there is no case %s", name)
					}
					failures := record(t, fmt.Sprintf("%s with a streamer that %s", name, planted), func(r *recorder) {
						c.run(&stream{T: r, s: newRefStream(planted)})
					})
					if len(failures) == 0 {
						t.Errorf("%s does not notice a streamer that %s", name, planted)
					}
					mu.Lock()
					bites[name] = true
					mu.Unlock()
				}
			})
		}
	})
	for name := range byName {
		if !bites[name] {
			t.Errorf("no planted bug is noticed by %s: nothing shows that it can fail", name)
		}
	}
}
