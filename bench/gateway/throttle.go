package gateway

import (
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// bucket is the token bucket in front of the API. A request takes a token, and
// tokens come back at a steady rate up to the burst; without one the answer is
// 429, and the integration is never asked.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
type bucket struct {
	mu     sync.Mutex
	rate   float64 // tokens per second
	burst  float64
	tokens float64
	filled time.Time // when tokens was right
}

// newBucket makes a full one.
func newBucket(t bench.Throttle, now time.Time) *bucket {
	return &bucket{rate: t.Rate, burst: float64(t.Burst), tokens: float64(t.Burst), filled: now}
}

// take takes a token, if there is one.
func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := now.Sub(b.filled); d > 0 { // two requests may come here out of order
		b.tokens = min(b.burst, b.tokens+d.Seconds()*b.rate)
		b.filled = now
	}
	const slack = 1e-9 // for what adding up fractions loses
	if b.tokens < 1-slack {
		return false
	}
	b.tokens = max(0, b.tokens-1)
	return true
}
