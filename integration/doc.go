// Package integration proves with real processes what no test in one process can: that nothing is lost, doubled or left half done when
// a process is killed at any moment (kill -9), and that a process with nothing to do does nothing.
//
// It holds tests alone. The everyday suite makes a few hundred kills; STILLWATER_KILLS sets another number, as make kill does.
package integration
