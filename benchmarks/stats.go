package main

import (
	"math"
	"slices"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

// spread is a figure over several passes.
type spread struct {
	median, low, high float64
	n                 int
}

// over takes one figure of every pass; those that pass it over return false.
func over(passes []*load.Outcome, figure func(*load.Outcome) (float64, bool)) spread {
	var values []float64
	for _, o := range passes {
		if v, ok := figure(o); ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			values = append(values, v)
		}
	}
	return sum(values)
}

// sum returns the median, the lowest and the highest of some values.
func sum(values []float64) spread {
	n := len(values)
	if n == 0 {
		return spread{}
	}
	slices.Sort(values)
	return spread{median: (values[(n-1)/2] + values[n/2]) / 2, low: values[0], high: values[n-1], n: n}
}

func runsPerSecond(o *load.Outcome) (float64, bool) {
	return float64(o.Runs) / o.Seconds, o.Seconds > 0
}

// stepCPU is the processor time of the process and its server per step, in microseconds.
func stepCPU(o *load.Outcome) (float64, bool) {
	return 1e6 * (o.CPU + o.ServerCPU) / float64(o.Runs*load.Steps), o.Runs > 0 && o.CPU > 0
}

// transitionWritten is what was handed to the disk per transition, in bytes. What a server writes is not known.
func transitionWritten(o *load.Outcome) (float64, bool) {
	return float64(o.Written) / float64(o.Runs*load.Transitions), o.Runs > 0 && o.Written > 0 && o.ServerCPU == 0
}

func peakMemory(o *load.Outcome) (float64, bool) {
	return float64(o.PeakRSS) / (1 << 20), o.PeakRSS > 0
}

func loneP50(o *load.Outcome) (float64, bool) {
	if o.Lone == nil {
		return 0, false
	}
	return o.Lone.P50, true
}

func loneP99(o *load.Outcome) (float64, bool) {
	if o.Lone == nil {
		return 0, false
	}
	return o.Lone.P99, true
}

func idleCPU(o *load.Outcome) (float64, bool) {
	if o.Idle == nil {
		return 0, false
	}
	return o.Idle.CPU + o.Idle.ServerCPU, true
}

func idleSwitches(o *load.Outcome) (float64, bool) {
	if o.Idle == nil {
		return 0, false
	}
	return o.Idle.Switches, true
}

func idleQueries(o *load.Outcome) (float64, bool) {
	if o.Idle == nil {
		return 0, false
	}
	return o.Idle.Queries, o.Idle.Queries >= 0
}

// extra takes a figure that one engine alone has.
func extra(name, unit string) func(*load.Outcome) (float64, bool) {
	return func(o *load.Outcome) (float64, bool) {
		for _, f := range o.Extra {
			if f.Name == name && f.Unit == unit {
				return f.Value, true
			}
		}
		return 0, false
	}
}
