// Package memrolescheduler decides within one process who plays a role: one holder at a time, the others wait in line.
//
// It owns the roles that are held and the queues of those who wait; nothing outlives the process. It promises that a role has at
// most one holder whose context is alive, that waiters get it in the order in which they came, that waiting ends the moment
// the context does, and that a holder whose context ends gives the role back by itself. It starts no goroutine for a held or an
// awaited role. The engine calls it; several engines in one process may share one. The only failure is an ended
// context.
package memrolescheduler
