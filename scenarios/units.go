package scenarios

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of requests per second.
type Rate float64

// maxRate keeps two neighbouring due times well over a nanosecond apart, so
// that rounding cannot change their order.
const maxRate = 1e6

var ratePeriods = []struct {
	unit    string
	seconds float64
}{{"/s", 1}, {"/m", 60}, {"/min", 60}, {"/h", 3600}}

// UnmarshalText reads a rate: 500/s, 90/m, 100/h.
func (r *Rate) UnmarshalText(text []byte) error {
	s := string(text)
	for _, p := range ratePeriods {
		number, ok := strings.CutSuffix(s, p.unit)
		if !ok {
			continue
		}
		n, err := parseNumber(number)
		if err != nil {
			return fmt.Errorf("%q is no rate: %w", s, err)
		}
		if n /= p.seconds; n > maxRate {
			return fmt.Errorf("%q is more than %d/s", s, int(maxRate))
		}
		*r = Rate(n)
		return nil
	}
	if _, err := parseNumber(s); err == nil {
		return fmt.Errorf("%q has no unit: write %s/s", s, s)
	}
	return fmt.Errorf("%q is no rate: write one such as 500/s or 90/m", s)
}

// String prints the rate per second, exactly.
func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'f', -1, 64) + "/s" }

// MarshalText prints what UnmarshalText reads.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Size is a number of bytes.
type Size int64

// Units of sizes, largest first. A kilobyte is 1,024 bytes, as DynamoDB counts.
var sizeUnits = []struct {
	unit  string
	bytes int64
}{{"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

// UnmarshalText reads a size: 256B, 4KB, 1MB. Whole numbers only.
func (z *Size) UnmarshalText(text []byte) error {
	s := string(text)
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(s, u.unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 40)
		if err != nil {
			return fmt.Errorf("%q is no size: write a whole number and B, KB or MB", s)
		}
		*z = Size(int64(n) * u.bytes)
		return nil
	}
	if _, err := strconv.ParseUint(s, 10, 63); err == nil {
		return fmt.Errorf("%q has no unit: write %sB", s, s)
	}
	return fmt.Errorf("%q is no size: write one such as 256B or 4KB (1 KB is 1,024 bytes)", s)
}

// String prints the size in the largest unit that leaves no rest.
func (z Size) String() string {
	for _, u := range sizeUnits {
		if z != 0 && int64(z)%u.bytes == 0 {
			return strconv.FormatInt(int64(z)/u.bytes, 10) + u.unit
		}
	}
	return "0B"
}

// MarshalText prints what UnmarshalText reads.
func (z Size) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// Factor multiplies something.
type Factor float64

// UnmarshalText reads a number from 0 up.
func (f *Factor) UnmarshalText(text []byte) error {
	n, err := parseNumber(string(text))
	*f = Factor(n)
	return err
}

// String prints the number.
func (f Factor) String() string { return strconv.FormatFloat(float64(f), 'f', -1, 64) }

// MarshalText prints what UnmarshalText reads.
func (f Factor) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// Dollars is an amount of US dollars.
type Dollars float64

const usd = " USD"

// UnmarshalText reads an amount above zero: 5 USD, 0.50 USD.
func (d *Dollars) UnmarshalText(text []byte) error {
	s := string(text)
	number, ok := strings.CutSuffix(s, usd)
	n, err := parseNumber(number)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no amount: write one such as 5 USD", s)
	case !ok:
		return fmt.Errorf("%q has no currency: write %s USD", s, s)
	case n == 0:
		return errors.New("for 0 USD nothing can be sent: write more, or leave the limit out")
	}
	*d = Dollars(n)
	return nil
}

// String prints the amount, exactly.
func (d Dollars) String() string { return strconv.FormatFloat(float64(d), 'f', -1, 64) + usd }

// MarshalText prints what UnmarshalText reads.
func (d Dollars) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Percent is a share; 95 is 95%.
type Percent float64

// UnmarshalText reads a percentage: 95%.
func (p *Percent) UnmarshalText(text []byte) error {
	s := string(text)
	number, ok := strings.CutSuffix(s, "%")
	n, err := parseNumber(number)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no share: write one such as 95%%", s)
	case !ok:
		return fmt.Errorf("%q has no unit: write %s%%", s, s)
	case n > 100:
		return fmt.Errorf("%q is more than 100%%", s)
	}
	*p = Percent(n)
	return nil
}

// String prints the percentage, exactly.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// MarshalText prints what UnmarshalText reads.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Deadline is a duration, or none (0).
type Deadline time.Duration

// UnmarshalText reads a duration above zero, or none.
func (d *Deadline) UnmarshalText(text []byte) error {
	if string(text) == "none" {
		*d = 0
		return nil
	}
	v, err := parseDuration(string(text))
	if err != nil {
		return err
	}
	if v == 0 {
		return errors.New(`a deadline of zero cannot be met: write "none" for no deadline`)
	}
	*d = Deadline(v)
	return nil
}

// String prints the duration, or none.
func (d Deadline) String() string {
	if d == 0 {
		return "none"
	}
	return time.Duration(d).String()
}

// MarshalText prints what UnmarshalText reads.
func (d Deadline) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// maxDuration bounds every duration of a scenario, so that sums of them cannot
// overflow.
const maxDuration = 30 * 24 * time.Hour

// parseDuration reads a duration that is not negative.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		if _, err := parseNumber(s); err == nil {
			return 0, fmt.Errorf("%q has no unit: write %ss or %sms", s, s, s)
		}
		return 0, fmt.Errorf("%q is no duration: write one such as 10s, 250ms or 2m", s)
	case d < 0:
		return 0, fmt.Errorf("%q is negative", s)
	case d > maxDuration:
		return 0, fmt.Errorf("%q is longer than 30 days", s)
	}
	return d, nil
}

// parseNumber reads a plain decimal number that is not negative: no sign, no
// exponent, no NaN.
func parseNumber(s string) (float64, error) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is no number", s)
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return n, nil
}
