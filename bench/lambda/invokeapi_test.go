package lambda

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

func TestInvokeAPI(t *testing.T) {
	throttleThird := strikeAt("Invoke", 3, "invoke.throttle", 0)
	cfg := config(t, "go")
	cfg.Injector = throttleThird
	h := startHost(t, cfg)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	const path = "/2015-03-31/functions/StreamProcessor/invocations"
	// In order: the third invocation is throttled.
	for _, test := range []struct {
		name, method, path, kind, body string

		status  int
		header  map[string]string
		content string // part of the body
	}{
		{"response", "POST", path, "", `{"say":"hi"}`, 200, map[string]string{"X-Amz-Executed-Version": "$LATEST", "X-Amz-Function-Error": ""}, `"said":"hi"`},
		{"function error", "POST", path, "RequestResponse", `{"fail":"bad luck"}`, 200, map[string]string{"X-Amz-Function-Error": "Unhandled"}, `{"errorMessage":"bad luck","errorType":"customError"}`},
		{"throttled", "POST", path, "", `{}`, 429, map[string]string{"X-Amzn-Errortype": "TooManyRequestsException"},
			`{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`},
		{"no body", "POST", path, "", ``, 200, nil, `"said":""`},
		{"arn with qualifier", "POST", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3AStreamProcessor%3A$LATEST/invocations", "", `{}`, 200, nil, "said"},
		{"event", "POST", path, "Event", `{}`, 202, nil, ""},
		{"dry run", "POST", path, "DryRun", `{}`, 204, nil, ""},
		{"unknown type", "POST", path, "Later", `{}`, 400, map[string]string{"X-Amzn-Errortype": "InvalidParameterValueException"}, "Later"},
		{"no json", "POST", path, "", `{`, 400, map[string]string{"X-Amzn-Errortype": "InvalidRequestContentException"}, "Could not parse"},
		{"too large", "POST", path, "", `"` + strings.Repeat("x", maxInvokePayload) + `"`, 413, map[string]string{"X-Amzn-Errortype": "RequestTooLargeException"}, ""},
		{"event too large", "POST", path, "Event", `"` + strings.Repeat("x", maxAsyncPayload) + `"`, 413, map[string]string{"X-Amzn-Errortype": "RequestTooLargeException"}, ""},
		{"other function", "POST", "/2015-03-31/functions/Other/invocations", "", `{}`, 404, map[string]string{"X-Amzn-Errortype": "ResourceNotFoundException"}, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:Other"},
		{"other path", "POST", "/2015-03-31/functions/StreamProcessor", "", `{}`, 404, nil, ""},
		{"get", "GET", path, "", "", 405, map[string]string{"Allow": "POST"}, ""},
	} {
		req, err := http.NewRequest(test.method, server.URL+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if test.kind != "" {
			req.Header.Set("X-Amz-Invocation-Type", test.kind)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != test.status || !strings.Contains(string(body), test.content) {
			t.Errorf("%s: %d %.200s; want %d and %s", test.name, resp.StatusCode, body, test.status, test.content)
		}
		for name, want := range test.header {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", test.name, name, got, want)
			}
		}
	}
	poll(t, "an empty queue", func() bool { return h.Queued() == 0 })
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(server.URL+path, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 500 {
		t.Errorf("status %d after Close, want 500", resp.StatusCode)
	}
}

func TestParseInvokePath(t *testing.T) {
	for path, want := range map[string]string{
		"/2015-03-31/functions/f/invocations":                                             "f",
		"/2015-03-31/functions/f:1/invocations":                                           "f",
		"/2015-03-31/functions/1234:function:f/invocations":                               "f",
		"/2015-03-31/functions/arn:aws:lambda:eu-west-1:1:function:f:$LATEST/invocations": "f",
		"/2015-03-31/functions//invocations":                                              "",
		"/2015-03-31/functions/a/b/invocations":                                           "",
		"/2015-03-31/functions/f%/invocations":                                            "",
		"/2015-03-31/functions/f/invoke-async":                                            "",
		"/functions/f/invocations":                                                        "",
		"":                                                                                "",
	} {
		if got, ok := parseInvokePath(path); got != want && ok || ok != (want != "") {
			t.Errorf("parseInvokePath(%q) = %q, %v; want %q", path, got, ok, want)
		}
	}
}

// FuzzParseInvokePath: a name that is accepted is one segment without
// qualifier, and is found again in its plain form.
func FuzzParseInvokePath(f *testing.F) {
	for _, seed := range []string{"/2015-03-31/functions/f/invocations", "/2015-03-31/functions/a%3Afunction%3Ab/invocations", "/2015-03-31/functions/%2f/invocations", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		name, ok := parseInvokePath(path)
		if ok == (name == "") || strings.Contains(name, ":") {
			t.Fatalf("%q gives %q, %v", path, name, ok)
		}
		if ok && !strings.ContainsAny(name, "/%") {
			if again, ok := parseInvokePath("/2015-03-31/functions/" + name + "/invocations"); !ok || again != name {
				t.Fatalf("%q gives %q, and that %q, %v", path, name, again, ok)
			}
		}
	})
}

// FuzzReadPayload: what is accepted is JSON and within the limit.
func FuzzReadPayload(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"a":[1,2,{"b":null}]}`, "{", "\x00", `"12345678901234567890123456789012345"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		payload, err := readPayload(strings.NewReader(string(body)), 32)
		if (err == nil) != (len(body) == 0 || len(body) <= 32 && json.Valid(body)) {
			t.Fatalf("%q: %v", body, err)
		}
		if err == nil && len(body) > 0 && string(payload) != string(body) {
			t.Fatalf("%q became %q", body, payload)
		}
	})
}

// FuzzParseCall: only the six calls exist, and an id has no slash.
func FuzzParseCall(f *testing.F) {
	f.Add("GET", "/2018-06-01/runtime/invocation/next")
	f.Add("POST", "/2018-06-01/runtime/invocation/abc/response")
	f.Add("POST", "/2018-06-01/runtime/invocation/abc/error")
	f.Add("POST", "/2018-06-01/runtime/invocation//error")
	f.Add("POST", "/2018-06-01/runtime/init/error")
	f.Add("POST", "/2020-01-01/extension/register")
	f.Add("GET", "/2020-01-01/extension/event/next")
	f.Fuzz(func(t *testing.T, method, path string) {
		c, id := parseCall(method, path)
		wantID := c == callResponse || c == callError
		if wantID == (id == "") || strings.Contains(id, "/") {
			t.Fatalf("%s %q: call %d, id %q", method, path, c, id)
		}
		if wantID && path != "/2018-06-01/runtime/invocation/"+id+map[call]string{callResponse: "/response", callError: "/error"}[c] {
			t.Fatalf("%s %q: call %d, id %q", method, path, c, id)
		}
	})
}

// FuzzParseError: whatever a function posts, there is a type and it is an
// error.
func FuzzParseError(f *testing.F) {
	f.Add([]byte(`{"errorMessage":"m","errorType":"T","stackTrace":[]}`), "")
	f.Add([]byte(`{"errorMessage":{}}`), "Runtime.ImportModuleError")
	f.Add([]byte(nil), "Custom")
	f.Fuzz(func(t *testing.T, body []byte, header string) {
		e := parseError(body, header)
		if e.Type == "" || e.Outcome != bench.DeliveryError {
			t.Fatalf("%q, %q: %+v", body, header, e)
		}
		var posted ErrorBody
		if err := json.Unmarshal(body, &posted); err != nil && e.Message != string(body) {
			t.Fatalf("%q is lost: %+v", body, e)
		}
	})
}
