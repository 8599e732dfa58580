package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// labelled is a plan whose bodies say which attempt they are.
type labelled struct{ every }

func (p labelled) AppendBody(dst []byte, seq uint64, retry int) []byte {
	return fmt.Appendf(dst, "%d#%d", seq, retry)
}

// attempts is a book that keeps every attempt.
type attempts struct {
	mu       sync.Mutex
	reserved map[attempt]bool
	sent     map[attempt]time.Duration
	done     map[uint64][]bench.Attempt
}

func newAttempts() *attempts {
	return &attempts{reserved: map[attempt]bool{}, sent: map[attempt]time.Duration{}, done: map[uint64][]bench.Attempt{}}
}

func (b *attempts) Reserve(_ context.Context, seq uint64, retry int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved[attempt{seq, retry}] = true
	return nil
}

func (b *attempts) Sent(seq uint64, retry int, at time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent[attempt{seq, retry}] = at
}

func (b *attempts) Done(a bench.Attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done[a.Seq] = append(b.done[a.Seq], a)
}

// script is a server that answers the attempts at a request one after the other as
// it is told: a status, or 0 for a broken connection.
func script(t *testing.T, answers map[uint64][]int) (url string, seen func() []string) {
	var mu sync.Mutex
	var bodies []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var seq uint64
		var retry int
		fmt.Sscanf(string(body), "%d#%d", &seq, &retry)
		mu.Lock()
		bodies = append(bodies, string(body))
		mu.Unlock()
		if status := answers[seq][retry]; status != 0 {
			w.WriteHeader(status)
		} else {
			cut(w)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(bodies)
		return bodies
	}
}

// TestRetries: what is sent again, how often, and what the request comes to.
func TestRetries(t *testing.T) {
	answers := map[uint64][]int{
		0: {200}, 1: {0, 200}, 2: {503, 0, 200}, 3: {500, 500, 500}, 4: {429}, 5: {0, 429}, 6: {204, 429},
	}
	want := map[uint64][]bench.Outcome{
		0: {bench.Acknowledged}, 1: {bench.Unknown, bench.Acknowledged}, 2: {bench.Unknown, bench.Unknown, bench.Acknowledged},
		3: {bench.Unknown, bench.Unknown, bench.Unknown}, 4: {bench.Refused},
		// Unknown once is unknown, whatever a later attempt is told, and sent again.
		5: {bench.Unknown, bench.Refused, bench.Acknowledged}, 6: {bench.Unknown, bench.Refused, bench.Unknown},
	}
	answers[5], answers[6] = append(answers[5], 200), append(answers[6], 500)
	for name, lean := range map[string]bool{"lean": true, "net/http": false} {
		t.Run(name, func(t *testing.T) {
			url, seen := script(t, answers)
			cfg := config(url)
			var waits sync.Map
			cfg.Retries = Retries{Max: 2, On: []bench.Outcome{bench.Unknown}, BackOff: func(seq uint64, retry int) time.Duration {
				waits.Store(attempt{seq, retry}, true)
				return 20 * time.Millisecond
			}}
			b := newAttempts()
			a := New(cfg, labelled{every{int64(len(answers)), time.Millisecond}}, b)
			if !lean {
				a.sender = newStandard(a)
			}
			if _, err := a.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			var sent []string
			for seq, outcomes := range want {
				var got []bench.Outcome
				for n, at := range b.done[seq] {
					got = append(got, at.Outcome)
					sent = append(sent, fmt.Sprintf("%d#%d", seq, n))
					if at.Retry != n || !b.reserved[attempt{seq, n}] || b.sent[attempt{seq, n}] != at.Sent {
						t.Errorf("attempt %d at %d: %+v, reserved %v, sent at %v", n, seq, at, b.reserved[attempt{seq, n}], b.sent[attempt{seq, n}])
					}
					if n > 0 && at.Sent-b.done[seq][n-1].End < 20*time.Millisecond {
						t.Errorf("attempt %d at %d was sent %v after the one before had ended", n, seq, at.Sent-b.done[seq][n-1].End)
					}
					if _, waited := waits.Load(attempt{seq, n}); waited != (n > 0) {
						t.Errorf("attempt %d at %d: back-off %v", n, seq, waited)
					}
				}
				if !slices.Equal(got, outcomes) {
					t.Errorf("request %d: %v, want %v", seq, got, outcomes)
				}
			}
			slices.Sort(sent)
			if got := seen(); !slices.Equal(got, sent) {
				t.Errorf("the server saw %v, the book has %v", got, sent)
			}
			if c := a.Counts(); c != (Counts{Acknowledged: 4, Refused: 1, Unknown: 2}) {
				t.Errorf("counts %+v", c)
			}
		})
	}
}

// TestARetryDelaysNobody: the load stays open while requests wait to be sent again.
func TestARetryDelaysNobody(t *testing.T) {
	answers := map[uint64][]int{}
	for seq := range uint64(50) {
		answers[seq] = []int{500, 200}
	}
	url, _ := script(t, answers)
	cfg := config(url)
	cfg.Connections = 1
	cfg.Retries = Retries{Max: 1, On: []bench.Outcome{bench.Unknown}, BackOff: func(uint64, int) time.Duration { return 2 * time.Second }}
	b := newAttempts()
	if _, err := New(cfg, labelled{every{50, time.Millisecond}}, b).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for seq, all := range b.done {
		if len(all) != 2 || all[1].Outcome != bench.Acknowledged {
			t.Errorf("request %d: %+v", seq, all)
		} else if all[0].Sent > 1500*time.Millisecond {
			t.Errorf("request %d was first sent at %v: it waited for another's back-off", seq, all[0].Sent)
		}
	}
}

// TestNothingIsSentAgainAfterAnInterrupt: what waits to be sent again is over.
func TestNothingIsSentAgainAfterAnInterrupt(t *testing.T) {
	url, _ := script(t, map[uint64][]int{0: {500, 200}})
	cfg := config(url)
	ctx, interrupt := context.WithCancel(t.Context())
	cfg.Retries = Retries{Max: 1, On: []bench.Outcome{bench.Unknown}, BackOff: func(uint64, int) time.Duration { interrupt(); return time.Hour }}
	b := newAttempts()
	a := New(cfg, labelled{every{1, 0}}, b)
	if _, err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if len(b.done[0]) != 1 || a.Counts() != (Counts{Unknown: 1}) {
		t.Errorf("attempts %+v, counts %+v; want one attempt of unknown outcome", b.done[0], a.Counts())
	}
}
