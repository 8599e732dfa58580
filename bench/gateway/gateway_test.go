package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// fake is an upstream that answers the same to everybody and keeps what it was
// sent.
type fake struct {
	status int
	header map[string]string
	body   string

	mu    sync.Mutex
	seen  []*http.Request
	texts []string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.seen, f.texts = append(f.seen, r), append(f.texts, string(text))
	f.mu.Unlock()
	for k, v := range f.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(f.status)
	_, _ = io.WriteString(w, f.body)
}

func (f *fake) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen)
}

// start serves a gateway of an architecture in front of an upstream.
func start(t testing.TB, architecture string, up http.Handler, change func(*Config)) *httptest.Server {
	t.Helper()
	upstream := httptest.NewServer(up)
	t.Cleanup(upstream.Close)
	c := config(architecture, upstream.URL)
	if change != nil {
		change(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(h)
	t.Cleanup(api.Close)
	return api
}

func config(architecture, url string) Config {
	return Config{
		Architecture: architecture, Settings: bench.Gateway{Path: "/items"},
		DynamoDB: url, Invoke: url, FunctionName: "processor", ItemsTable: "items", Region: "us-east-1",
		AccessKeyID: "AKID", SecretAccessKey: "secret", Random: 7,
		Clock: clock.NewVirtual(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)),
	}
}

func post(t testing.TB, url, contentType, body string) (int, http.Header, string) {
	t.Helper()
	resp, err := http.Post(url, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func dynamoError(name string) string {
	return fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"because"}`, name)
}

func TestPutItemStatus(t *testing.T) {
	tests := []struct {
		status int
		body   string
		want   int
		text   string
	}{
		{200, `{}`, 200, `"requestId"`},
		{400, dynamoError("ProvisionedThroughputExceededException"), 429, `{"message":"because","type":"ProvisionedThroughputExceededException"}`},
		{400, dynamoError("ThrottlingException"), 429, "ThrottlingException"},
		{400, dynamoError("RequestLimitExceeded"), 429, "RequestLimitExceeded"},
		{400, `{"__type":"com.amazon.coral.validate#ValidationException","Message":"capital"}`, 400, `{"message":"capital","type":"ValidationException"}`},
		{400, dynamoError("ResourceNotFoundException"), 400, "ResourceNotFoundException"},
		{400, `{}`, 400, `{"message":"","type":""}`},
		{413, `too big, in plain text`, 500, "Could not parse request body into json"}, // the template fails
		{500, dynamoError("InternalServerError"), 500, "InternalServerError"},
		{503, ``, 500, `{"message":"","type":""}`},
		{301, ``, 500, `"message"`},
		{204, ``, 500, `"message"`}, // no success that DynamoDB knows
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status, tt.body), func(t *testing.T) {
			up := &fake{status: tt.status, body: tt.body, header: map[string]string{"Location": "/again"}}
			api := start(t, bench.Streams, up, nil)
			status, header, text := post(t, api.URL+"/items", "application/json", `{"id":"a","payload":"b"}`)
			if status != tt.want || !strings.Contains(text, tt.text) {
				t.Errorf("got %d %s, want %d with %s", status, text, tt.want, tt.text)
			}
			if header.Get("Content-Type") != "application/json" || header.Get("X-Amzn-Requestid") == "" || !json.Valid([]byte(text)) {
				t.Errorf("answer %s with header %v", text, header)
			}
			if up.calls() != 1 {
				t.Errorf("the upstream was called %d times", up.calls())
			}
		})
	}
}

func TestPutItemRequest(t *testing.T) {
	up := &fake{status: 200, body: `{}`}
	api := start(t, bench.Streams, up, nil)
	post(t, api.URL+"/items", "application/json; charset=utf-8", `{"id":"a","payload":"b\"c"}`)
	r, text := up.seen[0], up.texts[0]
	if want := `{"TableName":"items","Item":{"id":{"S":"a"},"payload":{"S":"b\"c"}}}`; text != want {
		t.Errorf("sent %s, want %s", text, want)
	}
	if got := r.Header.Get("X-Amz-Target"); got != "DynamoDB_20120810.PutItem" {
		t.Errorf("target %q", got)
	}
	if got := r.Header.Get("Content-Type"); got != "application/x-amz-json-1.0" {
		t.Errorf("content type %q", got)
	}
	auth := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/dynamodb/aws4_request, SignedHeaders=\S*host;\S*x-amz-target, Signature=[0-9a-f]{64}$`)
	if got := r.Header.Get("Authorization"); !auth.MatchString(got) {
		t.Errorf("authorization %q", got)
	}
}

func TestRequestIDs(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	a, b := &gateway{seed: 1}, &gateway{seed: 1}
	for range 1000 {
		id := a.newID()
		if !form.MatchString(id) || seen[id] || id != b.newID() {
			t.Fatalf("request id %q: not a UUID, seen before, or not a function of the seed", id)
		}
		seen[id] = true
	}
}

func TestDoor(t *testing.T) {
	tests := []struct {
		name, method, path, contentType, body string
		want                                  int
		message                               string
	}{
		{"other path", "POST", "/other", "application/json", `{}`, 403, "Missing Authentication Token"},
		{"path below", "POST", "/items/1", "application/json", `{}`, 403, "Missing Authentication Token"},
		{"other method", "GET", "/items", "", ``, 403, "Missing Authentication Token"},
		{"other type", "POST", "/items", "text/plain", `{}`, 415, "Unsupported Media Type"},
		{"bad type", "POST", "/items", ";;", `{}`, 415, "Unsupported Media Type"},
		{"not JSON", "POST", "/items", "application/json", `{"id"`, 400, "Could not parse request body into json"},
		{"not UTF-8", "POST", "/items", "application/json", "{\"id\":\"\xff\"}", 400, "not UTF-8"},
		{"too much header", "POST", "/items", "application/json; x=" + strings.Repeat("y", MaxHeaders), `{}`, 431, "Request Header Fields Too Large"},
		{"too long", "POST", "/items", "application/json", strings.Repeat(" ", MaxBody+1), 413, "Request Too Long"},
	}
	up := &fake{status: 200, body: `{}`}
	asked := &injector{}
	api := start(t, bench.Streams, up, func(c *Config) { c.Injector = asked })
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, chunked := range []bool{false, true} {
				var body io.Reader = strings.NewReader(tt.body)
				if chunked {
					body = io.MultiReader(body) // hides the length
				}
				req, err := http.NewRequest(tt.method, api.URL+tt.path, body)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", tt.contentType)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != tt.want || !strings.Contains(string(text), tt.message) {
					t.Errorf("got %d %s, want %d with %q", resp.StatusCode, text, tt.want, tt.message)
				}
			}
		})
	}
	if n := up.calls(); n != 0 {
		t.Errorf("%d refused requests went upstream", n)
	}
	if n := asked.asked.Load(); n != 0 {
		t.Errorf("the injector was asked about %d requests that never went upstream", n)
	}
}

func TestNoContentTypeIsJSON(t *testing.T) {
	api := start(t, bench.Streams, &fake{status: 200}, nil)
	if status, _, text := post(t, api.URL+"/items", "", `{"id":"a"}`); status != 200 {
		t.Errorf("got %d %s", status, text)
	}
}

// TestKeepAlive: a dial for each request would be part of the response time.
func TestKeepAlive(t *testing.T) {
	var conns atomic.Int64
	upstream := httptest.NewUnstartedServer(&fake{status: 200, body: `{}`})
	upstream.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	upstream.Start()
	defer upstream.Close()
	api := start(t, bench.Streams, nil, func(c *Config) { c.DynamoDB = upstream.URL })
	for range 20 {
		post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 20 requests, one after the other", n)
	}
}

func TestUpstreamGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := "http://" + l.Addr().String()
	l.Close()
	api := start(t, bench.Streams, &fake{}, func(c *Config) { c.DynamoDB = free })
	status, _, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
	if status != 504 || !strings.Contains(text, "Network error") {
		t.Errorf("got %d %s", status, text)
	}
}

// TestNotSentTwice resets the kept connection under the gateway's second
// request: net/http would re-send it if it could.
func TestNotSentTwice(t *testing.T) {
	var calls atomic.Int64
	up := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if calls.Add(1) == 2 {
			_ = Cut(w)
		}
	})
	api := start(t, bench.Streams, up, nil)
	for _, want := range []int{200, 504} {
		if status, _, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`); status != want {
			t.Errorf("got %d %s, want %d", status, text, want)
		}
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("the upstream was called %d times for 2 requests", n)
	}
}

func TestIntegrationTimeout(t *testing.T) {
	done := make(chan struct{})
	up := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done() // until the gateway hangs up
		close(done)
	})
	api := start(t, bench.Streams, up, func(c *Config) { c.Settings.IntegrationTimeout = MinIntegrationTimeout })
	status, _, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
	if status != 504 || !strings.Contains(text, "Endpoint request timed out") {
		t.Errorf("got %d %s", status, text)
	}
	<-done
}

// TestClientGone shows that a client that hangs up does not take its write
// back.
func TestClientGone(t *testing.T) {
	arrived, release, finished := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	up := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-release
		finished <- r.Context().Err()
	})
	left := make(chan struct{})
	var h http.Handler
	api := start(t, bench.Streams, up, func(c *Config) {
		var err error
		if h, err = New(*c); err != nil {
			t.Fatal(err)
		}
	})
	api.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		go func() { <-r.Context().Done(); close(left) }()
		h.ServeHTTP(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", api.URL+"/items", strings.NewReader(`{"id":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-arrived; cancel() }()
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("client got %v", err)
	}
	<-left // the gateway's server has seen it
	close(release)
	if err := <-finished; err != nil {
		t.Errorf("the upstream call was given up: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := New(Config{Architecture: "nope", Settings: bench.Gateway{Path: "items", Template: "#if $x", IntegrationTimeout: -1}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"architecture", "path", "#if", "region", "credentials", "integration timeout"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not mention %s", err, want)
		}
	}
	c := config(bench.Streams, "127.0.0.1:1")
	c.ItemsTable = `a","x":"`
	_, err = New(c)
	if err == nil || !strings.Contains(err.Error(), "dynamodb endpoint") || !strings.Contains(err.Error(), "items table") {
		t.Errorf("streams: %v", err)
	}
	c = config(bench.Sync, "127.0.0.1:1")
	c.FunctionName = ""
	_, err = New(c)
	if err == nil || !strings.Contains(err.Error(), "invoke endpoint") || !strings.Contains(err.Error(), "function name") {
		t.Errorf("sync: %v", err)
	}
}

// BenchmarkRequest compares a request through the gateway with the same
// request to its upstream alone: the difference is the gateway's own cost.
func BenchmarkRequest(b *testing.B) {
	up := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{}`)
	})
	body := fmt.Appendf(nil, `{"id":"k3v9x2ab-00-0000001234","payload":"%s"}`, strings.Repeat("x", 256))
	run := func(b *testing.B, url string) {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
		b.ReportAllocs()
		for b.Loop() {
			resp, err := client.Post(url, "application/json", bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 {
				b.Fatal(resp.Status)
			}
		}
	}
	b.Run("bare", func(b *testing.B) {
		bare := httptest.NewServer(up)
		defer bare.Close()
		run(b, bare.URL)
	})
	b.Run("gateway", func(b *testing.B) {
		unlimited := func(c *Config) { c.Settings.Throttle = bench.Throttle{Rate: 1e9, Burst: 1e9} } // the clock stands still
		run(b, start(b, bench.Streams, up, unlimited).URL+"/items")
	})
}

func BenchmarkRender(b *testing.B) {
	parsed, errs := parseTemplate(DefaultTemplate)
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	v := values{body: fmt.Appendf(nil, `{"id":"k3v9x2ab-00-0000001234","payload":"%s"}`, strings.Repeat("x", 256)), table: "items"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parsed.render(v); err != nil {
			b.Fatal(err)
		}
	}
}
