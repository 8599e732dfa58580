package gateway

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ackproof/ackproof/bench"
)

func TestInvokeStatus(t *testing.T) {
	const failed = "X-Amz-Function-Error"
	tests := []struct {
		name, architecture string
		up                 *fake
		want               int
		text               string
	}{
		{"proxy answer", bench.Sync, &fake{status: 200, body: `{"statusCode":201,"headers":{"X-A":"b","X-N":5},"body":"{\"id\":1}"}`}, 201, `{"id":1}`},
		{"status as text", bench.Sync, &fake{status: 200, body: `{"statusCode":"200"}`}, 200, ``},
		{"function's 500", bench.Sync, &fake{status: 200, body: `{"statusCode":500,"body":"x"}`}, 500, `x`},
		{"function error", bench.Sync, &fake{status: 200, header: map[string]string{failed: "Unhandled"}, body: `{"statusCode":200}`}, 502, internalError},
		{"no status", bench.Sync, &fake{status: 200, body: `{"body":"x"}`}, 502, internalError},
		{"wrong case", bench.Sync, &fake{status: 200, body: `{"StatusCode":200}`}, 502, internalError},
		{"object body", bench.Sync, &fake{status: 200, body: `{"statusCode":200,"body":{"a":1}}`}, 502, internalError},
		{"status out of range", bench.Sync, &fake{status: 200, body: `{"statusCode":99}`}, 502, internalError},
		{"null", bench.Sync, &fake{status: 200, body: `null`}, 502, internalError},
		{"plain text", bench.Sync, &fake{status: 200, body: `Task timed out after 3.00 seconds`}, 502, internalError},
		{"throttled", bench.Sync, &fake{status: 429, body: `{}`}, 500, internalError},
		{"no such function", bench.Sync, &fake{status: 404, body: `{}`}, 500, internalError},
		{"service error", bench.Sync, &fake{status: 500, body: `{}`}, 500, internalError},
		{"queued, but sync", bench.Sync, &fake{status: 202}, 500, internalError},
		{"queued", bench.FireAndForget, &fake{status: 202}, 202, `"requestId"`},
		{"not queued", bench.FireAndForget, &fake{status: 200}, 500, internalError},
		{"event throttled", bench.FireAndForget, &fake{status: 429}, 500, internalError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := start(t, tt.architecture, tt.up, nil)
			status, header, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
			if status != tt.want || !strings.Contains(text, tt.text) {
				t.Errorf("got %d %s, want %d with %s", status, text, tt.want, tt.text)
			}
			if tt.name == "proxy answer" && (header.Get("X-A") != "b" || header.Get("X-N") != "5") {
				t.Errorf("header %v", header)
			}
		})
	}
}

func TestInvokeRequest(t *testing.T) {
	for architecture, how := range map[string]string{bench.Sync: "RequestResponse", bench.FireAndForget: "Event"} {
		up := &fake{status: 202}
		api := start(t, architecture, up, nil)
		post(t, api.URL+"/items?a=1&a=2", "application/json", `{"id":"ü"}`)
		r := up.seen[0]
		if r.URL.Path != "/2015-03-31/functions/processor/invocations" || r.Header.Get("X-Amz-Invocation-Type") != how {
			t.Errorf("%s: %s as %s", architecture, r.URL, r.Header.Get("X-Amz-Invocation-Type"))
		}
		if !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/lambda/aws4_request") {
			t.Errorf("%s: authorization %q", architecture, r.Header.Get("Authorization"))
		}
		var e events.APIGatewayProxyRequest
		if err := json.Unmarshal([]byte(up.texts[0]), &e); err != nil {
			t.Fatal(err)
		}
		if e.Body != `{"id":"ü"}` || e.HTTPMethod != "POST" || e.Path != "/items" || e.QueryStringParameters["a"] != "2" ||
			len(e.MultiValueQueryStringParameters["a"]) != 2 || e.Headers["Content-Type"] != "application/json" ||
			e.RequestContext.RequestID == "" || e.RequestContext.Identity.SourceIP != "127.0.0.1" ||
			e.RequestContext.RequestTime != "23/Nov/2026:12:00:00 +0000" {
			t.Errorf("%s: event %s", architecture, up.texts[0])
		}
	}
}

func FuzzProxyResponse(f *testing.F) {
	f.Add([]byte(`{"statusCode":200,"headers":{"a b":"c"},"multiValueHeaders":{"X":["1","2"]},"body":"x","isBase64Encoded":true}`))
	f.Add([]byte(`{"statusCode":"999"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := readProxyResponse(body)
		if err == nil {
			send(httptest.NewRecorder(), request{}, a) // net/http panics on a status it cannot write
		}
	})
}
