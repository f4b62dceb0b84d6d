package overlay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/internal/overlay"
)

// doc is the type of an older program: its structs nest in every way.
type doc struct {
	Base
	S    string          `json:"s,omitempty"`
	N    int64           `json:"n"`
	F    *float64        `json:"f,omitempty"`
	P    *doc            `json:"p,omitempty"`
	L    []doc           `json:"l,omitempty"`
	LP   []*doc          `json:"lp,omitempty"`
	LL   [][]doc         `json:"ll,omitempty"`
	M    map[string]doc  `json:"m,omitempty"`
	MI   map[int]*doc    `json:"mi,omitempty"`
	Any  any             `json:"any,omitempty"`
	Raw  json.RawMessage `json:"raw,omitempty"`
	Addr struct {
		Street string
		Geo    *struct{ Lat, Lon float64 }
	}
}

// maker makes documents as a newer program stores them: what doc knows, with more beside it.
type maker struct {
	r     *rand.Rand
	count int
	want  map[string]string // where an unknown field lies, and its bytes
}

func (m *maker) text() string {
	b := make([]byte, m.r.IntN(6))
	for i := range b {
		b[i] = "ab\"\\\n<{}[]:, é"[m.r.IntN(15)]
	}
	s, _ := json.Marshal(string(b)) // a string always encodes
	return string(s)
}

// value is any JSON, with numbers that no float holds and with spaces that no encoder writes.
func (m *maker) value(depth int) string {
	switch m.r.IntN(8) {
	case 0:
		return m.text()
	case 1:
		return "-12345678901234567890." + strconv.Itoa(m.r.IntN(1e9)) + "E+280"
	case 2:
		return "null"
	case 3:
		return "1.500"
	case 4, 5:
		if depth < 4 {
			return "[ " + m.value(depth+1) + " ,\n" + m.value(depth+1) + "]"
		}
	case 6:
		if depth < 4 {
			return "{ \"s\" : " + m.value(depth+1) + "," + m.text() + ":" + m.value(depth+1) + " }"
		}
	}
	return "true"
}

// object makes a doc, or one of its inner structs if known is given.
func (m *maker) object(path string, depth int, known ...string) string {
	parts := known
	if known == nil {
		parts = m.known(path, depth)
	}
	for range m.r.IntN(3) {
		m.count++
		key := fmt.Sprintf("extra%d%s", m.count, []string{"", "ü", "<", "\\", "/"}[m.r.IntN(5)])
		quoted, _ := json.Marshal(key) // a string always encodes
		v := m.value(0)
		m.want[path+"."+key] = v
		parts = append(parts, string(quoted)+" :"+v)
	}
	m.r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return "{" + strings.Join(parts, " , ") + "}"
}

func (m *maker) known(path string, depth int) []string {
	all := []func() string{
		func() string { return `"id":` + strconv.Itoa(m.r.IntN(10)) },
		func() string { return `"Shadow":` + m.text() },
		func() string { return `"s":` + m.text() },
		func() string { return `"N":` + strconv.Itoa(m.r.IntN(3)) }, // by another case
		func() string { return `"f":` + strconv.Itoa(m.r.IntN(3)) },
		func() string { return `"any":` + m.value(3) },
		func() string { return `"raw":` + m.value(3) },
		func() string {
			return `"Addr":` + m.object(path+".Addr", depth, `"Street":`+m.text(), `"Geo":`+m.object(path+".Addr.Geo", depth, `"Lat":1.5`))
		},
	}
	if depth < 4 {
		all = append(all,
			func() string { return `"p":` + m.object(path+".p", depth+1) },
			func() string { return `"l":` + m.list(path+".l", depth) },
			func() string { return `"lp":` + m.list(path+".lp", depth) },
			func() string {
				return `"ll":[` + m.list(path+".ll.0", depth) + ",[]," + m.list(path+".ll.2", depth) + "]"
			},
			func() string {
				return `"m":{"a":` + m.object(path+".m.a", depth+1) + `,"":` + m.object(path+".m.", depth+1) + `}`
			},
			func() string { return `"mi":{"7":` + m.object(path+".mi.7", depth+1) + `}` },
		)
	}
	var parts []string
	for _, f := range all {
		if m.r.IntN(9) == 0 {
			parts = append(parts, f())
		}
	}
	return parts
}

func (m *maker) list(path string, depth int) string {
	n := m.r.IntN(4)
	es := make([]string, n)
	for i := range es {
		es[i] = m.object(path+"."+strconv.Itoa(i), depth+1)
	}
	return "[" + strings.Join(es, ",") + "]"
}

// change does to a document what a step may do to all that it knows.
func change(r *rand.Rand, d *doc) {
	if r.IntN(2) == 0 {
		d.S = []string{"", "changed"}[r.IntN(2)]
		d.N += int64(r.IntN(3))
		d.ID++
	}
	if r.IntN(3) == 0 {
		d.F, d.Any, d.Raw = nil, map[string]any{"extra1": 1}, nil
	}
	d.Addr.Street += "x"
	if d.P != nil {
		change(r, d.P)
	}
	for i := range d.L {
		change(r, &d.L[i])
	}
	for i := range d.LP {
		p := *d.LP[i] // another pointer to an equal value
		d.LP[i] = &p
		change(r, d.LP[i])
	}
	for _, l := range d.LL {
		for i := range l {
			change(r, &l[i])
		}
	}
	for k, v := range d.M {
		change(r, &v)
		d.M[k] = v
	}
	for _, v := range d.MI {
		change(r, v)
	}
	if d.M != nil && r.IntN(2) == 0 {
		d.M["new"] = doc{S: "new"}
	}
}

// collect lists the members that lie below a value, with their bytes.
func collect(t *testing.T, path string, b json.RawMessage, out map[string]string) {
	b = bytes.TrimSpace(b)
	switch b[0] {
	case '{':
		var m map[string]json.RawMessage
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		for k, v := range m {
			out[path+"."+k] = string(v)
			collect(t, path+"."+k, v, out)
		}
	case '[':
		var l []json.RawMessage
		if err := json.Unmarshal(b, &l); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		for i, v := range l {
			collect(t, path+"."+strconv.Itoa(i), v, out)
		}
	}
}

// TestEveryUnknownFieldSurvives: thousands of documents with unknown fields at every depth are decoded, changed and encoded by a program that
// does not know them. Every one is there afterwards with the same bytes, and what the program knows is as it left it.
func TestEveryUnknownFieldSurvives(t *testing.T) {
	shape := overlay.Of(reflect.TypeFor[doc]())
	fields, deepest := 0, 0
	for seed := range uint64(2000) {
		m := &maker{r: rand.New(rand.NewPCG(seed, 1)), want: make(map[string]string)}
		stored := []byte(m.object("", 0))
		v := new(doc)
		if err := json.Unmarshal(stored, v); err != nil {
			t.Fatalf("seed %d: %s: %v", seed, stored, err)
		}
		if got := shape.Unknown(stored); got != (len(m.want) > 0) {
			t.Fatalf("seed %d: Unknown = %v with %d unknown fields: %s", seed, got, len(m.want), stored)
		}
		before := encode(t, v)
		change(m.r, v)
		now := encode(t, v)
		merged := shape.Merge(stored, before, now)
		if !shape.Rest(stored).InArrays() && !bytes.Equal(shape.Merge(stored, nil, now), merged) {
			t.Fatalf("seed %d: no unknown field lies in an array, and yet before makes a difference: %s", seed, stored)
		}
		got := make(map[string]string)
		collect(t, "", merged, got)
		for path, want := range m.want {
			fields++
			deepest = max(deepest, strings.Count(path, "."))
			if got[path] != want {
				t.Fatalf("seed %d: %s is %q, was %q\nstored %s\nmerged %s", seed, path, got[path], want, stored, merged)
			}
		}
		back, plain := new(doc), new(doc)
		if json.Unmarshal(merged, back) != nil || json.Unmarshal(now, plain) != nil || !reflect.DeepEqual(back, plain) {
			t.Fatalf("seed %d: what the program knows was changed\nencoded %s\nmerged  %s", seed, now, merged)
		}
		if again := shape.Merge(merged, now, now); !bytes.Equal(again, merged) {
			t.Fatalf("seed %d: a second save without a change changes something:\n%s\n%s", seed, merged, again)
		}
	}
	if fields < 10000 || deepest < 5 {
		t.Errorf("only %d unknown fields were tried, at most %d deep", fields, deepest)
	}
	t.Logf("%d unknown fields, at most %d deep", fields, deepest)
}

// line and order are an object of a usual kind.
type line struct {
	SKU   string
	N     int
	Price float64
	Note  string `json:"note,omitempty"`
}

type order struct {
	Email string
	Paid  bool
	Total int64
	Lines []line
	Meta  map[string]string `json:",omitempty"`
	Addr  struct{ Street, City, Zip string }
}

func orderOf(lines int) []byte {
	o := order{Email: "ada@example.com", Paid: true, Total: 12345, Meta: map[string]string{"channel": "shop"}}
	o.Addr.Street, o.Addr.City = "12 Mill Lane", "Stillwater"
	for i := range lines {
		o.Lines = append(o.Lines, line{"sku-123456", i, 12.5, "wrapped as a gift"})
	}
	b, _ := json.Marshal(o) // it always encodes
	return b
}

// BenchmarkLook reports what looking for unknown fields adds to decoding, in percent of the decoding, both taken turn by turn.
func BenchmarkLook(b *testing.B) {
	shape := overlay.Of(reflect.TypeFor[order]())
	for _, lines := range []int{1, 10, 100} {
		stored := orderOf(lines)
		b.Run(fmt.Sprintf("lines=%d", lines), func(b *testing.B) {
			var decode, look time.Duration
			for b.Loop() {
				start := time.Now()
				for range 10 {
					if err := json.Unmarshal(stored, new(order)); err != nil {
						b.Fatal(err)
					}
				}
				between := time.Now()
				for range 10 {
					if shape.Unknown(stored) {
						b.Fatal("unknown")
					}
				}
				decode, look = decode+between.Sub(start), look+time.Since(between)
			}
			b.ReportMetric(100*float64(look)/float64(decode), "%more")
		})
	}
}
