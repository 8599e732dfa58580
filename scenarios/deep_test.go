package scenarios

import (
	"strings"
	"testing"
)

// TestHostileShapes: files made to exhaust a parser end in an error, not in a
// crash: the size limit bounds the depth.
func TestHostileShapes(t *testing.T) {
	const size = maxFile / 4 // a quarter: the parser's time is quadratic
	for name, text := range map[string]string{
		"deep list":  strings.Repeat("[", size),
		"deep map":   strings.Repeat("{a: ", size/4),
		"dashes":     strings.Repeat("- ", size/2),
		"zero bytes": strings.Repeat("\x00", 1000),
		"no UTF-8":   "name: \xff\xfe",
	} {
		if _, err := Parse("hostile.yaml", []byte(text), nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
