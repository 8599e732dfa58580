package lambda

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

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

// BenchmarkRoundTrip is what one bare round trip of net/http costs, inside one
// process.
func BenchmarkRoundTrip(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer server.Close()
	payload := []byte(`{"say":"hello"}`)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := http.Post(server.URL, "application/json", bytes.NewReader(payload))
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}
