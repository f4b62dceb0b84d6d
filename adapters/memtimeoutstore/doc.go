// Package memtimeoutstore keeps timeouts in the memory of one process, for tests and for programs whose runs need not outlive it.
//
// It owns the timeouts from Create until Cancel; completed ones stay, marked, and are still listed. What expires next is found without
// looking at the rest: per workflow and status the open timeouts are kept in the order of their expiry. It promises that every
// answer is a copy, that ids grow from 1, and that each call is atomic. The engine's timeout pump calls it. It fails
// with backend.ErrTimeoutNotFound for an id that it does not hold, and with the context's error once that has ended.
package memtimeoutstore
