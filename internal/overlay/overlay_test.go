//lint:file-ignore SA5008 malformed tags are among what is compared with encoding/json
//lint:file-ignore U1000 so are fields that nobody uses

package overlay_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/internal/overlay"
)

// own encodes itself: what it reads and writes is its own affair.
type own struct{ v string }

func (o own) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]string{"own": o.v}) }

func (o *own) UnmarshalJSON(b []byte) error {
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	o.v = m["own"]
	return nil
}

type Base struct {
	ID     int `json:"id"`
	Shadow string
}

type Other struct {
	Twice  int
	Shadow string `json:"Shadow,omitempty"`
}

type third struct{ Twice int }

type leaf struct {
	Name string   `json:"name"`
	N    int      `json:"n,omitempty"`
	Tags []string `json:"tags,omitempty"`
}

type tree struct {
	Base
	*Other
	third
	Leaf    leaf
	Ptr     *leaf           `json:"ptr,omitempty"`
	Deep    **leaf          `json:"deep,omitempty"`
	List    []leaf          `json:"list,omitempty"`
	Fixed   [2]leaf         `json:"fixed"`
	Dict    map[string]leaf `json:"dict,omitempty"`
	Nums    map[int]*leaf   `json:"nums,omitempty"`
	Kids    []*tree         `json:"kids,omitempty"`
	Raw     json.RawMessage `json:"raw,omitempty"`
	Any     any             `json:"any,omitempty"`
	At      time.Time       `json:"at"`
	Own     own             `json:"own"`
	Owns    []own           `json:"owns,omitempty"`
	Hidden  string          `json:"-"`
	Dash    string          `json:"-,"`
	Quoted  int             `json:"quoted,string"`
	Bad     string          `json:"bad\"name"`
	private string
}

// TestKnownAsTheDecoderKnows compares what is unknown with what encoding/json says of it, for every kind of field and name.
func TestKnownAsTheDecoderKnows(t *testing.T) {
	type selfMap map[string]selfMap
	type both struct { // neither is chosen: the type does not encode itself
		time.Time
		own
		X int
	}
	values := []any{tree{}, &tree{}, leaf{}, Base{}, []leaf{}, map[string]leaf{}, map[string]map[string][]leaf{}, struct{}{}, both{}, selfMap{},
		"", 0, []byte{}, own{}, time.Time{}, struct{ time.Time }{}, [3]leaf{}, new(any), json.RawMessage{}, []map[string]*leaf{}}
	names := []string{"id", "ID", "Id", "Shadow", "shadow", "Twice", "Leaf", "LEAF", "ptr", "list", "Hidden", "-", "private", "third", "Base", "Other", "name",
		"n", "N", "own", "at", "quoted", "Bad", "bad\"name", "X", "x", "Time", "wall", "nothing", "", "ſhadow", "Shadow ", "\u212aids", "kids", "\xff"}
	for _, v := range values {
		typ := reflect.TypeOf(v)
		shape := overlay.Of(typ)
		for _, name := range names {
			quoted, err := json.Marshal(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range []string{`{NAME:null}`, ` { NAME : null , NAME:null } `, `[{NAME:null}]`, `{"a":{NAME:null}}`, `{"a":[{"b":{NAME:null}}]}`, `{"Leaf":{NAME:null}}`,
				`{"ptr":{"name":"x","tags":["}","\"{"],NAME:null}}`, `{"list":[{},{"name":"\\"},{NAME:null}]}`, `{"kids":[null,{"kids":[{NAME:null}]}]}`, `{"dict":{"NAME":{NAME:null}}}`,
				`{"nums":{"1":{NAME:null}}}`, `{"any":{NAME:null}}`, `{"raw":[{NAME:1.50}]}`, `{"deep":{NAME:null}}`, `{"own":{NAME:null}}`, `{"LIST":[{NAME:null}]}`} {
				in := []byte(strings.ReplaceAll(strings.ReplaceAll(format, `"NAME"`, `"k"`), "NAME", string(quoted)))
				if json.Unmarshal(in, reflect.New(typ).Interface()) != nil {
					continue // not of this type
				}
				dec := json.NewDecoder(bytes.NewReader(in))
				dec.DisallowUnknownFields()
				err := dec.Decode(reflect.New(typ).Interface())
				if got := shape.Unknown(in); got != (err != nil) {
					t.Errorf("%T: Unknown(%s) = %v, encoding/json says %v", v, in, got, err)
				}
			}
		}
	}
}

// roundTrip decodes, changes and encodes again, as a step of an older program does.
func roundTrip[T any](t *testing.T, stored string, change func(v *T)) string {
	t.Helper()
	v := new(T)
	if err := json.Unmarshal([]byte(stored), v); err != nil {
		t.Fatalf("%s: %v", stored, err)
	}
	before := encode(t, v)
	if change != nil {
		change(v)
	}
	return string(overlay.Of(reflect.TypeFor[T]()).Merge([]byte(stored), before, encode(t, v)))
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMerge(t *testing.T) {
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", what, got, want)
		}
	}
	check("at the top", roundTrip(t, `{"name":"a","x":1.50,"y": [1, {"z":2}] }`, func(l *leaf) { l.Name = "b" }), `{"name":"b","x":1.50,"y":[1, {"z":2}]}`)
	check("into nothing", roundTrip(t, `{"x":1}`, func(*struct{}) {}), `{"x":1}`)
	check("numbers", roundTrip(t, `{"x":12345678901234567890.12345678901234567890e-400,"name":""}`, func(l *leaf) {}),
		`{"name":"","x":12345678901234567890.12345678901234567890e-400}`)
	check("escapes", roundTrip(t, `{"n\u0061me":"a","\u0078<":"\u003c\/","ü":"\ud83d\ude00"}`, func(l *leaf) {}), `{"name":"a","\u0078<":"\u003c\/","ü":"\ud83d\ude00"}`)
	check("an emptied field stays empty", roundTrip(t, `{"name":"a","n":5,"x":1}`, func(l *leaf) { l.N = 0 }), `{"name":"a","x":1}`)
	check("a zero that was stored", roundTrip(t, `{"name":"a","n":0,"x":1}`, func(*leaf) {}), `{"name":"a","x":1}`)
	check("another case is the same field", roundTrip(t, `{"NAME":"a","x":1}`, func(l *leaf) { l.Name = "b" }), `{"name":"b","x":1}`)
	check("null", roundTrip(t, `null`, func(l *leaf) { l.Name = "b" }), `{"name":"b"}`)
	check("a map keeps what its elements had", roundTrip(t, `{"a":{"x":1},"b":{"x":2}}`, func(m *map[string]leaf) { delete(*m, "b"); (*m)["c"] = leaf{} }),
		`{"a":{"name":"","x":1},"c":{"name":""}}`)
	check("a replaced object", roundTrip(t, `{"id":0,"x":1,"ptr":{"x":2},"at":"0001-01-01T00:00:00Z"}`, func(v *tree) { v.Ptr = nil; v.Own = own{"o"} }),
		`{"id":0,"Leaf":{"name":""},"fixed":[{"name":""},{"name":""}],"at":"0001-01-01T00:00:00Z","own":{"own":"o"},"-":"","quoted":"0","Bad":"","x":1}`)
	check("a type that encodes itself", roundTrip(t, `{"own":"a","x":"1"}`, func(o *own) { o.v = "b" }), `{"own":"b"}`)
	check("a string", roundTrip(t, `"a"`, func(s *string) { *s = "b" }), `"b"`)
	check("any", roundTrip(t, `{"x":1}`, func(a *any) { *a = map[string]any{"y": 2} }), `{"y":2}`)
}

func TestMergeArrays(t *testing.T) {
	const stored = `[{"name":"a","x":1},{"name":"b","x":2},{"name":"c","x":3}]`
	for what, c := range map[string]struct {
		change func(l *[]leaf)
		want   string
	}{
		"changed in place": {func(l *[]leaf) { (*l)[1].Name = "B" }, `[{"name":"a","x":1},{"name":"B","x":2},{"name":"c","x":3}]`},
		"all changed":      {func(l *[]leaf) { *l = []leaf{{Name: "1"}, {Name: "2"}, {Name: "3"}} }, `[{"name":"1","x":1},{"name":"2","x":2},{"name":"3","x":3}]`},
		"appended":         {func(l *[]leaf) { *l = append(*l, leaf{Name: "d"}) }, `[{"name":"a","x":1},{"name":"b","x":2},{"name":"c","x":3},{"name":"d"}]`},
		"put in front":     {func(l *[]leaf) { *l = append([]leaf{{Name: "0"}}, *l...) }, `[{"name":"0"},{"name":"a","x":1},{"name":"b","x":2},{"name":"c","x":3}]`},
		"removed":          {func(l *[]leaf) { *l = (*l)[1:] }, `[{"name":"b","x":2},{"name":"c","x":3}]`},
		"turned round":     {func(l *[]leaf) { (*l)[0], (*l)[2] = (*l)[2], (*l)[0] }, `[{"name":"c","x":3},{"name":"b","x":2},{"name":"a","x":1}]`},
		"cut and changed":  {func(l *[]leaf) { *l = (*l)[:2]; (*l)[0].N = 9 }, `[{"name":"a","n":9},{"name":"b","x":2}]`},
		"doubled":          {func(l *[]leaf) { *l = append(*l, (*l)[0]) }, `[{"name":"a","x":1},{"name":"b","x":2},{"name":"c","x":3},{"name":"a"}]`},
		"emptied":          {func(l *[]leaf) { *l = (*l)[:0] }, `[]`},
		"gone":             {func(l *[]leaf) { *l = nil }, `null`},
	} {
		if got := roundTrip(t, stored, c.change); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", what, got, c.want)
		}
	}
	var l []leaf
	if err := json.Unmarshal([]byte(stored), &l); err != nil {
		t.Fatal(err)
	}
	l[0].Name = "A"
	if got := overlay.Of(reflect.TypeOf(l)).Merge([]byte(stored), nil, encode(t, l)); string(got) != `[{"name":"A","x":1},{"name":"b","x":2},{"name":"c","x":3}]` {
		t.Errorf("by index alone: %s", got)
	}
}

// TestATypeThatPointsToItself has a shape all the same: it can only be null.
func TestATypeThatPointsToItself(t *testing.T) {
	type loop *loop
	if s := overlay.Of(reflect.TypeFor[loop]()); s != nil {
		t.Errorf("shape %+v", s)
	}
}

// TestLongTextIsReadOnce: a text with very many escapes takes a moment, not minutes.
func TestLongTextIsReadOnce(t *testing.T) {
	in := encode(t, map[string]string{"name": strings.Repeat("a\n\"\\", 1<<19)})
	if overlay.Of(reflect.TypeFor[leaf]()).Unknown(in) {
		t.Error("found something unknown")
	}
}

// FuzzShape: on any bytes nothing panics; on JSON that fits the type, what is unknown is what the decoder says, and survives.
func FuzzShape(f *testing.F) {
	for _, s := range []string{`{"id":1,"x":{"y":1},"kids":[{"list":[{"z":1}]}]}`, `{"dict":{"a":{"q":1}},"nums":{"1":{"w":2}}}`, `{"Leaf":{"name":"\"\\"`, `[`, `{"`, `{"a`, `{"id":`, `{"kids":[{"x"`,
		`{"ptr":{"A":[[[{}]]]},"":0}`, `{"list":[{"x":1},{"x":1}],"LIST":[{"y":2}]}`} {
		f.Add([]byte(s), []byte(s))
	}
	shape := overlay.Of(reflect.TypeFor[tree]())
	f.Fuzz(func(t *testing.T, a, b []byte) {
		shape.Unknown(a)
		shape.Merge(a, b, a)
		v := new(tree)
		if json.Unmarshal(a, v) != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(a))
		dec.DisallowUnknownFields()
		err := dec.Decode(new(tree))
		if got := shape.Unknown(a); got != (err != nil) {
			t.Errorf("Unknown(%q) = %v, encoding/json says %v", a, got, err)
		}
		now, err := json.Marshal(v)
		if err != nil {
			return
		}
		merged := shape.Merge(a, now, now)
		if (shape.Rest(a) != nil) != shape.Unknown(a) {
			t.Errorf("Rest(%q) and Unknown do not agree", a)
		}
		if !json.Valid(merged) {
			t.Fatalf("%q became %q", a, merged)
		}
		if err := json.Unmarshal(merged, new(tree)); err != nil {
			t.Errorf("%q no longer decodes: %v", merged, err)
		}
		if !shape.Unknown(a) && !bytes.Equal(merged, now) {
			t.Errorf("nothing is unknown, and yet %q became %q", now, merged)
		}
	})
}
