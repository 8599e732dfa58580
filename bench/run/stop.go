package run

import (
	"context"
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/load"
)

const (
	// stopWindow is how long back the stop condition looks, stopLook how often.
	stopWindow = 10 * time.Second
	stopLook   = time.Second
	// stopLeast is how many requests a share is taken of at least.
	stopLeast = 20
)

// stops is the stop condition of a load: the share of the requests of the last
// stopWindow that were not acknowledged. It is a step machine; the zero value has
// seen nothing.
type stops struct {
	errors float64 // share; 0: never
	seen   []load.Counts
}

// look takes in how far the load has come, every stopLook, and says why it must
// end; "": it need not.
func (s *stops) look(now load.Counts) string {
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

// guard ends the load when the stop condition holds.
func (r *Run) guard(ctx context.Context, attack *load.Attack, end func()) {
	s := stops{errors: float64(r.opts.Scenario.Target.Stop.Errors) / 100}
	if s.errors == 0 {
		return
	}
	for wait(ctx, stopLook) {
		if why := s.look(attack.Counts()); why != "" {
			r.evidence(evidenceStopped, stopped{Why: why})
			r.note(bench.Event{At: r.opts.Clock.Now(), Kind: bench.EventPhase, Text: "stopped"})
			end()
			return
		}
	}
}

// stopped says why the load was ended before its plan was.
type stopped struct {
	Why string `json:"why"`
}
