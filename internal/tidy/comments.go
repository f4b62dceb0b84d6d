package tidy

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// ExportedDocumented finds exported names without a doc comment: functions, methods of exported types, types, methods of
// interfaces (outside internal: those are contracts), constants and variables. One comment is enough for a group of constants,
// variables or aliases, and for an interface with its only method.
func ExportedDocumented(r *Repo) []Finding {
	var findings []Finding
	for _, f := range r.Go {
		if f.IsTest() || f.AST.Name.Name == "main" {
			continue
		}
		internal := strings.HasPrefix(f.Dir(), "internal/")
		missing := func(name *ast.Ident, what string) {
			if internal && what == "method" {
				return
			}
			findings = append(findings, Finding{Path: f.Path, Line: r.line(name.Pos()), Name: name.Name, Text: what + " " + name.Name + " has no doc comment"})
		}
		for _, d := range f.AST.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Doc == nil && d.Name.IsExported() && receiverExported(d) {
					missing(d.Name, "func")
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					undocumented(d, s, missing)
				}
			}
		}
	}
	return findings
}

// undocumented reports the exported names of one spec that have no comment.
func undocumented(d *ast.GenDecl, s ast.Spec, missing func(*ast.Ident, string)) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		grouped := d.Lparen.IsValid() && !s.Assign.IsValid() // an alias is explained where it points to
		if s.Doc == nil && s.Comment == nil && (d.Doc == nil || grouped) {
			missing(s.Name, "type")
		}
		iface, ok := s.Type.(*ast.InterfaceType)
		if !ok || len(iface.Methods.List) == 1 {
			return
		}
		for _, m := range iface.Methods.List {
			for _, name := range m.Names {
				if name.IsExported() && m.Doc == nil && m.Comment == nil {
					missing(name, "method")
				}
			}
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				missing(name, d.Tok.String())
			}
		}
	}
}

// receiverExported reports whether a function is none of an unexported type.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return true
		}
	}
}

// PackagesDocumented finds packages without a package comment. A folder that holds tests alone needs none.
func PackagesDocumented(r *Repo) []Finding {
	first := map[string]*File{}
	documented := map[string]bool{}
	for _, f := range r.Go {
		if f.IsTest() {
			continue
		}
		if first[f.Dir()] == nil {
			first[f.Dir()] = f
		}
		if f.AST.Doc != nil && strings.TrimSpace(f.AST.Doc.Text()) != "" {
			documented[f.Dir()] = true
		}
	}
	var findings []Finding
	for dir, f := range first {
		if !documented[dir] {
			findings = append(findings, Finding{Path: f.Path, Name: f.AST.Name.Name, Text: "package " + f.AST.Name.Name + " has no package comment"})
		}
	}
	return findings
}

// NamedErrorsExist finds sentinel errors that a comment or a page names and nobody declares.
func NamedErrorsExist(r *Repo) []Finding {
	declared, packages := map[string]bool{}, map[string]bool{}
	for _, f := range r.Go {
		packages[f.AST.Name.Name] = true
		for _, d := range f.AST.Decls {
			declare(d, declared)
		}
	}
	var findings []Finding
	look := func(path string, line int, text string) {
		for _, name := range errorNames(text, packages) {
			if !declared[name] {
				findings = append(findings, Finding{Path: path, Line: line, Name: name, Text: name + " is named and declared nowhere"})
			}
		}
	}
	for _, f := range r.Go {
		for _, group := range f.AST.Comments {
			for _, c := range group.List {
				look(f.Path, r.line(c.Pos()), c.Text)
			}
		}
	}
	for _, f := range r.Text {
		if strings.HasSuffix(f.Path, ".md") {
			for i, line := range strings.Split(string(f.Src), "\n") {
				look(f.Path, i+1, line)
			}
		}
	}
	return findings
}

// declare notes the names that a declaration makes. Functions count: an option may be called like an error.
func declare(d ast.Decl, declared map[string]bool) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		declared[d.Name.Name] = true
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				declared[s.Name.Name] = true
			case *ast.ValueSpec:
				for _, name := range s.Names {
					declared[name.Name] = true
				}
			}
		}
	}
}

// errorName is a sentinel's name, with its package in front where one is named.
var errorName = regexp.MustCompile(`(?:\b([a-zA-Z]\w*)\.)?\b(Err[A-Z][a-z]\w*)`)

// errorNames returns the sentinels that a text names, those of other projects' packages left out.
func errorNames(text string, packages map[string]bool) []string {
	var names []string
	for _, m := range errorName.FindAllStringSubmatch(text, -1) {
		if (m[1] == "" || packages[m[1]]) && !slices.Contains(names, m[2]) {
			names = append(names, m[2])
		}
	}
	return names
}
