// Package term knows what the command's output goes to: a person at a terminal or another program. It owns the colours and nothing else.
package term

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}

// Style colours words, or leaves them alone. The zero value leaves them alone.
type Style struct{ on bool }

// StyleFor returns the style for an output: colours on a terminal, unless the environment asks for none (NO_COLOR, or TERM=dumb).
func StyleFor(w io.Writer, getenv func(string) string) Style {
	return Style{on: IsTerminal(w) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

// Colored returns the style that always colours.
func Colored() Style { return Style{on: true} }

// Bold makes words stand out.
func (s Style) Bold(text string) string { return s.paint("1", text) }

// Dim makes words step back.
func (s Style) Dim(text string) string { return s.paint("2", text) }

// Green is for what is well.
func (s Style) Green(text string) string { return s.paint("32", text) }

// Yellow is for what deserves a look.
func (s Style) Yellow(text string) string { return s.paint("33", text) }

// Red is for what is wrong.
func (s Style) Red(text string) string { return s.paint("31", text) }

func (s Style) paint(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
