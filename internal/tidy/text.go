package tidy

import (
	"bytes"
	"path"
	"regexp"
	"strings"
)

// textRule is a pattern that no text of the repository may hold.
type textRule struct {
	pattern *regexp.Regexp
	text    string
}

// textRules returns what belongs to somebody's machine or tools and says nothing to a reader. The patterns are written so that
// they do not match themselves.
func textRules() []textRule {
	compile := func(parts ...string) *regexp.Regexp { return regexp.MustCompile(strings.Join(parts, "")) }
	return []textRule{
		{compile(`(?:^|[\s"'`, "`", `(=:,>])/(?:`, `home|root|Users|work|workspace)/[\w.]`), "an absolute path of somebody's machine"},
		{compile(`(?:^|[\s"'`, "`", `(=:,>])/tmp/[\w.]`), "an absolute path of a scratch folder: take a temporary one"},
		{compile(`\b(?i:`, `chat`, `gpt|copi`, `lot|chat`, `bot|language mod`, `el)\b|\b(?:L`, `LM|A`, `I)\b`), "a word about the tools of the authors"},
		{compile(`(?i)\b(?:iss`, `ue|pull req`, `uest|P`, `R|tic`, `ket)s? ?#\d+`), "a number that only the tracker explains: say what it was"},
		{compile(`\b(?:proxy\.gol`, `ang|sum\.gol`, `ang|registry\.npm`, `js|deb\.deb`, `ian|py`, `pi|crat`, `es)\.(?:org|io)\b`), "the host of a package registry"},
		{compile(`(?m)^(?:<{7}|>{7}|={7})(?: |$)`), "a conflict that was not resolved"},
		{compile(`\bFIX`, `ME\b`), "unfinished work"},
	}
}

// CleanText finds texts that belong to a machine or to the authors' tools. Files that tools write (go.sum) are left out.
func CleanText(r *Repo) []Finding {
	rules := textRules()
	var findings []Finding
	for _, f := range r.Text {
		if path.Base(f.Path) == "go.sum" || path.Base(f.Path) == "go.work.sum" {
			continue
		}
		for _, rule := range rules {
			for _, at := range rule.pattern.FindAllIndex(f.Src, -1) {
				line := bytes.Count(f.Src[:at[0]], []byte("\n")) + 1
				if f.Src[at[0]] == '\n' {
					line++
				}
				found := strings.TrimSpace(string(f.Src[at[0]:at[1]]))
				findings = append(findings, Finding{Path: f.Path, Line: line, Name: found, Text: "“" + found + "”: " + rule.text})
			}
		}
	}
	return findings
}

// pageName is the name of a page in capitals, such as the change log's.
var pageName = regexp.MustCompile(`\b[A-Z][A-Z_]+\.md\b`)

// NamedPagesExist finds texts that name a page in capitals that is not in the repository.
func NamedPagesExist(r *Repo) []Finding {
	pages := map[string]bool{}
	for _, f := range r.Text {
		pages[path.Base(f.Path)] = true
	}
	var findings []Finding
	for _, f := range r.Text {
		for i, line := range bytes.Split(f.Src, []byte("\n")) {
			for _, name := range pageName.FindAll(line, -1) {
				if !pages[string(name)] {
					findings = append(findings, Finding{Path: f.Path, Line: i + 1, Name: string(name), Text: string(name) + " is not in the repository"})
				}
			}
		}
	}
	return findings
}
