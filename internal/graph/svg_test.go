package graph_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stillwater-go/workflow/internal/graph"
)

type drawn struct {
	g    *graph.Graph
	opts graph.SVGOptions
}

// named builds a graph of names: "A>B" is a step, "A?B" a callback, "A~B" a timeout, "A!B" a signal.
func named(moves ...string) (*graph.Graph, func(int) string) {
	kinds := map[byte]graph.Kind{'>': graph.Step, '?': graph.Callback, '~': graph.Timeout, '!': graph.Signal}
	g := graph.New()
	numbers, names := map[string]int{}, map[int]string{}
	number := func(name string) int {
		if _, ok := numbers[name]; !ok {
			numbers[name] = len(numbers) + 1
			names[numbers[name]] = name
			g.AddNode(numbers[name])
		}
		return numbers[name]
	}
	for _, m := range moves {
		for i := range len(m) {
			if kind, ok := kinds[m[i]]; ok {
				g.AddEdge(number(m[:i]), number(m[i+1:]), kind)
			}
		}
	}
	return g, func(s int) string { return names[s] }
}

// drawings are the ones in testdata.
func drawings() map[string]drawn {
	all := map[string]drawn{"empty": {g: graph.New()}, "one": {g: build()}, "circle": {g: build([2]int{1, 2}, [2]int{2, 1})}}
	all["one"].g.AddNode(7)

	g, label := named("Placed>Paid", "Placed>Declined", "Paid>Shipped")
	all["order"] = drawn{g, graph.SVGOptions{Title: "order", Label: label}}

	g, label = named("Placed>Charging", "Charging>Paid", "Charging>Declined", "Charging>Charging", "Declined?Charging", "Declined~Cancelled",
		"Paid>Packing", "Paid!Refunding", "Packing>Shipped", "Packing~Packing", "Shipped?Delivered", "Shipped~Lost", "Lost>Refunding",
		"Lost!Packing", "Delivered~Closed", "Delivered?Refunding", "Refunding>Refunded", "Imported>Packing", "Placed!Cancelled", "Paid!Cancelled", "Paid?Cancelled")
	all["shop"] = drawn{g, graph.SVGOptions{Title: `shop "north" & <co>`, Label: label,
		Notes: map[int]string{2: "12", 3: "1,204", 6: "3 paused", 8: "7"},
		Class: map[int]string{2: "active", 8: "failed", 6: "paused", 10: "done", 5: "muted"}}}

	g, label = named(
		"Received>Validating", "Validating>Validated", "Validating>Rejected", "Validated>CreditCheck", "CreditCheck>CreditApproved", "CreditCheck>CreditDenied",
		"CreditCheck~CreditCheckOverdue", "CreditCheckOverdue>CreditCheck", "CreditCheckOverdue>ManualReview", "CreditDenied>ManualReview",
		"ManualReview?CreditApproved", "ManualReview?Rejected", "ManualReview~Escalated", "Escalated?CreditApproved", "Escalated?Rejected",
		"CreditApproved>Reserving", "Reserving>Reserved", "Reserving>OutOfStock", "OutOfStock!Reserving", "OutOfStock~BackOrdered", "BackOrdered!Reserving",
		"BackOrdered~Cancelled", "Reserved>Charging", "Charging>Charged", "Charging>ChargeFailed", "ChargeFailed~Charging", "ChargeFailed>Dunning",
		"Dunning?Charging", "Dunning~Cancelled", "Charged>Picking", "Picking>Packed", "Picking>PickFailed", "PickFailed>Reserving", "Packed>Labelled", "Labelled>HandedOver",
		"HandedOver?InTransit", "InTransit?OutForDelivery", "OutForDelivery?Delivered", "OutForDelivery?DeliveryFailed", "DeliveryFailed~OutForDelivery",
		"DeliveryFailed>Returning", "InTransit~Lost", "Lost>Refunding", "Returning?Returned", "Returned>Refunding", "Refunding>Refunded", "Delivered~Closed",
		"Delivered?Returning", "Received!Cancelled", "Validated!Cancelled", "Reserved!Cancelled")
	all["thirty"] = drawn{g, graph.SVGOptions{Title: "fulfilment", Label: label}}

	g, label = named("A>B", "A>C", "A>D", "A>E", "A>F", "B>Z", "C>Z", "D>Z", "E>Z", "F>Z", "A~Z", "Z!A", "B?A", "C?A")
	all["fan"] = drawn{g, graph.SVGOptions{Label: label}}
	return all
}

func TestSVGGolden(t *testing.T) {
	all := drawings()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			got := all[name].g.SVG(all[name].opts)
			wellDrawn(t, all[name].g, got)
			path := filepath.Join("testdata", name+".svg")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is drawn otherwise; look at both, then run with -update. Got:\n%s", path, got)
			}
			if again := drawings()[name]; !bytes.Equal(got, again.g.SVG(again.opts)) {
				t.Error("the second drawing differs from the first")
			}
		})
	}
}

func TestSVGSaysWhatItShows(t *testing.T) {
	c := drawings()["shop"]
	got := string(c.g.SVG(c.opts))
	for _, want := range []string{
		`role="img" aria-label="shop &#34;north&#34; &amp; &lt;co&gt;"`,
		`<title>shop &#34;north&#34; &amp; &lt;co&gt;</title>`,
		`Starts: Placed, Imported. Ends: Cancelled, Closed, Refunded.`,
		`Paid to Cancelled by callback, signal.`,
		`<g class="status start" data-status="1"><title>Placed (1)</title>`,
		`<g class="status active" data-status="2"><title>Charging (2): 12</title>`,
		`<g class="status terminal muted" data-status="5">`,
		`<g class="line callback back" data-from="4" data-to="2">`,
		`prefers-color-scheme:dark`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(got, "<script") || regexp.MustCompile(`\s(id|on\w+|style)=`).MatchString(got) {
		t.Error("there is a script, an id or a style attribute")
	}
}

// A drawing stays bounded: what is left out is said.
func TestSVGOfFarTooMuch(t *testing.T) {
	g := graph.New()
	for i := range 60 {
		for k := range 60 {
			if i != k {
				g.AddEdge(i, k, graph.Step)
			}
		}
	}
	got := string(g.SVG(graph.SVGOptions{}))
	if !regexp.MustCompile(`>\d+ of 3540 moves are not drawn<`).MatchString(got) {
		t.Error("nothing says that moves were left out")
	}
	wellDrawn(t, g, []byte(got))
}

// What holds for a drawing by hand holds for any.
func TestSVGOfRandomGraphs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		edges := make([]byte, 3*r.IntN(60))
		statuses := 2 + r.IntN(38)
		for i := range edges {
			if edges[i] = byte(r.IntN(256)); i%3 < 2 {
				edges[i] = byte(r.IntN(statuses))
			}
		}
		drawRandom(t, edges, "run")
	}
}

// FuzzSVG draws any graph with any text.
func FuzzSVG(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 2, 1, 2, 0, 2}, "a<b>&\"c")
	f.Add([]byte{1, 1, 0, 1, 1, 3, 3, 3, 3}, "")
	f.Add([]byte{0, 9, 0, 1, 9, 1, 2, 9, 2, 3, 9, 3, 9, 0, 0, 4, 8, 0, 8, 4, 1}, "\x00\xff\u2028]]>\r\n")
	f.Fuzz(func(t *testing.T, edges []byte, text string) {
		if len(edges) <= 300 && len(text) <= 200 {
			drawRandom(t, edges, text)
		}
	})
}

// drawRandom reads the bytes as edges; the text is every status's label, and one's note and class.
func drawRandom(t *testing.T, edges []byte, text string) {
	t.Helper()
	g := graph.New()
	for ; len(edges) >= 3; edges = edges[3:] {
		g.AddEdge(int(edges[0]%40), int(edges[1]%40), graph.Kind(edges[2]%4))
		if edges[2] > 250 {
			g.MarkStart(int(edges[1] % 40))
		}
	}
	opts := graph.SVGOptions{Title: text, Label: func(s int) string { return text + strconv.Itoa(s) }, Notes: map[int]string{1: text}, Class: map[int]string{1: text}}
	got := g.SVG(opts)
	wellDrawn(t, g, got)
	if !bytes.Equal(got, g.SVG(opts)) {
		t.Fatal("the second drawing differs from the first")
	}
}

// area is what something covers, borders left out.
type area struct{ left, top, right, bottom float64 }

func (a area) meets(b area) bool {
	return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
}

// wellDrawn checks that a drawing is XML, that everything lies within it, that boxes and labels do not cover each other, and that no line
// runs through a box.
func wellDrawn(t *testing.T, g *graph.Graph, svg []byte) {
	t.Helper()
	if !utf8.Valid(svg) {
		t.Fatal("not UTF-8")
	}
	var view area
	var boxes, plates []area
	var paths []string
	for dec := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attr := map[string]string{}
		for _, a := range element.Attr {
			attr[a.Name.Local] = a.Value
		}
		switch {
		case element.Name.Local == "svg":
			n := numbers(t, attr["viewBox"])
			view = area{n[0], n[1], n[0] + n[2], n[1] + n[3]}
		case element.Name.Local == "rect" && (attr["class"] == "box" || attr["class"] == "plate"):
			n := numbers(t, attr["x"]+" "+attr["y"]+" "+attr["width"]+" "+attr["height"])
			a := area{n[0], n[1], n[0] + n[2], n[1] + n[3]}
			if attr["class"] == "box" {
				boxes = append(boxes, a)
			} else {
				plates = append(plates, a)
			}
		case attr["class"] == "way":
			paths = append(paths, attr["d"])
		}
	}
	if len(boxes) != len(g.Statuses()) {
		t.Fatalf("%d boxes, want %d", len(boxes), len(g.Statuses()))
	}
	solid := slices.Concat(boxes, plates)
	for i, a := range solid {
		if a.left < view.left || a.right > view.right || a.top < view.top || a.bottom > view.bottom {
			t.Fatalf("%v lies outside of %v", a, view)
		}
		for _, b := range solid[:i] {
			if a.meets(b) {
				t.Fatalf("%v and %v cover each other", a, b)
			}
		}
	}
	for _, d := range paths {
		for _, part := range parts(t, d) {
			for _, box := range boxes {
				if part.meets(box) {
					t.Fatalf("the line %s runs through the box %v", d, box)
				}
			}
		}
	}
}

func numbers(t *testing.T, text string) []float64 {
	t.Helper()
	var all []float64
	for word := range strings.FieldsSeq(text) {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		all = append(all, float64(n))
	}
	return all
}

// parts returns what each piece of a path covers at most: a curve lies within its four points.
func parts(t *testing.T, d string) []area {
	t.Helper()
	var all []area
	var x, y float64
	for _, step := range regexp.MustCompile(`[MVC][^MVC]*`).FindAllString(d, -1) {
		n := numbers(t, step[1:])
		switch step[0] {
		case 'M':
			x, y = n[0], n[1]
			continue
		case 'V':
			n = []float64{x, n[0]}
		}
		a := area{x, y, x, y}
		for i := 0; i < len(n); i += 2 {
			a = area{min(a.left, n[i]), min(a.top, n[i+1]), max(a.right, n[i]), max(a.bottom, n[i+1])}
		}
		all = append(all, a)
		x, y = n[len(n)-2], n[len(n)-1]
	}
	return all
}
