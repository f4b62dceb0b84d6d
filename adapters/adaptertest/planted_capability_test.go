package adaptertest

// Mistakes in guards, signals, scrubbing, the history's bounds, queries and erasure.
const (
	expectsNothing           bug = "ignores the version that a change expects"
	expectsOnlyOfTheLiving   bug = "takes a change that expects a version of nobody"
	expectsOnlyOfAttempts    bug = "looks at the expected version of attempts only"
	countsSignalsTwice       bug = "takes a signal twice"
	recordsCountSignalsTwice bug = "takes a signal twice that comes with a version"
	seesEverySignal          bug = "has seen every signal"
	signalsAnybody           bug = "takes a signal to nobody"
	signalsAreForAll         bug = "remembers signals for all runs"
	signalIDsAreFolded       bug = "folds case and blanks of signal ids"
	duplicatesNameNobody     bug = "names no run that has had a signal"
	remembersBeforeJudging   bug = "remembers signals before it has stored them"
	signalsEndWithTheRun     bug = "forgets signals when a run ends"
	signalsHaveVersions      bug = "loses signals numbered beyond the run's version"
	restartForgetsSignals    bug = "forgets signals in a restart"
	crashForgetsSignals      bug = "forgets signals in a crash"
	dropsTheDeadline         bug = "does not store the deadline"

	scrubsNoReasons     bug = "leaves reasons when it scrubs"
	scrubsEveryReason   bug = "empties the newest version's reason"
	scrubsStatuses      bug = "scrubs what has to stay of a version"
	scrubsNoAttempts    bug = "leaves the errors of attempts when it scrubs"
	scrubsNoDeliveries  bug = "leaves the data of deliveries when it scrubs"
	scrubsAllDeliveries bug = "removes deliveries when it scrubs"
	scrubsNoSignals     bug = "leaves signals when it scrubs"
	scrubsNoSignalIDs   bug = "leaves signal ids when it scrubs"
	scrubsLast          bug = "scrubs what came with the deletion"

	trimsNothing         bug = "keeps the objects of all versions"
	trimsTooMuch         bug = "keeps too few objects"
	trimsSecretly        bug = "drops objects without saying so"
	trimsBeforeTheCursor bug = "drops objects that a cursor has not passed"
	trimsUnderHooks      bug = "drops objects that a hook is to be given"

	reasonsAreFolded      bug = "folds the case of reasons"
	reasonsArePatterns    bug = "takes reasons for patterns"
	updatedIsCreated      bug = "takes the time of creation for the last version's"
	foreignIDsAreAList    bug = "splits foreign ids at commas"
	keysArePlaces         bug = "pages by place"
	keysAreReused         bug = "gives a key again"
	restartCountsKeysAnew bug = "counts keys anew after a restart"
	findsOneWorkflow      bug = "finds nothing of all workflows"
	findsUpwards          bug = "finds the oldest first always"
	noLimitIsAll          bug = "finds all when asked for none"
	countsAll             bug = "counts without filters"
	countsByRunState      bug = "orders counts by run state"
	queuedIsGivenUp       bug = "takes what is queued for given up"
	heldPagesAreOfRuns    bug = "pages what is given up by run"
	heldOrderIsByVersion  bug = "orders what is given up by version"

	erasesNobody         bug = "says of nobody that it was erased"
	erasesAnyVersion     bug = "erases a run that has moved"
	erasesTheUnfinished  bug = "erases unfinished runs"
	badErasureFailsAll   bug = "fails all erasures for a bad one"
	erasesNoLog          bug = "leaves log entries of erased runs"
	erasesNoHistory      bug = "leaves the history of erased runs"
	erasesNoAttempts     bug = "leaves attempts of erased runs"
	erasesNoSignals      bug = "leaves signal ids of erased runs"
	erasesNoDeliveries   bug = "leaves deliveries of erased runs"
	erasesAllDeliveries  bug = "erases deliveries of others"
	erasesNoOutbox       bug = "leaves outbox events of erased runs"
	erasesForeignIDs     bug = "erases all runs of a foreign id"
	erasesInMemoryOnly   bug = "brings the erased back in a restart"
	headGoesBack         bug = "lets the head go back"
	endedMarksAreOffsets bug = "skips runs while others are erased"
	endedMeansOld        bug = "takes old runs for ended ones"
	endedIsInclusive     bug = "takes a run as old as the time for older"
	endedSaysNotWhen     bug = "says not when the next is due"
	endedStopsAfterAPage bug = "ends after a page of ended runs"
	endedNewestFirst     bug = "lists the newest of the ended first"

	dueWatchIsDeaf bug = "does not tell of others' due deliveries"
)

func bugsOfGuarding() map[bug][]string {
	return map[bug][]string{
		expectsNothing: {
			"Guard/ExpectedVersion", "Guard/RefusedLeavesNoTrace", "Guard/UnknownRun", "Guard/InOneBatch", "Guard/RacesWithAStep", "Peer/GuardRace",
			"Signal/RefusedIsNotRemembered",
		},
		expectsOnlyOfTheLiving: {"Guard/UnknownRun"},
		expectsOnlyOfAttempts:  {"Guard/ExpectedVersion", "Guard/InOneBatch"},
		countsSignalsTwice: {
			"Signal/IDOncePerRun", "Signal/IDsAreExact", "Signal/TwiceInOneBatch", "Signal/WithARecord", "Signal/AsLongAsTheRun", "Signal/OneWins",
			"Peer/OneSignalWins", "Scrub/ForgetsSignalIDs",
		},
		recordsCountSignalsTwice: {"Signal/WithARecord"},
		seesEverySignal:          {"Signal/Seen"},
		signalsAnybody:           {"Signal/UnknownRun"},
		signalsAreForAll:         {"Signal/IDOncePerRun"},
		signalIDsAreFolded:       {"Signal/IDsAreExact"},
		duplicatesNameNobody:     {"Signal/IDOncePerRun", "Signal/OneWins"},
		remembersBeforeJudging:   {"Tx/SignalOfAFailure"},
		signalsEndWithTheRun:     {"Signal/AsLongAsTheRun"},
		signalsHaveVersions:      {"Signal/VersionsAreTheirOwn", "Held/OrderAndPages"},
		restartForgetsSignals:    {"Restart/KeepsSignalIDs"},
		crashForgetsSignals:      {"Crash/KeepsSignalIDs"},
		dropsTheDeadline:         {"Fields/Deadline"},
	}
}

func bugsOfScrubbing() map[bug][]string {
	return map[bug][]string{
		scrubsNothing:        {"Scrub/LeavesNoPayload", "Scrub/KeepsTheStory", "Scrub/ForgetsSignalIDs", "Scrub/SurvivesARestart"},
		scrubsOnlyTheHistory: {"Scrub/LeavesNoPayload"},
		scrubsNoReasons:      {"Scrub/LeavesNoPayload", "Scrub/KeepsTheStory"},
		scrubsEveryReason:    {"Scrub/KeepsTheStory"},
		scrubsStatuses:       {"Scrub/KeepsTheStory"},
		scrubsNoAttempts:     {"Scrub/LeavesNoPayload", "Scrub/KeepsTheStory"},
		scrubsNoDeliveries:   {"Scrub/LeavesNoPayload", "Scrub/KeepsTheStory"},
		scrubsAllDeliveries:  {"Scrub/KeepsTheStory"},
		scrubsNoSignals:      {"Scrub/LeavesNoPayload", "Scrub/KeepsTheStory"},
		scrubsNoSignalIDs:    {"Scrub/ForgetsSignalIDs"},
		scrubsLast:           {"Scrub/KeepsWhatItBrings"},

		trimsNothing:         {"History/ObjectBound"},
		trimsTooMuch:         {"History/ObjectBound", "History/ObjectsStayForHooks"},
		trimsSecretly:        {"History/ObjectBound", "History/ObjectsStayForTheCursor"},
		trimsBeforeTheCursor: {"History/ObjectsStayForTheCursor"},
		trimsUnderHooks:      {"History/ObjectsStayForHooks"},
	}
}

func bugsOfQuerying() map[bug][]string {
	return map[bug][]string{
		filtersAreIgnored:     {"List/ExtendedFilters"},
		reasonsAreFolded:      {"Query/ReasonsAreExact", "List/ExtendedFilters"},
		reasonsArePatterns:    {"Query/ReasonsAreExact", "List/ExtendedFilters"},
		updatedIsCreated:      {"Query/Filters", "List/ExtendedFilters"},
		foreignIDsAreAList:    {"Query/ForeignIDsAreExact", "List/FilterValuesAreExact"},
		keysArePlaces:         {"Query/PagesStayRight", "Query/KeysStay", "Query/KeysSurviveARestart"},
		keysAreReused:         {"Query/KeysStay", "Query/KeysSurviveARestart"},
		restartCountsKeysAnew: {"Query/KeysSurviveARestart"},
		findsOneWorkflow:      {"Query/OrderAndPages", "Query/Filters", "Query/Count"},
		findsUpwards:          {"Query/OrderAndPages", "Query/Filters", "Query/PagesStayRight"},
		noLimitIsAll:          {"Query/OfUnknown"},
		countsAll:             {"Query/Count", "Query/Filters", "Query/ReasonsAreExact", "Query/ForeignIDsAreExact"},
		countsByRunState:      {"Query/Count"},
		queuedIsGivenUp:       {"Held/WhatIsGivenUp", "Delivery/HeldIsNotDue"},
		heldPagesAreOfRuns:    {"Held/OrderAndPages"},
		heldOrderIsByVersion:  {"Held/OrderAndPages"},
		workflowsAreOne:       {"Held/OfOneWorkflow", "Held/OfUnknown", "Erase/Ended"},
	}
}

func bugsOfErasing() map[bug][]string {
	return map[bug][]string{
		erasesNobody:         {"Erase/Verdicts", "Erase/NoneAndNothing"},
		erasesAnyVersion:     {"Erase/Verdicts", "Erase/RacesWithCommit"},
		erasesTheUnfinished:  {"Erase/Verdicts", "Erase/UnfinishedStates"},
		badErasureFailsAll:   {"Erase/Verdicts", "Erase/UnfinishedStates", "Erase/NoneAndNothing"},
		erasesNoLog:          {"Erase/LeavesNothing", "Erase/LogWithGaps", "Erase/SurvivesARestart"},
		erasesNoHistory:      {"Erase/LeavesNothing", "Erase/FreesTheIDs"},
		erasesNoAttempts:     {"Erase/LeavesNothing", "Erase/FreesTheIDs"},
		erasesNoSignals:      {"Erase/FreesSignalIDs"},
		erasesNoDeliveries:   {"Erase/LeavesNothing", "Erase/FreesTheIDs", "Erase/SurvivesACrash"},
		erasesAllDeliveries:  {"Erase/LeavesNothing"},
		erasesNoOutbox:       {"Erase/TakesOutboxEvents"},
		erasesForeignIDs:     {"Erase/LatestFallsBack"},
		erasesInMemoryOnly:   {"Erase/SurvivesARestart", "Erase/SurvivesACrash"},
		headGoesBack:         {"Erase/HeadStays"},
		endedMarksAreOffsets: {"Erase/EndedWhileErasing"},
		endedMeansOld:        {"Erase/Ended", "Erase/EndedWhileErasing"},
		endedIsInclusive:     {"Erase/Ended", "Erase/EndedWhileErasing"},
		endedSaysNotWhen:     {"Erase/EndedSaysWhenNext"},
		endedStopsAfterAPage: {"Erase/Ended", "Erase/EndedWhileErasing"},
		endedNewestFirst:     {"Erase/Ended"},
		cancelIsALie:         {"Erase/CancelledBefore"},

		dueWatchIsDeaf:  {"DueWatch/TellsOfWake", "DueWatch/Ends", "DueWatch/StopWaits"},
		watchGoesOn:     {"DueWatch/Ends"},
		stopDoesNotWait: {"DueWatch/StopWaits"},
	}
}
