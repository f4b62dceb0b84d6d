package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// ErrorsWrapped finds calls of fmt.Errorf that print an error with another verb than %w, so that errors.Is no longer sees it.
// There are no types here: what is an error is told by its name.
func ErrorsWrapped(r *Repo) []Finding {
	var findings []Finding
	for _, f := range r.Go {
		if f.LocalName("fmt") == "" {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 || !isSelector(f, call.Fun, "fmt", "Errorf") {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			format, err := strconv.Unquote(lit.Value)
			if err != nil {
				return true
			}
			verbs := formatVerbs(format)
			for i, arg := range call.Args[1:] {
				verb, used := verbs[i]
				if used && verb != 'w' && verb != 'T' && looksLikeError(arg) {
					findings = append(findings, Finding{Path: f.Path, Line: r.line(arg.Pos()), Name: "Errorf", Text: fmt.Sprintf("an error is printed with %%%c: wrap it with %%w", verb)})
				}
			}
			return true
		})
	}
	return findings
}

// formatVerb is one verb of a format, with its flags, an argument's index, width and precision.
var formatVerb = regexp.MustCompile(`%[-+# 0]*(?:\[\d+\])?(\*|\d+)?(?:\.(?:\[\d+\])?(\*|\d+)?)?(\[\d+\])?([a-zA-Z%])`)

// explicitIndex is an argument's index in a verb.
var explicitIndex = regexp.MustCompile(`\[(\d+)\]`)

// formatVerbs returns, per argument, the verb that prints it.
func formatVerbs(format string) map[int]byte {
	verbs := map[int]byte{}
	next := 0
	for _, m := range formatVerb.FindAllStringSubmatch(format, -1) {
		verb := m[4][0]
		if verb == '%' {
			continue
		}
		next += strings.Count(m[0], "*") // a star takes an argument of its own
		if all := explicitIndex.FindAllStringSubmatch(m[0], -1); all != nil {
			if i, err := strconv.Atoi(all[len(all)-1][1]); err == nil {
				next = i - 1
			}
		}
		verbs[next] = verb
		next++
	}
	return verbs
}

// looksLikeError reports whether an expression is called like an error: err, closeErr, ErrFull, x.Err, ctx.Err(), err.Error().
func looksLikeError(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return errorLike(e.Name)
	case *ast.SelectorExpr:
		return errorLike(e.Sel.Name)
	case *ast.CallExpr:
		sel, ok := e.Fun.(*ast.SelectorExpr)
		if !ok || len(e.Args) > 0 {
			return false
		}
		return sel.Sel.Name == "Err" || sel.Sel.Name == "Error" || sel.Sel.Name == "Unwrap"
	default:
		return false
	}
}

func errorLike(name string) bool {
	rest, sentinel := strings.CutPrefix(name, "Err")
	return name == "err" || strings.HasSuffix(name, "Err") || sentinel && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z'
}
