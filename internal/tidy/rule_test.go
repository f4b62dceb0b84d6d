package tidy_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stillwater-go/workflow/internal/tidy"
)

func TestCheckHonoursExceptionsAndReportsDeadOnes(t *testing.T) {
	repo := load(t, files{
		"a/a.go":   "package a\nfunc init() {}\n",
		"a/b.go":   "package a\n\nfunc init() {}\n",
		"b/c/d.go": "package c\nfunc init() {}\n",
	})
	check := func(allow tidy.Exceptions) []string {
		var got []string
		for _, f := range tidy.Check(repo, []tidy.Rule{{Name: "no-init", Find: tidy.NoInit, Allow: allow}}) {
			got = append(got, f.String())
		}
		return got
	}
	const advice = ": no-init: func init: let a constructor do it"
	const dead = ": no-init: the exception excuses nothing: remove it"
	for _, tt := range []struct {
		name  string
		allow tidy.Exceptions
		want  []string
	}{
		{"none", nil, []string{"a/a.go:2" + advice, "a/b.go:3" + advice, "b/c/d.go:2" + advice}},
		{"a file", tidy.Exceptions{"a/a.go": "why"}, []string{"a/b.go:3" + advice, "b/c/d.go:2" + advice}},
		{"a name", tidy.Exceptions{"a/a.go:init": "why"}, []string{"a/b.go:3" + advice, "b/c/d.go:2" + advice}},
		{"a folder", tidy.Exceptions{"a": "why", "b": "why"}, nil},
		{"everything", tidy.Exceptions{".": "why"}, nil},
		{"a dead one", tidy.Exceptions{".": "why", "gone.go": "why"}, []string{"gone.go" + dead}},
		{"the narrowest counts", tidy.Exceptions{"a/a.go": "why", "a": "why", "b": "why"}, nil},
		{"another name", tidy.Exceptions{"a/a.go:main": "why", "b": "why", "a": "why"}, []string{"a/a.go:main" + dead}},
		{"no reason", tidy.Exceptions{".": ""}, []string{".: no-init: the exception has no reason"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := check(tt.allow); !slices.Equal(got, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func TestLoadReportsWhatDoesNotParse(t *testing.T) {
	repo, err := tidy.Load(fstest.MapFS{"a.go": {Data: []byte("package\n")}, "b.go": {Data: []byte("package b\n")}})
	if err != nil {
		t.Fatal(err)
	}
	got := tidy.Check(repo, nil)
	if len(got) != 1 || got[0].Path != "a.go" || !strings.Contains(got[0].Text, "does not parse") {
		t.Errorf("Check = %v, want the one broken file", got)
	}
}

func TestLoadLeavesOutWhatIsNotOurs(t *testing.T) {
	repo := load(t, files{
		".gitignore":          "# built\n/bin/\n*.out\nlocal.db*\n",
		".git/config":         "x",
		".ci/run":             "x",
		".golangci.yml":       "x",
		"bin/tool.go":         "package bin\n",
		"cmd/bin/main.go":     "package main\n",
		"cover.out":           "x",
		"cmd/local.db-wal":    "x",
		"a/testdata/bad.go":   "package\n",
		"adapters/x/go.mod":   "module example.org/flow/adapters/x // ours\n",
		"adapters/x/in/in.go": "package in\n",
	})
	var text, code []string
	for _, f := range repo.Text {
		text = append(text, f.Path)
	}
	for _, f := range repo.Go {
		code = append(code, f.Path+" "+f.ImportPath)
	}
	wantText := []string{".ci/run", ".gitignore", ".golangci.yml", "a/testdata/bad.go", "adapters/x/go.mod", "adapters/x/in/in.go", "cmd/bin/main.go", "go.mod", "go.work"}
	wantCode := []string{"adapters/x/in/in.go example.org/flow/adapters/x/in", "cmd/bin/main.go example.org/flow/cmd/bin"}
	if !slices.Equal(text, wantText) {
		t.Errorf("text files %q, want %q", text, wantText)
	}
	if !slices.Equal(code, wantCode) {
		t.Errorf("Go files %q, want %q", code, wantCode)
	}
}

func TestEveryRuleHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range tidy.Rules() {
		if rule.Name == "" || rule.Find == nil || seen[rule.Name] {
			t.Errorf("rule %q has no name, no function, or is there twice", rule.Name)
		}
		seen[rule.Name] = true
	}
}

func TestDependencyRules(t *testing.T) {
	packages := []tidy.Package{
		{ImportPath: "fmt", Name: "fmt", Standard: true},
		{ImportPath: "testing/iotest", Name: "iotest", Standard: true, Deps: []string{"testing"}},
		{ImportPath: "example.org/flow", Name: "workflow", Deps: []string{"fmt"}},
		{ImportPath: "example.org/flow/flowtest", Name: "flowtest", Deps: []string{"fmt", "testing"}},
		{ImportPath: "example.org/flow/webui", Name: "webui", Deps: []string{"example.org/flow/flowtest", "testing"}},
		{ImportPath: "example.org/flower", Name: "flower"},
		{ImportPath: "example.com/x", Name: "x"},
	}
	if got, want := found(tidy.StandardLibraryOnly("example.org/flow", packages)), []string{"example.com/x:0", "example.org/flower:0"}; !slices.Equal(got, want) {
		t.Errorf("StandardLibraryOnly found %q, want %q", got, want)
	}
	if got, want := found(tidy.TestingNotLinked(packages)), []string{"example.org/flow/webui:0"}; !slices.Equal(got, want) {
		t.Errorf("TestingNotLinked found %q, want %q", got, want)
	}
}

func TestListSaysWhatFailed(t *testing.T) {
	_, err := tidy.List(t.Context(), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "main module") {
		t.Errorf("List of a folder without a module = %v, want what the go command said", err)
	}
}
