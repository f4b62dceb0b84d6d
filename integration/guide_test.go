package integration

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTestingGuide builds and runs the Go code of the guide on testing. A block that begins with a package clause begins a file, the first
// one the program, the others its tests; a block without one goes on with the file before.
func TestTestingGuide(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "guides", "testing.md"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, block := range goBlocks(string(text)) {
		switch {
		case strings.HasPrefix(block, "package "):
			files = append(files, block)
		case len(files) == 0:
			t.Fatalf("a block belongs to no file:\n%s", block)
		default:
			files[len(files)-1] += "\n" + block
		}
	}
	if len(files) != 2 {
		t.Fatalf("the guide has %d files, want a program and its test", len(files))
	}
	dir, err := os.MkdirTemp(".", "guide-") // within the module, so that the imports resolve
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for i, name := range []string{"orders.go", "orders_test.go"} {
		if formatted, err := format.Source([]byte(files[i])); err != nil || string(formatted) != files[i] {
			t.Errorf("%s is not formatted, %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(files[i]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "test", "-count=3", "-v", "./"+dir).CombinedOutput() // vet included
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tests := regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(files[1], -1)
	if len(tests) < 8 {
		t.Errorf("the guide has %d tests", len(tests))
	}
	for _, name := range tests {
		if n := strings.Count(string(out), "--- PASS: "+name[1]+" "); n != 3 {
			t.Errorf("%s passed %d times of 3\n%s", name[1], n, out)
		}
	}
}

// TestStartGuide builds and runs the program of the first guide, which must say what the page says it says, also on the file that it left.
func TestStartGuide(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "guides", "start.md"))
	if err != nil {
		t.Fatal(err)
	}
	programs := goBlocks(string(text))
	_, rest, found := strings.Cut(string(text), "```text\n")
	want, _, ended := strings.Cut(rest, "```")
	if len(programs) != 1 || !found || !ended {
		t.Fatal("the guide is one program and what it says")
	}
	if formatted, err := format.Source([]byte(programs[0])); err != nil || string(formatted) != programs[0] {
		t.Errorf("the program is not formatted, %v", err)
	}
	dir, err := os.MkdirTemp(".", "start-") // within the module, so that the imports resolve
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(programs[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "start")
	if out, err := exec.Command("go", "build", "-o", binary, "./"+dir).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for range 2 {
		cmd := exec.Command(binary)
		cmd.Dir = filepath.Dir(binary)
		out, err := cmd.Output()
		if err != nil || string(out) != want {
			t.Errorf("the program says %q, %v; want %q", out, err, want)
		}
	}
}

// goBlocks returns the Go code blocks of a page.
func goBlocks(text string) (blocks []string) {
	for {
		_, rest, found := strings.Cut(text, "```go\n")
		if !found {
			return blocks
		}
		block, after, _ := strings.Cut(rest, "```")
		blocks = append(blocks, block)
		text = after
	}
}
