// Package demo is the command "stillwater demo": a shop's orders as durable runs on one SQLite file, from the order to its shipment.
//
// It owns the demo's workflow, its two tables in the store's file (demo_ledger and demo_meta), the orders (generated from a seed, or read
// from JSON lines) and the reconciliation at the end: each order has exactly one run, which was shipped or declined, and was
// charged exactly once if it was shipped. A run of the command that was killed goes on when the command is given again.
//
// Nothing is kept in memory for each order. Orders are made or read again whenever they are needed, a chunk at a time: to place them, and to
// compare them with what is on the disk. What belongs to no order shows in the totals.
//
// [Run] is the only door; the command line calls it. It fails with an error when it cannot do its work; a reconciliation that does not
// come out is no error but part of the [Summary].
package demo
