package reports

import (
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

func answer(status bench.CapacityStatus, low, high float64) bench.CapacityAnswer {
	a := bench.CapacityAnswer{Status: status}
	if low > 0 {
		a.Low = &low
	}
	if high > 0 {
		a.High = &high
	}
	return a
}

// Only ends that are settled make two capacities differ.
func TestCapacitiesApart(t *testing.T) {
	for _, tt := range []struct {
		a, b bench.CapacityAnswer
		text string // of b
		want bool
	}{
		{answer(bench.CapacityFound, 400, 425), answer(bench.CapacityFound, 420, 440), "420 to 440/s", false},
		{answer(bench.CapacityFound, 400, 425), answer(bench.CapacityFound, 425, 450), "425 to 450/s", true},
		{answer(bench.CapacityFound, 4000, 4250), answer(bench.CapacityFound, 1200.4, 1300), "1,200 to 1,300/s", true},
		{answer(bench.CapacityFound, 400, 425), answer(bench.CapacityAtLeast, 900, 0), "at least 900/s", true},
		{answer(bench.CapacityAtLeast, 900, 0), answer(bench.CapacityAtLeast, 5000, 0), "at least 5,000/s", false},
		{answer(bench.CapacityFound, 400, 425), answer(bench.CapacityBelow, 0, 25), "below 25.0/s", true},
		{answer(bench.CapacityFound, 400, 425), answer(bench.CapacityOpen, 800, 1600), "800 to 1,600/s, not settled", false},
		{answer(bench.CapacityFound, 400, 425), answer(bench.CapacityNone, 0, 0), notObserved, false},
	} {
		if got := apart(&tt.a, &tt.b); got != tt.want || apart(&tt.b, &tt.a) != tt.want {
			t.Errorf("%+v and %+v apart: %t, want %t", tt.a, tt.b, got, tt.want)
		}
		if got := capacityInterval(&tt.b); got != tt.text {
			t.Errorf("%+v: %q, want %q", tt.b, got, tt.text)
		}
	}
}

// measured are three architectures of which two have a search, one found elsewhere.
func measured() []Run {
	results := architectures()
	runs := runsOf(results, []string{"streams", "sync", "fire-and-forget"}, nil)
	here := results[0].Run
	runs[0].Capacity = &bench.ComparedCapacity{Dir: "runs/a-capacity", Scenario: "crash", Version: here.Version, Host: here.Host, Probes: 21,
		Response: answer(bench.CapacityAtLeast, 5000, 0), Backlog: answer(bench.CapacityFound, 1650, 1800), DrainMs: ptr(6200.0)}
	runs[1].Capacity = &bench.ComparedCapacity{Dir: "runs/" + evil, Scenario: evil, Version: evil, Host: bench.Host{OS: evil}, Probes: 1,
		Response: answer(bench.CapacityFound, 400, 425), Backlog: answer(bench.CapacityNone, 0, 0)}
	return runs
}

// The trials of a side share its capacity; a side of two searches has none, and a row of nothing is left out.
func TestCapacityOfSides(t *testing.T) {
	results := trials(6, 0)
	runs := runsOf(results, nil, nil)
	one := &bench.ComparedCapacity{Dir: "one", Backlog: answer(bench.CapacityFound, 1, 2)}
	for i := range runs {
		if results[i].Run.Architecture == bench.Streams {
			runs[i].Capacity = one
		}
	}
	row := func() string {
		c := Compare(runs, "")
		for _, row := range comparisonRows(&c) {
			if row[0] == "capacity of the processor" {
				return strings.Join(row[1:], "|")
			}
		}
		return "no row"
	}
	if got := row(); got != "1.00 to 2.00/s|not observed" {
		t.Errorf("six trials of one search: %s", got)
	}
	if c := Compare(runs, ""); len(c.Capacity) != 1 || len(c.Capacity[0].Runs) != 6 || len(one.Runs) != 0 {
		t.Errorf("capacity: %+v", c.Capacity)
	}
	runs[0].Capacity = &bench.ComparedCapacity{Dir: "two", Backlog: one.Backlog}
	if got := row(); got != "no row" {
		t.Errorf("one side of two searches: %s", got)
	}
	for i := range runs {
		runs[i].Capacity = nil
	}
	if got := row(); got != "no row" {
		t.Errorf("without a search: %s", got)
	}
}
