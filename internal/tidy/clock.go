package tidy

import "go/ast"

// NoSleep finds time.Sleep, in tests too: wait for a signal.
func NoSleep(r *Repo) []Finding {
	return r.timeCalls(func(*File) bool { return true }, "wait for a signal or a condition", "Sleep")
}

// TimeThroughTheClock finds real time in files that are not tests: what users see comes from the Clock, and only the files
// that keep deadlines may ask the machine.
func TimeThroughTheClock(r *Repo) []Finding {
	return r.timeCalls(func(f *File) bool { return !f.IsTest() }, "take the time from the Clock",
		"Now", "After", "NewTimer", "NewTicker", "Tick", "AfterFunc", "Since", "Until")
}

// NoTickerInTests finds tickers in tests: a loop that polls passes late on a slow machine, and hides a missing wake-up. A timer
// as the last limit of a wait is fine.
func NoTickerInTests(r *Repo) []Finding {
	return r.timeCalls((*File).IsTest, "wait for a signal instead of polling", "NewTicker", "Tick")
}

// timeCalls finds uses of functions of package time, called or handed on, in the files wanted.
func (r *Repo) timeCalls(want func(*File) bool, advice string, names ...string) []Finding {
	var findings []Finding
	for _, f := range r.Go {
		if !want(f) || f.LocalName("time") == "" {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && isSelector(f, sel, "time", names...) {
				findings = append(findings, Finding{Path: f.Path, Line: r.line(sel.Pos()), Name: sel.Sel.Name, Text: "time." + sel.Sel.Name + ": " + advice})
			}
			return true
		})
	}
	return findings
}

// NoSkip finds tests that let themselves be skipped: a test that does not run proves nothing and looks green.
func NoSkip(r *Repo) []Finding {
	var findings []Finding
	for _, f := range r.Go {
		if !f.ForTests() || f.LocalName("testing") == "" {
			continue
		}
		tb := testParams(f)
		ast.Inspect(f.AST, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || !tb[x.Name] {
				return true
			}
			switch sel.Sel.Name {
			case "Skip", "Skipf", "SkipNow":
				findings = append(findings, Finding{Path: f.Path, Line: r.line(sel.Pos()), Name: sel.Sel.Name, Text: x.Name + "." + sel.Sel.Name + ": make the test run everywhere, or move it to a module where it can"})
			}
			return true
		})
	}
	return findings
}

// testParams returns the names that the file's functions give to their *testing.T and its like.
func testParams(f *File) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		fn, ok := n.(*ast.FuncType)
		if !ok {
			return true
		}
		for _, field := range fn.Params.List {
			typ := field.Type
			if star, ok := typ.(*ast.StarExpr); ok {
				typ = star.X
			}
			if isSelector(f, typ, "testing", "T", "B", "F", "TB") {
				for _, name := range field.Names {
					names[name.Name] = true
				}
			}
		}
		return true
	})
	return names
}
