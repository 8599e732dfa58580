package scenarios

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/faults"
)

// Expectation is one line of expect: PATH OP VALUE [in PHASE | of KIND | for FAULT].
//
// PATH is a dotted key of result.json that holds a number, or an alias: lost,
// duplicated, recovery. With `in PHASE` it is a key of that entry of phases; with
// `of KIND`, of that entry of kinds, where requests are of several; with `for FAULT`,
// of the faults of that kind or text. VALUE is a number, a duration (compared in
// ms), a rate (per second), or a percentage: of all attempted items for counts of
// items, of all planned requests for counts of requests, of the requests of a phase
// or kind for its own counts; and a share such as availability.share may be written
// as one.
type Expectation struct {
	Path  string
	Op    string
	Value float64 // in Unit; durations in ms, rates per second, percentages as 5 for 5%
	Unit  string  // "", "ms", "/s" or "%"
	Phase string  // name of a stage of the load, or empty
	Kind  string  // name of a kind of requests, or empty
	Fault string  // kind or text of a fault, or empty
}

// The aliases.
const (
	aliasLost       = "lost"       // items.lost_write + items.lost_processing
	aliasDuplicated = "duplicated" // items.duplicated
	aliasRecovery   = "recovery"   // the largest recovery_ms
)

// Units of expected values.
const (
	unitNone    = ""
	unitMS      = "ms"
	unitRate    = "/s"
	unitPercent = "%"
)

var operators = []string{"==", "!=", "<", "<=", ">", ">="}

// Paths of numbers: of a whole result, of one phase, of one kind, of one fault.
var (
	resultPaths = append(numberPaths(reflect.TypeFor[bench.Result](), ""), aliasLost, aliasDuplicated, aliasRecovery)
	phasePaths  = append(numberPaths(reflect.TypeFor[bench.Phase](), ""), aliasLost, aliasDuplicated)
	kindPaths   = numberPaths(reflect.TypeFor[bench.KindFigures](), "")
	faultPaths  = append(numberPaths(reflect.TypeFor[bench.FaultResult](), ""), aliasRecovery)
)

// numberPaths lists the dotted JSON keys of the numbers inside a struct. Lists
// are left out: `in` and `for` are the way into them.
func numberPaths(t reflect.Type, prefix string) []string {
	var paths []string
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		ft := f.Type
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		switch {
		case ft.Kind() == reflect.Struct:
			paths = append(paths, numberPaths(ft, join(prefix, key))...)
		case key == "seed" || key == "cpus": // given, not measured
		case ft.Kind() == reflect.Int64 || ft.Kind() == reflect.Float64:
			paths = append(paths, join(prefix, key))
		}
	}
	return paths
}

// ParseExpectation reads one line. Its error names the word that is wrong and
// what would be right.
func ParseExpectation(text string) (Expectation, error) {
	failf := func(format string, args ...any) (Expectation, error) {
		return Expectation{}, fmt.Errorf("parse expectation %q: %s", text, fmt.Sprintf(format, args...))
	}
	words := strings.Fields(text)
	if len(words) < 3 {
		return failf(`want PATH OP VALUE, separated by spaces, such as "lost == 0"`)
	}
	e := Expectation{Path: words[0], Op: words[1]}
	if err := e.parsePlace(words[3:]); err != nil {
		return failf("%s", err)
	}
	if !slices.Contains(operators, e.Op) {
		return failf("unknown operator %q: want %s", e.Op, strings.Join(operators, " "))
	}
	if err := e.parseValue(words[2]); err != nil {
		return failf("%s", err)
	}
	return e, nil
}

// parsePlace reads what may follow the value, `in PHASE`, `of KIND` or `for FAULT`,
// and checks that the path is one of that place.
func (e *Expectation) parsePlace(words []string) error {
	paths := resultPaths
	if len(words) > 0 {
		rest := strings.Join(words[1:], " ")
		switch {
		case words[0] == "in" && len(words) == 2:
			e.Phase, paths = rest, phasePaths
		case words[0] == "of" && len(words) == 2:
			e.Kind, paths = rest, kindPaths
		case words[0] == "for" && rest != "":
			e.Fault, paths = rest, faultPaths
			if f, err := faults.Parse(rest); err == nil {
				e.Fault = f.String()
			}
		default:
			return fmt.Errorf(`%q: only "in PHASE", "of KIND" or "for FAULT" may follow the value`, strings.Join(words, " "))
		}
	}
	if slices.Contains(paths, e.Path) {
		return nil
	}
	if near := faults.Nearest(e.Path, paths); near != "" {
		return fmt.Errorf("unknown path %q; did you mean %s?", e.Path, near)
	}
	return fmt.Errorf("unknown path %q: want a key of result.json that holds a number, or %s, %s, %s", e.Path, aliasLost, aliasDuplicated, aliasRecovery)
}

// parseValue reads VALUE and checks that it is of the path's kind.
func (e *Expectation) parseValue(s string) error {
	number := func(text, unit string) error {
		sign := 1.0
		if rest, negative := strings.CutPrefix(text, "-"); negative {
			text, sign = rest, -1 // processing lag is signed
		}
		n, err := parseNumber(text)
		e.Value, e.Unit = sign*n, unit
		return err
	}
	if digits, ok := strings.CutSuffix(s, unitPercent); ok {
		if e.whole() == "" && !e.isShare() {
			return fmt.Errorf("%s is no share of anything: a percentage goes with items, requests and availability", e.Path)
		}
		return number(digits, unitPercent)
	}
	if strings.Contains(s, "/") {
		var r Rate
		if err := r.UnmarshalText([]byte(s)); err != nil {
			return err
		}
		if !strings.HasSuffix(e.Path, "_rps") {
			return fmt.Errorf("%s is no rate: leave the unit out", e.Path)
		}
		e.Value, e.Unit = float64(r), unitRate
		return nil
	}
	if err := number(s, unitNone); err == nil {
		if e.inMS() && e.Value != 0 {
			return fmt.Errorf("%s is a time: give %s a unit, such as %sms", e.Path, s, s)
		}
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < -maxDuration || d > maxDuration {
		return fmt.Errorf("%q is no value: want a number, a duration such as 20s, a rate such as 100/s, or a share such as 1%%", s)
	}
	if !e.inMS() {
		return fmt.Errorf("%s is no time: give a plain number", e.Path)
	}
	e.Value, e.Unit = float64(d)/float64(time.Millisecond), unitMS
	return nil
}

// last is the path's last key.
func (e *Expectation) last() string { return e.Path[strings.LastIndexByte(e.Path, '.')+1:] }

// inMS reports whether the path holds milliseconds.
func (e *Expectation) inMS() bool {
	if e.Path == aliasRecovery || e.Path == "drain.ms" || strings.HasSuffix(e.Path, "_ms") || strings.Contains(e.Path, "send_delay.") {
		return true
	}
	if !e.inLatency() {
		return false
	}
	return e.last() != "count" && e.last() != "censored"
}

// latencies are the keys under which a bench.Latency lies.
var latencies = []string{"response_time", "response_time_by", "service_time", "time_to_first_byte", "connection_time", "tls_time", "processing_lag", "completion_time", "dispatch_lag"}

func (e *Expectation) inLatency() bool {
	first, _, _ := strings.Cut(e.Path, ".")
	return slices.Contains(latencies, first)
}

// timing reports whether a slow generator can falsify the expectation. Where a
// phase begins, or a fault, is planned and not measured.
func (e *Expectation) timing() bool {
	return e.inMS() && !slices.Contains([]string{"from_ms", "to_ms", "at_ms", "for_ms"}, e.Path)
}

// whole is the path of what a percentage is a share of; empty: of nothing.
func (e *Expectation) whole() string {
	first, _, _ := strings.Cut(e.Path, ".")
	switch {
	case e.Fault != "":
		return ""
	case e.Kind != "" && (e.Path == "acknowledged" || e.Path == "refused" || e.Path == "unknown"):
		return "sent"
	case first == "items" || e.Path == aliasLost || e.Path == aliasDuplicated:
		return "items.attempted"
	case first == "requests":
		return "requests.planned"
	case e.Phase != "" && e.Path == "acknowledged":
		return "response_time.count" // of the phase: sent, or waiting to be
	}
	return ""
}

// isShare reports whether the path holds a share, from 0 to 1.
func (e *Expectation) isShare() bool {
	return e.Path == "availability.share" || e.Path == "availability.worst_second"
}

// String prints the line that ParseExpectation reads, in canonical form.
func (e Expectation) String() string {
	if e.Path == "" {
		return ""
	}
	return strings.TrimSuffix(e.Path+" "+e.Op+" "+e.value()+" "+e.Place(), " ")
}

// value prints what parseValue reads.
func (e *Expectation) value() string {
	if e.Unit == unitMS && math.Mod(e.Value, 1000) == 0 {
		return strconv.FormatFloat(e.Value/1000, 'f', -1, 64) + "s"
	}
	return strconv.FormatFloat(e.Value, 'f', -1, 64) + e.Unit
}

// Place prints what may follow the value; empty: nothing does.
func (e *Expectation) Place() string {
	switch {
	case e.Phase != "":
		return "in " + e.Phase
	case e.Kind != "":
		return "of " + e.Kind
	case e.Fault != "":
		return "for " + e.Fault
	}
	return ""
}

// MarshalText prints the expectation's line.
func (e Expectation) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads an expectation's line.
func (e *Expectation) UnmarshalText(text []byte) error {
	parsed, err := ParseExpectation(string(text))
	if err != nil {
		return err
	}
	*e = parsed
	return nil
}
