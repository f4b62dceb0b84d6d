// Package version says which build of the command this is. It knows what the Go toolchain has written into the program, and nothing else.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Info is what is known about the build. Fields are empty where it is not known.
type Info struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	SQLite   string `json:"sqlite_driver,omitempty"`
}

// Read returns what the running program knows about itself.
func Read() Info {
	bi, _ := debug.ReadBuildInfo()
	return from(bi)
}

func from(bi *debug.BuildInfo) Info {
	info := Info{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if bi == nil {
		return info
	}
	if bi.Main.Version != "" {
		info.Version = bi.Main.Version
	}
	for _, s := range bi.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Revision = s.Value
		case "vcs.modified":
			info.Modified = s.Value == "true"
		}
	}
	for _, m := range bi.Deps {
		if m.Path == "modernc.org/sqlite" {
			info.SQLite = m.Path + " " + m.Version
		}
	}
	return info
}

// String puts it in a line or two for people.
func (i Info) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stillwater %s", i.Version)
	if i.Revision != "" {
		fmt.Fprintf(&b, " (%.12s", i.Revision)
		if i.Modified {
			b.WriteString(", modified")
		}
		b.WriteString(")")
	}
	fmt.Fprintf(&b, "\n%s %s\n", i.Go, i.Platform)
	if i.SQLite != "" {
		b.WriteString(i.SQLite + "\n")
	}
	return b.String()
}
