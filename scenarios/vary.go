package scenarios

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Variation is a value of a scenario that is varied: what --vary says.
type Variation struct {
	Path   string
	Values []string // as --set takes them
}

// ParseVariation parses path=value1,value2. A comma inside brackets, braces or
// quotes parts no values; quotes around a whole value are taken off.
func ParseVariation(text string) (Variation, error) {
	path, values, ok := strings.Cut(text, "=")
	v := Variation{Path: strings.TrimSpace(path)}
	if !ok || v.Path == "" {
		return v, fmt.Errorf("--vary %s: want path=value1,value2, such as mapping.batchSize=10,100", text)
	}
	var err error
	if v.Values, err = splitValues(values); err != nil {
		return v, fmt.Errorf("--vary %s: %w", text, err)
	}
	if len(v.Values) < 2 {
		return v, fmt.Errorf("--vary %s: one value is no comparison; name two or more after commas, or say --set", text)
	}
	for i, value := range v.Values {
		if slices.Contains(v.Values[:i], value) {
			return v, fmt.Errorf("--vary %s: the value %q stands there twice", text, value)
		}
	}
	return v, nil
}

// splitValues splits at the commas that are part of no value.
func splitValues(text string) ([]string, error) {
	var values []string
	var open []rune // brackets, innermost last
	quote, begin := rune(0), 0
	closes := map[rune]rune{']': '[', '}': '{'}
	for i, c := range text {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && (len(open) > 0 || i == begin):
			quote = c
		case c == '[' || c == '{':
			open = append(open, c)
		case closes[c] != 0 && len(open) > 0 && open[len(open)-1] == closes[c]:
			open = open[:len(open)-1]
		case c == ',' && len(open) == 0:
			values, begin = append(values, unquoted(text[begin:i])), i+1
		}
	}
	switch {
	case quote != 0:
		return nil, fmt.Errorf("the quote %c has no end", quote)
	case len(open) > 0:
		return nil, fmt.Errorf("the bracket %c has no end", open[len(open)-1])
	}
	return append(values, unquoted(text[begin:])), nil
}

func unquoted(value string) string {
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		return value[1 : n-1]
	}
	return value
}

// maxCombinations bounds what is made of a slip: each is a run of its own.
const maxCombinations = 100

// Combinations gives every combination of the values, the last path changing
// fastest: for each the assignments that make it, as [Load] takes them. Of no
// variation there is one, of no assignment.
func Combinations(all []Variation) ([][]string, error) {
	var errs []error
	out := [][]string{nil}
	for i, v := range all {
		if slices.ContainsFunc(all[:i], func(o Variation) bool { return o.Path == v.Path }) {
			errs = append(errs, fmt.Errorf("--vary %s is given twice: name all its values in one", v.Path))
		}
		if len(out)*len(v.Values) > maxCombinations {
			return out[:1], errors.Join(append(errs, fmt.Errorf("--vary: the values make more than %d configurations: vary fewer at once", maxCombinations))...)
		}
		var next [][]string
		for _, before := range out {
			for _, value := range v.Values {
				next = append(next, append(slices.Clone(before), v.Path+"="+value))
			}
		}
		out = next
	}
	return out, errors.Join(errs...)
}
