package reports

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/ackproof/ackproof/bench"
)

func enum[T any](values ...T) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, v := range values {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		var text any
		if err := json.Unmarshal(b, &text); err != nil {
			panic(err)
		}
		s.Enum = append(s.Enum, text)
	}
	return s
}

// closed are the closed lists.
var closed = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[bench.Verdict]():        enum(bench.Pass, bench.Fail, bench.VerdictUnknown),
	reflect.TypeFor[bench.ItemVerdict]():    enum(bench.ItemVerdicts()...),
	reflect.TypeFor[bench.Code]():           enum(bench.Codes()...),
	reflect.TypeFor[bench.Gate]():           enum(append(bench.AccountGates(), bench.TimingGates()...)...),
	reflect.TypeFor[bench.Station]():        enum(bench.Stations()...),
	reflect.TypeFor[bench.Sight]():          enum(bench.SightHolds, bench.SightBreaks, bench.SightLimited, bench.SightNone),
	reflect.TypeFor[bench.CapacityStatus](): enum(bench.CapacityFound, bench.CapacityAtLeast, bench.CapacityBelow, bench.CapacityOpen, bench.CapacityNone),
	reflect.TypeFor[bench.TraceKind](): enum(bench.TraceDue, bench.TraceSent, bench.TraceFirstByte, bench.TraceAnswered, bench.TraceCommitted, bench.TraceDelivered,
		bench.TraceProcessDeath, bench.TraceEffect, bench.TraceDeadLetter),
	reflect.TypeFor[bench.DrainProof](): enum(bench.DrainPositions, bench.DrainSentinels, bench.DrainQuiet, bench.DrainNone),
}

// shared are the types that stand in $defs, since they stand in many places.
var shared = map[reflect.Type]string{reflect.TypeFor[bench.Latency](): "latency", reflect.TypeFor[bench.Items](): "items"}

// schemaOf makes the JSON Schema of a file from the type that is written to it.
func schemaOf(t *testing.T, typ reflect.Type, version string) []byte {
	t.Helper()
	comments := fieldComments(t)
	types := make(map[reflect.Type]*jsonschema.Schema)
	for of, s := range closed {
		types[of] = s
	}
	infer := func(of reflect.Type) *jsonschema.Schema {
		s, err := jsonschema.ForType(of, &jsonschema.ForOptions{TypeSchemas: types})
		if err != nil {
			t.Fatal(err)
		}
		finish(s, of, comments)
		return s
	}
	defs := make(map[string]*jsonschema.Schema)
	for of, name := range shared {
		defs[name] = infer(of)
	}
	for of, name := range shared {
		types[of] = &jsonschema.Schema{Type: "object", Ref: "#/$defs/" + name}
	}
	s := infer(typ)
	s.Schema, s.Title, s.Defs = "https://json-schema.org/draft/2020-12/schema", version, defs
	var is any = version
	s.Properties["schema"].Const = &is
	if !bytes.Contains(must(json.Marshal(s)), []byte("#/$defs/")) {
		s.Defs = nil
	}
	var b bytes.Buffer
	if err := json.Indent(&b, must(json.Marshal(s)), "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// finish gives every key its comment, lets later versions add keys, and makes
// lists lists: none of ours is null.
func finish(s *jsonschema.Schema, t reflect.Type, comments map[string]string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s.Ref != "" {
		if slices.Contains(s.Types, "null") {
			s.AnyOf, s.Ref = []*jsonschema.Schema{{Ref: s.Ref}, {Type: "null"}}, ""
		}
		s.Type, s.Types = "", nil
		return
	}
	switch {
	case s.Items != nil:
		s.Type, s.Types = "array", nil
		finish(s.Items, t.Elem(), comments)
	case s.Properties != nil:
		s.AdditionalProperties = nil
		for i := range t.NumField() {
			f := t.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if key == "-" {
				continue
			}
			finish(s.Properties[key], f.Type, comments)
			s.Properties[key].Description = comments[t.Name()+"."+f.Name]
			if s.Properties[key].Description == "" && len(s.Properties[key].Enum) == 0 {
				s.Properties[key].Description = comments[strings.TrimPrefix(f.Type.String(), "*bench.")]
			}
		}
	}
}

// fieldComments are the comments of package bench by Type.Field, and those of
// types by Type.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	comments := make(map[string]string)
	for _, name := range []string{"result.go", "series.go", "trace.go", "comparison.go", "capacity.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "bench", name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		text := func(groups ...*ast.CommentGroup) string {
			for _, g := range groups {
				if words := strings.Join(strings.Fields(g.Text()), " "); words != "" {
					return words
				}
			}
			return ""
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GenDecl:
				for _, spec := range n.Specs {
					if of, ok := spec.(*ast.TypeSpec); ok {
						comments["bench."+of.Name.Name] = new(doc.Package).Synopsis(text(of.Doc, n.Doc))
					}
				}
			case *ast.TypeSpec:
				if of, ok := n.Type.(*ast.StructType); ok {
					for _, f := range of.Fields.List {
						for _, id := range f.Names {
							comments[n.Name.Name+"."+id.Name] = text(f.Doc, f.Comment)
						}
					}
				}
			}
			return true
		})
	}
	return comments
}

// TestSchemas holds the published schemas to the types.
func TestSchemas(t *testing.T) {
	for name, want := range map[string][]byte{
		"result.schema.json":     schemaOf(t, reflect.TypeFor[bench.Result](), bench.ResultSchema),
		"series.schema.json":     schemaOf(t, reflect.TypeFor[bench.Series](), bench.SeriesSchema),
		"comparison.schema.json": schemaOf(t, reflect.TypeFor[bench.Comparison](), bench.ComparisonSchema),
		"capacity.schema.json":   schemaOf(t, reflect.TypeFor[bench.Capacity](), bench.CapacitySchema),
	} {
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types are (%v); write it anew with: go test ./reports -run Schemas -update", name, err)
		}
	}
}

// What we write is what the schemas say, and what is wrong is not.
func TestSchemasHold(t *testing.T) {
	check := func(schema []byte, v any) error {
		t.Helper()
		var s jsonschema.Schema
		if err := json.Unmarshal(schema, &s); err != nil {
			t.Fatal(err)
		}
		resolved, err := s.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		var instance any
		if err := json.Unmarshal(must(json.Marshal(v)), &instance); err != nil {
			t.Fatal(err)
		}
		return resolved.Validate(instance)
	}
	r, _ := failing()
	if err := check(ResultSchema, r); err != nil {
		t.Errorf("a result: %v", err)
	}
	for name, make := range map[string]func() (*bench.Result, *bench.Series){"passing": passing, "failing": failing} {
		_, s := make()
		if err := check(SeriesSchema, s); err != nil {
			t.Errorf("the series of a %s run: %v", name, err)
		}
		s.Rows = nil
		if err := check(SeriesSchema, s); err == nil {
			t.Errorf("the series of a %s run: no rows are accepted", name)
		}
	}
	c := Compare(runsOf(trials(6, 5), nil, nil), "")
	if err := check(ComparisonSchema, c); err != nil {
		t.Errorf("a comparison: %v", err)
	}
	c = Compare(measured(), "")
	if err := check(ComparisonSchema, c); err != nil {
		t.Errorf("a comparison with capacities: %v", err)
	}
	for name, spoil := range map[string]func(*bench.Result){
		"a verdict that is none": func(r *bench.Result) { r.Verdict = "maybe" },
		"a code that is none":    func(r *bench.Result) { r.Reasons = []bench.Reason{{Code: "whim"}} },
		"another version":        func(r *bench.Result) { r.Schema = "ackproof.result/v2" },
		"a list that is null":    func(r *bench.Result) { r.Gates = nil },
		"a station that is none": func(r *bench.Result) { r.Findings = []bench.Finding{{Verdict: bench.LostWrite, LastStation: "lobby"}} },
	} {
		r, _ := failing()
		spoil(r)
		if err := check(ResultSchema, r); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
