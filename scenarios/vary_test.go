package scenarios

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseVariation(t *testing.T) {
	for text, want := range map[string][]string{
		"mapping.batchSize=10,100,1000":              {"10", "100", "1000"},
		"processor.env.MODE=,fast":                   {"", "fast"},
		"processor.env.LIST='a,b',c":                 {"a,b", "c"},
		`request.body={"a":[1,2],"b":"x,]"},{"a":1}`: {`{"a":[1,2],"b":"x,]"}`, `{"a":1}`},
		`faults=["at 1s: processor.kill"],[]`:        {`["at 1s: processor.kill"]`, "[]"},
		"about=it's,that's":                          {"it's", "that's"},
		"request.path=/a=1,/b":                       {"/a=1", "/b"},
	} {
		v, err := ParseVariation(text)
		path, _, _ := strings.Cut(text, "=")
		if err != nil || v.Path != path || !reflect.DeepEqual(v.Values, want) {
			t.Errorf("%s: %q of %q, %v; want %q", text, v.Values, v.Path, err, want)
		}
	}
	for text, want := range map[string]string{
		"mapping.batchSize":       "want path=value1,value2",
		"=1,2":                    "want path=value1,value2",
		"mapping.batchSize=10":    "one value is no comparison",
		"mapping.batchSize=":      "one value is no comparison",
		"mapping.batchSize=1,2,1": `"1" stands there twice`,
		"faults=[a,b":             "the bracket [ has no end",
		"request.path='/a,/b":     "the quote ' has no end",
	} {
		if v, err := ParseVariation(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want an error with %q", text, v, err, want)
		}
	}
}

func TestCombinations(t *testing.T) {
	got, err := Combinations([]Variation{{"a", []string{"1", "2"}}, {"b", []string{"x", "y"}}})
	want := [][]string{{"a=1", "b=x"}, {"a=1", "b=y"}, {"a=2", "b=x"}, {"a=2", "b=y"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if got, err := Combinations(nil); err != nil || len(got) != 1 || len(got[0]) != 0 {
		t.Errorf("of nothing: %q, %v; want one combination of no assignment", got, err)
	}
	if _, err := Combinations([]Variation{{"a", []string{"1", "2"}}, {"a", []string{"3", "4"}}}); err == nil {
		t.Error("one path varied twice is taken")
	}
	ten := strings.Split("0123456789", "")
	if got, err := Combinations([]Variation{{"a", ten}, {"b", ten}}); err != nil || len(got) != maxCombinations {
		t.Errorf("ten by ten: %d, %v", len(got), err)
	}
	if _, err := Combinations([]Variation{{"a", ten}, {"b", ten}, {"c", ten[:2]}}); err == nil {
		t.Error("two hundred configurations are taken")
	}
}

func FuzzParseVariation(f *testing.F) {
	f.Add("mapping.batchSize=10,100")
	f.Add(`faults=["a,b",'c'],[]`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVariation(text)
		if err == nil && (v.Path == "" || len(v.Values) < 2) {
			t.Errorf("%q gives %+v", text, v)
		}
	})
}
