package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// junitElement is what may stand in an element of junit.xml, by the schema that Jenkins
// holds it to. An attribute that ends in ! must be there.
// https://github.com/jenkinsci/xunit-plugin, junit-10.xsd
type junitElement struct{ attributes, children string }

var junitElements = map[string]junitElement{
	"":           {children: "testsuites"},
	"testsuites": {"name time tests failures errors", "testsuite"},
	"testsuite":  {"name! tests! failures! errors! group time skipped timestamp hostname id package file log url", "testsuite properties testcase system-out system-err"},
	"testcase":   {"name! time classname group", "skipped error failure system-out system-err"},
	"failure":    {"type message", ""},
	"error":      {"type message", ""},
	"skipped":    {"type message", ""},
}

// schemaOfJUnit says what in a file is not as the schema has it.
func schemaOfJUnit(file []byte) (problems []string) {
	at := []string{""}
	d := xml.NewDecoder(bytes.NewReader(file))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return problems
		}
		if err != nil {
			return append(problems, err.Error())
		}
		switch e := token.(type) {
		case xml.StartElement:
			name, parent := e.Name.Local, at[len(at)-1]
			at = append(at, name)
			if !slices.Contains(strings.Fields(junitElements[parent].children), name) {
				problems = append(problems, "<"+name+"> in <"+parent+">")
			}
			allowed := strings.Fields(junitElements[name].attributes)
			for _, a := range e.Attr {
				i := slices.IndexFunc(allowed, func(s string) bool { return strings.TrimSuffix(s, "!") == a.Name.Local })
				if i < 0 {
					problems = append(problems, a.Name.Local+" of <"+name+">")
					continue
				}
				allowed = slices.Delete(allowed, i, i+1)
			}
			for _, a := range allowed {
				if strings.HasSuffix(a, "!") {
					problems = append(problems, "no "+a+" in <"+name+">")
				}
			}
		case xml.EndElement:
			at = at[:len(at)-1]
		}
	}
}

func TestJUnitKeepsToTheSchema(t *testing.T) {
	for _, f := range fixtures {
		r, _ := f.make()
		file, err := JUnit(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range schemaOfJUnit(file) {
			t.Errorf("%s: %s", f.name, p)
		}
	}
	for _, bad := range []string{`<testsuites skipped="1"/>`, `<testsuites><testcase name="x"/></testsuites>`, `<testsuites><testsuite name="x"/></testsuites>`, `<testsuites`} {
		if schemaOfJUnit([]byte(bad)) == nil {
			t.Errorf("%s is taken for good", bad)
		}
	}
}
