package tidy

import (
	"bytes"
	"fmt"
	"go/ast"
	"path"
)

// The limits of size, in lines.
const (
	maxFileLines     = 800
	maxTestFileLines = 1200
	maxFuncLines     = 70
	// maxTestFuncLines is larger, because a table of cases is data.
	maxTestFuncLines = 140
	// maxInterfaceMethods bounds what one interface of the contracts asks for directly.
	maxInterfaceMethods = 8
)

// FileSizes finds Go files that are too long to be one concept.
func FileSizes(r *Repo) []Finding {
	var findings []Finding
	for _, f := range r.Go {
		limit := maxFileLines
		if f.IsTest() {
			limit = maxTestFileLines
		}
		if n := bytes.Count(f.Src, []byte("\n")); n > limit {
			findings = append(findings, Finding{Path: f.Path, Text: fmt.Sprintf("%d lines, the limit is %d: one concept per file", n, limit)})
		}
	}
	return findings
}

// FuncSizes finds functions that are too long to be read at once.
func FuncSizes(r *Repo) []Finding {
	var findings []Finding
	for _, f := range r.Go {
		limit := maxFuncLines
		if f.IsTest() {
			limit = maxTestFuncLines
		}
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := r.line(fn.End()) - r.line(fn.Pos()) + 1; n > limit {
				findings = append(findings, Finding{Path: f.Path, Line: r.line(fn.Pos()), Name: fn.Name.Name, Text: fmt.Sprintf("func %s has %d lines, the limit is %d", fn.Name.Name, n, limit)})
			}
		}
	}
	return findings
}

// PackageNames finds packages whose name says nothing about what is in them.
func PackageNames(r *Repo) []Finding {
	empty := map[string]bool{"util": true, "utils": true, "common": true, "helper": true, "helpers": true, "misc": true, "shared": true, "base": true, "lib": true}
	var findings []Finding
	seen := map[string]bool{}
	for _, f := range r.Go {
		name := f.AST.Name.Name
		if key := f.Dir() + ":" + name; !seen[key] && (empty[name] || empty[path.Base(f.Dir())]) {
			seen[key] = true
			findings = append(findings, Finding{Path: f.Path, Name: name, Text: "package " + name + ": name it for what it holds"})
		}
	}
	return findings
}

// InterfaceSizes finds interfaces of the contracts that ask for too much at once.
func InterfaceSizes(r *Repo) []Finding {
	var findings []Finding
	for _, f := range r.Go {
		if f.Dir() != "backend" || f.IsTest() {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			iface, ok := spec.Type.(*ast.InterfaceType)
			if !ok {
				return true
			}
			methods := 0
			for _, m := range iface.Methods.List {
				methods += len(m.Names) // an embedded interface has no name
			}
			if methods > maxInterfaceMethods {
				findings = append(findings, Finding{Path: f.Path, Line: r.line(spec.Pos()), Name: spec.Name.Name, Text: fmt.Sprintf("interface %s has %d methods, the limit is %d: split it", spec.Name.Name, methods, maxInterfaceMethods)})
			}
			return true
		})
	}
	return findings
}
