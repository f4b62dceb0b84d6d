package term

import (
	"os"
	"strings"
	"testing"
)

func TestStyle(t *testing.T) {
	if got := Colored().Red("x") + (Style{}).Red("x") + Colored().Bold(""); got != "\x1b[31mx\x1b[0mx" {
		t.Errorf("%q", got)
	}
}

// TestNoColoursOutsideATerminal gives it what is none: a buffer, a file, a pipe, and the device that swallows everything.
func TestNoColoursOutsideATerminal(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	none := func(string) string { return "" }
	if IsTerminal(&strings.Builder{}) || IsTerminal(null) || IsTerminal(w) || StyleFor(w, none) != (Style{}) {
		t.Error("not a terminal")
	}
}
