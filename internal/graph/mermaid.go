package graph

import (
	"strconv"
	"strings"
)

// Mermaid returns the graph as the text of a Mermaid state diagram, statuses in declaration order and edges sorted, so that the
// same graph always gives the same text. dir is the direction ("TB", "LR", "RL" or "BT"); empty leaves it to the renderer. label
// names a status; edges other than steps carry their kind.
func (g *Graph) Mermaid(dir string, label func(int) string) string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	if dir != "" {
		b.WriteString("    direction " + dir + "\n")
	}
	for _, s := range g.statuses {
		b.WriteString("    state \"" + mermaidText(label(s)) + "\" as " + mermaidID(s) + "\n")
	}
	for _, s := range g.Starts() {
		b.WriteString("    [*] --> " + mermaidID(s) + "\n")
	}
	edges := g.Edges()
	for i := 0; i < len(edges); {
		from, to := edges[i].From, edges[i].To
		var kinds []string
		steps := true
		for ; i < len(edges) && edges[i].From == from && edges[i].To == to; i++ {
			kinds = append(kinds, edges[i].Kind.String())
			steps = steps && edges[i].Kind == Step
		}
		b.WriteString("    " + mermaidID(from) + " --> " + mermaidID(to))
		if !steps {
			b.WriteString(" : " + strings.Join(kinds, ", "))
		}
		b.WriteByte('\n')
	}
	for _, s := range g.Terminals() {
		b.WriteString("    " + mermaidID(s) + " --> [*]\n")
	}
	return b.String()
}

// mermaidID is a status's identifier in the diagram: labels need not be unique, numbers are.
func mermaidID(status int) string {
	id := strconv.Itoa(status)
	if rest, negative := strings.CutPrefix(id, "-"); negative {
		return "s_" + rest
	}
	return "s" + id
}

// mermaidText makes a label safe between double quotes: one line, with what has a meaning of its own written as an entity.
func mermaidText(s string) string {
	return strings.NewReplacer(
		"#", "#35;", `"`, "#quot;", ";", "#59;", "<", "#lt;", ">", "#gt;",
		"\r\n", " ", "\n", " ", "\r", " ",
	).Replace(s)
}
