package version

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestString(t *testing.T) {
	bi := &debug.BuildInfo{
		Main:     debug.Module{Version: "v1.2.3"},
		Deps:     []*debug.Module{{Path: "modernc.org/sqlite", Version: "v1.61.1"}},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}},
	}
	want := "stillwater v1.2.3 (0123456789ab, modified)\n" + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + "\nmodernc.org/sqlite v1.61.1\n"
	if got := from(bi).String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := from(nil).String(); !strings.HasPrefix(got, "stillwater (devel)\ngo") {
		t.Errorf("%q", got)
	}
}
