package adaptertest

import (
	"strings"
	"testing"
	"time"
)

func TestZZDiscover(t *testing.T) {
	all := []streamBug{noStreamBug, declaresNothing, mixesTopics, mixesNames, mixesCursorsOfTopics, swapsEvents, losesUnderLoad, keepsTheSendersMap, sharesHeaders, dropsEmptyHeaders, sendsAfterClose, sendsAndSaysCancelled, wakesNobody, closeEndsTheTopic, closeWakesNobody, closeLosesTheCursor, closeAcks, closedForOtherReasons, latestAlwaysWins, ignoresFromLatest, fromLatestIsOneLate, storesNoCursorAtOpen, newNamesStartAtTheEnd, spinsWhileParked, deafToItsContext, contextErrorIsItsOwn, contextEndSkipsAnEvent, advancesAtTheAck, splitsEvents, acksGoBack, acksCountEach, acksWhatOthersGot, forgetsAcks}
	never := map[string]bool{}
	for _, c := range streamCases() {
		never[c.name] = true
	}
	for _, p := range all {
		var by []string
		for _, c := range streamCases() {
			if (p == spinsWhileParked || p == deafToItsContext) != strings.HasPrefix(c.name, "Idle") && !strings.HasPrefix(c.name, "Context") {
				continue
			}
			el := stopwatch()
			f := record(t, c.name+" "+string(p), func(r *recorder) { c.run(&stream{T: r, s: newRefStream(p)}) })
			if d := el(); d > 3*time.Second {
				t.Logf("SLOW %s %s %v", p, c.name, d)
			}
			if len(f) > 0 {
				by = append(by, c.name)
				delete(never, c.name)
			}
		}
		t.Logf("BUG %s | %d | %s", p, len(by), strings.Join(by, " "))
	}
	for n := range never {
		t.Logf("NEVER %s", n)
	}
}
