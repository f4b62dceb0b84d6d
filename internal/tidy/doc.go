// Package tidy holds the rules of this repository as code, so that an ordinary test can keep them: which package may import
// which, where time may come from, how long a file may grow, what must be documented.
//
// A rule is a function from a [Repo] to findings. [Rules] lists them all, each with its exceptions and the reason for every one;
// an exception that excuses nothing any more is a finding too. The test of this package runs the rules over the repository that
// it stands in, and every rule over planted sources that break it, because a rule that cannot fail keeps nothing.
//
// Nothing outside this package's tests uses it. It reads files and, for the dependency rules, runs the go command; it changes
// nothing. It fails with what reading or the go command failed with; a file that does not parse is a finding.
package tidy
