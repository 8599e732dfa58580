package load

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// strikes strikes every request in the same way, and counts what was struck.
type strikes struct {
	strike bench.Strike
	struck atomic.Int64
}

func (s *strikes) Ask(op bench.Op) bench.Strike {
	if op.Place != bench.PlaceClient {
		return bench.Strike{}
	}
	return s.strike
}

func (s *strikes) Struck(bench.Strike) { s.struck.Add(1) }

// Each strike between client and API gives the outcome that its kind promises, and
// reaches the API or does not.
func TestStrikesOnTheWay(t *testing.T) {
	const wait, patience = 60 * time.Millisecond, 5 * time.Second
	for _, tt := range []struct {
		name    string
		strike  bench.Strike
		timeout time.Duration
		outcome bench.Outcome
		class   bench.Class
		status  int
		reaches bool
		least   time.Duration // of the response time
	}{
		{"nothing", bench.Strike{}, patience, bench.Acknowledged, bench.ClassStatus, 200, true, 0},
		{"cut", bench.Strike{Kind: bench.StrikeClientCut, When: bench.BeforeCommit}, patience, bench.Unknown, bench.ClassReset, 0, false, 0},
		{"throttle", bench.Strike{Kind: bench.StrikeClientThrottle}, patience, bench.Refused, bench.ClassStatus, 429, false, 0},
		{"error before", bench.Strike{Kind: bench.StrikeClientError, When: bench.BeforeCommit}, patience, bench.Unknown, bench.ClassStatus, 503, false, 0},
		{"error after", bench.Strike{Kind: bench.StrikeClientError, When: bench.AfterCommit}, patience, bench.Unknown, bench.ClassStatus, 504, true, 0},
		{"delay before", bench.Strike{Kind: bench.StrikeClientDelay, When: bench.BeforeCommit, Delay: wait}, patience, bench.Acknowledged, bench.ClassStatus, 200, true, wait},
		{"delay after", bench.Strike{Kind: bench.StrikeClientDelay, When: bench.AfterCommit, Delay: wait}, patience, bench.Acknowledged, bench.ClassStatus, 200, true, wait},
		{"too long a delay before", bench.Strike{Kind: bench.StrikeClientDelay, When: bench.BeforeCommit, Delay: time.Hour}, wait, bench.Unknown, bench.ClassTimeout, 0, false, wait},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var seen atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
			defer srv.Close()
			s, cfg := &strikes{strike: tt.strike}, config(srv.URL)
			cfg.Injector, cfg.Timeout = s, tt.timeout
			b := attack(t, cfg, every{3, time.Millisecond})
			for seq := range uint64(3) {
				a, due := b.done[seq], time.Duration(seq)*time.Millisecond
				if a.Outcome != tt.outcome || a.Class != tt.class || a.Status != tt.status || a.End < a.Sent || a.End-due < tt.least {
					t.Errorf("request %d is %v (%v, status %d) after %v, want %v (%v, %d)", seq, a.Outcome, a.Class, a.Status, a.End-due, tt.outcome, tt.class, tt.status)
				}
				if (a.FirstByte == 0) != (tt.status == 0) {
					t.Errorf("request %d of status %d has its first byte at %v", seq, a.Status, a.FirstByte)
				}
			}
			want := int64(0)
			if tt.reaches {
				want = 3
			}
			if seen.Load() != want {
				t.Errorf("%d requests reached the API, want %d", seen.Load(), want)
			}
			if want := map[bool]int64{true: 3}[tt.strike.Kind != ""]; s.struck.Load() != want {
				t.Errorf("%d were struck, want %d", s.struck.Load(), want)
			}
		})
	}
}

// An answer that did not come is not struck on its way back.
func TestNoAnswerIsNotStruck(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { cut(w) }))
	defer srv.Close()
	s, cfg := &strikes{strike: bench.Strike{Kind: bench.StrikeClientError, When: bench.AfterCommit}}, config(srv.URL)
	cfg.Injector = s
	if b := attack(t, cfg, every{3, time.Millisecond}); b.done[0].Class != bench.ClassReset || s.struck.Load() != 0 {
		t.Errorf("%+v, %d struck", b.done[0], s.struck.Load())
	}
}
