package scenarios

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/ackproof/ackproof/faults"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Problem is one thing that is wrong with a scenario.
type Problem struct {
	Where string // file:line:column, or file, or the --set that brought it in
	Path  string // dotted key, such as load[1].rate; empty: the file as a whole
	Text  string // what is wrong, and what to do instead
}

// Error gives the problem as one line.
func (p Problem) Error() string {
	if p.Path == "" {
		return p.Where + ": " + p.Text
	}
	return p.Where + ": " + p.Path + ": " + p.Text
}

// decoder walks a syntax tree into a Scenario and remembers where each value
// came from, so that later checks can say so too.
type decoder struct {
	file     string
	source   string            // replaces line and column while a --set is decoded
	where    map[string]string // path → where it was given
	problems []Problem
	scaling  string                            // the --set of loadScale; empty: none
	beside   func(file string) ([]byte, error) // reads a file that the scenario names
}

// report adds a problem. An error that joins several gives one problem each.
func (d *decoder) report(where, path string, err error) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, e := range joined.Unwrap() {
			d.report(where, path, e)
		}
		return
	}
	d.problems = append(d.problems, Problem{Where: where, Path: path, Text: err.Error()})
}

func (d *decoder) at(n ast.Node) string {
	if d.source != "" {
		return d.source
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key // a block mapping's own token is its first colon
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return fmt.Sprintf("%s:%d:%d", d.file, t.Position.Line, t.Position.Column)
	}
	return d.file
}

// parse reads one YAML document; nil: the document is empty.
func (d *decoder) parse(data []byte) ast.Node {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		where, text := d.file, err.Error()
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			text = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				where = fmt.Sprintf("%s:%d:%d", d.file, t.Position.Line, t.Position.Column)
			}
		}
		if d.source != "" {
			where = d.source
		}
		d.report(where, "", fmt.Errorf("no valid YAML: %s", text))
		return nil
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		d.report(d.at(file.Docs[1].Body), "", errors.New("a second document: a scenario is one document"))
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil
	}
	return file.Docs[0].Body
}

var durationType = reflect.TypeFor[time.Duration]()

// textUnmarshaler gives the way in which a value reads itself from text.
func textUnmarshaler(v reflect.Value) (encoding.TextUnmarshaler, bool) {
	if !v.CanAddr() {
		return nil, false
	}
	u, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return u, ok
}

// value decodes a node into v.
func (d *decoder) value(n ast.Node, v reflect.Value, path string) {
	d.where[path] = d.at(n)
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.report(d.at(n), path, errors.New("anchors, aliases and tags are not supported: write the value out"))
		return
	case *ast.NullNode:
		d.report(d.at(n), path, errors.New("no value: give one, or leave the key out"))
		return
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		d.value(n, p.Elem(), path)
		v.Set(p)
		return
	}
	if _, ok := textUnmarshaler(v); ok || v.Type() == durationType {
		d.scalar(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

// scalar decodes what is one word or text.
func (d *decoder) scalar(n ast.Node, v reflect.Value, path string) {
	text, ok := scalarText(n)
	if !ok {
		d.report(d.at(n), path, fmt.Errorf("want %s, not a list or a map", kindName(v)))
		return
	}
	if err := setScalar(v, text); err != nil {
		d.report(d.at(n), path, err)
	}
}

func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func setScalar(v reflect.Value, text string) error {
	if u, ok := textUnmarshaler(v); ok {
		return u.UnmarshalText([]byte(text))
	}
	if v.Type() == durationType {
		dur, err := parseDuration(text)
		v.SetInt(int64(dur))
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is no whole number in range", text)
		}
		v.SetInt(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return fmt.Errorf("%q is no whole number from 0 up", text)
		}
		v.SetUint(n)
	default:
		panic("scenarios: no way to read a " + v.Type().String())
	}
	return nil
}

// kindName says what a value wants, for people.
func kindName(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Uint64:
		return "a number"
	}
	return "one value"
}

// pairs gives the keys and values of a map; a map of one pair has a node of its
// own kind in some places.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	all, ok := pairs(n)
	if !ok {
		d.report(d.at(n), path, errors.New("want a map of key: value"))
		return
	}
	seen := map[string]bool{}
	for _, pair := range all {
		key, at := pair.Key.GetToken().Value, d.at(pair.Key)
		field, ok := fieldByKey(v, key)
		if !ok {
			d.report(at, join(path, key), unknownKey(key, fieldKeys(v.Type())))
			continue
		}
		if seen[key] {
			d.report(at, join(path, key), errors.New("the key is given twice"))
			continue
		}
		seen[key] = true
		d.value(pair.Value, field, join(path, key))
	}
}

func unknownKey(key string, known []string) error {
	if near := faults.Nearest(key, known); near != "" {
		return fmt.Errorf("unknown key %q; did you mean %s?", key, near)
	}
	return fmt.Errorf("unknown key %q; known: %s", key, strings.Join(known, ", "))
}

// mapping decodes a map of texts. It adds to the default's entries.
func (d *decoder) mapping(n ast.Node, v reflect.Value, path string) {
	all, ok := pairs(n)
	if !ok {
		d.report(d.at(n), path, errors.New("want a map of key: value"))
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	for _, pair := range all {
		key := pair.Key.GetToken().Value
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(pair.Value, value, join(path, key))
		v.SetMapIndex(reflect.ValueOf(key), value)
	}
}

// list decodes a list. It replaces the default's elements.
func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.report(d.at(n), path, errors.New("want a list: [a, b] or lines that start with a dash"))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, element := range seq.Values {
		d.value(element, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// keyOf gives the YAML key of a struct field, and whether it is left out when
// zero. A field without a key is none of a file's.
func keyOf(f reflect.StructField) (key string, omitZero bool) {
	key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key, options == "omitempty"
}

func fieldByKey(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if k, _ := keyOf(v.Type().Field(i)); k == key && k != "" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func fieldKeys(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key, _ := keyOf(t.Field(i)); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}
