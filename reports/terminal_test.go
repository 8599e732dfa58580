package reports

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
)

func TestTerminalKeepsItsRules(t *testing.T) {
	for _, f := range fixtures {
		r, _ := f.make()
		for range 40 {
			r.Reasons = append(r.Reasons, bench.Reason{Code: "x", Text: evil})
			r.Notes = append(r.Notes, evil)
		}
		for i := range 10 {
			r.Faults = append(r.Faults, bench.FaultResult{Text: evil, Bitten: int64(i), Undone: i%2 == 0, PredictedLoss: ptr(int64(i))})
			r.Expectations = append(r.Expectations, bench.Expectation{Expect: evil, OK: ptr(false), Why: evil})
		}
		for _, width := range []int{0, 40, 80, 200} {
			var b bytes.Buffer
			opt := Options{Width: width, Dir: "runs/latest"}
			if err := Terminal(&b, r, opt); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
			if len(lines) > maxLines {
				t.Errorf("%s at %d: %d lines, want at most %d", f.name, width, len(lines), maxLines)
			}
			for _, l := range lines {
				path := strings.Contains(l, opt.Dir) // never cut
				if n := utf8.RuneCountInString(l); n > opt.width() && !path {
					t.Errorf("%s at %d: a line of %d characters: %s", f.name, width, n, l)
				}
				if strings.ContainsAny(l, "\x1b\r\x00\u202e") {
					t.Errorf("%s at %d: control characters in %q", f.name, width, l)
				}
			}
			if !strings.HasPrefix(lines[0], upper(r.Verdict)) {
				t.Errorf("%s: the first word of %q is not the verdict", f.name, lines[0])
			}
		}
	}
}

// Colour adds codes and changes no word.
func TestTerminalColor(t *testing.T) {
	r, _ := failing()
	var plain, colored bytes.Buffer
	if err := errors.Join(Terminal(&plain, r, Options{}), Terminal(&colored, r, Options{Color: true})); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(colored.String(), "\x1b[1;31mFAIL\x1b[0m") {
		t.Errorf("the verdict is not red: %.40q", colored.String())
	}
	stripped := regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(colored.String(), "")
	if d := cmp.Diff(plain.String(), stripped); d != "" {
		t.Errorf("words differ (-plain +colour):\n%s", d)
	}
}

func ExampleTerminal() {
	r := &bench.Result{
		Verdict:  bench.Pass,
		Run:      bench.RunInfo{Scenario: "crash", Target: "local", Architecture: bench.Streams},
		Requests: bench.Requests{Planned: 12400, Sent: 12400, Acknowledged: 12400},
		Items:    bench.Items{Attempted: 12400, Processed: 12400, Duplicated: new(int64)},
	}
	var b bytes.Buffer
	if err := Terminal(&b, r, Options{}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(strings.Join(strings.Split(b.String(), "\n")[:2], "\n"))
	// Output:
	// PASS  crash on local, streams
	// 12,400 requests acknowledged; 12,400 processed exactly once; none lost.
}
