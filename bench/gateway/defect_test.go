package gateway

import (
	"strings"
	"testing"
)

func TestParseDefect(t *testing.T) {
	for text, want := range map[string]defect{
		"": {}, "lose-nth=7": {DefectLose, 7}, "early-answer": {DefectEarly, 0}, "write-twice": {DefectTwice, 0},
	} {
		if got, err := parseDefect(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"lose-nth", "lose-nth=0", "lose-nth=x", "lose-nth=99999999999", "early-answer=1", "write-twice=", "nope", "="} {
		if _, err := parseDefect(text); err == nil || !strings.Contains(err.Error(), "want lose-nth=K") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

func FuzzParseDefect(f *testing.F) {
	for _, s := range []string{"", "lose-nth=7", "early-answer", "lose-nth=-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := parseDefect(s); err == nil && (d.name == DefectLose) != (d.nth > 0) {
			t.Errorf("%q: %+v", s, d)
		}
	})
}
