package dynamo

import (
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// Limits of a Number: 38 significant digits, and a magnitude from 1E-130 to
// 9.99E+125.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
const (
	maxDigits    = 38
	maxMagnitude = 125
	minMagnitude = -130
)

// canonicalNumber brings a number's text into the one form that the engine
// keeps: plain decimal, no exponent, no needless zero, no plus, no negative
// zero. Equal numbers then have equal texts, so that equality, set membership
// and key identity are comparisons of strings, and nothing is ever rounded.
func canonicalNumber(s string) (string, *Error) {
	if isPlainInteger(s) {
		return s, nil
	}
	neg, rest := false, s
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		neg, rest = rest[0] == '-', rest[1:]
	}
	digits, exp, ok := splitNumber(rest)
	if !ok {
		return "", badNumber(s)
	}
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
		exp++
	}
	if len(digits) == 0 {
		return "0", nil
	}
	magnitude := exp + len(digits) - 1
	switch {
	case len(digits) > maxDigits:
		return "", invalid("Attempting to store more than 38 significant digits in a Number")
	case magnitude > maxMagnitude:
		return "", errOverflow()
	case magnitude < minMagnitude:
		return "", invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	return plainNumber(neg, digits, exp), nil
}

func badNumber(s string) *Error {
	if s == "" {
		return invalid("The parameter cannot be converted to a numeric value")
	}
	return invalid("The parameter cannot be converted to a numeric value: %.60s", s)
}

func errOverflow() *Error {
	return invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
}

// isPlainInteger is the short way for nearly every number met: it is canonical
// already.
func isPlainInteger(s string) bool {
	d := strings.TrimPrefix(s, "-")
	if d == "" || len(d) > maxDigits {
		return false
	}
	for i := range len(d) {
		if d[i] < '0' || d[i] > '9' {
			return false
		}
	}
	return d[0] != '0' || s == "0"
}

// splitNumber reads digits[.digits][e[sign]digits] as digits × 10^exp without
// leading zeros.
func splitNumber(s string) (digits []byte, exp int, ok bool) {
	fraction, seen := false, false
	i := 0
scan:
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			seen = true
			if fraction {
				exp--
			}
			if len(digits) > 0 || c != '0' {
				digits = append(digits, c)
			}
		case c == '.' && !fraction:
			fraction = true
		case c == 'e' || c == 'E':
			break scan
		default:
			return nil, 0, false
		}
	}
	if i < len(s) {
		// Atoi refuses what is no sign and digits; more digits than an
		// exponent can need would overflow the sum below.
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > 1<<30 || e < -1<<30 {
			return nil, 0, false
		}
		exp += e
	}
	return digits, exp, seen
}

func plainNumber(neg bool, digits []byte, exp int) string {
	b := make([]byte, 0, len(digits)+abs(exp)+3)
	if neg {
		b = append(b, '-')
	}
	switch point := len(digits) + exp; {
	case exp >= 0:
		b = append(b, digits...)
		for range exp {
			b = append(b, '0')
		}
	case point > 0:
		b = append(append(append(b, digits[:point]...), '.'), digits[point:]...)
	default:
		b = append(b, "0."...)
		for range -point {
			b = append(b, '0')
		}
		b = append(b, digits...)
	}
	return string(b)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// compareNumbers orders two canonical texts: -1, 0 or +1.
func compareNumbers(a, b string) int {
	negA, negB := a[0] == '-', b[0] == '-'
	switch {
	case negA && negB:
		return compareMagnitudes(b[1:], a[1:])
	case negA:
		return -1
	case negB:
		return 1
	}
	return compareMagnitudes(a, b)
}

func compareMagnitudes(a, b string) int {
	ai, af, _ := strings.Cut(a, ".")
	bi, bf, _ := strings.Cut(b, ".")
	if len(ai) != len(bi) {
		if len(ai) < len(bi) {
			return -1
		}
		return 1
	}
	if c := strings.Compare(ai, bi); c != 0 {
		return c
	}
	return strings.Compare(af, bf) // no trailing zeros: the text order is the order
}

// exact adds without rounding: the largest and the smallest number together
// span 256 digits. What then has more than 38 is refused, not rounded.
var exact = apd.BaseContext.WithPrecision(300)

// addNumbers returns a+b, or a-b where minus is set, of canonical texts.
func addNumbers(a, b string, minus bool) (string, *Error) {
	x, _, errA := apd.NewFromString(a)
	y, _, errB := apd.NewFromString(b)
	if errA != nil || errB != nil {
		return "", badNumber(a + " and " + b)
	}
	var sum apd.Decimal
	op := exact.Add
	if minus {
		op = exact.Sub
	}
	if _, err := op(&sum, x, y); err != nil {
		return "", badNumber(a + " and " + b)
	}
	text, err := canonicalNumber(sum.Text('f'))
	if err != nil && strings.HasPrefix(err.Message, "Attempting to store more") {
		return "", errOverflow() // strange, but so the service calls a sum of too many digits
	}
	return text, err
}

// numberSize is what a number counts for in an item's size: one byte, one for
// every two significant digits before the point and likewise behind it, and one
// for a minus. The guide speaks of "approximately" a byte for two digits; that
// the halves count by themselves shows at the limit of 400 KB.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func numberSize(s string) int {
	t := strings.TrimPrefix(s, "-")
	size := 1 + len(s) - len(t)
	whole, fraction, _ := strings.Cut(t, ".")
	switch {
	case whole == "0":
		whole, fraction = "", strings.TrimLeft(fraction, "0")
	case fraction == "":
		whole = strings.TrimRight(whole, "0")
	}
	return size + (len(whole)+1)/2 + (len(fraction)+1)/2
}
