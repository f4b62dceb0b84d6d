package tidy

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Repo is a repository, read into memory.
type Repo struct {
	// Fset knows the lines of all Go files.
	Fset *token.FileSet
	// Go are the Go files that parse, outside testdata, in the order of their paths.
	Go []*File
	// Text are all text files, Go files among them, in the order of their paths.
	Text []*File
	// Modules maps the folder of each go.mod ("." is the root) to what it says.
	Modules map[string]*Module
	// Broken are the Go files that do not parse.
	Broken []Finding
}

// File is one file.
type File struct {
	// Path is relative to the root, with slashes.
	Path string
	Src  []byte
	// AST is nil for what is not Go.
	AST *ast.File
	// ImportPath is that of the file's folder.
	ImportPath string
}

// Module is one go.mod.
type Module struct {
	Dir  string
	Path string
	Src  []byte
}

// Dir returns the file's folder, "." for the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// IsTest reports whether the file is compiled into tests only.
func (f *File) IsTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// ForTests reports whether the file belongs to a test, or to a package that is made for tests: its name ends in "test".
func (f *File) ForTests() bool { return f.IsTest() || strings.HasSuffix(f.AST.Name.Name, "test") }

// LocalName returns the name under which the file uses an imported package, or "" when it does not import it.
func (f *File) LocalName(importPath string) string {
	for _, spec := range f.AST.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil && p == importPath {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return path.Base(importPath)
		}
	}
	return ""
}

// Load reads a repository from its root. What git would ignore by the root's .gitignore, and folders of tools (a leading dot,
// but not .ci and .github), are left out.
func Load(fsys fs.FS) (*Repo, error) {
	r := &Repo{Fset: token.NewFileSet(), Modules: map[string]*Module{}}
	ignore, err := ignored(fsys)
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p == ".":
			return nil
		case d.IsDir():
			if tool := strings.HasPrefix(d.Name(), ".") && p != ".ci" && p != ".github"; tool || ignore(p) {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || ignore(p), p == ".git": // which is a file in a worktree
			return nil
		}
		src, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		r.add(p, src)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read repository: %w", err)
	}
	for _, f := range r.Go {
		f.ImportPath = r.importPath(f.Dir())
	}
	return r, nil
}

// add takes in one file. Binary files are passed over.
func (r *Repo) add(p string, src []byte) {
	if bytes.IndexByte(src, 0) >= 0 {
		return
	}
	f := &File{Path: p, Src: src}
	r.Text = append(r.Text, f)
	if path.Base(p) == "go.mod" {
		r.Modules[path.Dir(p)] = &Module{Dir: path.Dir(p), Path: modulePath(src), Src: src}
	}
	if !strings.HasSuffix(p, ".go") || slices.Contains(strings.Split(p, "/"), "testdata") {
		return
	}
	syntax, err := parser.ParseFile(r.Fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		r.Broken = append(r.Broken, Finding{Path: p, Text: "does not parse: " + err.Error()})
		return
	}
	f.AST = syntax
	r.Go = append(r.Go, f)
}

// importPath joins the path of the nearest module above with the rest of the folder.
func (r *Repo) importPath(dir string) string {
	for at := dir; ; at = path.Dir(at) {
		if m := r.Modules[at]; m != nil {
			rest := strings.TrimPrefix(strings.TrimPrefix(dir, at), "/")
			if at == "." {
				rest = dir
			}
			return path.Join(m.Path, rest)
		}
		if at == "." {
			return dir
		}
	}
}

// line returns the line of a position.
func (r *Repo) line(pos token.Pos) int { return r.Fset.Position(pos).Line }

// modulePath returns what the module line of a go.mod says.
func modulePath(src []byte) string {
	for line := range strings.Lines(string(src)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			rest, _, _ = strings.Cut(rest, "//")
			return strings.Trim(strings.TrimSpace(rest), `"`)
		}
	}
	return ""
}

// ignored reads the root's .gitignore: names with wildcards, and folders of the root with a slash in front.
func ignored(fsys fs.FS) (func(p string) bool, error) {
	src, err := fs.ReadFile(fsys, ".gitignore")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read .gitignore: %w", err)
	}
	var patterns []string
	for line := range strings.Lines(string(src)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, strings.TrimSuffix(line, "/"))
		}
	}
	return func(p string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			whole, anchored := strings.CutPrefix(pattern, "/")
			if anchored {
				ok, err := path.Match(whole, p)
				return err == nil && ok
			}
			ok, err := path.Match(pattern, path.Base(p))
			return err == nil && ok
		})
	}, nil
}
