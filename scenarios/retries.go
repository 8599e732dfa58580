package scenarios

import (
	"fmt"
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Retries models a client that sends again what was not acknowledged: after the
// back-off, then after twice as long, and so on up to maxBackOff, each time between
// half of that and all of it. Each attempt has request.timeout of its own. Nothing
// that is due later waits for it.
type Retries struct {
	Max     int           `yaml:"max"`     // beside the first attempt
	On      []string      `yaml:"on"`      // unknown, refused: what the attempts so far came to together
	SameID  bool          `yaml:"sameId"`  // false: each attempt has an id of its own, and so an item
	BackOff time.Duration `yaml:"backOff"` // before the first retry
}

// maxBackOff bounds how long a client waits before it sends again.
const maxBackOff = 5 * time.Second

// Outcomes are those after which it sends again.
func (r Retries) Outcomes() []bench.Outcome {
	var all []bench.Outcome
	for _, o := range []bench.Outcome{bench.Refused, bench.Unknown} {
		if slices.Contains(r.On, o.String()) {
			all = append(all, o)
		}
	}
	return all
}

// BackOff is how long the client waits before the nth retry of a request.
func (p *Plan) BackOff(seq uint64, retry int) time.Duration {
	whole := p.retries.BackOff
	for range retry - 1 {
		whole = min(2*whole, maxBackOff)
	}
	share := float64(p.waits.At(seq*maxRetries+uint64(retry-1))>>11) / (1 << 53)
	return whole/2 + time.Duration(share*float64(whole/2))
}

// AttemptID is the id that an attempt at a request says: 0 is the first, n the nth
// retry.
func (p *Plan) AttemptID(seq uint64, retry int) string {
	if p.retries.SameID {
		retry = 0
	}
	return p.ID(seq).Attempt(retry)
}

// maxRetries bounds the retries of a request, so that no two of them share a draw.
const maxRetries = 100

func (c *checker) checkRetries() {
	r := c.Request.Retries
	c.between("request.retries.max", r.Max, 0, maxRetries)
	c.within("request.retries.backOff", r.BackOff, time.Millisecond, maxBackOff)
	for i, on := range r.On {
		c.oneOf(fmt.Sprintf("request.retries.on[%d]", i), on, bench.Unknown.String(), bench.Refused.String())
	}
	if r.Max > 0 && len(r.On) == 0 {
		c.failf("request.retries.on", "nothing is sent again: name unknown, refused or both, or leave max out")
	}
	if r.Max > 0 && !r.SameID && c.Read.By == ReadGet {
		c.failf("read.by", "get asks for the ids of the requests, and retries with sameId: false have ids of their own; say scan")
	}
}
