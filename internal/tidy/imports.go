package tidy

import (
	"slices"
	"strconv"
	"strings"
)

// layer says what the packages of a folder may import, beside the standard library.
type layer struct {
	// dir is the folder; a trailing "/*" stands for every folder directly in it.
	dir string
	// ours are folders of this repository that may be imported; a trailing "/*" stands for all that lies in it.
	ours []string
	// client are import paths of other projects that may be imported, with what lies below them.
	client []string
	// free lifts every limit.
	free bool
}

// layers returns the layers, the narrowest first: the first that fits a folder counts.
func layers() []layer {
	return []layer{
		{dir: "backend"},

		{dir: "internal/engine", ours: []string{"backend", "internal/*"}},
		{dir: "internal/sim", ours: []string{".", "backend", "internal/*", "adapters/*"}}, // the simulator runs the whole engine
		{dir: "internal/*", ours: []string{"backend"}},

		{dir: "adapters/adaptertest", ours: []string{".", "backend", "adapters/memstreamer", "adapters/memrecordstore", "adapters/memrolescheduler", "adapters/memtimeoutstore"}}, // the classic suites complete one part with ours
		{dir: "adapters/memory", ours: []string{"backend", "adapters/memstreamer", "adapters/memrolescheduler", "adapters/memtimeoutstore"}},
		{dir: "adapters/memrecordstore", ours: []string{"backend", "adapters/memory"}}, // a front over the one implementation of the rules
		{dir: "adapters/jlog", ours: []string{".", "backend"}},
		{dir: "adapters/webui", ours: []string{".", "backend", "webui"}},
		{dir: "adapters/otel", ours: []string{".", "backend"}, client: []string{"go.opentelemetry.io/otel"}},
		{dir: "adapters/prometheus", ours: []string{".", "backend"}, client: []string{"github.com/prometheus/client_golang"}},
		{dir: "adapters/sqlite", ours: []string{"backend"}, client: []string{"modernc.org/sqlite"}},
		{dir: "adapters/postgres", ours: []string{"backend"}, client: []string{"github.com/jackc/pgx/v5"}},
		{dir: "adapters/mysql", ours: []string{"backend"}, client: []string{"github.com/go-sql-driver/mysql"}},
		{dir: "adapters/kafka", ours: []string{"backend"}, client: []string{"github.com/twmb/franz-go"}},
		{dir: "adapters/nats", ours: []string{"backend"}, client: []string{"github.com/nats-io/nats.go"}},
		{dir: "adapters/redis", ours: []string{"backend"}, client: []string{"github.com/redis/rueidis"}},
		{dir: "adapters/*", ours: []string{"backend"}},

		{dir: "workflowtest", ours: []string{".", "backend", "adapters/*"}},
		{dir: "webui", ours: []string{".", "backend", "internal/graph"}},
		{dir: ".", ours: []string{"backend", "internal/*"}},

		{dir: "cmd/*", free: true},
		{dir: "integration", free: true},
		{dir: "benchmarks", free: true},
		{dir: "examples", free: true},
		{dir: "analyzers/*", free: true},
	}
}

// ImportsPointDown finds imports that the layers forbid, in files that are not tests, and folders that no layer speaks of.
func ImportsPointDown(r *Repo) []Finding {
	var findings []Finding
	root := r.Modules["."]
	if root == nil {
		return []Finding{{Path: "go.mod", Text: "the root has no module"}}
	}
	all := layers()
	for _, f := range r.Go {
		if f.IsTest() {
			continue
		}
		i := slices.IndexFunc(all, func(l layer) bool { return covers(l.dir, f.Dir()) })
		if i < 0 {
			findings = append(findings, Finding{Path: f.Path, Text: "its folder belongs to no layer: add one"})
			continue
		}
		for _, spec := range f.AST.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil || all[i].permits(root.Path, f.Dir(), p) {
				continue
			}
			findings = append(findings, Finding{Path: f.Path, Line: r.line(spec.Pos()), Name: p, Text: "must not import " + p + ": imports point down only"})
		}
	}
	return findings
}

// covers reports whether the layer's folder is the folder or lies above it. The root covers itself alone.
func covers(pattern, dir string) bool {
	if pattern == "." {
		return dir == "."
	}
	if parent, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(dir, parent+"/")
	}
	return dir == pattern || strings.HasPrefix(dir, pattern+"/")
}

// permits reports whether a package of the layer, in dir, may import p.
func (l layer) permits(root, dir, p string) bool {
	if first, _, _ := strings.Cut(p, "/"); l.free || !strings.Contains(first, ".") {
		return true // the standard library's first element has no dot
	}
	if p != root && !strings.HasPrefix(p, root+"/") {
		return slices.ContainsFunc(l.client, func(c string) bool { return p == c || strings.HasPrefix(p, c+"/") })
	}
	target := strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
	if target == "" {
		target = "."
	}
	own := dir
	if !strings.HasSuffix(l.dir, "/*") && l.dir != "." {
		own = l.dir
	}
	if target == own || strings.HasPrefix(target, own+"/") && own != "." {
		return true // a folder of its own, such as adapters/sqlite/internal/schema
	}
	return slices.ContainsFunc(l.ours, func(pattern string) bool { return covers(pattern, target) })
}

// NoTestingImported finds imports of testing packages in files that are linked into users' programs.
func NoTestingImported(r *Repo) []Finding {
	var findings []Finding
	for _, f := range r.Go {
		if f.ForTests() {
			continue
		}
		for _, spec := range f.AST.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			for _, banned := range []string{"testing", "github.com/stretchr/testify", "go.uber.org/goleak", "net/http/httptest"} {
				if p == banned || strings.HasPrefix(p, banned+"/") {
					findings = append(findings, Finding{Path: f.Path, Line: r.line(spec.Pos()), Name: p, Text: "links " + p + " into users' programs: only packages whose name ends in test may"})
				}
			}
		}
	}
	return findings
}
