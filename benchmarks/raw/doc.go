// Package raw finds what the machine allows: it writes the rows that the SQLite adapter writes for the measured workflow, through the same
// driver with the same settings, without the adapter and without an engine.
//
// A test of package main compares the tables that this package leaves with those that the engine leaves, so that the limit is one of the same
// work. Several forms of the statements are known; [Forms] lists them, and the first is the adapter's own.
package raw
