package reports

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ackproof/ackproof/bench"
)

// The two words for a figure that is null.
const (
	notObserved = "not observed"
	unbounded   = "unbounded" // among values that were never seen to end
)

// clean makes a text from outside fit to be shown: one line, valid UTF-8, at
// most limit characters, and nothing that steers a terminal or turns the
// direction of the text around it. What is taken out leaves a visible mark.
func clean(s string, limit int) string {
	var b strings.Builder
	left := limit
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:]) // an invalid byte comes as U+FFFD, of size 1
		i += size
		if left == 1 && i < len(s) {
			b.WriteRune('…')
			break
		}
		b.WriteRune(visible(c))
		left--
	}
	return b.String()
}

// scenarioLimit bounds the lines of a scenario that are shown.
const scenarioLimit = 2000

// cleanLines is clean for a text of several lines, of which it keeps so many.
func cleanLines(s string, limit int) string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(s) {
		if n++; n > limit {
			b.WriteString("…\n")
			break
		}
		b.WriteString(clean(strings.TrimRight(line, "\r\n"), lineLimit) + "\n")
	}
	return b.String()
}

// visible maps a character that is not shown as itself: white space to a space,
// anything that steers to the replacement character.
func visible(c rune) rune {
	switch {
	case c == '\n' || c == '\r' || c == '\t' || unicode.Is(unicode.Zl, c) || unicode.Is(unicode.Zp, c):
		return ' '
	case unicode.Is(unicode.Cc, c), unicode.Is(unicode.Cf, c), unicode.Is(unicode.Co, c):
		// Cf holds the direction overrides, zero-width joiners and the tags.
		return '\uFFFD'
	}
	return c
}

// count writes a whole number with thousands separators: 12,400.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// countOf writes a count that may be null.
func countOf(n *int64) string {
	if n == nil {
		return notObserved
	}
	return count(*n)
}

// plural is "1 item", "2 items".
func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

// duration writes milliseconds for people: three significant digits, in the
// unit that suits.
func duration(ms float64) string {
	abs := math.Abs(ms)
	switch {
	case math.IsNaN(ms) || math.IsInf(ms, 0):
		return notObserved
	case abs == 0:
		return "0 ms"
	case abs < 0.9995:
		return significant(ms*1000) + " µs"
	case abs < 999.5:
		return significant(ms) + " ms"
	case abs < 119_950:
		return significant(ms/1000) + " s"
	case abs < 7_197_000:
		return significant(ms/60_000) + " min"
	}
	return significant(ms/3_600_000) + " h"
}

// durationOf writes a duration that may be null.
func durationOf(ms *float64) string {
	if ms == nil {
		return notObserved
	}
	return duration(*ms)
}

// significant rounds to three significant digits, whole from 100 on.
func significant(x float64) string {
	switch abs := math.Abs(x); {
	case abs >= 99.95:
		return count(int64(math.Round(x)))
	case abs >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

// rate writes a rate in requests per second.
func rate(rps float64) string {
	if math.IsNaN(rps) || math.IsInf(rps, 0) {
		return notObserved
	}
	if rps < 10 {
		return significant(rps) + "/s"
	}
	return count(int64(math.Round(rps))) + "/s"
}

// number writes a plain figure of an expectation, without needless digits.
func number(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1e15 {
		return count(int64(x))
	}
	return strconv.FormatFloat(x, 'g', 6, 64)
}

// percent writes a share of 0 to 1; it does not round up to 100 nor down to 0,
// for a single lost item among millions must stay visible.
func percent(share float64) string {
	switch p := share * 100; {
	case math.IsNaN(p):
		return notObserved
	case p == 0 || p == 100:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	case p < 0.01:
		return "< 0.01 %"
	case p > 99.99:
		return "> 99.99 %"
	default:
		return strconv.FormatFloat(p, 'f', 2, 64) + " %"
	}
}

// figure writes one percentile of a distribution, or why there is none.
func figureOf(l *bench.Latency, ms *float64) string {
	switch {
	case ms != nil:
		return duration(*ms)
	case l != nil && l.Count > 0 && l.Censored > 0:
		return unbounded
	}
	return notObserved
}

// words turns a key into words: lost_write → lost write.
func words(key string) string { return strings.ReplaceAll(key, "_", " ") }

// upper is the verdict as a heading: PASS, FAIL, UNKNOWN. A verdict that is
// none of the three is unknown: nothing checked is not a pass.
func upper(v bench.Verdict) string {
	switch v {
	case bench.Pass:
		return "PASS"
	case bench.Fail:
		return "FAIL"
	}
	return "UNKNOWN"
}
