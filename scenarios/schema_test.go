package scenarios

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/faults"
)

var update = flag.Bool("update", false, "write scenario.schema.json")

const durationPattern = `^(0|([0-9]*\.?[0-9]+(ns|us|µs|ms|s|m|h))+)$`

// texts are the types that read themselves from text.
var texts = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[time.Duration](): {Type: "string", Pattern: durationPattern},
	reflect.TypeFor[Rate]():          {Type: "string", Pattern: `^[0-9]*\.?[0-9]+/(s|m|min|h)$`},
	reflect.TypeFor[Size]():          {Type: "string", Pattern: `^[0-9]+(B|KB|MB)$`},
	reflect.TypeFor[Percent]():       {Type: "string", Pattern: `^[0-9]*\.?[0-9]+%$`},
	reflect.TypeFor[Dollars]():       {Type: "string", Pattern: `^[0-9]*\.?[0-9]+ USD$`},
	reflect.TypeFor[Factor]():        {Type: "number"},
	reflect.TypeFor[Skew]():          {Type: "string", Pattern: `^(uniform|zipf( [0-9.]+)?)$`},
	reflect.TypeFor[Deadline]():      {Type: "string", Pattern: `^(none|` + durationPattern[1:len(durationPattern)-1] + `)$`},
	reflect.TypeFor[faults.Fault]():  {Type: "string", Pattern: `^(at|on) `},
	reflect.TypeFor[Expectation]():   {Type: "string", Pattern: `^\S+ (==|!=|<|<=|>|>=) \S+`},
}

// enums are the values of keys that have few.
var enums = map[string][]string{
	"architecture": bench.Architectures(), "workload.kind": {Unique, Versions}, "load[].arrivals": {Evenly, Poisson},
	"mapping.startingPosition": {"TRIM_HORIZON", "LATEST"}, "mapping.onFailure": {onFailureNone, onFailurePayload, onFailureMetadata},
	"guarantee.effects": {ExactlyOnce, AtLeastOnce, NoEffects}, "guarantee.deadLetters": {DeadLettersFail, DeadLettersAllow},
	"read.by": {ReadScan, ReadGet, ReadExport}, "table.streamViewType": {"NEW_IMAGE", "NEW_AND_OLD_IMAGES", "OLD_IMAGE", "KEYS_ONLY"},
}

// schemaMaker makes the schema from the types and their comments.
type schemaMaker struct{ comments map[string]string }

func (m schemaMaker) of(t reflect.Type, path string) *jsonschema.Schema {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s := texts[t]; s != nil {
		one := *s
		return &one
	}
	if values := enums[path]; values != nil {
		s := &jsonschema.Schema{Type: "string"}
		for _, v := range values {
			s.Enum = append(s.Enum, v)
		}
		return s
	}
	switch t.Kind() {
	case reflect.Bool:
		return &jsonschema.Schema{Type: "boolean"}
	case reflect.Int, reflect.Uint64:
		return &jsonschema.Schema{Type: "integer"}
	case reflect.Slice:
		return &jsonschema.Schema{Type: "array", Items: m.of(t.Elem(), path+"[]")}
	case reflect.Map:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: m.of(t.Elem(), path+".*")}
	case reflect.Struct:
		return m.object(t, path)
	}
	return &jsonschema.Schema{Types: []string{"string", "number", "boolean"}} // a text in which nobody has to quote
}

func (m schemaMaker) object(t reflect.Type, path string) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}, Properties: map[string]*jsonschema.Schema{}}
	for i := range t.NumField() {
		f := t.Field(i)
		key, _ := keyOf(f)
		if key == "" {
			continue
		}
		one := m.of(f.Type, join(path, key))
		one.Description = m.comments[t.Name()+"."+f.Name]
		s.Properties[key] = one
		s.PropertyOrder = append(s.PropertyOrder, key)
	}
	return s
}

// comments gives the comment beside each field of the package's structs.
func comments(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						all[spec.Name.Name+"."+name.Name] = strings.TrimSpace(f.Comment.Text())
					}
				}
			}
			return true
		})
	}
	return all
}

func TestSchemaIsMadeFromTheTypes(t *testing.T) {
	s := schemaMaker{comments(t)}.of(reflect.TypeFor[Scenario](), "")
	s.Schema, s.Title = "https://json-schema.org/draft/2020-12/schema", "ackproof scenario"
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile("scenario.schema.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, Schema) {
		t.Error("scenario.schema.json is not that of the types: go test ./scenarios -run Schema -update")
	}
}

// resolved gives the schema, ready to check with.
func resolved(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(Schema, &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// asJSON reads YAML as an editor does.
func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	b, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaFitsEveryScenario(t *testing.T) {
	schema := resolved(t)
	for _, name := range Builtins() {
		source, err := Source(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Load(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string][]byte{"as written": source, "as kept": s.YAML()} {
			if err := schema.Validate(asJSON(t, text)); err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	schema := resolved(t)
	for _, text := range []string{
		"lod: []", "load: [{name: a, for: 10, rate: 1/s}]", "load: [{name: a, for: 10s, rate: 1}]", "load: [{name: a, for: 10s, rate: 1/s, arrivals: often}]",
		"load: [{name: a, spike: {att: 1s}}]", "table: {shards: many}", "faults: ['whenever: processor.kill']", "expect: ['lost = 0']",
		"workload: {payload: 4kb}", "architecture: stream", "guarantee: {deadline: soon}", "request: {ack: [ok]}",
	} {
		if err := schema.Validate(asJSON(t, []byte(text))); err == nil {
			t.Errorf("%s passes", text)
		}
	}
}

// The schema's lists of values are those that are read.
func TestSchemaKnowsTheValuesThatAreRead(t *testing.T) {
	for path, values := range enums {
		path = strings.Replace(path, "[]", "[0]", 1)
		for _, v := range append(values, "nobody-knows") {
			_, err := Parse("s.yaml", []byte(minimal), []string{path + "=" + v})
			unknown := err != nil && strings.Contains(err.Error(), path+`: "`+v+`" is not known`)
			if unknown != (v == "nobody-knows") {
				t.Errorf("%s=%s: %v", path, v, err)
			}
		}
	}
}
