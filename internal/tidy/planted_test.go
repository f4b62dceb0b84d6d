package tidy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stillwater-go/workflow/internal/tidy"
)

// files are sources by path.
type files map[string]string

// load makes a repository of the sources, with a root module and a workspace where they bring none.
func load(t *testing.T, sources files) *tidy.Repo {
	t.Helper()
	fsys := fstest.MapFS{
		"go.mod":  {Data: []byte("module example.org/flow\n")},
		"go.work": {Data: []byte("use .\n")},
	}
	for p, src := range sources {
		fsys[p] = &fstest.MapFile{Data: []byte(src)}
	}
	repo, err := tidy.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range repo.Broken {
		t.Fatal(f)
	}
	return repo
}

// planted is a repository, and where a rule has to find something in it: "path:line" or "path:line name".
type planted struct {
	name  string
	files files
	want  []string
}

// found puts findings in the form of planted.want.
func found(findings []tidy.Finding) []string {
	var got []string
	for _, f := range findings {
		at := fmt.Sprintf("%s:%d", f.Path, f.Line)
		if f.Name != "" {
			at += " " + f.Name
		}
		got = append(got, at)
	}
	slices.Sort(got)
	return got
}

// run checks that the rule finds exactly what was planted.
func run(t *testing.T, find func(*tidy.Repo) []tidy.Finding, cases []planted) {
	t.Helper()
	caught := false
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			slices.Sort(c.want)
			if got := found(find(load(t, c.files))); !slices.Equal(got, c.want) {
				t.Errorf("found\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
		caught = caught || len(c.want) > 0
	}
	if !caught {
		t.Error("nothing was planted: the rule could never fail")
	}
}

// lines is a source of n lines after its head.
func lines(head string, n int) string { return head + "\n" + strings.Repeat("\n", n-1) }

func TestImportsPointDown(t *testing.T) {
	imports := func(pkg string, paths ...string) string {
		return "package " + pkg + "\nimport (\n_ \"" + strings.Join(paths, "\"\n_ \"") + "\"\n)\n"
	}
	const flow = "example.org/flow"
	run(t, tidy.ImportsPointDown, []planted{
		{"all arrows point down", files{
			"a.go":                            imports("workflow", "fmt", flow+"/backend", flow+"/internal/engine"),
			"a_test.go":                       imports("workflow_test", flow+"/adapters/sqlite", "example.com/other"),
			"backend/a.go":                    imports("backend", "context", "encoding/json"),
			"internal/engine/a.go":            imports("engine", flow+"/backend", flow+"/internal/machine"),
			"internal/machine/a.go":           imports("machine", flow+"/backend"),
			"adapters/sqlite/a.go":            imports("sqlite", flow+"/backend", "modernc.org/sqlite", "modernc.org/sqlite/lib", flow+"/adapters/sqlite/internal/schema"),
			"adapters/sqlite/internal/x/a.go": imports("x", flow+"/backend"),
			"adapters/adaptertest/a.go":       imports("adaptertest", "testing", flow, flow+"/backend"),
			"adapters/memory/a.go":            imports("memory", flow+"/adapters/memstreamer"),
			"webui/a.go":                      imports("webui", flow),
			"cmd/stillwater/main.go":          imports("main", flow+"/internal/engine", "example.com/other"),
		}, nil},
		{"contracts import nothing of ours", files{"backend/a.go": imports("backend", flow, flow+"/internal/id", "example.com/x")},
			[]string{"backend/a.go:3 " + flow, "backend/a.go:4 " + flow + "/internal/id", "backend/a.go:5 example.com/x"}},
		{"rules import contracts only", files{"internal/machine/a.go": imports("machine", flow+"/internal/engine", flow+"/internal/graph", flow)},
			[]string{"internal/machine/a.go:3 " + flow + "/internal/engine", "internal/machine/a.go:4 " + flow + "/internal/graph", "internal/machine/a.go:5 " + flow}},
		{"the engine imports no adapter and no shell", files{"internal/engine/a.go": imports("engine", flow, flow+"/adapters/sqlite", flow+"/webui")},
			[]string{"internal/engine/a.go:3 " + flow, "internal/engine/a.go:4 " + flow + "/adapters/sqlite", "internal/engine/a.go:5 " + flow + "/webui"}},
		{"the shell imports no adapter", files{"a.go": imports("workflow", flow+"/adapters/memory", "example.com/x")},
			[]string{"a.go:3 " + flow + "/adapters/memory", "a.go:4 example.com/x"}},
		{"an adapter imports contracts and its client", files{"adapters/sqlite/a.go": imports("sqlite", flow, flow+"/internal/engine", flow+"/adapters/memory", "modernc.org/sqlite2", "github.com/jackc/pgx/v5")},
			[]string{"adapters/sqlite/a.go:3 " + flow, "adapters/sqlite/a.go:4 " + flow + "/internal/engine", "adapters/sqlite/a.go:5 " + flow + "/adapters/memory", "adapters/sqlite/a.go:6 modernc.org/sqlite2", "adapters/sqlite/a.go:7 github.com/jackc/pgx/v5"}},
		{"an unknown folder", files{"stuff/a.go": "package stuff\n"}, []string{"stuff/a.go:0"}},
	})
}

func TestNoTestingImported(t *testing.T) {
	run(t, tidy.NoTestingImported, []planted{
		{"tests and packages for tests", files{
			"a_test.go":                 "package flow\nimport \"testing\"\n",
			"adapters/adaptertest/a.go": "package adaptertest\nimport \"testing\"\n",
			"b.go":                      "package flow\nimport \"example.org/testing\"\n",
		}, nil},
		{"linked into programs", files{
			"a.go": "package flow\nimport \"testing\"\nimport \"testing/fstest\"\nimport \"github.com/stretchr/testify/require\"\n",
		}, []string{"a.go:2 testing", "a.go:3 testing/fstest", "a.go:4 github.com/stretchr/testify/require"}},
	})
}

func TestNoInit(t *testing.T) {
	run(t, tidy.NoInit, []planted{
		{"a method and a field may be called so", files{"a.go": "package a\ntype T struct{ init int }\nfunc (T) init() {}\nfunc initial() {}\n"}, nil},
		{"in code and in tests", files{"a.go": "package a\n\nfunc init() {}\n", "a_test.go": "package a\nfunc init() {}\n"}, []string{"a.go:3 init", "a_test.go:2 init"}},
	})
}

func TestNoMutableGlobals(t *testing.T) {
	run(t, tidy.NoMutableGlobals, []planted{
		{"what never changes", files{
			"a.go": `package a
import ("embed"; "errors"; "fmt"; "regexp"; "io")
var ErrFull = errors.New("full")
var errWrapped = fmt.Errorf("more: %w", ErrFull)
var _ io.Reader = (*R)(nil)
var pattern = regexp.MustCompile("x")
var ErrOurs = backend.ErrFull
//go:embed a.sql
var files embed.FS
func f() { var local int; _ = local }
`, "a_test.go": "package a\nvar update = 1\n"}, nil},
		{"what may change", files{
			"a.go": `package a
import "sync"
var count int
var a, b = 1, 2
var (
	mu sync.Mutex
	table = map[string]int{}
)
var made = New()
var Default = backend.ErrFull
var ErrOdd = backend.Default
`}, []string{"a.go:10 Default", "a.go:11 ErrOdd", "a.go:3 count", "a.go:4 a", "a.go:4 b", "a.go:6 mu", "a.go:7 table", "a.go:9 made"}},
		{"another package's New is no sentinel", files{"a.go": "package a\nimport \"example.org/errors\"\nvar x = errors.New(\"x\")\n"}, []string{"a.go:3 x"}},
	})
}

func TestTimeRules(t *testing.T) {
	const src = `package a
import ("time"; clock "example.org/time")
var wait = time.Second
func f(now func() time.Time) { _ = now(); clock.Sleep(1); _ = time.Unix(0, 0) }
func g() { time.Sleep(1); _ = time.Now().Sub(time.Time{}) }
func h() { f(time.Now); <-time.After(1); _ = time.Since(time.Time{}); time.NewTicker(1).Stop() }
`
	const renamed = "package a\nimport clk \"time\"\nfunc f() { clk.Sleep(1); _ = clk.NewTimer; time := 1; _ = time }\n"
	t.Run("sleep", func(t *testing.T) {
		run(t, tidy.NoSleep, []planted{
			{"code and tests", files{"a.go": src, "a_test.go": src, "b.go": renamed}, []string{"a.go:5 Sleep", "a_test.go:5 Sleep", "b.go:3 Sleep"}},
		})
	})
	t.Run("clock", func(t *testing.T) {
		run(t, tidy.TimeThroughTheClock, []planted{
			{"code", files{"a.go": src, "b.go": renamed}, []string{"a.go:5 Now", "a.go:6 Now", "a.go:6 After", "a.go:6 Since", "a.go:6 NewTicker", "b.go:3 NewTimer"}},
			{"tests may", files{"a_test.go": src}, nil},
		})
	})
	t.Run("ticker", func(t *testing.T) {
		run(t, tidy.NoTickerInTests, []planted{
			{"tests only", files{"a.go": src, "a_test.go": src}, []string{"a_test.go:6 NewTicker"}},
		})
	})
}

func TestNoSkip(t *testing.T) {
	run(t, tidy.NoSkip, []planted{
		{"tests and suites", files{
			"a_test.go":      "package a\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Skip(1) }\nfunc help(x testing.TB) { x.SkipNow() }\nfunc BenchmarkA(b *testing.B) { b.Run(\"\", func(inner *testing.B) { inner.Skipf(\"\") }) }\n",
			"xtest/suite.go": "package xtest\nimport \"testing\"\nfunc Run(t *testing.T) {\n\tt.Skip()\n}\n",
		}, []string{"a_test.go:3 Skip", "a_test.go:4 SkipNow", "a_test.go:5 Skipf", "xtest/suite.go:4 Skip"}},
		{"another Skip", files{"a_test.go": "package a\nimport \"testing\"\nfunc TestA(t *testing.T) { d := dec(); d.Skip(); t.Log(1) }\n"}, nil},
	})
}

func TestSizes(t *testing.T) {
	fn := func(n int) string { return "package a\nfunc f() {\n" + strings.Repeat("\n", n-2) + "}\n" }
	t.Run("files", func(t *testing.T) {
		run(t, tidy.FileSizes, []planted{
			{"at the limit", files{"a.go": lines("package a", 800), "a_test.go": lines("package a", 1200)}, nil},
			{"over it", files{"a.go": lines("package a", 801), "a_test.go": lines("package a", 1201)}, []string{"a.go:0", "a_test.go:0"}},
		})
	})
	t.Run("functions", func(t *testing.T) {
		run(t, tidy.FuncSizes, []planted{
			{"at the limit", files{"a.go": fn(70), "a_test.go": fn(140)}, nil},
			{"over it", files{"a.go": fn(71), "a_test.go": fn(141)}, []string{"a.go:2 f", "a_test.go:2 f"}},
		})
	})
	t.Run("interfaces", func(t *testing.T) {
		eight := "type A interface { A(); B(); C(); D(); E(); F(); G(); H() }\n"
		run(t, tidy.InterfaceSizes, []planted{
			{"at the limit, and embedding more", files{"backend/a.go": "package backend\n" + eight + "type B interface { A; X() }\n", "a.go": "package a\n" + strings.Replace(eight, "A()", "A(); Z()", 1)}, nil},
			{"over it", files{"backend/a.go": "package backend\n" + strings.Replace(eight, "A()", "A(); Z()", 1)}, []string{"backend/a.go:2 A"}},
		})
	})
	t.Run("names", func(t *testing.T) {
		run(t, tidy.PackageNames, []planted{
			{"names that say something", files{"a/a.go": "package a\n", "utility.go": "package flow\n"}, nil},
			{"names that do not", files{"util/a.go": "package util\n", "util/b.go": "package util\n", "common/x.go": "package other\n"}, []string{"util/a.go:0 util", "common/x.go:0 other"}},
		})
	})
}

func TestDocumented(t *testing.T) {
	t.Run("exported", func(t *testing.T) {
		run(t, tidy.ExportedDocumented, []planted{
			{"documented, unexported, or a program", files{"a.go": `package a
// T is.
type T struct{ F int }
// M does.
func (t *T) M() {}
type u struct{}
func (u) Exported() {}
// The codes.
const (
	A = 1
	B = 2
)
// I asks.
type I interface {
	// Ask asks.
	Ask()
	// Tell tells.
	Tell()
}
// From elsewhere.
type (
	X = backend.X
	Y = backend.Y
)
// One does.
type One interface{ Do() }
`, "internal/x/x.go": "package x\n// I asks.\ntype I interface{ Ask(); Tell() }\n", "cmd/main.go": "package main\nfunc Main() {}\n", "a_test.go": "package a\nfunc TestX() {}\n"}, nil},
			{"undocumented", files{"a.go": `package a
type T struct{}
func (t *T) M() {}
type G[K any] struct{}
func (g *G[K]) M() {}
func F() {}
const A = 1
var (
	// B is.
	B = 1
	C = 2
)
// I asks.
type I interface{ Ask(); Tell() }
// All of them.
type (
	X int
)
type (
	Y = backend.Y
)
`}, []string{"a.go:2 T", "a.go:3 M", "a.go:4 G", "a.go:5 M", "a.go:6 F", "a.go:7 A", "a.go:11 C", "a.go:14 Ask", "a.go:14 Tell", "a.go:17 X", "a.go:20 Y"}},
		})
	})
	t.Run("packages", func(t *testing.T) {
		run(t, tidy.PackagesDocumented, []planted{
			{"once is enough", files{"a/a.go": "package a\n", "a/doc.go": "// Package a is.\npackage a\n", "b/b_test.go": "package b\n"}, nil},
			{"not at all", files{"a/a.go": "// Copyright\n\npackage a\n", "a/b.go": "package a\n", "cmd/main.go": "//go:build linux\n\npackage main\n"}, []string{"a/a.go:0 a", "cmd/main.go:0 main"}},
		})
	})
	t.Run("errors", func(t *testing.T) {
		run(t, tidy.NamedErrorsExist, []planted{
			{"declared, or of another project", files{
				"a.go":    "// Package flow returns backend.ErrFull, [ErrGone], *ErrKind, or sql.ErrNoRows.\npackage flow\nvar ErrGone = 1\n",
				"b/b.go":  "package backend\nvar (\n\tErrFull = 1\n)\ntype ErrKind struct{}\n",
				"docs.md": "It fails with `ErrFull` or http.ErrServerClosed, or take ErrWait.\n",
				"c.go":    "package flow\nfunc ErrWait() {}\n",
			}, nil},
			{"declared nowhere", files{
				"a.go":    "package flow\n\n// F fails with ErrMissing or [flow.ErrAbsent].\nfunc F() { // ErrInside\n}\n",
				"docs.md": "\n`ErrPaper`\n",
			}, []string{"a.go:3 ErrMissing", "a.go:3 ErrAbsent", "a.go:4 ErrInside", "docs.md:2 ErrPaper"}},
		})
	})
}

func TestErrorsWrapped(t *testing.T) {
	run(t, tidy.ErrorsWrapped, []planted{
		{"wrapped, or no error", files{"a.go": `package a
import "fmt"
func f(err error, name string) {
	_ = fmt.Errorf("%s: %w", name, err)
	_ = fmt.Errorf("%d%% of %T: %w", 1, err, err)
	_ = fmt.Errorf("%*d %w", 3, 4, err)
	_ = fmt.Errorf("%[2]w in %[1]s", name, err)
	_ = fmt.Errorf(name, err)
	_ = fmt.Sprintf("%v", err)
}
`}, nil},
		{"printed", files{"a.go": `package a
import "fmt"
func f(err, closeErr error, name string) {
	_ = fmt.Errorf("%s: %v", name, err)
	_ = fmt.Errorf("%w and %+v", err, closeErr)
	_ = fmt.Errorf("%q", ErrFull)
	_ = fmt.Errorf("%s %s", backend.ErrFull, name)
	_ = fmt.Errorf("%s", err.Error())
	_ = fmt.Errorf("%v", ctx.Err())
	_ = fmt.Errorf("%[2]v in %[1]s", name, err)
	_ = fmt.Errorf("%5.2f%% %*d %v", 1.0, 3, 4, err)
}
`}, []string{"a.go:4 Errorf", "a.go:5 Errorf", "a.go:6 Errorf", "a.go:7 Errorf", "a.go:8 Errorf", "a.go:9 Errorf", "a.go:10 Errorf", "a.go:11 Errorf"}},
	})
}

func TestCleanText(t *testing.T) {
	// The words are put together here, so that this file does not hold them.
	home, scratch, work := "/ho"+"me/ann/x", "/t"+"mp/x", "/wo"+"rk/x"
	run(t, tidy.CleanText, []planted{
		{"clean", files{
			"a.md": "Look into docs/home/x and example.org/opt/x, at #12 px, email, AIM, `/run/x`.\n",
			"b":    "binary " + home + "\x00",
			".git": "gitdir: " + home + "\n", // of a linked worktree
		}, nil},
		{"paths", files{"a.md": "x\n" + home + "\n", "b.go": "package b // in " + work + "\n", "c.sh": "cat '" + scratch + "'\n"},
			[]string{"a.md:2 /ho" + "me/a", "b.go:1 /wo" + "rk/x", "c.sh:1 '/t" + "mp/x"}},
		{"words", files{"a.md": "made by A" + "I\n\nan ll" + "m and an LL" + "M\nsee iss" + "ue #12\nfrom proxy.gol" + "ang.org\n", "b.txt": "FIX" + "ME later\n"},
			[]string{"a.md:1 A" + "I", "a.md:3 LL" + "M", "a.md:4 iss" + "ue #12", "a.md:5 proxy.gol" + "ang.org", "b.txt:1 FIX" + "ME"}},
		{"conflicts", files{"a.md": "a\n<<<<<<" + "< HEAD\nb\n======" + "=\nc\n>>>>>>" + "> x\n"}, []string{"a.md:2 <<<<<<" + "<", "a.md:4 ======" + "=", "a.md:6 >>>>>>" + ">"}},
	})
}

func TestNamedPagesExist(t *testing.T) {
	run(t, tidy.NamedPagesExist, []planted{
		{"there", files{"CHANGELOG.md": "# Changelog\n", "a.go": "// See CHANGELOG.md and notes.md.\npackage a\n"}, nil},
		{"not there", files{"a.go": "package a\n\n// See MISS" + "ING" + ".md.\n"}, []string{"a.go:3 MISS" + "ING" + ".md"}},
	})
}

func TestChangelogShape(t *testing.T) {
	log := func(text string) files { return files{"CHANGELOG.md": text} }
	at := func(n ...int) (want []string) {
		for _, line := range n {
			want = append(want, fmt.Sprintf("CHANGELOG.md:%d", line))
		}
		return want
	}
	const head = "# Changelog\n\n## [Unreleased]\n"
	run(t, tidy.ChangelogShape, []planted{
		{"good", log(head + "\n### Added\n\n- A thing\n  over two lines.\n\n## [1.1.0] - 2026-02-01\n\n### Fixed\n- B\n\n## [1.0.0] - 2026-01-31\n### Added\n- C\n"), nil},
		{"none", files{"a.md": ""}, []string{"CHANGELOG.md:0"}},
		{"title", log("Changes\n\n## [Unreleased]\n"), at(1)},
		{"no unreleased section", log("# Changelog\n\n## [1.0.0] - 2026-01-31\n### Added\n- C\n"), at(3)},
		{"no section", log("# Changelog\n"), at(2)},
		{"oldest first", log(head + "## [1.0.0] - 2026-01-31\n### Added\n- C\n## [1.1.0] - 2026-02-01\n"), at(7)},
		{"no date", log(head + "## [1.0.0]\n"), at(4)},
		{"unknown kind", log(head + "### News\n- C\n"), at(4)},
		{"a kind twice", log(head + "### Added\n- C\n### Added\n- D\n"), at(6)},
		{"an empty kind", log(head + "### Added\n### Fixed\n- D\n"), at(5)},
		{"an empty kind at the end", log(head + "### Added\n"), at(5)},
		{"an entry without a kind", log(head + "- C\n"), at(4)},
		{"a kind without a version", log("# Changelog\n### Added\n- C\n## [Unreleased]\n"), at(2)},
		{"another kind of list", log(head + "### Added\n- C\n* D\n"), at(6)},
	})
}

func TestModulesWired(t *testing.T) {
	const replace = "require example.org/flow v0.0.0\nreplace example.org/flow => ../..\n"
	run(t, tidy.ModulesWired, []planted{
		{"wired", files{
			"go.work":                "go 1.26\nuse (\n\t.\n\t./adapters/x\n\t./cmd/c\n)\n",
			"adapters/x/go.mod":      "module example.org/flow/adapters/x\n" + replace,
			"cmd/c/go.mod":           "module example.org/flow/cmd/c\nrequire example.org/flow v0.0.0\n",
			"adapters/x/client_x.go": "package x\n",
		}, nil},
		{"forgotten, misnamed, not replaced, not installable", files{
			"go.work":           "use .\nuse ./cmd/c\nuse ./adapters/y\n",
			"adapters/x/go.mod": "module example.org/flow/adapters/z\n" + replace,
			"adapters/y/go.mod": "module example.org/flow/adapters/y\nrequire example.org/flow v0.0.0\n",
			"cmd/c/go.mod":      "module example.org/flow/cmd/c\n" + replace,
		}, []string{"adapters/x/go.mod:0", "adapters/x/go.mod:0", "adapters/y/go.mod:0", "cmd/c/go.mod:0"}},
	})
}
