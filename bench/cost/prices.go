// Package cost says what the work of a run costs on AWS, from what its files show and a
// list of prices. It is arithmetic: nothing is asked, of AWS or anybody.
//
// What was seen is counted. What was not has bounds, and where there is no upper one the
// cost has none either: it is never taken for nothing. An estimate says what it takes
// for granted ([bench.Cost.Assumptions]) and what it leaves out.
package cost

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
)

//go:embed prices.yaml
var embedded []byte

// The units that have a price, by their keys in the file.
const (
	apiGatewayRequests = "apiGatewayRequests"
	dynamodbWrites     = "dynamodbWrites"
	dynamodbReads      = "dynamodbReads"
	lambdaRequests     = "lambdaRequests"
	lambdaGBSeconds    = "lambdaGBSeconds"
	sqsRequests        = "sqsRequests"
	s3Puts             = "s3Puts"
	dynamodbExportedGB = "dynamodbExportedGB"
)

var units = []string{apiGatewayRequests, dynamodbWrites, dynamodbReads, lambdaRequests, lambdaGBSeconds, sqsRequests, s3Puts, dynamodbExportedGB}

// newer are units that a list may be without, since there were lists before them: what
// is priced by them has no upper bound then.
var newer = []string{dynamodbExportedGB}

// maxPrices bounds a price file in bytes.
const maxPrices = 64 << 10

// maxPrice is far above any price, in dollars for a million units.
const maxPrice = 1e9

// Prices is a list of prices.
type Prices struct {
	date, region, source string
	perMillion           map[string]float64 // by unit
}

// List gives the prices that come with ackproof, and the file that they stand in.
func List() (*Prices, []byte) {
	p, err := ParsePrices(embedded)
	if err != nil {
		panic("cost: " + err.Error()) // it is part of the program
	}
	return p, slices.Clone(embedded)
}

// ParsePrices reads a price file, in YAML or JSON. All that is wrong with it is said at
// once: every price must be there, and no other key.
func ParsePrices(b []byte) (*Prices, error) {
	if len(b) > maxPrices {
		return nil, fmt.Errorf("read prices: %d bytes, want at most %d", len(b), maxPrices)
	}
	var file map[string]any
	if err := yaml.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	var errs []error
	text := func(key string) string {
		s, ok := file[key].(string)
		if !ok || s == "" || len(s) > 200 {
			errs = append(errs, fmt.Errorf("%s: want a text of at most 200 bytes", key))
		}
		return s
	}
	p := &Prices{date: text("date"), region: text("region"), source: text("source"), perMillion: map[string]float64{}}
	if _, err := time.Parse(time.DateOnly, p.date); err != nil && p.date != "" {
		errs = append(errs, fmt.Errorf("date: %q is no day such as 2026-11-30", p.date))
	}
	prices, ok := file["usdPerMillion"].(map[string]any)
	if !ok {
		errs = append(errs, errors.New("usdPerMillion: want the prices, one for each unit"))
	}
	for _, unit := range units {
		price, given := prices[unit]
		n, number := toFloat(price)
		switch {
		case ok && !given && slices.Contains(newer, unit):
			continue
		case ok && !given:
			errs = append(errs, fmt.Errorf("usdPerMillion.%s: missing; a unit that costs nothing has the price 0", unit))
		case given && (!number || !(n >= 0 && n <= maxPrice)):
			errs = append(errs, fmt.Errorf("usdPerMillion.%s: want US dollars for a million units, from 0 to %g", unit, maxPrice))
		}
		p.perMillion[unit] = n
	}
	errs = append(errs, strangers(file, []string{"date", "region", "source", "usdPerMillion"}, "")...)
	errs = append(errs, strangers(prices, units, "usdPerMillion.")...)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	return p, nil
}

// strangers says which keys nobody knows.
func strangers(got map[string]any, known []string, under string) (errs []error) {
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if !slices.Contains(known, key) {
			errs = append(errs, fmt.Errorf("%s%.60q: no such key; there are %v", under, key, known))
		}
	}
	return errs
}

func toFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, !math.IsNaN(n)
	case uint64:
		return float64(n), true
	case int64:
		return float64(n), true
	}
	return 0, false
}
