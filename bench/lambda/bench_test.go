package lambda

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// BenchmarkInvoke is one invocation through the Runtime API: two round trips
// between two processes.
func BenchmarkInvoke(b *testing.B) {
	h := startHost(b, config(b, "go"))
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
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	payload := []byte(`{"say":"hello"}`)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := http.Post(strings.TrimSpace(url), "application/json", bytes.NewReader(payload))
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// bareServer gives back what it is sent.
func bareServer() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	fmt.Println(server.URL)
	time.Sleep(time.Hour) // longer than any benchmark, and not for ever
}

func init() { roles["bare-server"] = bareServer }
