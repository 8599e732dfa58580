package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// injector strikes every request, and counts.
type injector struct {
	strike        bench.Strike
	asked, struck atomic.Int64
}

func (i *injector) Ask(op bench.Op) bench.Strike {
	place := bench.PlaceGateway
	if strings.HasPrefix(i.strike.Kind, "client.") {
		place = bench.PlaceClient
	}
	switch {
	case op.Name != "Request" || op.Place != bench.PlaceClient && op.Place != bench.PlaceGateway:
		panic(fmt.Sprint(op))
	case op.Place != place:
		return bench.Strike{}
	}
	i.asked.Add(1)
	return i.strike
}

func (i *injector) Struck(s bench.Strike) {
	if s != i.strike {
		panic(fmt.Sprint(s))
	}
	i.struck.Add(1)
}

func TestCut(t *testing.T) {
	up := &fake{status: 200, body: `{}`}
	in := &injector{strike: bench.Strike{Fault: 3, Kind: StrikeCut}}
	api := start(t, bench.Streams, up, func(c *Config) { c.Injector = in })
	conn, err := net.Dial("tcp", strings.TrimPrefix(api.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"id\":\"a\"}")
	got, err := io.ReadAll(conn)
	if len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("client read %q and %v, want a reset without a byte", got, err)
	}
	if up.calls() != 1 || in.asked.Load() != 1 {
		t.Errorf("%d upstream calls and %d questions, want one of each", up.calls(), in.asked.Load())
	}
	for deadline := time.Now().Add(5 * time.Second); in.struck.Load() != 1; { // told after the reset
		if time.Now().After(deadline) {
			t.Fatalf("struck %d times", in.struck.Load())
		}
	}
}

func TestStrikeNotDone(t *testing.T) {
	up := &fake{status: 200, body: `{}`}
	in := &injector{strike: bench.Strike{Kind: "gateway.melt"}}
	api := start(t, bench.Streams, up, func(c *Config) { c.Injector = in })
	status, _, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
	if status != 500 || !strings.Contains(text, "gateway.melt") || in.struck.Load() != 0 {
		t.Errorf("got %d %s, struck %d times", status, text, in.struck.Load())
	}
}

func TestCutWithoutConnection(t *testing.T) {
	upstream := httptest.NewServer(&fake{status: 200, body: `{}`})
	defer upstream.Close()
	in := &injector{strike: bench.Strike{Kind: StrikeCut}}
	c := config(bench.Streams, upstream.URL)
	c.Injector = in
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder() // cannot be hijacked, like HTTP/2
	h.ServeHTTP(rec, httptest.NewRequest("POST", "/items", strings.NewReader(`{"id":"a"}`)))
	if rec.Code != 500 || !strings.Contains(rec.Body.String(), "cut connection") || in.struck.Load() != 0 {
		t.Errorf("got %d %s, struck %d times", rec.Code, rec.Body, in.struck.Load())
	}
}

func TestCutClientGone(t *testing.T) {
	upstream := httptest.NewServer(&fake{status: 200, body: `{}`})
	defer upstream.Close()
	in := &injector{strike: bench.Strike{Kind: StrikeCut}}
	c := config(bench.Streams, upstream.URL)
	c.Injector = in
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := httptest.NewRequest("POST", "/items", strings.NewReader(`{"id":"a"}`)).WithContext(ctx)
	h.ServeHTTP(httptest.NewRecorder(), req)
	if in.asked.Load() != 1 || in.struck.Load() != 0 {
		t.Errorf("asked %d times, struck %d times", in.asked.Load(), in.struck.Load())
	}
}

// TestRepeat: the API acts twice, under two request ids, and answers once.
func TestRepeat(t *testing.T) {
	up := &fake{status: 200, body: `{}`}
	in := &injector{strike: bench.Strike{Fault: 3, Kind: StrikeRepeat}}
	api := start(t, bench.Streams, up, func(c *Config) {
		c.Injector = in
		c.Settings.Template = `{"TableName":"$stageVariables.itemsTable","Item":{"id":{"S":"$context.requestId"}}}`
	})
	status, _, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
	if status != 200 || !strings.HasPrefix(text, `{"requestId":"`) {
		t.Errorf("answer %d %s", status, text)
	}
	if up.calls() != 2 || in.struck.Load() != 1 {
		t.Fatalf("%d upstream calls, struck %d times", up.calls(), in.struck.Load())
	}
	if up.texts[0] == up.texts[1] {
		t.Errorf("both requests have the id of %s", up.texts[0])
	}
}

// TestClientCut: nothing reaches the upstream, with a whole request or half of one.
func TestClientCut(t *testing.T) {
	for _, when := range []bench.When{bench.BeforeCommit, bench.MidBody} {
		up := &fake{status: 200, body: `{}`}
		in := &injector{strike: bench.Strike{Fault: 3, Kind: bench.StrikeClientCut, When: when}}
		api := start(t, bench.Streams, up, func(c *Config) { c.Injector = in })
		_, err := http.Post(api.URL+"/items", "application/json", strings.NewReader(`{"id":"a"}`))
		if err == nil || up.calls() != 0 {
			t.Errorf("%s: error %v and %d upstream calls", when, err, up.calls())
		}
		for deadline := time.Now().Add(5 * time.Second); in.struck.Load() != 1; { // told after the reset
			if time.Now().After(deadline) {
				t.Fatalf("%s: struck %d times", when, in.struck.Load())
			}
		}
	}
}

// TestOnTheWay: who is answered on the way there has not reached the upstream, and
// who is answered on the way back has.
func TestOnTheWay(t *testing.T) {
	for _, tt := range []struct {
		strike        bench.Strike
		status, calls int
	}{
		{bench.Strike{Kind: bench.StrikeClientError, When: bench.BeforeCommit}, 503, 0},
		{bench.Strike{Kind: bench.StrikeClientError, When: bench.AfterCommit}, 504, 1},
		{bench.Strike{Kind: bench.StrikeClientThrottle}, 429, 0},
		{bench.Strike{Kind: bench.StrikeClientDelay, When: bench.BeforeCommit, Delay: time.Millisecond}, 200, 1},
		{bench.Strike{Kind: bench.StrikeClientDelay, When: bench.AfterCommit, Delay: time.Millisecond}, 200, 1},
	} {
		up := &fake{status: 200, body: `{}`}
		in := &injector{strike: tt.strike}
		api := start(t, bench.Streams, up, func(c *Config) { c.Injector = in })
		status, _, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
		if status != tt.status || up.calls() != tt.calls || in.asked.Load() != 1 || in.struck.Load() != 1 {
			t.Errorf("%v: %d %s, %d upstream calls, asked %d and struck %d times", tt.strike, status, text, up.calls(), in.asked.Load(), in.struck.Load())
		}
		if tt.calls == 1 && !strings.Contains(up.texts[0], `"a"`) {
			t.Errorf("%v: the upstream got %s", tt.strike, up.texts[0])
		}
	}
}

// TestHeldLongerThanTheClientWaits: what is held on the way there goes with its
// client, and what the API has done stays done.
func TestHeldLongerThanTheClientWaits(t *testing.T) {
	for when, calls := range map[bench.When]int{bench.BeforeCommit: 0, bench.AfterCommit: 1} {
		up := &fake{status: 200, body: `{}`}
		in := &injector{strike: bench.Strike{Kind: bench.StrikeClientDelay, When: when, Delay: time.Hour}}
		ended := make(chan struct{})
		upstream := httptest.NewServer(up)
		defer upstream.Close()
		c := config(bench.Streams, upstream.URL)
		c.Injector = in
		h, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			h.ServeHTTP(w, r)
		}))
		defer api.Close()
		ctx, giveUp := context.WithCancel(t.Context())
		go func() {
			for in.struck.Load() == 0 {
				time.Sleep(time.Millisecond)
			}
			giveUp()
		}()
		req, err := http.NewRequestWithContext(ctx, "POST", api.URL+"/items", strings.NewReader(`{"id":"a"}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", when, err)
		}
		<-ended
		if up.calls() != calls || in.struck.Load() != 1 {
			t.Errorf("%s: %d upstream calls, struck %d times", when, up.calls(), in.struck.Load())
		}
	}
}

// TestUnknownOnTheWay: a strike that the way does not know is an error, and no bite.
func TestUnknownOnTheWay(t *testing.T) {
	for _, s := range []bench.Strike{{Kind: "client.melt"}, {Kind: bench.StrikeClientCut, When: bench.AfterCommit}} {
		in := &injector{strike: s}
		api := start(t, bench.Streams, &fake{status: 200, body: `{}`}, func(c *Config) { c.Injector = in })
		status, _, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
		if status != 500 || !strings.Contains(text, s.Kind) || in.struck.Load() != 0 {
			t.Errorf("got %d %s, struck %d times", status, text, in.struck.Load())
		}
	}
}
