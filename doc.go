// Package workflow runs durable, typed, event-driven workflows inside your program.
//
// A workflow is a state machine over your own types: an object, a status, and functions that take a run from one status to the
// next. Every transition is committed together with its event; what waits is parked and woken by the commit. A run survives
// whatever happens to the program: it goes on where its last commit left it.
//
// # The nouns
//
// A run is one execution, for a foreign id of yours. A step is the function that is called when a run enters a status. A callback is
// called when somebody outside has something for the run, a timeout when its time has come, a hook when a run was paused, cancelled or
// completed, a connector for the events of another system. A schedule starts runs at the times of a spec.
//
// # What is promised
//
// A trigger or transition that was reported as done is on disk. Per run, versions are 1, 2, 3, … without gap, and each is one move along
// the graph that you declared. Your code runs at least once for each version, its effect on the run is stored at most once. A run that
// fails is tried again on its own clock, with growing waits, and finally paused with the reason; it never holds up another.
//
// # Where it runs
//
// BuildOn takes a backend: memory for tests, sqlite for one machine. Build takes classic parts: a stream, a store and a scheduler.
package workflow
