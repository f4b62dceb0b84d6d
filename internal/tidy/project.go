package tidy

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// versionHeading is the heading of a released version in the change log.
var versionHeading = regexp.MustCompile(`^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$`)

// ChangelogShape finds departures from the shape of the change log: a title, the unreleased section first, released versions with
// their dates newest first, and below each the known kinds of change, each once, none empty.
func ChangelogShape(r *Repo) []Finding {
	const name = "CHANGELOG.md"
	i := slices.IndexFunc(r.Text, func(f *File) bool { return f.Path == name })
	if i < 0 {
		return []Finding{{Path: name, Text: "there is no change log"}}
	}
	var c changelog
	for i, line := range strings.Split(string(r.Text[i].Src), "\n") {
		c.line = i + 1
		c.read(strings.TrimRight(line, " "))
	}
	c.closeKind()
	if c.sections == 0 {
		c.complain("has no section [Unreleased]")
	}
	return c.findings
}

// changelog is the state of reading the change log.
type changelog struct {
	line     int
	sections int
	date     string
	kind     string
	kinds    map[string]bool
	entries  int
	findings []Finding
}

func (c *changelog) complain(text string) {
	c.findings = append(c.findings, Finding{Path: "CHANGELOG.md", Line: c.line, Text: text})
}

func (c *changelog) read(line string) {
	switch {
	case c.line == 1:
		if line != "# Changelog" {
			c.complain("does not begin with # Changelog")
		}
	case strings.HasPrefix(line, "## "):
		c.section(line)
	case strings.HasPrefix(line, "### "):
		c.closeKind()
		c.kind, c.entries = strings.TrimPrefix(line, "### "), 0
		if !slices.Contains([]string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}, c.kind) {
			c.complain("unknown kind of change " + c.kind)
		}
		if c.kinds[c.kind] {
			c.complain("second " + c.kind + " in one version")
		}
		if c.sections == 0 {
			c.complain(c.kind + " belongs to no version")
		} else {
			c.kinds[c.kind] = true
		}
	case strings.HasPrefix(line, "- "):
		if c.kind == "" {
			c.complain("an entry belongs below a kind of change")
		}
		c.entries++
	case strings.HasPrefix(line, "#"), strings.HasPrefix(line, "* "):
		c.complain("a line that is neither version, kind nor entry")
	}
}

func (c *changelog) section(line string) {
	c.closeKind()
	c.kind, c.kinds = "", map[string]bool{}
	c.sections++
	m := versionHeading.FindStringSubmatch(line)
	switch {
	case c.sections == 1:
		if line != "## [Unreleased]" {
			c.complain("the first section is not [Unreleased]")
		}
	case m == nil:
		c.complain("a version's heading is “## [1.2.3] - 2026-01-31”")
	case c.date != "" && m[2] > c.date:
		c.complain("versions stand newest first")
	}
	if m != nil {
		c.date = m[2]
	}
}

// closeKind ends a kind of change; it must not be empty.
func (c *changelog) closeKind() {
	if c.kind != "" && c.entries == 0 {
		c.complain(c.kind + " is empty")
	}
}

// ModulesWired finds modules that the workspace does not use, commands that could not be installed by their path because their
// go.mod replaces something, and other modules of ours that do not find their siblings without the workspace.
func ModulesWired(r *Repo) []Finding {
	root := r.Modules["."]
	if root == nil {
		return []Finding{{Path: "go.mod", Text: "the root has no module"}}
	}
	var workspace string
	for _, f := range r.Text {
		if f.Path == "go.work" {
			workspace = string(f.Src)
		}
	}
	var findings []Finding
	for dir, m := range r.Modules {
		file := path.Join(dir, "go.mod")
		if !usesModule(workspace, dir) {
			findings = append(findings, Finding{Path: file, Text: "go.work does not use this module"})
		}
		want := root.Path
		if dir != "." {
			want = root.Path + "/" + dir
		}
		if m.Path != want {
			findings = append(findings, Finding{Path: file, Text: fmt.Sprintf("module %s, its folder wants %s", m.Path, want)})
		}
		replaces := strings.Contains(string(m.Src), "replace ") || strings.Contains(string(m.Src), "replace (")
		requires := strings.Contains(string(m.Src), root.Path+" v")
		switch command := strings.HasPrefix(dir, "cmd/"); {
		case command && replaces:
			findings = append(findings, Finding{Path: file, Text: "a command with a replace cannot be installed by its path"})
		case !command && requires && !replaces:
			findings = append(findings, Finding{Path: file, Text: "requires the root module without a replace: it does not build without the workspace"})
		}
	}
	return findings
}

// usesModule reports whether the text of a go.work names the folder.
func usesModule(workspace, dir string) bool {
	for _, word := range strings.FieldsFunc(workspace, func(c rune) bool { return strings.ContainsRune(" \t\n()", c) }) {
		if word != "use" && path.Clean(strings.Trim(word, `"`)) == dir {
			return true
		}
	}
	return false
}
