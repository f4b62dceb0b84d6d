// Command benchmarks measures Stillwater, what the machine allows, and its peers, in one go; see the page beside it.
//
//	cd benchmarks && go run .
//
// Each engine runs in a process of its own, one at a time, and all of them in turn in every pass. Progress goes to standard error, the table
// to standard output.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

func main() {
	if os.Getenv(load.ChildVariable) != "" {
		os.Exit(load.Main(tasks()))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := program(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	engines  string
	passes   int
	load     time.Duration
	lone     time.Duration
	idle     time.Duration
	inFlight int
	dir      string
	out      string
	chart    string
}

func parse(args []string, errOut io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	f.SetOutput(errOut)
	f.StringVar(&o.engines, "engines", "", "comma-separated `names` of what to measure; empty for all: "+strings.Join(names(), ", "))
	f.IntVar(&o.passes, "passes", 3, "how many times to measure everything; told are medians, lowest and highest")
	f.DurationVar(&o.load, "time", 10*time.Second, "how long many runs are in flight, after a quarter of it to warm up")
	f.DurationVar(&o.lone, "lone", 3*time.Second, "how long runs follow each other one at a time")
	f.DurationVar(&o.idle, "idle", 20*time.Second, "how long to watch each engine doing nothing; 0 leaves that out")
	f.IntVar(&o.inFlight, "inflight", 0, "how many runs are in flight; 0 for what suits each engine best")
	f.StringVar(&o.dir, "dir", "", "a `folder` on the disk to measure; a new folder in it is removed again; empty for a temporary one")
	f.StringVar(&o.out, "out", "", "a `folder` for the results; empty for results, and the chart then goes to ../docs/benchmarks.svg")
	f.StringVar(&o.chart, "chart", "", "draw the chart of this results `file` again, and measure nothing")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	if o.passes < 1 || o.load <= 0 || o.lone < 0 || o.idle < 0 || o.inFlight < 0 {
		return o, fmt.Errorf("-passes and -time must be positive, -lone, -idle and -inflight not negative")
	}
	return o, nil
}
