// Package load is what every measured engine shares: the work, the scenarios, and the few lines of JSON by which a child process is told
// what to measure and says what it measured.
//
// It imports the standard library alone and is a module of its own, so that the module of a peer can use it without taking over any version
// of ours. A program that is measured calls [Main] with its engines by name.
package load
