package reports

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Ahead is what is about to be fired at a system, told before anybody is asked.
type Ahead struct {
	Account  string // of AWS, with region and caller; empty: it has nothing to do with one
	API      string // URLs that requests go to, or where they lead
	Tables   string // where they are, and how they are read; empty: nobody looks
	Runs     int
	Requests int64         // of all runs together
	Lasts    time.Duration // the load of all runs together
	Share    string        // of the plan that this agent sends, and of how many requests; empty: all of it
	Cost     *bench.Cost   // of all runs, and of all agents, together; nil: nobody knows
}

// Tell writes it, a line for each thing.
func (a *Ahead) Tell(w io.Writer) error {
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "%-9s %s\n", name, clean(text, aheadLimit)) } // a host is never cut
	if a.Account != "" {
		line("aws", a.Account)
	}
	line("api", a.API)
	if a.Tables != "" {
		line("tables", a.Tables)
	}
	what := fmt.Sprintf("%s in %s", plural(a.Requests, "request"), a.Lasts)
	if a.Runs > 1 {
		what = fmt.Sprintf("%s, %s together", plural(int64(a.Runs), "run"), what)
	}
	if a.Share != "" {
		what += "; of them this agent sends " + a.Share
	}
	line("load", what+"; canaries go ahead")
	if a.Cost == nil {
		paragraph(&b, "cost", "not estimated: what is behind the API is not known. Is it on AWS, and as the scenario describes it? Then target.limits.cost or --prices FILE has it estimated")
	} else {
		paragraph(&b, "cost", estimate(&a.Cost.Run)+ofAll(a)+": "+services(a.Cost, func(s *bench.ServiceCost) *bench.Estimate { return &s.Run })+
			". That is if the system is as the scenario describes it, all goes well and nothing is tried again.")
		paragraph(&b, "", pricedBy(a.Cost))
		paragraph(&b, "", notIn(a.Cost))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// The form of what is told ahead.
const (
	aheadLimit = 4000
	aheadWidth = 90
	aheadLines = 12
)

// paragraph writes sentences under a name.
func paragraph(b *strings.Builder, name, text string) {
	for _, line := range wrap(text, aheadWidth, aheadLines) {
		fmt.Fprintf(b, "%-9s %s\n", name, line)
		name = ""
	}
}

// ofAll says of what the estimate is, where that is more than one run of one agent.
func ofAll(a *Ahead) string {
	switch {
	case a.Share != "":
		return " for all agents together"
	case a.Runs > 1:
		return " together"
	}
	return ""
}

// services lists what each service costs.
func services(c *bench.Cost, of func(*bench.ServiceCost) *bench.Estimate) string {
	var all []string
	for i := range c.Services {
		all = append(all, clean(c.Services[i].Service, nameLimit)+" "+estimate(of(&c.Services[i])))
	}
	return strings.Join(all, ", ")
}

// pricedBy says which prices an estimate takes.
func pricedBy(c *bench.Cost) string {
	return fmt.Sprintf("Prices of %s as known on %s; --prices FILE takes others.", clean(c.Prices.Region, nameLimit), clean(c.Prices.Date, nameLimit))
}

// notIn says what an estimate leaves out.
func notIn(c *bench.Cost) string { return "Not in it: " + strings.Join(c.LeftOut, "; ") + "." }

// CostAhead tells what a system that is to be set up on AWS will cost, before anything is
// done: while nothing is sent, and a million requests, by service.
func CostAhead(w io.Writer, c *bench.Cost) error {
	var b strings.Builder
	paragraph(&b, "cost", "while nothing is sent: next to nothing. All is on demand; what is stored, logs, and the package cost by the GB and month, and are not estimated here.")
	paragraph(&b, "", "a million requests: "+estimate(c.PerMillion)+" ("+services(c, func(s *bench.ServiceCost) *bench.Estimate { return s.PerMillion })+").")
	paragraph(&b, "", pricedBy(c))
	paragraph(&b, "", notIn(c))
	_, err := io.WriteString(w, b.String())
	return err
}
