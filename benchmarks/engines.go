package main

import (
	"fmt"
	"strings"

	"github.com/stillwater-go/workflow/benchmarks/load"
	"github.com/stillwater-go/workflow/benchmarks/raw"
)

// kind says what a line of the table is.
type kind string

const (
	kindOurs  kind = "ours"
	kindLimit kind = "limit"
	kindPeer  kind = "peer"
)

// store says where an engine keeps its runs. Only engines of the same store are compared with each other.
type store string

const (
	inMemory   store = "memory"
	onSQLite   store = "SQLite"
	onPostgres store = "Postgres"
)

// engine is one line of the table. To add one of ours, give it a task; to add a peer, make a module below peers and name it here.
type engine struct {
	name  string
	label string
	kind  kind
	store store
	// task measures it in a child of this program; nil for a peer.
	task load.Task
	// peer is the folder below peers with the program that measures it.
	peer string
	// asked is set for what is measured only where it is asked for by name.
	asked bool
}

// engines returns everything that can be measured, in the order of the table.
func engines() []engine {
	return []engine{
		{name: "memory", label: "Stillwater, memory", kind: kindOurs, store: inMemory, task: ours(256, openMemory)},
		{name: "classic", label: "Stillwater, classic triple", kind: kindOurs, store: inMemory, task: classicTriple(256)},
		{name: "sqlite", label: "Stillwater, SQLite", kind: kindOurs, store: onSQLite, task: ours(1024, openSQLite)},

		{name: "fsync", label: "4 KiB appended and forced", kind: kindLimit, store: onSQLite, task: raw.Fsync},
		{name: "raw-sqlite", label: "the same rows, no engine", kind: kindLimit, store: onSQLite, task: raw.Sweep},
		{name: "raw-forms", label: "every form of the statements", kind: kindLimit, store: onSQLite, task: raw.Compare, asked: true},

		{name: "dbos-sqlite", label: "DBOS, SQLite", kind: kindPeer, store: onSQLite, peer: "dbos"},
		{name: "dbos-postgres", label: "DBOS, Postgres", kind: kindPeer, store: onPostgres, peer: "dbos"},
		{name: "temporal-memory", label: "Temporal, SQLite in memory", kind: kindPeer, store: inMemory, peer: "temporal"},
		{name: "temporal-sqlite", label: "Temporal, SQLite", kind: kindPeer, store: onSQLite, peer: "temporal"},
		{name: "temporal-postgres", label: "Temporal, Postgres", kind: kindPeer, store: onPostgres, peer: "temporal"},
		{name: "river-sqlite", label: "River, chain of jobs, SQLite", kind: kindPeer, store: onSQLite, peer: "river"},
		{name: "river-resumable-sqlite", label: "River, resumable job, SQLite", kind: kindPeer, store: onSQLite, peer: "river"},
		{name: "river-postgres", label: "River, chain of jobs, Postgres", kind: kindPeer, store: onPostgres, peer: "river"},
		{name: "river-resumable-postgres", label: "River, resumable job, Postgres", kind: kindPeer, store: onPostgres, peer: "river"},
	}
}

func names() []string {
	var list []string
	for _, e := range engines() {
		list = append(list, e.name)
	}
	return list
}

// tasks are those that a child of this program knows.
func tasks() map[string]load.Task {
	m := map[string]load.Task{}
	for _, e := range engines() {
		if e.task != nil {
			m[e.name] = e.task
		}
	}
	return m
}

// choose returns the engines that a list names, or all.
func choose(list string) ([]engine, error) {
	all := engines()
	if list == "" {
		var usual []engine
		for _, e := range all {
			if !e.asked {
				usual = append(usual, e)
			}
		}
		return usual, nil
	}
	byName := map[string]engine{}
	for _, e := range all {
		byName[e.name] = e
	}
	var chosen []engine
	for name := range strings.SplitSeq(list, ",") {
		e, ok := byName[strings.TrimSpace(name)]
		if !ok {
			return nil, fmt.Errorf("no engine %q; there are %s", name, strings.Join(names(), ", "))
		}
		chosen = append(chosen, e)
	}
	return chosen, nil
}
