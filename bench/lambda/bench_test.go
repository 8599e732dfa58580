package lambda

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	runtimeclient "github.com/aws/aws-lambda-go/lambda"

	"github.com/ackproof/ackproof/bench"
)

// BenchmarkInvocation is one invocation as its caller sees it: from the moment
// at which the event is given to a process that waits for it, until its answer
// is in hand. In the same run, turn about, the same bytes make a bare round trip
// of net/http to a process that does nothing: an event there, an answer back.
// The medians of both and their ratio are the result; ns/op is none, since it
// holds the pauses too.
//
// Both begin when nothing runs: the function has asked for work again, and both
// processes sleep. What the function does between its answer and its next
// request for work is in BenchmarkInvoke.
func BenchmarkInvocation(b *testing.B) {
	for _, size := range []int{500, 50_000} { // of one record, and of a hundred
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			h := startHost(b, config(b, "null"))
			bare := startBareServer(b)
			ctx := context.Background()
			if err := h.Warm(ctx, 1); err != nil {
				b.Fatal(err)
			}
			payload := []byte(`"` + strings.Repeat("x", size-2) + `"`)
			var invoked, floor []time.Duration
			for b.Loop() {
				for at := time.Now(); h.Open() > 0 || time.Since(at) < 200*time.Microsecond; {
					time.Sleep(50 * time.Microsecond)
				}
				began := time.Now()
				if a := h.Invoke(ctx, bench.Invocation{Payload: payload}); a.Error != nil {
					b.Fatal(a.Error)
				}
				between := time.Now()
				invoked = append(invoked, between.Sub(began))
				for h.Open() > 0 || time.Since(between) < 200*time.Microsecond {
					time.Sleep(50 * time.Microsecond)
				}
				began = time.Now()
				roundTrip(b, bare, payload)
				floor = append(floor, time.Since(began))
			}
			slices.Sort(invoked)
			slices.Sort(floor)
			invocation, trip := float64(invoked[len(invoked)/2]), float64(floor[len(floor)/2])
			b.ReportMetric(invocation/1e3, "µs/invocation")
			b.ReportMetric(trip/1e3, "µs/round-trip")
			b.ReportMetric(invocation/trip, "round-trips/invocation")
		})
	}
}

// BenchmarkInvoke is how often one process can be invoked: two round trips, one
// for the answer and one for the next event.
func BenchmarkInvoke(b *testing.B) {
	h := startHost(b, config(b, "null"))
	ctx := context.Background()
	if err := h.Warm(ctx, 1); err != nil {
		b.Fatal(err)
	}
	payload := []byte(`{"say":"hello"}`)
	b.ReportAllocs()
	for b.Loop() {
		if a := h.Invoke(ctx, bench.Invocation{Payload: payload}); a.Error != nil {
			b.Fatal(a.Error)
		}
	}
}

// BenchmarkRoundTrip is what one bare round trip of net/http costs between the
// same two processes: the floor under BenchmarkInvoke is two of these.
func BenchmarkRoundTrip(b *testing.B) {
	url := startBareServer(b)
	payload := []byte(`{"say":"hello"}`)
	b.ReportAllocs()
	for b.Loop() {
		roundTrip(b, url, payload)
	}
}

func roundTrip(b *testing.B, url string, payload []byte) {
	resp, err := http.Post(url, "application/json", bytes.NewReader(payload))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); err != nil {
		b.Fatal(err)
	}
	resp.Body.Close()
}

// startBareServer starts a process that answers every request with "ok", and
// gives its URL.
func startBareServer(b *testing.B) string {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"=bare-server")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(url)
}

func bareServer() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(91)
	}
	time.AfterFunc(time.Hour, func() { os.Exit(0) }) // longer than any benchmark, and not for ever
	fmt.Println("http://" + listener.Addr().String())
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			io.WriteString(w, `"ok"`)
		}
	}))
}

// null is a function that costs what the protocol does.
type null struct{}

func (null) Invoke(context.Context, []byte) ([]byte, error) { return []byte(`"ok"`), nil }

func init() {
	roles["bare-server"] = bareServer
	roles["null"] = func() { runtimeclient.Start(null{}) }
}
