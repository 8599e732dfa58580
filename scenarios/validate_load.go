package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (c *checker) checkLoad() {
	if len(c.Load) == 0 {
		c.failf("load", "there is none: give at least one stage, such as {name: steady, for: 10s, rate: 100/s}")
		return
	}
	names := map[string]bool{}
	measured := false
	total, length := 0.0, time.Duration(0)
	for i, stage := range c.Load {
		path := fmt.Sprintf("load[%d]", i)
		switch {
		case stage.Name == "":
			c.failf(path+".name", "the stage has no name: give it one, so that reports and expectations can speak of it")
		case strings.ContainsAny(stage.Name, " \t\n") || len(stage.Name) > 64:
			c.failf(path+".name", "%q is no name for a stage: 1 to 64 characters without spaces", stage.Name)
		case names[stage.Name]:
			c.failf(path+".name", "%q is the name of an earlier stage", stage.Name)
		}
		names[stage.Name] = true
		c.checkStage(path, stage)
		c.checkStageExpectations(path, stage)
		total += stage.requests()
		length += stage.For
		measured = measured || !stage.Warmup
	}
	switch {
	case !c.readable("load"):
	case total < 1:
		c.failf("load", "it sends no request: raise a rate")
	case total > maxRequests:
		c.failf("load", "it sends %.0f requests; a run can carry %d", total, int64(maxRequests))
	case length > maxDuration:
		c.failf("load", "it lasts %s; a run can last 30 days", length)
	case !measured:
		c.failf("load", "every stage is warm-up: nothing would be reported")
	}
}

// checkStage checks the shape of a stage. A stage of which something cannot be read
// has none.
func (c *checker) checkStage(path string, stage Stage) {
	if stage.For < time.Millisecond && c.readable(path+".for", path+".replay") {
		c.failf(path+".for", "the stage lasts %s: give it a `for` of at least 1ms", stage.For)
	}
	for _, key := range []string{"for", "rate", "from", "to", "steps", "spike", "sine", "replay", "arrivals"} {
		if !c.readable(path+"."+key) && (key != "for" || stage.Spike != nil) {
			return
		}
	}
	line := stage.From != nil || stage.To != nil
	switch {
	case stage.Replay != nil:
		c.checkReplay(path, stage)
		return
	case stage.Rate != nil && line:
		c.failf(path+".rate", "rate excludes from and to: a stage is constant or a line")
	case stage.Rate == nil && (stage.From == nil || stage.To == nil):
		c.failf(path+".rate", "the stage has no rate: give it `rate`, or `from` and `to`")
	}
	c.oneOf(path+".arrivals", cmp.Or(stage.Arrivals, Evenly), Evenly, Poisson)
	if stage.Steps != 0 {
		c.between(path+".steps", stage.Steps, 2, 1000)
		if stage.Rate != nil {
			c.failf(path+".steps", "steps lead `from` one rate `to` another: give those and not `rate`")
		}
	}
	c.checkSpike(path, stage)
	c.checkSine(path, stage)
}

func (c *checker) checkSpike(path string, stage Stage) {
	s := stage.Spike
	switch {
	case s == nil:
	case stage.Rate == nil:
		c.failf(path+".spike", "a spike stands on a constant rate: give the stage a `rate`")
	case stage.Sine != nil:
		c.failf(path+".spike", "a stage has a spike or a sine: make two stages")
	case s.For < time.Millisecond:
		c.failf(path+".spike.for", "the spike lasts %s: give it at least 1ms", s.For)
	case s.At+s.For > stage.For:
		c.failf(path+".spike", "it ends %s into the stage, which lasts %s", s.At+s.For, stage.For)
	}
}

func (c *checker) checkSine(path string, stage Stage) {
	s := stage.Sine
	switch {
	case s == nil:
	case stage.Rate == nil:
		c.failf(path+".sine", "a sine swings about a constant rate: give the stage a `rate`")
	case s.Amplitude > *stage.Rate:
		c.failf(path+".sine.amplitude", "%s is more than the rate %s about which it swings: no rate is below 0", s.Amplitude, *stage.Rate)
	case s.Period < 10*time.Millisecond:
		c.failf(path+".sine.period", "%s is too short: give it at least 10ms", s.Period)
	}
}

// checkStageExpectations checks that they are of figures that a stage has.
func (c *checker) checkStageExpectations(path string, stage Stage) {
	for i, e := range stage.Expect {
		path := fmt.Sprintf("%s.expect[%d]", path, i)
		switch {
		case e.Path == "" && c.readable(path):
			c.failf(path, "no expectation: write one such as %q", "response_time.p99 < 200ms")
		case e.Place() != "":
			c.failf(path, "%q: an expectation of a stage is of that stage alone; leave out what follows the value", e)
		case e.Path != "" && !slices.Contains(phasePaths, e.Path):
			c.failf(path, "a stage has no figure %q; put it under the scenario's own expect", e.Path)
		}
		c.checkSeen(path, e)
	}
}

func (c *checker) checkReplay(path string, stage Stage) {
	if stage.Rate != nil || stage.From != nil || stage.To != nil || stage.Steps != 0 || stage.Spike != nil || stage.Sine != nil || stage.Arrivals != "" {
		c.failf(path+".replay", "what is replayed has its own times: give no rate, from, to, steps, spike, sine or arrivals beside it")
	}
	if stage.Replay.Scale > maxReplayScale {
		c.failf(path+".replay.scale", "%s is too much: want at most %d", stage.Replay.Scale, maxReplayScale)
	}
}
