// Package graph holds the graph of a workflow's statuses and what can be said about it before anything runs: where a run
// starts and ends, which moves were declared, what can still be reached, what is wrong.
//
// It owns no run and decides nothing about one; internal/machine does that and asks [Graph.Declared] and [Graph.Terminal].
// The builder fills a Graph while the workflow is declared, the typed shell draws it, and Await asks it whether a status
// can still come.
//
// # What is legal
//
// Every integer is a legal status, zero and negative ones too. A move may stay where it is, may go back, and may return to
// the start; several graphs side by side are one workflow with several starts. [Graph.Problems] reports only what can
// never work: a status that no run reaches, and statuses that no run leaves.
//
// # Drawings
//
// [Graph.Mermaid] leaves the layout to whoever renders it. [Graph.SVG] does it here: circles are broken, statuses ranked by the longest way,
// ranks ordered so that few lines cross, and everything gets whole coordinates, so that the bytes are the same on every machine. No line
// runs through a box and no box covers another. One drawing has at most 20,000 bends; lines beyond that are left out, and it says how many.
//
// # How it fails
//
// It does not: there is no I/O and no error. A question about a status that was never declared is answered with false.
// A Graph is filled by one goroutine; after that any number may read it at once.
package graph
