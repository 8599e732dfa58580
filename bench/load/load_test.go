package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// every is a plan of n requests, one each step.
type every struct {
	n    int64
	step time.Duration
}

func (p every) Len() int64                   { return p.n }
func (p every) Due(seq uint64) time.Duration { return time.Duration(seq) * p.step }
func (p every) Kind(uint64) int              { return 0 }
func (p every) AppendBody(dst []byte, seq uint64, _ int) []byte {
	return fmt.Appendf(dst, `{"seq":%d}`, seq)
}

// book keeps what it is told, and checks the order in which it is told.
type book struct {
	mu   sync.Mutex
	sent map[uint64]time.Duration
	done map[uint64]bench.Attempt
	bad  []string
	room int // requests that can be recorded; 0: all
}

func newBook() *book {
	return &book{sent: map[uint64]time.Duration{}, done: map[uint64]bench.Attempt{}}
}

func (b *book) Reserve(_ context.Context, seq uint64, _ int) error {
	if b.room > 0 && seq >= uint64(b.room) {
		return errors.New("no room")
	}
	return nil
}

func (b *book) Sent(seq uint64, _ int, at time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent[seq] = at
}

func (b *book) Done(a bench.Attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.Outcome == bench.Unsent {
		return
	}
	if _, ok := b.sent[a.Seq]; !ok {
		b.bad = append(b.bad, fmt.Sprintf("%d is done and was never sent", a.Seq))
	}
	if _, ok := b.done[a.Seq]; ok {
		b.bad = append(b.bad, fmt.Sprintf("%d is done twice", a.Seq))
	}
	if a.FirstByte != 0 && (a.FirstByte < a.Sent || a.FirstByte > a.End) || a.FirstByte == 0 && a.Status != 0 {
		b.bad = append(b.bad, fmt.Sprintf("%d was sent at %v, got its first byte at %v and ended at %v", a.Seq, a.Sent, a.FirstByte, a.End))
	}
	if a.Outcome == bench.Unknown && a.Class != bench.ClassStatus && a.Error == "" {
		b.bad = append(b.bad, fmt.Sprintf("%d went wrong, and nobody says how", a.Seq))
	}
	if a.End < a.Sent {
		b.bad = append(b.bad, fmt.Sprintf("%d ends at %v, before it was sent at %v", a.Seq, a.End, a.Sent))
	}
	b.done[a.Seq] = a
}

func config(url string) Config {
	return Config{
		URL: url, Kinds: []Kind{{Method: "POST", Path: "/"}}, Ack: []int{200, 202}, Refused: []int{400, 429},
		Timeout: 5 * time.Second, Connections: 16, Start: clock.Real{}.Now(), Clock: clock.Real{},
	}
}

func attack(t *testing.T, cfg Config, plan Plan) *book {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b := newBook()
	if _, err := New(cfg, plan, b).Run(ctx); err != nil {
		t.Fatal(err)
	}
	for _, bad := range b.bad {
		t.Error(bad)
	}
	return b
}

func cut(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		name    string
		answer  http.HandlerFunc
		outcome bench.Outcome
		class   bench.Class
		status  int
	}{
		{"a declared status acknowledges", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }, bench.Acknowledged, bench.ClassStatus, 202},
		{"another declared status refuses", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, bench.Refused, bench.ClassStatus, 429},
		{"a 5xx is no refusal", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, bench.Unknown, bench.ClassStatus, 503},
		{"nor is a 2xx that was not declared an acknowledgement", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, bench.Unknown, bench.ClassStatus, 204},
		{"a redirect is not followed", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusTemporaryRedirect) }, bench.Unknown, bench.ClassStatus, 307},
		{"a cut connection", func(w http.ResponseWriter, _ *http.Request) { cut(w) }, bench.Unknown, bench.ClassReset, 0},
		{"an answer that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(200)
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			cut(w)
		}, bench.Unknown, bench.ClassUnreadable, 200},
		{"no answer in time", func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }, bench.Unknown, bench.ClassTimeout, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var seen atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen.Add(1)
				tt.answer(w, r)
			}))
			defer srv.Close()
			cfg := config(srv.URL)
			cfg.Timeout = 30 * time.Second
			if tt.class == bench.ClassTimeout {
				cfg.Timeout = 300 * time.Millisecond
			}
			b := attack(t, cfg, every{3, time.Millisecond})
			for seq := range uint64(3) {
				a := b.done[seq]
				if a.Outcome != tt.outcome || a.Class != tt.class || a.Status != tt.status {
					t.Errorf("request %d is %v (%v, status %d), want %v (%v, %d)", seq, a.Outcome, a.Class, a.Status, tt.outcome, tt.class, tt.status)
				}
			}
			if n := seen.Load(); n != 3 {
				t.Errorf("the server saw %d requests, want 3: nothing may be sent again", n)
			}
		})
	}
}

// What cannot be recorded is not sent, and the attack says why it ends.
func TestABookWithoutRoomEndsTheAttack(t *testing.T) {
	var got atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got.Add(1); w.WriteHeader(200) }))
	defer srv.Close()
	b := newBook()
	b.room = 5
	_, err := New(config(srv.URL), every{1000, time.Millisecond}, b).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no room") || got.Load() != 5 || len(b.done) != 5 {
		t.Errorf("%v; the server got %d requests, the book has %d", err, got.Load(), len(b.done))
	}
}

func TestARefusedConnectionRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	b := attack(t, config(url), every{2, time.Millisecond})
	for seq := range uint64(2) {
		if a := b.done[seq]; a.Outcome != bench.Refused || a.Class != bench.ClassConnRefused {
			t.Errorf("request %d is %v (%v), want refused (connection_refused)", seq, a.Outcome, a.Class)
		}
	}
}

// A server that works and then closes the connection without an answer invites
// net/http to send again what it thinks may be sent again.
func TestNothingIsSentTwice(t *testing.T) {
	var mu sync.Mutex
	times := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		times[string(body)]++
		n := len(times)
		mu.Unlock()
		if n%5 == 0 {
			cut(w)
		}
	}))
	defer srv.Close()
	const n = 200
	b := attack(t, config(srv.URL), every{n, time.Millisecond})
	mu.Lock()
	defer mu.Unlock()
	if len(times) != n || len(b.done) != n {
		t.Errorf("%d bodies at the server and %d requests in the book, want %d each", len(times), len(b.done), n)
	}
	for body, k := range times {
		if k != 1 {
			t.Errorf("%s was sent %d times", body, k)
		}
	}
}

func TestWhatFindsNoConnectionIsUnsent(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }))
	defer srv.Close()
	cfg := config(srv.URL)
	cfg.Connections, cfg.Timeout = 2, 200*time.Millisecond
	b := attack(t, cfg, every{20, 0})
	// Two connections are held until their requests are given up; all others are
	// given up at the same moment, so that at most a few of them can have been
	// handed to a connection that became free.
	if len(b.done) < 2 || len(b.done) > 6 {
		t.Errorf("%d of 20 requests were sent over two connections that never answered", len(b.done))
	}
	for seq, a := range b.done {
		if a.Outcome != bench.Unknown || a.Class != bench.ClassTimeout {
			t.Errorf("request %d is %v (%v), want a time-out", seq, a.Outcome, a.Class)
		}
	}
}

// Response time counts from due. A server that stalls once makes all requests
// that fall due meanwhile late, each by the rest of the stall.
func TestAStallIsSeenByAllWhoWaited(t *testing.T) {
	const stall = 400 * time.Millisecond
	var gate sync.Mutex
	var once sync.Once
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		gate.Lock()
		defer gate.Unlock()
		once.Do(func() { <-time.After(stall) })
	}))
	defer srv.Close()
	cfg := config(srv.URL)
	cfg.Connections = 4
	plan := every{200, 2 * time.Millisecond}
	b := attack(t, cfg, plan)
	for seq := range uint64(200) {
		response := b.done[seq].End - plan.Due(seq)
		if least := stall - plan.Due(seq); response < least {
			t.Errorf("request %d, due at %v, was answered after %v: it waited at least %v", seq, plan.Due(seq), response, least)
		}
	}
}

func TestAnInterruptEndsTheLoad(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	b := newBook()
	a := New(config(srv.URL), every{1000, time.Hour / 10}, b)
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if len(b.done) != 1 { // the first is due at once, the second in six minutes
		t.Errorf("%d requests were sent before the interrupt, want 1", len(b.done))
	}
	if s := a.Snapshot(); s.Sent != 1 || s.Acknowledged != 1 {
		t.Errorf("snapshot %+v, want one request, acknowledged", s)
	}
}

func BenchmarkAttack(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	cfg := config(srv.URL)
	b.ReportAllocs()
	if _, err := New(cfg, every{int64(b.N), 0}, newBook()).Run(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// The first request is due when the load starts, and leaves no sooner.
func TestNothingLeavesBeforeTheStart(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	for name, sender := range map[string]func(*Attack) sender{
		"lean":     func(a *Attack) sender { return newLean(a) },
		"standard": func(a *Attack) sender { return newStandard(a) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg, b := config(srv.URL), newBook()
			cfg.Start = cfg.Start.Add(100 * time.Millisecond)
			a := New(cfg, every{3, 20 * time.Millisecond}, b)
			a.sender = sender(a)
			if _, err := a.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			for seq := range uint64(3) {
				if done, due := b.done[seq], time.Duration(seq)*20*time.Millisecond; done.Outcome != bench.Acknowledged || done.Sent < due {
					t.Errorf("request %d, due at %v, is %v and left at %v", seq, due, done.Outcome, done.Sent)
				}
			}
		})
	}
}
