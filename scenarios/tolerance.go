package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

// Tolerance says by how much a number of result.json may have changed against a
// baseline: PATH +VALUE [in PHASE | of KIND | for FAULT], or -VALUE where less is worse.
// VALUE is a percentage of the baseline's number, or as in an [Expectation].
type Tolerance struct {
	of       Expectation // what is looked up; its Value is the limit and has no sign
	fall     bool        // a fall is worse, not a rise
	relative bool        // the limit is a percentage of the baseline's number
}

// ParseTolerance reads one line. Its error names the word that is wrong and what
// would be right.
func ParseTolerance(text string) (Tolerance, error) {
	failf := func(format string, args ...any) (Tolerance, error) {
		return Tolerance{}, fmt.Errorf("parse tolerance %q: %s", text, fmt.Sprintf(format, args...))
	}
	words := strings.Fields(text)
	if len(words) < 2 {
		return failf(`want PATH +VALUE, separated by a space, such as "response_time.p99 +10%%" or "lost +0"`)
	}
	t := Tolerance{of: Expectation{Path: words[0]}}
	if err := t.of.parsePlace(words[2:]); err != nil {
		return failf("%s", err)
	}
	size, rise := strings.CutPrefix(words[1], "+")
	if !rise {
		if size, t.fall = strings.CutPrefix(words[1], "-"); !t.fall {
			return failf("%q has no sign: +%s where a rise is worse, -%s where a fall is", words[1], words[1], words[1])
		}
	}
	var err error
	if digits, ok := strings.CutSuffix(size, unitPercent); ok {
		t.relative, t.of.Unit = true, unitPercent
		t.of.Value, err = parseNumber(digits)
	} else {
		err = t.of.parseValue(size)
	}
	switch {
	case err != nil:
		return failf("%s", err)
	case t.of.Value < 0:
		return failf("%q has two signs", words[1])
	}
	return t, nil
}

// String prints the line that ParseTolerance reads, in canonical form.
func (t Tolerance) String() string {
	sign := "+"
	if t.fall {
		sign = "-"
	}
	return strings.TrimSuffix(t.of.Path+" "+sign+t.of.value()+" "+t.of.Place(), " ")
}

// Eval holds the trials of one side against those of the baseline, median
// against median. Held is true where the number changed by more than the
// tolerance for the worse; with [stats.MinTrials] on both sides only if that is
// more than noise, too. It is null (unknown) where one of the trials has no
// number or evidence that it rests on is missing, and where a time that is too
// long may be the generator's fault.
func (t Tolerance) Eval(baseline, side []bench.Result) bench.FailIf {
	out := bench.FailIf{FailIf: t.String()}
	if t.of.inMS() {
		out.Unit = unitMS
	}
	from, okFrom := t.numbers(baseline)
	to, okTo := t.numbers(side)
	if !okFrom || !okTo {
		return out
	}
	a, _ := stats.MedianInterval(from)
	b, _ := stats.MedianInterval(to)
	out.Baseline, out.Actual = finite(a.Median), finite(b.Median)
	limit := t.of.Value
	if t.relative {
		limit = math.Abs(a.Median) * limit / 100
	}
	worse := b.Median - a.Median
	if t.fall {
		worse = -worse
	}
	held := worse > limit // unbounded on both sides: NaN, and no change
	if d, ok := stats.Differ(from, to); ok && d.P >= stats.FalseDiscoveryRate {
		held = false
	}
	if held && t.of.timing() && slices.ContainsFunc(side, func(r bench.Result) bool { return timingGateDown(&r) }) {
		return out
	}
	out.Held = &held
	return out
}

// numbers looks the number up in each trial: +Inf where it never happened, not ok
// where it is unknown in one of them.
func (t Tolerance) numbers(trials []bench.Result) (values []float64, ok bool) {
	e := t.of
	e.Op, e.Value, e.Unit = "<=", math.Inf(1), unitNone
	for i := range trials {
		switch seen := e.Eval(&trials[i]); {
		case seen.OK == nil:
			return nil, false
		case seen.Actual == nil:
			values = append(values, math.Inf(1))
		default:
			values = append(values, *seen.Actual)
		}
	}
	return values, len(values) > 0
}

func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}
