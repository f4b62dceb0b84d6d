package workflow_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// built are the pages whose Go code is built and run as it stands, by the test that names them.
var built = map[string]string{
	"start.md":   "integration/guide_test.go",
	"testing.md": "integration/guide_test.go",
}

// TestTheCodeOfTheGuidesIsTheExamples: what the guides show is what the examples run, or is run itself. Interfaces are shown as the
// contracts have them, without their comments.
func TestTheCodeOfTheGuidesIsTheExamples(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"*example*_test.go", "integration/example*_test.go"} {
		for _, path := range glob(t, pattern) {
			sources.WriteString(unindented(read(t, path), false))
		}
	}
	for _, path := range glob(t, "backend/*.go") {
		sources.WriteString(unindented(read(t, path), true))
	}
	examples := sources.String()
	pages := glob(t, "docs/guides/*.md")
	for _, page := range pages {
		blocks := strings.Split(read(t, page), "```go\n")[1:]
		if by, ok := built[filepath.Base(page)]; ok {
			if len(blocks) == 0 || !strings.Contains(read(t, by), `"`+filepath.Base(page)+`"`) {
				t.Errorf("%s is not run by %s", page, by)
			}
			continue
		}
		for _, block := range blocks {
			code, _, closed := strings.Cut(block, "```")
			if !closed || !strings.Contains(examples, unindented(code, false)) {
				t.Errorf("%s shows code that no example runs:\n%s", page, code)
			}
		}
	}
	if len(pages) < 10 {
		t.Errorf("only %d pages were looked at", len(pages))
	}
}

// TestTheGuidesAreFound: every page is in the index, and every link from page to page leads somewhere.
func TestTheGuidesAreFound(t *testing.T) {
	index := read(t, "docs/guides/README.md")
	for _, page := range glob(t, "docs/guides/*.md") {
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("%s is not in the index", page)
		}
	}
	pages := append(glob(t, "docs/guides/*.md"), glob(t, "docs/adr/*.md")...)
	for _, page := range append(pages, glob(t, "docs/*.md")...) {
		checkLinks(t, page)
	}
	checkLinks(t, "README.md")
}

// code is what a page shows as code.
var code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

// link is what a link names, without its place in the page.
var link = regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)

// checkLinks looks for the files that a page's links name.
func checkLinks(t *testing.T, page string) {
	t.Helper()
	for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(read(t, page), ""), -1) {
		if strings.Contains(found[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(page), found[1])); err != nil {
			t.Errorf("%s links to %s: %v", page, found[1], err)
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	must(t, err)
	if len(paths) == 0 {
		t.Errorf("nothing is called %s", pattern)
	}
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// unindented takes the white space off both ends of each line, and on request the lines that are comments.
func unindented(text string, bare bool) string {
	var out strings.Builder
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if line = strings.TrimSpace(line); !bare || !strings.HasPrefix(line, "//") {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}
