package workflow_test

import (
	"os"
	"strings"
	"testing"
)

// TestTheCodeOfTheGuidesIsTheExamples: what the guides show is what the examples run.
func TestTheCodeOfTheGuidesIsTheExamples(t *testing.T) {
	source, err := os.ReadFile("example_operator_test.go")
	must(t, err)
	examples := unindented(string(source))
	for _, page := range []string{"docs/guides/operating.md", "docs/guides/reading.md"} {
		text, err := os.ReadFile(page)
		must(t, err)
		blocks := strings.Split(string(text), "```go\n")[1:]
		for _, block := range blocks {
			code, _, closed := strings.Cut(block, "```")
			if !closed || !strings.Contains(examples, unindented(code)) {
				t.Errorf("%s shows code that no example runs:\n%s", page, code)
			}
		}
		if len(blocks) == 0 {
			t.Errorf("%s shows no code", page)
		}
	}
}

// unindented takes the white space off both ends of each line.
func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
