//go:build race

package sqlite

// kills is how many child processes the crash test kills; the race detector makes each one slow.
const kills = 40
