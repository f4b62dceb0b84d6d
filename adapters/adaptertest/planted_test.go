package adaptertest

import (
	"fmt"
	"sync"
	"testing"
)

// bug is a mistake planted in the reference store.
type bug string

const (
	noBug                       bug = ""
	checksNoVersion             bug = "drops the version check"
	checksNoUniqueness          bug = "lets two unfinished runs in"
	pausedFreesTheForeignID     bug = "takes a paused run for an ended one"
	workflowsAreOne             bug = "mixes workflows"
	idsAreFolded                bug = "folds case and blanks of ids"
	losesALogEntry              bug = "loses a log entry"
	showsEntriesLate            bug = "shows an entry after its successor"
	losesHistory                bug = "loses a version of the history"
	reusesAPosition             bug = "reuses a position"
	keepsAFailedMembersDelivery bug = "keeps a failed member's delivery"
	badMemberFailsTheBatch      bug = "fails the batch for a bad member"
	aliasesTheObject            bug = "aliases the caller's object"
	recordsAreRecycled          bug = "writes into records that were read"
	dropsTheVisit               bug = "does not store the visit"
	objectsAreText              bug = "takes objects for text"
	timesAreMicroseconds        bug = "stores times in microseconds"
	timesWrapAround             bug = "lets absurd times wrap around"
	validatesNothing            bug = "validates nothing"
	conflictsSayNothing         bug = "says nothing about a conflict"
	inProgressNamesNobody       bug = "names no run in the way"
	fromIsForgotten             bug = "forgets where a run came from"
	latestIsLastUpdated         bug = "takes the last updated for the latest"
	listIsByRunID               bug = "lists by run id"
	offsetCountsAll             bug = "counts the offset before the filters"
	filtersAreIgnored           bug = "ignores filters"
	headStartsAtOne             bug = "has a head beyond the end"
	logPagesFromTheEnd          bug = "reads the newest page first"
	nothingIsCurrent            bug = "says of no entry that it is current"
	everythingIsCurrent         bug = "says of every entry that it is current"
	nothingIsHeld               bug = "says of no entry that deliveries are held"
	lookupLags                  bug = "looks up behind the log"
	tearsBatches                bug = "shows half a batch"
	historyIgnoresAfter         bug = "pages the history from its start"
	historyOfAnybody            bug = "gives another run's history"
	scrubsNothing               bug = "scrubs nothing"
	scrubsOnlyTheHistory        bug = "scrubs the history and not the log"
	forgetsAttempts             bug = "forgets attempts"
	attemptsNewestFirst         bug = "gives the newest attempt first"
	dueOrderIsByRun             bug = "orders due deliveries by run"
	dueMarkIsATime              bug = "skips equal times at a page's end"
	givenUpIsDue                bug = "takes what is given up for due"
	dueOnceIsDueAlways          bug = "never moves a due time"
	dataIsOverwritten           bug = "writes into data that was read"
	doneIsForgotten             bug = "does not take deliveries away"
	losesDeliveriesOfRecords    bug = "loses a delivery that comes with a record"
	cursorsGoBack               bug = "moves cursors back"
	savesOneCursor              bug = "saves one cursor of many"
	newCursorsStartAtTheEnd     bug = "starts a new role at the end"
	trimsTooEarly               bug = "trims what one cursor has passed"
	txIsForgotten               bug = "does not run the transaction's function"
	txFailuresAreIgnored        bug = "ignores the transaction's failure"
	cancelIsALie                bug = "stores and says cancelled"
	answersAfterClose           bug = "answers after close"
	closeTwiceFails             bug = "fails a second close"
	watchIsDeaf                 bug = "does not tell of others' entries"
	watchGoesOn                 bug = "calls a watch that has ended"
	stopDoesNotWait             bug = "does not wait for a running watch"
	grantsToTwo                 bug = "grants a role to two"
	nobodyIsNext                bug = "hands roles to nobody"
	leaveDoesNotWait            bug = "leaves while granted runs"
	leaveEndsNoContext          bug = "leaves the grant's context open"
	leaveTwiceTakesTwo          bug = "takes roles from another on a second leave"
	waiterStaysInTheQueue       bug = "keeps who left in the queue"
	rolesOfAllWorkflows         bug = "has one role for all workflows"
	epochsStandStill            bug = "does not count epochs"
	zeroStaysZeroAlways         bug = "lets version 0 wipe a version"
	zeroIsCounted               bug = "counts versions of version 0"
	zeroIsUnique                bug = "holds version 0 to the uniqueness rule"
	storesNoOutbox              bug = "stores no outbox event"
	outboxIsAStack              bug = "lists the newest outbox event first"
	restartForgetsAttempts      bug = "forgets attempts in a restart"
	restartForgetsCursors       bug = "forgets cursors in a restart"
	restartReusesPositions      bug = "reuses positions after a restart"
	restartForgetsDeliveries    bug = "forgets deliveries in a restart"
	restartSortsRuns            bug = "forgets the order of creation in a restart"
	crashLosesTheLastCommit     bug = "loses the last commit in a crash"
	crashKeepsRoles             bug = "keeps a dead process's roles"
	spinsWhileIdle              bug = "spins while idle"
)

// TestReferencePasses shows that the suite can be passed.
func TestReferencePasses(t *testing.T) {
	Run(t, func(*testing.T) Store { return newReference(noBug) }, Guarantees{})
}

// plantedBugs are all bugs, each with cases of which every one has to notice it.
func plantedBugs() map[bug][]string {
	all := map[bug][]string{}
	for _, some := range []map[bug][]string{
		bugsOfWriting(), bugsOfReading(), bugsOfKeeping(), bugsOfTelling(), bugsOfGuarding(), bugsOfScrubbing(), bugsOfQuerying(), bugsOfErasing(),
	} {
		for planted, names := range some {
			all[planted] = append(all[planted], names...)
		}
	}
	return all
}

func bugsOfWriting() map[bug][]string {
	return map[bug][]string{
		checksNoVersion: {
			"Version/NextVersionOfAnUnknownRun", "Batch/FollowersOfABadMember", "Delivery/FailedChangeHoldsNothing", "RecordStore/VersionRule",
			"Version/FirstVersionOfAKnownRun", "Batch/TwoWritersOfOneVersion", "Batch/ManyAtOnce", "RecordStore/VersionOneOverVersionZero",
			"RecordStore/RacesWithCommit", "Peer/OneWinnerPerVersion",
		},
		checksNoUniqueness: {
			"Batch/TwoTriggersOfOneForeignID", "Peer/OneRunPerForeignID", "Race/OneRunPerForeignID", "Commit/InProgressNamesTheRun",
			"Log/RefusedChangesLeaveNoEntry", "Batch/EndAndSuccessor",
		},
		pausedFreesTheForeignID: {"Commit/EveryUnfinishedStateHoldsTheForeignID"},
		workflowsAreOne:         {"Commit/NotFound", "Commit/WorkflowsDoNotShareForeignIDs", "Delivery/DueOfOneWorkflow", "Cursor/DefaultIsBeforeTheFirstEvent"},
		idsAreFolded:            {"List/FilterValuesAreExact", "IDs/OddOnesAreKeptApart"},
		losesALogEntry:          {"RecordStore/VersionZeroStaysZero", "Peer/WatchWakes", "Race/ReadersSeeWholeCommits", "Log/PositionsGrow", "Log/NothingAppearsBehindAReader", "Peer/LogOfBoth"},
		showsEntriesLate:        {"Log/NothingAppearsBehindAReader"},
		losesHistory: {
			"Peer/WatchWakes", "Race/ReadersSeeWholeCommits", "Log/PositionsGrow", "Commit/SecondRunAfterTheFirstEnded",
			"Commit/CallersBytesAreTheirOwnAfterReading", "Version/FinishedRunMovesOnlyByVersion", "Batch/WholeLifeOfARun",
			"Cursor/LogGoesOnBehindThem",
		},
		reusesAPosition: {"RecordStore/VersionZeroStaysZero", "Peer/WatchWakes", "Race/ReadersSeeWholeCommits", "Log/PositionsGrow"},
		keepsAFailedMembersDelivery: {
			"Delivery/FailedChangeHoldsNothing", "Batch/AllMembersBad", "Tx/FailureIsItsOwn", "Tx/PanicIsItsOwn",
			"Version/StaleWriterAfterALongWait", "Version/ConflictLeavesNoTrace",
		},
		badMemberFailsTheBatch: {
			"Version/NextVersionOfAnUnknownRun", "Batch/TwoTriggersOfOneForeignID", "IDs/InvalidOnesAreRefused", "Peer/OneRunPerForeignID",
			"Tx/WrongTypeIsRefused",
		},
		aliasesTheObject: {"Fields/ObjectsMayBeReusedAfterRecordStoreStore"},
	}
}

func bugsOfReading() map[bug][]string {
	return map[bug][]string{
		recordsAreRecycled:   {"Cancel/BeforeTheCommit", "Fields/ObjectsMayBeReusedAfterRecordStoreStore", "Delivery/DueOrder", "RecordStore/SeesCommits"},
		dropsTheVisit:        {"Commit/NewRunIsReadBack", "Commit/DeliveriesAloneMakeNoVersion", "IDs/LongestAreStored", "Cancel/BeforeTheRead"},
		objectsAreText:       {"Commit/EveryFieldOfEveryVersion", "Fields/Objects"},
		timesAreMicroseconds: {"Commit/NewRunIsReadBack", "Commit/DeliveriesAloneMakeNoVersion", "Delivery/HoldAndDoneOfOneKey", "Delivery/DueMoves"},
		timesWrapAround:      {"Fields/AbsurdTimes"},
		validatesNothing: {
			"RecordStore/InvalidAndTooLarge", "IDs/InvalidOnesAreRefused", "Fields/TooLarge", "IDs/InvalidNextVersionIsRefused",
			"Batch/BadMembersHarmNoOther",
		},
		conflictsSayNothing:   {"Version/Conflicts", "Version/NextVersionOfAnUnknownRun"},
		inProgressNamesNobody: {"Commit/InProgressNamesTheRun", "Race/OneRunPerForeignID", "Race/OneRunAfterTheFirstEnded"},
		fromIsForgotten:       {"Cancel/BeforeTheCommit", "Delivery/DueOrder", "RecordStore/SeesCommits", "RecordStore/LogEntryOfAStore"},
		latestIsLastUpdated:   {"Commit/SecondRunAfterTheFirstEnded", "Commit/LatestIsTheNewestCreated"},
		listIsByRunID:         {"List/OrderAndPaging", "List/Filters", "Restart/KeepsEverything", "Crash/KeepsEverything"},
		offsetCountsAll:       {"List/OrderAndPaging", "List/Filters"},
		filtersAreIgnored:     {"List/Filters", "List/FilterValuesAreExact", "IDs/OddOnesAreKeptApart"},
		headStartsAtOne:       {"Commit/EmptyBatch", "Log/Empty", "Log/WatchIsNotForOwnCommits", "List/OfUnknown", "Restart/Empty"},
		logPagesFromTheEnd:    {"Log/Paging"},
		nothingIsCurrent:      {"Log/SaysWhatIsCurrentAndHeld", "Commit/NewRunIsReadBack"},
		everythingIsCurrent:   {"Log/SaysWhatIsCurrentAndHeld", "History/PresentVersion"},
		nothingIsHeld:         {"Log/SaysWhatIsCurrentAndHeld", "Delivery/WithARecord"},
		lookupLags: {
			"Delivery/DueOfOneWorkflow", "Delivery/DataIsTheStores", "Delivery/HeldIsNotDue", "History/PresentVersion", "Fields/Statuses",
			"Fields/LongAndOddTexts", "Delivery/DoneOfUnknown",
		},
		tearsBatches:         {"Race/ReadersSeeWholeCommits"},
		historyIgnoresAfter:  {"History/Paging"},
		historyOfAnybody:     {"History/OfUnknownRun"},
		scrubsNothing:        {"History/Scrub", "History/ScrubInOneBatch"},
		scrubsOnlyTheHistory: {"History/Scrub", "History/ScrubInOneBatch"},
	}
}

func bugsOfKeeping() map[bug][]string {
	return map[bug][]string{
		forgetsAttempts:     {"History/Attempts", "History/AttemptAloneMakesNoVersion", "Restart/KeepsEverything", "Crash/KeepsEverything"},
		attemptsNewestFirst: {"History/Attempts", "Restart/KeepsEverything", "Crash/KeepsEverything"},
		dueOrderIsByRun:     {"Delivery/DueOrder", "Delivery/DuePaging", "Delivery/DueMarks", "Fields/Times"},
		dueMarkIsATime:      {"Batch/Large", "Delivery/DuePaging", "Delivery/DueMarks"},
		givenUpIsDue:        {"Delivery/HeldIsNotDue"},
		dueOnceIsDueAlways:  {"Delivery/HoldUpdateDone", "Delivery/HeldIsNotDue", "Delivery/DueMoves"},
		dataIsOverwritten:   {"Delivery/DataIsTheStores"},
		doneIsForgotten: {
			"Delivery/HoldAndDoneOfOneKey", "Delivery/HoldUpdateDone", "Delivery/WithARecord", "Delivery/KeysAreKeptApart",
			"Race/OneWinnerPerVersion", "Batch/TwoVersionsOfOneRun",
		},
		losesDeliveriesOfRecords: {"Delivery/WithARecord", "Fields/Times", "Batch/Large", "Cancel/Storm", "Peer/SeesCommits"},
		cursorsGoBack:            {"Cursor/ForwardOnly", "Cursor/SavedBySeveralAtOnce", "Peer/Cursors"},
		savesOneCursor:           {"Cursor/ManyInOneSave", "Peer/Cursors", "Restart/Again"},
		newCursorsStartAtTheEnd: {
			"Cursor/DefaultIsBeforeTheFirstEvent", "Cursor/ManyInOneSave", "Cursor/LogKeepsWhatOthersHaveNotPassed", "Crash/KeepsEverything",
		},
		trimsTooEarly:        {"Cursor/ForwardOnly", "Cursor/ManyInOneSave", "Cursor/LogKeepsWhatOthersHaveNotPassed", "Crash/KeepsEverything"},
		txIsForgotten:        {"Tx/RunsInsideTheCommit", "Tx/FailureIsItsOwn", "Tx/PanicIsItsOwn", "Tx/HangIsCutOff"},
		txFailuresAreIgnored: {"Tx/FailureIsItsOwn", "Tx/PanicIsItsOwn", "Tx/HangIsCutOff"},
		cancelIsALie:         {"Cancel/BeforeTheCommit", "Cancel/Storm", "RecordStore/CancelledStore"},
		answersAfterClose:    {"Close/ThenErrClosed"},
		closeTwiceFails:      {"Close/ThenErrClosed", "Close/Twice"},
	}
}

func bugsOfTelling() map[bug][]string {
	return map[bug][]string{
		watchIsDeaf:              {"Log/WatchSeesAPlainStore", "Log/WatchEnds", "Log/WatchStopWaits", "Peer/WatchWakes"},
		watchGoesOn:              {"Log/WatchEnds"},
		stopDoesNotWait:          {"Log/WatchEnds", "Log/WatchStopWaits"},
		grantsToTwo:              {"Role/NextGetsThem", "Role/TwentyContenders", "Peer/Roles"},
		nobodyIsNext:             {"Role/NextGetsThem", "Role/LeaveTwice", "Role/TwentyContenders", "Peer/Roles"},
		leaveDoesNotWait:         {"Role/LeaveWaitsForGranted"},
		leaveEndsNoContext:       {"Role/OneGetsAll", "Role/WorkflowsAreApart", "Crash/FreesRoles", "Role/NextGetsThem"},
		leaveTwiceTakesTwo:       {"Role/LeaveTwice"},
		waiterStaysInTheQueue:    {"Role/LeaveWhileWaiting"},
		rolesOfAllWorkflows:      {"Role/WorkflowsAreApart"},
		epochsStandStill:         {"Role/NextGetsThem", "Role/LeaveTwice", "Role/TwentyContenders", "Role/JoinAndLeaveAtOnce"},
		zeroStaysZeroAlways:      {"RecordStore/VersionZeroOverAVersionedRow", "RecordStore/UniquenessRule"},
		zeroIsCounted:            {"RecordStore/VersionZeroStaysZero"},
		zeroIsUnique:             {"RecordStore/VersionZeroIsOutsideTheUniquenessRule"},
		storesNoOutbox:           {"RecordStore/Outbox"},
		outboxIsAStack:           {"RecordStore/Outbox"},
		restartForgetsAttempts:   {"Restart/KeepsEverything"},
		restartForgetsCursors:    {"Restart/KeepsEverything", "Restart/Again"},
		restartReusesPositions:   {"Restart/KeepsEverything", "Restart/Again", "Restart/WithWorkInFlight"},
		restartForgetsDeliveries: {"Restart/KeepsEverything"},
		restartSortsRuns:         {"Restart/KeepsEverything"},
		crashLosesTheLastCommit:  {"Crash/KeepsEverything"},
		crashKeepsRoles:          {"Crash/FreesRoles"},
		spinsWhileIdle:           {"Idle/CostsNothing"},
	}
}

// TestPlantedBugsAreCaught shows that every bug is noticed, and that no case is without a bug that it notices.
func TestPlantedBugsAreCaught(t *testing.T) {
	byName := map[string]testCase{}
	for _, c := range allCases() {
		byName[c.name] = c
	}
	var (
		mu    sync.Mutex
		bites = map[string]bool{}
	)
	t.Run("bugs", func(t *testing.T) {
		for planted, names := range plantedBugs() {
			t.Run(string(planted), func(t *testing.T) {
				if planted != spinsWhileIdle {
					t.Parallel()
				}
				for _, name := range names {
					c, known := byName[name]
					if !known {
						t.Fatalf("there is no case %s", name)
					}
					failures := record(t, fmt.Sprintf("%s with a store that %s", name, planted), func(r *recorder) {
						runCase(r, newReference(planted), Guarantees{}, c)
					})
					if len(failures) == 0 {
						t.Errorf("%s does not notice a store that %s", name, planted)
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
