package graph

import (
	"strings"
	"unicode"
)

// svgStyle is what a drawing looks like. The variables are there to be set by the page that a drawing stands in.
const svgStyle = `
.wf-graph{--ground:#fff;--box:#f6f8fa;--edge:#59636e;--text:#1f2328;--step:#59636e;--callback:#0969da;--timeout:#9a6700;--signal:#8250df;--badge:#dde3ea;` +
	`--active:#ddf4ff;--active-edge:#0969da;--done:#dafbe1;--done-edge:#1a7f37;--paused:#fff8c5;--paused-edge:#9a6700;--failed:#ffebe9;--failed-edge:#cf222e;` +
	`font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif}
@media (prefers-color-scheme:dark){.wf-graph{--ground:#0d1117;--box:#1c2128;--edge:#9198a1;--text:#f0f6fc;--step:#9198a1;--callback:#58a6ff;--timeout:#d29922;` +
	`--signal:#bc8cff;--badge:#39414a;--active:#10294a;--active-edge:#58a6ff;--done:#12301b;--done-edge:#3fb950;--paused:#33270c;--paused-edge:#d29922;` +
	`--failed:#3c1518;--failed-edge:#f85149}}
.wf-graph .ground{fill:var(--ground)}
.wf-graph .box{fill:var(--box);stroke:var(--edge);stroke-width:1.5}
.wf-graph .inner,.wf-graph .ring{fill:none;stroke:var(--edge)}
.wf-graph .dot{fill:var(--edge)}
.wf-graph text{fill:var(--text);text-anchor:middle}
.wf-graph .name{font-size:13px;font-weight:500}
.wf-graph .note,.wf-graph .kind,.wf-graph .missing{font-size:11px}
.wf-graph .badge{fill:var(--badge)}
.wf-graph .beside,.wf-graph .missing{text-anchor:start}
.wf-graph .plate{fill:var(--ground)}
.wf-graph .way{fill:none;stroke:var(--step);stroke-width:1.5}
.wf-graph .head{fill:var(--step)}
.wf-graph .callback .way{stroke:var(--callback)}.wf-graph .callback .head,.wf-graph text.callback{fill:var(--callback)}
.wf-graph .timeout .way{stroke:var(--timeout)}.wf-graph .timeout .head,.wf-graph text.timeout{fill:var(--timeout)}
.wf-graph .signal .way{stroke:var(--signal)}.wf-graph .signal .head,.wf-graph text.signal{fill:var(--signal)}
.wf-graph .back .way{stroke-dasharray:6 4}
.wf-graph .active .box{fill:var(--active);stroke:var(--active-edge)}.wf-graph .done .box{fill:var(--done);stroke:var(--done-edge)}
.wf-graph .paused .box{fill:var(--paused);stroke:var(--paused-edge)}.wf-graph .failed .box{fill:var(--failed);stroke:var(--failed-edge)}
.wf-graph .muted{opacity:.5}
`

// textWidth guesses how many pixels a text takes, rather too many than too few: there is no font to ask.
func textWidth(s string, size int) int {
	thousandths := 0
	for _, r := range s {
		thousandths += runeWidth(r)
	}
	return even((thousandths*size + 999) / 1000)
}

// runeWidth is a character's width in thousandths of the font's size, for the usual fonts without serifs.
func runeWidth(r rune) int {
	switch {
	case strings.ContainsRune("iIjl.,:;'|!", r):
		return 310
	case strings.ContainsRune("frt-()[]{}/\" ", r):
		return 400
	case strings.ContainsRune("mwMW@%", r):
		return 940
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana, unicode.So) || r >= 0xff00:
		return 1050
	case unicode.IsUpper(r):
		return 730
	}
	return 600
}

func even(n int) int { return n + n&1 }

// oneLine turns what breaks lines, and what no XML may hold, into spaces.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// clip cuts a text to so many characters.
func clip(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}

// classes keeps what may stand in a class attribute.
func classes(s string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '-' || r == '_' || r == ' ' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z'):
			return r
		}
		return -1
	}, s)
	return strings.Join(strings.Fields(clean), " ")
}
