package tidy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stillwater-go/workflow/internal/tidy"
)

// root returns the folder of the root module: the nearest above with a go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

func TestRepositoryKeepsItsRules(t *testing.T) {
	repo, err := tidy.Load(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(repo.Go) < 20 || repo.Modules["."] == nil {
		t.Fatalf("the walk found %d Go files and the modules %v: it does not see the repository", len(repo.Go), repo.Modules)
	}
	for _, f := range tidy.Check(repo, tidy.Rules()) {
		t.Error(f)
	}
}

func TestRootModuleIsBuiltFromTheStandardLibrary(t *testing.T) {
	packages, err := tidy.List(t.Context(), root(t))
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/stillwater-go/workflow"
	ours := 0
	for _, p := range packages {
		if !p.Standard {
			ours++
		}
	}
	if ours < 3 {
		t.Fatalf("go list names %d packages of ours: it does not see the module", ours)
	}
	for _, f := range tidy.StandardLibraryOnly(module, packages) {
		t.Error(f)
	}
	for _, f := range tidy.TestingNotLinked(packages) {
		t.Error(f)
	}
}
