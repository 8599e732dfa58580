package scenarios

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// YAML writes the scenario with its defaults filled in. It parses back to the
// same scenario.
//
// It is written here rather than by a YAML encoder because the decoder has
// rules of its own, and because a text in quotes must come back byte for byte.
func (s *Scenario) YAML() []byte {
	var b strings.Builder
	writeBlock(&b, reflect.ValueOf(s).Elem(), "")
	return []byte(b.String())
}

// writeBlock writes a struct, one key a line.
func writeBlock(b *strings.Builder, v reflect.Value, indent string) {
	for i := range v.NumField() {
		key, omitZero := keyOf(v.Type().Field(i))
		field := v.Field(i)
		if key == "" || omitZero && field.IsZero() {
			continue
		}
		b.WriteString(indent + key + ":")
		switch {
		case field.Kind() == reflect.Struct && !isText(field):
			b.WriteByte('\n')
			writeBlock(b, field, indent+"  ")
		case field.Kind() == reflect.Slice && field.Len() > 0 && longElement(field.Index(0)):
			b.WriteByte('\n')
			for j := range field.Len() {
				b.WriteString(indent + "  - " + inline(field.Index(j)) + "\n")
			}
		default:
			b.WriteString(" " + inline(field) + "\n")
		}
	}
}

// longElement reports whether a list of such elements is easier to read with
// one element a line: structs, and lines of text.
func longElement(v reflect.Value) bool { return v.Kind() == reflect.Struct }

// inline writes a value on one line.
func inline(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		return inline(v.Elem())
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return d.String()
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err != nil {
			panic("scenarios: a value does not print: " + err.Error())
		}
		return scalarYAML(string(text))
	}
	switch v.Kind() {
	case reflect.String:
		return textYAML(v.String())
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = inline(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		m := v.Interface().(map[string]string)
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(m)) {
			parts = append(parts, textYAML(key)+": "+textYAML(m[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.Struct:
		var parts []string
		for i := range v.NumField() {
			if key, omitZero := keyOf(v.Type().Field(i)); key != "" && (!omitZero || !v.Field(i).IsZero()) {
				parts = append(parts, key+": "+inline(v.Field(i)))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	panic(fmt.Sprintf("scenarios: no way to write a %s", v.Type()))
}

var (
	plainText   = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*[.]?$`)
	plainScalar = regexp.MustCompile(`^[0-9]+([.][0-9]+)?(B|KB|MB|/s|%)?$`)
	reserved    = regexp.MustCompile(`^(?i:true|false|null|yes|no|on|off|y|n|nan|inf)$`)
)

// scalarYAML writes a value that prints itself: bare where nobody could take it
// for something else.
func scalarYAML(s string) string {
	if plainScalar.MatchString(s) || s == "none" {
		return s
	}
	return textYAML(s)
}

// textYAML writes a text: bare where it is made of words, else in double quotes
// with JSON's escapes, which YAML has too.
func textYAML(s string) string {
	if plainText.MatchString(s) && !reserved.MatchString(s) {
		return s
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("scenarios: a text does not print: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}
