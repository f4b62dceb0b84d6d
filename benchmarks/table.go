package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

// column is one column of the table.
type column struct {
	title string
	cell  func(r *Results, m *Measured) string
}

// columns returns the table's columns behind the engine's name.
func columns() []column {
	plain := func(title, format string, figure func(*load.Outcome) (float64, bool)) column {
		return column{title, func(_ *Results, m *Measured) string { return number(format, over(m.Passes, figure)) }}
	}
	return []column{
		{"in flight", func(_ *Results, m *Measured) string { return inFlight(m) }},
		plain("runs/s", "%.0f", runsPerSecond),
		{"steps/s", func(_ *Results, m *Measured) string { return number("%.0f", throughput(m, load.Steps)) }},
		{"transitions/s", func(_ *Results, m *Measured) string { return number("%.0f", throughput(m, load.Transitions)) }},
		{"lowest–highest", func(_ *Results, m *Measured) string { return lowHigh(throughput(m, load.Steps)) }},
		{"of the raw limit", func(r *Results, m *Measured) string { return ofRaw(r, m) }},
		{"× best peer of its store", func(r *Results, m *Measured) string { return timesPeer(r, m) }},
		plain("µs CPU/step", "%.1f", stepCPU),
		plain("B written/transition", "%.0f", transitionWritten),
		plain("peak MiB", "%.0f", peakMemory),
		plain("lone run p50 ms", "%.2f", loneP50),
		plain("p99 ms", "%.2f", loneP99),
		plain("idle CPU %", "%.2f", idleCPU),
		plain("idle wake-ups/s", "%.1f", idleSwitches),
		plain("idle queries/s", "%.1f", idleQueries),
	}
}

// throughput is how many of something a second, per being how many a run has.
func throughput(m *Measured, per float64) spread {
	s := over(m.Passes, runsPerSecond)
	return spread{median: per * s.median, low: per * s.low, high: per * s.high, n: s.n}
}

func number(format string, s spread) string {
	if s.n == 0 {
		return "–"
	}
	return fmt.Sprintf(format, s.median)
}

func lowHigh(s spread) string {
	if s.n == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f–%.0f", s.low, s.high)
}

func inFlight(m *Measured) string {
	if len(m.Passes) == 0 || m.Passes[0].InFlight == 0 {
		return "–"
	}
	return fmt.Sprint(m.Passes[0].InFlight)
}

// ofRaw is the share of what the machine writes without an engine.
func ofRaw(r *Results, m *Measured) string {
	limit := r.find("raw-sqlite")
	if m.Store != onSQLite || limit == nil || m == limit {
		return "–"
	}
	most, own := throughput(limit, 1), throughput(m, 1)
	if most.median == 0 || own.n == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*own.median/most.median)
}

// timesPeer compares one of ours with the fastest peer whose runs lie in a store of the same kind.
func timesPeer(r *Results, m *Measured) string {
	if m.Kind != kindOurs || m.Store == inMemory {
		return "–"
	}
	best := 0.0
	for _, p := range r.Engines {
		if p.Kind == kindPeer && p.Store == m.Store {
			best = max(best, throughput(p, 1).median)
		}
	}
	own := throughput(m, 1)
	if best == 0 || own.n == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", own.median/best)
}

func (r *Results) find(name string) *Measured {
	for _, m := range r.Engines {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// cells returns the table as text: the titles, and a line for every engine that was measured.
func cells(r *Results) [][]string {
	titles := []string{"engine"}
	for _, c := range columns() {
		titles = append(titles, c.title)
	}
	lines := [][]string{titles}
	for _, m := range r.Engines {
		if len(m.Passes) == 0 {
			continue
		}
		line := []string{m.Label}
		for _, c := range columns() {
			line = append(line, c.cell(r, m))
		}
		lines = append(lines, line)
	}
	return lines
}

// firstColumns is how many columns behind the name the first part of the table for a terminal has: all at once would be too wide.
const firstColumns = 7

// writeTable writes the table for a terminal, in two parts.
func writeTable(w io.Writer, r *Results) error {
	table := cells(r)
	for _, part := range [][2]int{{1, 1 + firstColumns}, {1 + firstColumns, len(table[0])}} {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, line := range table {
			if _, err := fmt.Fprintln(t, strings.Join(append([]string{line[0]}, line[part[0]:part[1]]...), "\t")); err != nil {
				return err
			}
		}
		if err := t.Flush(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, notes(r))
	return err
}

// notes are what a table needs to be understood: the machine, figures of one engine alone, and what is missing.
func notes(r *Results) string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s, %d cores, %s, %s, %s, %s; commit %s; %s\n", m.CPU, m.Cores, m.Memory, m.Kernel, m.FileSystem, m.Go, m.Commit, r.When.Format(time.RFC3339))
	fmt.Fprintf(&b, "medians of %s passes of %s (%s before), lone runs for %s, idle for %s\n", r.Settings["passes"], r.Settings["load"], r.Settings["warm-up"],
		r.Settings["lone runs"], r.Settings["idle"])
	for _, e := range r.Engines {
		if e.NotMeasured != "" {
			fmt.Fprintf(&b, "not measured: %s (%s): %s\n", e.Label, e.Name, e.NotMeasured)
		}
		if len(e.Passes) == 0 {
			continue
		}
		for _, f := range e.Passes[0].Extra {
			s := over(e.Passes, extra(f.Name, f.Unit))
			fmt.Fprintf(&b, "%s: %s: %.0f %s (%.0f–%.0f)\n", e.Name, f.Name, s.median, f.Unit, s.low, s.high)
		}
	}
	return b.String()
}

// writeMarkdown writes the table as a page.
func writeMarkdown(w io.Writer, r *Results) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks of %s\n\n", r.When.Format(time.DateOnly))
	for i, line := range cells(r) {
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|---:", len(line)-1) + "|\n")
		}
	}
	b.WriteString("\n")
	for line := range strings.Lines(notes(r)) {
		b.WriteString("- " + line)
	}
	b.WriteString("\nSettings and versions:\n\n")
	for _, e := range r.Engines {
		if len(e.Passes) == 0 {
			continue
		}
		o := e.Passes[0]
		b.WriteString("- " + e.Name + ": " + strings.Join(append(pairs(o.Settings, ": "), pairs(o.Modules, " ")...), "; ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// pairs joins keys with their values, sorted.
func pairs(m map[string]string, between string) []string {
	var list []string
	for k, v := range m {
		list = append(list, k+between+v)
	}
	slices.Sort(list)
	return list
}
