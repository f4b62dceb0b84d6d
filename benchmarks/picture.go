package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/chart"
	"github.com/stillwater-go/workflow/benchmarks/load"
)

// picture chooses what the chart shows.
func picture(r *Results) chart.Chart {
	m := r.Machine
	c := chart.Chart{
		Title: "Durable runs of three steps",
		Panels: []chart.Panel{
			{Title: "Steps per second, many runs in flight: longer is better (logarithmic scale)", Bars: bars(r, func(e *Measured) spread {
				return throughput(e, load.Steps)
			})},
			{Title: "A lone run of three steps, median in milliseconds: shorter is better (logarithmic scale)", Bars: bars(r, func(e *Measured) spread {
				return over(e.Passes, loneP50)
			})},
		},
		Notes: []string{
			fmt.Sprintf("%s. Medians of %s passes; the thin line spans lowest and highest. Every SQLite at synchronous=FULL, Postgres with fsync.",
				r.When.Format(time.DateOnly), r.Settings["passes"]),
			fmt.Sprintf("%s, %d cores, %s, %s, %s. Object of %s.", m.CPU, m.Cores, m.Kernel, m.FileSystem, m.Go, r.Settings["object"]),
		},
	}
	if missing := notMeasured(r); len(missing) > 0 {
		c.Notes = append(c.Notes, "Not measured: "+strings.Join(missing, ", ")+".")
	}
	return c
}

// bars makes a bar of everything that has the figure, ordered by store.
func bars(r *Results, figure func(*Measured) spread) []chart.Bar {
	var list []chart.Bar
	for _, s := range []struct {
		store store
		group string
	}{{inMemory, "In memory, not durable"}, {onSQLite, "On SQLite, forced to the disk"}, {onPostgres, "On Postgres, forced to the disk"}} {
		for _, e := range r.Engines {
			v := figure(e)
			if e.Store != s.store || v.median <= 0 || e.Name == "fsync" || e.Name == "raw-forms" {
				continue
			}
			list = append(list, chart.Bar{Group: s.group, Label: e.Label, Class: string(e.Kind), Value: v.median, Low: v.low, High: v.high})
		}
	}
	return list
}

func notMeasured(r *Results) []string {
	var list []string
	for _, e := range r.Engines {
		if e.NotMeasured != "" {
			list = append(list, e.Label)
		}
	}
	return list
}
