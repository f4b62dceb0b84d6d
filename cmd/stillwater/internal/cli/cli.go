// Package cli is the command line of stillwater: it reads the arguments, calls the packages that do the work, and turns what they say
// into output and an exit code. It owns the words of the help and nothing else; package main calls it.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/stillwater-go/workflow/cmd/stillwater/internal/term"
)

// The exit codes.
const (
	// ExitOK says that the work is done and everything holds.
	ExitOK = 0
	// ExitFailed says that the arguments are wrong or that the work could not be done.
	ExitFailed = 1
	// ExitMismatch says that the work was done and that something does not hold: a demo that does not reconcile, a broken invariant.
	ExitMismatch = 2
	// ExitInterrupted says that a signal ended the work before its time.
	ExitInterrupted = 130
)

const description = `Durable, typed, event-driven workflows in one SQLite file.

Begin with "stillwater demo": it takes 10,000 orders through a small shop, each step committed to disk. Stop it at any moment, even with
kill -9, and start it again: it goes on where it was.

Exit codes: 0 all is well; 1 wrong arguments, or the work could not be done; 2 something does not add up; 130 interrupted.`

// Streams is where the command reads and writes, and its environment.
type Streams struct {
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Getenv func(string) string
}

// commands is the grammar.
type commands struct {
	Demo    demoCmd    `cmd:"" help:"Run a shop's orders through a durable workflow and reconcile them."`
	Check   checkCmd   `cmd:"" help:"Check every invariant of a store file, and count its runs."`
	Version versionCmd `cmd:"" help:"Print the version of this build."`
}

// call is what every command gets.
type call struct {
	ctx context.Context
	Streams
	code int // what Run returns when the command itself has no error
}

// Run runs the command line and returns the exit code. args are the arguments without the program's name. When ctx ends, the command
// stops in good order.
func Run(ctx context.Context, args []string, s Streams) int {
	exited := false // by --help, which has said everything
	parser, err := kong.New(&commands{},
		kong.Name("stillwater"), kong.Description(description),
		kong.Writers(s.Out, s.Err), kong.Exit(func(int) { exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		return s.fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited {
		return ExitOK
	}
	if err != nil {
		code := s.fail(err)
		var parse *kong.ParseError
		command := "stillwater"
		if errors.As(err, &parse) && parse.Context.Selected() != nil {
			command += " " + parse.Context.Selected().Name
		}
		fmt.Fprintf(s.Err, "Try \"%s --help\".\n", command)
		return code
	}
	c := &call{ctx: ctx, Streams: s}
	if err := k.Run(c); err != nil {
		code := s.fail(err)
		if ctx.Err() != nil {
			return ExitInterrupted
		}
		return code
	}
	return c.code
}

// fail says what went wrong.
func (s Streams) fail(err error) int {
	fmt.Fprintf(s.Err, "%s %v\n", term.StyleFor(s.Err, s.Getenv).Red("stillwater:"), err)
	return ExitFailed
}

// print writes a result: as JSON, or for people.
func (c *call) print(asJSON bool, result interface {
	Write(w io.Writer, style term.Style) error
}) error {
	if !asJSON {
		return result.Write(c.Out, term.StyleFor(c.Out, c.Getenv))
	}
	enc := json.NewEncoder(c.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(result)
}
