package tidy

// Rules returns every rule that looks at files, with its exceptions. To add an exception, name the narrowest place and say why
// the rule does not fit there; to add a rule, write its function and plant a source that breaks it in planted_test.go.
func Rules() []Rule {
	return []Rule{
		{Name: "imports-point-down", Find: ImportsPointDown},
		{Name: "no-testing-imported", Find: NoTestingImported},
		{Name: "modules-wired", Find: ModulesWired, Allow: Exceptions{
			"benchmarks/peers": "the workspace would lift every module to the highest versions that any peer asks for; the harness builds them without it",
		}},

		{Name: "no-init", Find: NoInit},
		{Name: "no-mutable-globals", Find: NoMutableGlobals},
		{Name: "package-names", Find: PackageNames},
		{Name: "interface-sizes", Find: InterfaceSizes},
		{Name: "file-sizes", Find: FileSizes},
		{Name: "func-sizes", Find: FuncSizes},

		{Name: "no-sleep", Find: NoSleep},
		{Name: "time-through-the-clock", Find: TimeThroughTheClock, Allow: realTime()},
		{Name: "no-ticker-in-tests", Find: NoTickerInTests, Allow: polls()},
		{Name: "no-skip", Find: NoSkip},

		{Name: "errors-wrapped", Find: ErrorsWrapped},
		{Name: "exported-documented", Find: ExportedDocumented, Allow: Exceptions{
			"adapters/adaptertest/t.go": "the methods of testing.T, which says what they do",
		}},
		{Name: "packages-documented", Find: PackagesDocumented},
		{Name: "named-errors-exist", Find: NamedErrorsExist},
		{Name: "named-pages-exist", Find: NamedPagesExist},
		{Name: "clean-text", Find: CleanText},
		{Name: "changelog-shape", Find: ChangelogShape},
	}
}

// realTime lists where the machine's own time is right: the clock itself, and limits that must hold when the clock is wrong or
// stands still.
func realTime() Exceptions {
	return Exceptions{
		"backend/classic.go": "the real clock itself",

		"adapters/adaptertest":                "suites for tests: they wait for signals, and a real limit ends a wait that would hang",
		"adapters/sqlite/change.go:Now":       "when an outbox event was stored on this machine; nothing is timed by it",
		"adapters/sqlite/roles.go":            "the safety net of a waiting role is a real interval; the epoch is a mere number",
		"adapters/sqlite/timeoutstore.go:Now": "when a classic timeout was stored on this machine; nothing is timed by it",
		"adapters/sqlite/migrate.go:Now":      "when a migration ran on this machine is no time of a workflow",
		"adapters/sqlite/open.go":             "waiting for another process's lock has a real limit",
		"adapters/sqlite/txsession.go":        "the limit of a user's function inside the commit holds whatever the clock says",
		"adapters/sqlite/watch.go":            "the fallback where nothing can notify is a real interval",
		"adapters/sqlite/writer.go:Now":       "the busy timeout is a real wait for another process",
		"benchmarks":                          "what they measure is real time",
		"internal/engine/act.go:NewTimer":     "how long a handler may ignore the end of its context is real time",
		"internal/engine/await.go":            "the safety net of stores that cannot notify is a real interval",
		"internal/engine/dispatch.go":         "the pause after a failing store is real, whatever the clock",
		"internal/engine/due.go:After":        "the pause after a failing store is real, whatever the clock",
		"internal/engine/flow.go:NewTimer":    "shutdown has a real limit",
		"internal/engine/watchdog.go":         "the deadlines of attempts are in real time",
		"internal/engine/work.go":             "how long an attempt takes, and may take, is real time",
		"internal/shim/wait.go":               "the pauses after a failing part are real, whatever the clock",
		"workflowtest/bubble.go:After":        "inside a bubble the machine's time is the virtual one",
		"workflowtest/clock.go:NewTimer":      "a helper for tests must end although the test's clock stands still",
		"testing.go:NewTimer":                 "a helper for tests must end although the test's clock stands still",
	}
}

// polls lists the tests that may look again and again.
func polls() Exceptions {
	return Exceptions{
		"adapters/memstreamer/helpers_test.go": "whether goroutines are parked is known to the runtime alone, which sends no signal",
	}
}
