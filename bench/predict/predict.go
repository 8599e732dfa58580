// Package predict says, from the settings alone, how much a fault makes a system
// lose whose handler has no bug but a planted one that is known. It is arithmetic on
// rates, windows and retry budgets: it knows neither the run nor its judge, so that
// the two can be held against each other. Where what was observed lies outside the
// range, either the system has a bug or the model is too simple.
//
// There is a model for each mechanism by which records are lost:
//
//	kept        what fails is tried again for as long as the fault lasts, or kept
//	            elsewhere, or the client was told: nothing
//	swallowed   the handler takes what it could not write for done:
//	            rate × window × share
//	given up    a batch is dropped when it has failed retries + 1 times:
//	            batch × attempts / (retries + 1) in each shard
//	struck      one invocation fails, and there is no retry: one batch for each
//	            strike, less what was written before
//	unanswered  the API answers 200 though nothing was stored: rate × window × share
//	dropped     an asynchronous event whose attempts all lie in the window:
//	            rate × (window − waits between its attempts)
//	missed      a mapping that begins at LATEST leaves out what came since it was
//	            deleted: rate × (time until its first poll)
//	orphaned    a stream that nobody reads: all that comes from then on
//
// A range holds what is chance: which of the operations a share strikes (four
// standard deviations), when within a poll a fault begins, how far back-off is
// spread. Nil is no zero: there is no model.
package predict

import (
	"math"
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/scenarios"
)

// Loss is how many items a fault makes a system lose.
type Loss struct {
	Expected, Low, High int64
	Model               string // of the list above
}

// Losses predicts for each fault of a scenario, as if it were alone. Nil: there is
// no model of it, or another one strikes meanwhile and what is lost to which cannot
// be told. A handler has no bug but what ACKPROOF_DEFECT plants.
func Losses(s *scenarios.Scenario, plan *scenarios.Plan) []*Loss {
	losses := make([]*Loss, len(s.Faults))
	for i, f := range s.Faults {
		losses[i] = predict(s, plan, f)
	}
	for i, f := range s.Faults {
		for k, g := range s.Faults {
			if i != k && overlap(f, g) && (losses[k] == nil || losses[k].High > 0) && losses[i] != nil && losses[i].High > 0 {
				losses[i] = nil
			}
		}
	}
	return losses
}

// overlap reports whether two faults may be in force at one moment. When those are
// that go by number nobody knows.
func overlap(f, g faults.Fault) bool {
	if f.On != "" || g.On != "" {
		return true
	}
	from, to := f.Window()
	a, b := g.Window()
	return from <= b+g.Lasts() && a <= to+f.Lasts()
}

// model is what the models of one fault share.
type model struct {
	s        *scenarios.Scenario
	plan     *scenarios.Plan
	f        faults.Fault
	from, to time.Duration
	share    float64
	lag      time.Duration // how much later than due a record may be handed over
}

func predict(s *scenarios.Scenario, plan *scenarios.Plan, f faults.Fault) *Loss {
	m := &model{s: s, plan: plan, f: f, share: f.Share / 100}
	m.from, m.to = f.Window()
	m.lag = s.Mapping.PollInterval + time.Duration(s.Mapping.MaximumBatchingWindowInSeconds)*time.Second + 300*time.Millisecond
	defect := defectOf(s)
	switch place := f.Kind.Place; {
	case place == bench.PlaceExec, place == bench.PlaceFIS, place == bench.PlaceFunction, place == bench.PlaceDestination:
		return nil // whatever others break; whatever comes of less time or memory; whatever dead letters there are
	case place == bench.PlaceTable && s.Architecture == bench.FireAndForget:
		return nil // it is the processor that writes there
	case f.Kind.OnAcceptPath(s.Architecture):
		return m.accept()
	case s.Architecture == bench.Sync:
		return kept()
	case len(s.Mapping.FilterCriteria) > 0 || s.Overload || m.skips():
		return nil
	case s.Architecture == bench.FireAndForget:
		return m.event(defect)
	}
	return m.stream(defect)
}

// defectOf is the defect that the scenario plants in the processor; "" for those
// that lose nothing.
func defectOf(s *scenarios.Scenario) string {
	switch d := s.Processor.Env["ACKPROOF_DEFECT"]; d {
	case "non-idempotent", "unconditional", "corrupt", "double-nth":
		return ""
	default:
		return d
	}
}

func kept() *Loss { return &Loss{Model: "kept"} }

// skips reports whether time jumps so far that what waits is too old.
func (m *model) skips() bool {
	const retention = 24 * time.Hour
	limit := retention
	if age := m.s.Mapping.MaximumRecordAgeInSeconds; age >= 0 {
		limit = time.Duration(age) * time.Second
	}
	jump := time.Duration(0)
	for _, f := range m.s.Faults {
		if f.Kind.Place == bench.PlaceClock {
			jump += f.By
		}
	}
	return jump+m.plan.Duration()+m.lag > limit
}

// due is how many requests are due from one moment to before another.
func (m *model) due(from, to time.Duration) float64 {
	from, to = max(0, from), min(m.plan.Duration(), to)
	if to <= from {
		return 0
	}
	return float64(m.plan.DueBefore(to) - m.plan.DueBefore(from))
}

// rate is the requests per second when the fault begins.
func (m *model) rate() float64 {
	const around = time.Second
	from, to := max(0, m.from-around), min(m.plan.Duration(), m.from+around)
	return m.due(from, to) / (to - from).Seconds()
}

// portion is a share of some records, each of which is drawn by itself.
func portion(model string, low, n, high, share float64) *Loss {
	spread := func(n float64) float64 { return 4 * math.Sqrt(n*share*(1-share)) }
	return loss(model, low*share-spread(low), n*share, high*share+spread(high))
}

func loss(model string, low, expected, high float64) *Loss {
	return &Loss{
		Model: model, Expected: int64(math.Round(expected)),
		Low: int64(math.Max(0, math.Floor(min(low, expected)))), High: int64(math.Ceil(max(high, expected))),
	}
}

// accept is the model of a fault between the client and its answer: one who is told,
// or in doubt, has lost nothing.
func (m *model) accept() *Loss {
	g := m.s.Gateway
	before := m.f.Placement == "" || m.f.Placement == faults.Before
	write := slices.Contains([]string{"table.throttle", "table.deny"}, m.f.Kind.Name) || m.f.Kind.Name == "table.error" && before
	switch {
	case g.StatusMapping == "mapped" && g.Defect == "":
		return kept()
	case m.s.Architecture != bench.Streams || g.Defect != "" && g.Defect != "early-answer" || g.StatusMapping == "responses":
		return nil
	case !write && m.f.Kind.Place != bench.PlaceTable && m.f.Kind.Place != bench.PlaceTableWay:
		return nil
	case !write || m.f.OneStrike():
		return nil
	case m.f.On != "":
		n := float64(m.f.Last - m.f.First + 1)
		return portion("unanswered", n, n, n, m.share)
	}
	const late = 50 * time.Millisecond // a request sent a little later than it was due
	return portion("unanswered", m.due(m.from, m.to-late), m.due(m.from, m.to), m.due(m.from-late, m.to), m.share)
}
