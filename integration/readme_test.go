package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeProgram builds and runs the program that the README shows: it must compile, and say what it says there.
func TestReadmeProgram(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```go\n")
	program, _, ended := strings.Cut(rest, "```")
	if !found || !ended || !strings.Contains(program, "func main()") {
		t.Fatal("the README shows no program")
	}
	dir, err := os.MkdirTemp(".", "readme-") // within the module, so that the imports resolve
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "readme")
	if out, err := exec.Command("go", "build", "-o", binary, "./"+dir).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for range 2 { // the second time the file is there already
		cmd := exec.Command(binary)
		cmd.Dir = filepath.Dir(binary)
		out, err := cmd.Output()
		if err != nil || strings.TrimSpace(string(out)) != "Shipped true" {
			t.Errorf("the program says %q, %v; want \"Shipped true\"", out, err)
		}
	}
}
