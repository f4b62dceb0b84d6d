package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/stillwater-go/workflow/cmd/stillwater/internal/checkcmd"
	"github.com/stillwater-go/workflow/cmd/stillwater/internal/demo"
	"github.com/stillwater-go/workflow/cmd/stillwater/internal/term"
	"github.com/stillwater-go/workflow/cmd/stillwater/internal/version"
)

type demoCmd struct {
	Orders     int    `default:"10000" placeholder:"N" help:"How many orders to make (default 10000)."`
	Seed       int64  `default:"1" placeholder:"S" help:"Which orders to make: the same seed makes the same orders everywhere (default 1)."`
	Input      string `placeholder:"FILE" help:"Read the orders from a file of JSON lines instead; - is standard input."`
	DB         string `name:"db" default:"./stillwater-demo.db" placeholder:"FILE" help:"The store's file (default ./stillwater-demo.db)."`
	Fresh      bool   `help:"Delete what an earlier demo left in the store's file, and start over. Deletes nothing else."`
	WriteInput string `placeholder:"FILE" help:"Write the orders as JSON lines for --input, and do nothing else; - is standard output."`
	Quiet      bool   `short:"q" help:"Show no progress."`
	JSON       bool   `name:"json" help:"Print the summary as JSON."`
}

// Help is the longer text of "stillwater demo --help".
func (demoCmd) Help() string {
	return `Every order becomes a run: Placed -> Reserved -> Paid or Declined; Paid -> Shipped. About one payment call in twenty fails and is made
again; about three orders in a hundred are declined. The line in the ledger is written in the same commit that makes an order paid.

At the end every order is reconciled: it has exactly one run, which was shipped or declined, and was charged exactly once, with its own
amount, if and only if it was shipped.

Stopped by Ctrl-C or killed at any moment, and started again with the same arguments, the demo goes on where it was.

Bad lines of the input are named on standard error with their number, counted, and left out.

Exit codes: 0 reconciled; 1 wrong arguments, or it could not run; 2 something does not add up; 130 interrupted.`
}

// Run is called by the parser.
func (d *demoCmd) Run(c *call) error {
	if d.Orders < 1 || d.Orders > demo.MaxOrders {
		return fmt.Errorf("--orders must be 1 to %d", demo.MaxOrders)
	}
	if d.WriteInput != "" {
		return d.write(c)
	}
	defer frugal(c)()
	style := term.StyleFor(c.Err, c.Getenv)
	s, err := demo.Run(c.ctx, demo.Options{
		DB: d.DB, Orders: d.Orders, Seed: d.Seed, Input: d.Input, Stdin: c.In, Fresh: d.Fresh,
		Messages: c.Err, Live: term.IsTerminal(c.Err) && c.Getenv("TERM") != "dumb", Quiet: d.Quiet, Style: style,
	})
	if err != nil {
		return err
	}
	switch {
	case s.Interrupted:
		c.code = ExitInterrupted
	case !s.Reconciled:
		c.code = ExitMismatch
	}
	return c.print(d.JSON, s)
}

// frugal lets the garbage collector run twice as often as usual, and returns what undoes that. The demo keeps little, and makes a lot of
// garbage: most of what it would hold otherwise is orders that nobody needs any more. That costs a few percent of the time. It is the
// command's to decide, not the library's; who sets GOGC has decided already.
func frugal(c *call) (undo func()) {
	if c.Getenv("GOGC") != "" {
		return func() {}
	}
	was := debug.SetGCPercent(50)
	return func() { debug.SetGCPercent(was) }
}

// write makes an input file. It never writes over one.
func (d *demoCmd) write(c *call) (err error) {
	if d.WriteInput == "-" {
		return writeOrders(c.Out, d)
	}
	f, err := os.OpenFile(d.WriteInput, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("--write-input: %s exists already; name another file", d.WriteInput)
	}
	if err != nil {
		return fmt.Errorf("--write-input: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := writeOrders(f, d); err != nil {
		return err
	}
	if !d.Quiet {
		fmt.Fprintf(c.Err, "wrote %d orders to %s; run them with: stillwater demo --input %s\n", d.Orders, d.WriteInput, d.WriteInput)
	}
	return nil
}

func writeOrders(w io.Writer, d *demoCmd) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	if err := demo.WriteOrders(buffered, d.Seed, d.Orders); err != nil {
		return err
	}
	return buffered.Flush()
}

type checkCmd struct {
	File string `arg:"" help:"The store's file."`
	JSON bool   `name:"json" help:"Print the report as JSON."`
}

// Help is the longer text of "stillwater check --help".
func (checkCmd) Help() string {
	return `Reads the whole store as of one moment, without changing anything; the programs that use it may go on. It checks SQLite's own structure,
that every run's versions are 1, 2, 3, … without gap, that no run leaves its end, and that cursors and deliveries belong to what is there.

Exit codes: 0 clean; 1 wrong arguments, or the file cannot be read; 2 an invariant is broken; 130 interrupted.`
}

// Run is called by the parser.
func (k *checkCmd) Run(c *call) error {
	r, err := checkcmd.Check(c.ctx, k.File)
	if err != nil {
		return err
	}
	if !r.Clean {
		c.code = ExitMismatch
	}
	return c.print(k.JSON, r)
}

type versionCmd struct {
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Run is called by the parser.
func (v *versionCmd) Run(c *call) error {
	info := version.Read()
	if v.JSON {
		enc := json.NewEncoder(c.Out)
		enc.SetIndent("", "  ")
		return enc.Encode(info)
	}
	_, err := io.WriteString(c.Out, info.String())
	return err
}

var _ kong.HelpProvider = demoCmd{}
