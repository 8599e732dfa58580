package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/cost"
	"github.com/ackproof/ackproof/bench/load"
	"github.com/ackproof/ackproof/scenarios"
)

const (
	// stopWindow is how long back the stop condition looks, stopLook how often.
	stopWindow = 10 * time.Second
	stopLook   = time.Second
	// stopLeast is how many requests a share is taken of at least.
	stopLeast = 20

	// alarmLook lies between two looks at an alarm, of which a metric has a new value
	// every ten seconds at best; alarmTimeout bounds one. An alarm that was not read
	// for alarmBlind guards nothing.
	alarmLook    = 5 * time.Second
	alarmTimeout = 10 * time.Second
	alarmBlind   = 30 * time.Second
)

// stops is the stop condition of a load: the share of the requests of the last
// stopWindow that were not acknowledged, and what was spent. It is a step machine; the
// zero value has seen nothing.
type stops struct {
	errors  float64 // share; 0: never
	limit   float64 // US dollars; 0: none
	attempt float64 // what one costs
	seen    []load.Counts
}

// look takes in how far the load has come, every stopLook, and says why it must
// end; "": it need not.
func (s *stops) look(now load.Counts, attempts int64) string {
	if spent := float64(attempts) * s.attempt; s.limit > 0 && spent > s.limit {
		return fmt.Sprintf("%d attempts were sent, which cost %s by the estimate, and target.limits.cost is %s", attempts, inDollars(spent), scenarios.Dollars(s.limit))
	}
	s.seen = append(s.seen, now)
	if most := int(stopWindow/stopLook) + 1; len(s.seen) > most {
		s.seen = s.seen[1:]
	}
	first := s.seen[0]
	done, acknowledged := now.Done()-first.Done(), now.Acknowledged-first.Acknowledged
	share := float64(done-acknowledged) / float64(max(done, 1))
	if s.errors == 0 || done < stopLeast || share < s.errors {
		return ""
	}
	return fmt.Sprintf("%.0f %% of the %d requests of the last %v were not acknowledged, and target.stop.errors is %.0f %%", share*100, done, stopWindow, s.errors*100)
}

// guard ends the load when a stop condition holds. It returns when the load is over.
func (r *Run) guard(ctx context.Context, attack *load.Attack, end func()) {
	t := r.opts.Scenario.Target
	var once sync.Once
	stop := func(why string) {
		once.Do(func() {
			r.evidence(evidenceStopped, stopped{Why: why})
			r.note(bench.Event{At: r.opts.Clock.Now(), Kind: bench.EventPhase, Text: "stopped"})
			end()
		})
	}
	var guards sync.WaitGroup
	if t.Stop.Alarm != "" { // apart: CloudWatch may be slow to answer
		guards.Go(func() { r.guardByAlarm(ctx, t.Stop.Alarm, stop) })
	}
	s := stops{errors: float64(t.Stop.Errors) / 100, limit: r.costLimit, attempt: r.attemptCost}
	for (s.errors > 0 || s.limit > 0) && clock.Wait(stopLook, ctx.Done()) {
		if why := s.look(attack.Counts(), attack.Attempts()); why != "" {
			stop(why)
			break
		}
	}
	guards.Wait()
}

// guardByAlarm ends the load when an alarm goes off, or cannot be read any more.
func (r *Run) guardByAlarm(ctx context.Context, name string, stop func(why string)) {
	last := r.opts.Clock.Now()
	for clock.Wait(alarmLook, ctx.Done()) {
		alarm, err := r.readAlarm(ctx, name)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && alarm.On:
			stop(fmt.Sprintf("the alarm %s went off: %s", name, alarm.Reason))
			return
		case err == nil:
			last = r.opts.Clock.Now()
		case r.since(last) > alarmBlind:
			stop(fmt.Sprintf("for %v the alarm %s could not be read, and an alarm that nobody sees guards nothing: %v", alarmBlind, name, err))
			return
		}
	}
}

func (r *Run) readAlarm(ctx context.Context, name string) (bench.Alarm, error) {
	ctx, cancel := context.WithTimeout(ctx, alarmTimeout)
	defer cancel()
	return r.opts.Cloud.Alarm(ctx, name)
}

// seeAlarm makes sure, before the first request, that the alarm can be read and has not
// gone off already.
func (r *Run) seeAlarm(ctx context.Context) error {
	name := r.opts.Scenario.Target.Stop.Alarm
	if name == "" {
		return nil
	}
	alarm, err := r.readAlarm(ctx, name)
	switch {
	case err != nil:
		return fmt.Errorf("target.stop.alarm: %w", err)
	case alarm.On:
		return fmt.Errorf("target.stop.alarm: %s has gone off already: %s; nothing is fired while it is on", name, alarm.Reason)
	}
	return nil
}

// stopped says why the load was ended before its plan was.
type stopped struct {
	Why string `json:"why"`
}

// checkCost refuses a plan that costs more than the scenario allows, and finds what an
// attempt costs.
func (r *Run) checkCost() error {
	limit := r.opts.Scenario.Target.Limits.Cost
	if limit == 0 || r.plan.Len() == 0 {
		return nil
	}
	prices, err := cost.ParsePrices(r.opts.Prices)
	if err != nil {
		return nil // that is told already
	}
	plan := scenarios.NewPlan(r.opts.Scenario, r.id, 0, r.opts.Seed) // of all agents together
	c := foreseen(r.opts.Scenario, plan.Len(), r.id).Cost(prices)
	usd, at := c.Run.Low, "at least "
	if c.Run.High != nil {
		usd, at = *c.Run.High, ""
	}
	r.attemptCost = usd / float64(plan.Len())
	r.costLimit = float64(limit) * float64(r.plan.Len()) / float64(plan.Len())
	if usd > float64(limit) {
		return fmt.Errorf("target.limits.cost: the plan of %d requests costs %s%s by the estimate, with prices of %s in %s, over the limit of %s; send less, or raise the limit if that is meant",
			plan.Len(), at, inDollars(usd), c.Prices.Date, c.Prices.Region, limit)
	}
	return nil
}

// inDollars writes an amount to the cent, or where it is less than a dollar to two digits.
func inDollars(usd float64) string {
	if usd < 1 {
		return fmt.Sprintf("%.2g USD", usd)
	}
	return fmt.Sprintf("%.2f USD", usd)
}

// checkCloud says what the scenario asks of an account of AWS where none is open.
func (r *Run) checkCloud() error {
	s := r.opts.Scenario
	if r.opts.Cloud == nil && (s.Target.Stop.Alarm != "" || s.Read.By == scenarios.ReadExport) {
		return errors.New("target.stop.alarm and read: {by: export} take an account of AWS, and none is open here")
	}
	return nil
}
