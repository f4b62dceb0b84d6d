// Package workflow runs durable, typed, event-driven workflows inside your program.
//
// A workflow is a state machine over your own types: an object, a status, and functions that take a run from one status to the
// next. Every transition is committed together with its event; what waits is parked and woken by the commit. A run survives
// whatever happens to the program: it goes on where its last commit left it.
//
// # The nouns
//
// A run is one execution, for a foreign id of yours; [Workflow.Trigger] starts it: once for a start key, later, many at once, with a deadline. A step
// ([Builder.AddStep]) is the function that is called when a run enters a status. What comes from elsewhere moves a run too: a callback
// ([Builder.AddCallback]) from somebody who waits for the answer, a [Signal] that is kept until the run can hear it, a timeout
// ([Builder.AddTimeout]) when its time has come, a connector ([Builder.AddConnector]) for the events of another system. A schedule
// ([Workflow.Schedule]) starts runs at the times of a spec.
//
// A hook ([Builder.OnComplete], [Builder.OnStatus], …) is told what happened to runs, and with [TriggerHook] starts one of another workflow.
// [Workflow.Await] waits for a run, [Workflow.History] and [Workflow.Waiting] tell its story, and an [Operator] pauses, resumes, retries,
// forces, rewinds and erases from any process.
//
// # What is promised
//
// A trigger, transition, callback or signal that was reported as done is on disk. Per run, versions are 1, 2, 3, … without gap; each is one move along
// the graph that you declared, or an operator's. Your code runs at least once for each version, its effect on the run is stored at most
// once. A run that fails is tried again on its own clock, with growing waits, and finally paused with the reason; it never holds up another.
//
// # Where it runs
//
// [Builder.BuildOn] takes a backend: adapters/memory for tests, adapters/sqlite for one machine. [Builder.Build] takes classic parts, a stream, a store and
// a scheduler of your own, and says at debug level what they cannot promise.
//
// Guides for each of these are in docs/guides, and docs/architecture.md says how it works.
package workflow
