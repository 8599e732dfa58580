package reports

import (
	"fmt"
	"math"
	"strconv"

	"github.com/ackproof/ackproof/bench"
)

// dollars writes an amount of US dollars with the digits that mean something.
func dollars(usd float64) string {
	switch {
	case math.IsNaN(usd) || math.IsInf(usd, 0):
		return notObserved
	case usd == 0:
		return "$0"
	case usd >= 99.95:
		return "$" + count(int64(math.Round(usd)))
	case usd >= 0.1:
		return "$" + strconv.FormatFloat(usd, 'f', 2, 64)
	case usd < 0.0000995:
		return "under $0.0001"
	}
	return "$" + strconv.FormatFloat(usd, 'f', 4, 64)
}

// estimate writes money between its bounds.
func estimate(e *bench.Estimate) string {
	switch {
	case e == nil:
		return notObserved
	case e.High == nil && e.Low == 0:
		return notObserved
	case e.High == nil:
		return "at least " + dollars(e.Low)
	case dollars(e.Low) == dollars(*e.High):
		return dollars(e.Low)
	}
	return dollars(e.Low) + " to " + dollars(*e.High)
}

// costColumns are those of costRows.
var costColumns = []string{"service", "this run", "a million requests"}

// costRows are the services, and their sum.
func costRows(c *bench.Cost) [][]string {
	if c == nil {
		return nil
	}
	var rows [][]string
	for i := range c.Services {
		s := &c.Services[i]
		rows = append(rows, []string{clean(s.Service, nameLimit), estimate(&s.Run), estimate(s.PerMillion)})
	}
	return append(rows, []string{"together", estimate(&c.Run), estimate(c.PerMillion)})
}

// costLineRows are the rows of the bill.
func costLineRows(c *bench.Cost) [][]string {
	var rows [][]string
	for i := range c.Services {
		s := &c.Services[i]
		for _, l := range s.Lines {
			rows = append(rows, []string{clean(s.Service+": "+l.What, nameLimit), quantity(&l.Quantity) + " " + clean(l.Unit, nameLimit), estimate(&l.USD)})
		}
	}
	return rows
}

// quantity writes units between their bounds.
func quantity(e *bench.Estimate) string {
	units := func(n float64) string {
		if math.Abs(n) >= 1e15 {
			return number(n)
		}
		return significant(n)
	}
	switch {
	case e.High == nil && e.Low == 0:
		return "an unknown number of"
	case e.High == nil:
		return "at least " + units(e.Low)
	case units(e.Low) == units(*e.High):
		return units(e.Low)
	}
	return units(e.Low) + " to " + units(*e.High)
}

// costText says what the figures are of.
func costText(c *bench.Cost) string {
	what := "What this load would cost on AWS: nothing was spent"
	if c.Incurred {
		what = "What the run cost on AWS, by estimate: look at your bill"
	}
	before := ""
	if c.Foreseen != nil {
		before = ". Foreseen before it began, if all goes well: " + estimate(c.Foreseen)
	}
	return fmt.Sprintf("%s%s. List prices of %s as known on %s. This run includes the final reads; a million requests are those of the system alone",
		what, before, clean(c.Prices.Region, nameLimit), clean(c.Prices.Date, nameLimit))
}

// htmlCost is the section of the page.
type htmlCost struct {
	Text                 string
	Columns              []string
	Rows, Lines          [][]string
	Assumptions, LeftOut []string
}

func newCost(c *bench.Cost) *htmlCost {
	if c == nil {
		return nil
	}
	h := &htmlCost{Text: costText(c), Columns: costColumns, Rows: costRows(c), Lines: costLineRows(c)}
	for _, s := range c.Assumptions {
		h.Assumptions = append(h.Assumptions, clean(s, lineLimit))
	}
	for _, s := range c.LeftOut {
		h.LeftOut = append(h.LeftOut, clean(s, lineLimit))
	}
	return h
}
