package tidy

import (
	"cmp"
	"fmt"
	"path"
	"slices"
)

// Finding is one place where a rule is broken.
type Finding struct {
	// Rule is the rule's name; Check fills it in.
	Rule string
	Path string
	// Line counts from 1; zero where the finding is about the whole file or folder.
	Line int
	// Name is the identifier concerned, where there is one; an exception may name it.
	Name string
	// Text says what is wrong and what to do instead.
	Text string
}

// String puts the finding in one line, in the form that editors jump to.
func (f Finding) String() string {
	at := f.Path
	if f.Line > 0 {
		at = fmt.Sprintf("%s:%d", f.Path, f.Line)
	}
	return fmt.Sprintf("%s: %s: %s", at, f.Rule, f.Text)
}

// Exceptions say what a rule lets pass: the key is a file ("a/b.go"), a name in a file ("a/b.go:name") or a folder with all
// that is in it ("a"); the value is the reason.
type Exceptions map[string]string

// Rule is one rule of the repository.
type Rule struct {
	Name  string
	Find  func(r *Repo) []Finding
	Allow Exceptions
}

// Check runs the rules and returns what they found, less the exceptions, sorted. An exception without a reason, or one that
// excuses nothing, is a finding.
func Check(r *Repo, rules []Rule) []Finding {
	findings := slices.Clone(r.Broken)
	for _, rule := range rules {
		findings = append(findings, rule.check(r)...)
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule))
	})
	return findings
}

func (rule Rule) check(r *Repo) []Finding {
	var findings []Finding
	used := map[string]bool{}
	for _, f := range rule.Find(r) {
		f.Rule = rule.Name
		if key, ok := rule.Allow.excuse(f); ok {
			used[key] = true
			continue
		}
		findings = append(findings, f)
	}
	for key, why := range rule.Allow {
		if !used[key] {
			findings = append(findings, Finding{Rule: rule.Name, Path: key, Text: "the exception excuses nothing: remove it"})
		}
		if why == "" {
			findings = append(findings, Finding{Rule: rule.Name, Path: key, Text: "the exception has no reason"})
		}
	}
	return findings
}

// excuse returns the key of the exception that covers the finding, the narrowest first.
func (e Exceptions) excuse(f Finding) (key string, ok bool) {
	if f.Name != "" {
		if key = f.Path + ":" + f.Name; has(e, key) {
			return key, true
		}
	}
	for key = f.Path; ; key = path.Dir(key) {
		if has(e, key) {
			return key, true
		}
		if key == "." || key == "/" {
			return "", false
		}
	}
}

func has(e Exceptions, key string) bool {
	_, ok := e[key]
	return ok
}
