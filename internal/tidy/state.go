package tidy

import (
	"go/ast"
	"go/token"
	"slices"
)

// NoInit finds func init: what a package does on import, nobody called for.
func NoInit(r *Repo) []Finding {
	var findings []Finding
	for _, f := range r.Go {
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				findings = append(findings, Finding{Path: f.Path, Line: r.line(fn.Pos()), Name: "init", Text: "func init: let a constructor do it"})
			}
		}
	}
	return findings
}

// NoMutableGlobals finds package variables, in files that are not tests, other than those that never change: blank ones, errors,
// other packages' errors under a second name, embedded files, compiled patterns and templates.
func NoMutableGlobals(r *Repo) []Finding {
	var findings []Finding
	for _, f := range r.Go {
		if f.IsTest() {
			continue
		}
		for _, d := range f.AST.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, s := range gen.Specs {
				spec := s.(*ast.ValueSpec)
				for i, name := range spec.Names {
					if name.Name != "_" && !constant(f, spec, i) {
						findings = append(findings, Finding{Path: f.Path, Line: r.line(name.Pos()), Name: name.Name, Text: "package variable " + name.Name + ": make it a constant, a function or a field"})
					}
				}
			}
		}
	}
	return findings
}

// constant reports whether the i-th name of the declaration is of a kind that never changes.
func constant(f *File, spec *ast.ValueSpec, i int) bool {
	if isSelector(f, spec.Type, "embed", "FS") {
		return true
	}
	if len(spec.Values) != len(spec.Names) {
		return false
	}
	if sel, ok := spec.Values[i].(*ast.SelectorExpr); ok && errorLike(sel.Sel.Name) && errorLike(spec.Names[i].Name) {
		return true // another package's error under a name of ours
	}
	call, ok := spec.Values[i].(*ast.CallExpr)
	if !ok {
		return false
	}
	for _, maker := range [][2]string{
		{"errors", "New"}, {"fmt", "Errorf"}, {"regexp", "MustCompile"}, {"strings", "NewReplacer"}, {"html/template", "Must"}, {"text/template", "Must"},
	} {
		if isSelector(f, call.Fun, maker[0], maker[1]) {
			return true
		}
	}
	return false
}

// isSelector reports whether the expression is a name of an imported package.
func isSelector(f *File, e ast.Expr, importPath string, names ...string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || !slices.Contains(names, sel.Sel.Name) {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == f.LocalName(importPath)
}
