package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// TestNaiveMapping shows the lie: whatever DynamoDB says, the client hears 200
// and the words of success.
func TestNaiveMapping(t *testing.T) {
	for _, up := range []*fake{
		{status: 200, body: `{}`}, {status: 400, body: dynamoError("ProvisionedThroughputExceededException")},
		{status: 400, body: dynamoError("ValidationException")}, {status: 500, body: dynamoError("InternalServerError")}, {status: 503},
	} {
		api := start(t, bench.Streams, up, func(c *Config) { c.Settings.StatusMapping = Naive })
		if status, _, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`); status != 200 || !strings.HasPrefix(text, `{"requestId":"`) {
			t.Errorf("for %d the client got %d %s", up.status, status, text)
		}
	}
}

// TestSameRequests: of the same writes throttled, the naive mapping acknowledges
// and the right one refuses the very same ids.
func TestSameRequests(t *testing.T) {
	told := map[string][]string{} // by mapping: the ids that were told an outcome other than the table's
	for _, mapping := range []string{Naive, Mapped} {
		stored, calls := map[string]bool{}, 0
		up := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var put struct {
				Item struct{ ID struct{ S string } }
			}
			if err := json.NewDecoder(r.Body).Decode(&put); err != nil {
				t.Error(err)
			}
			if calls++; calls%3 == 0 {
				w.WriteHeader(400)
				_, _ = io.WriteString(w, dynamoError("ProvisionedThroughputExceededException"))
				return
			}
			stored[put.Item.ID.S] = true
			_, _ = io.WriteString(w, `{}`)
		})
		api := start(t, bench.Streams, up, func(c *Config) { c.Settings.StatusMapping = mapping })
		for n := range 30 {
			id := fmt.Sprint("id", n)
			status, _, _ := post(t, api.URL+"/items", "application/json", fmt.Sprintf(`{"id":%q,"payload":"x"}`, id))
			switch {
			case mapping == Naive && status == 200 && !stored[id], mapping == Mapped && status == 429 && !stored[id]:
				told[mapping] = append(told[mapping], id)
			case status != 200 || !stored[id]:
				t.Errorf("%s: %s got %d, stored %v", mapping, id, status, stored[id])
			}
		}
	}
	if len(told[Naive]) != 10 || !slices.Equal(told[Naive], told[Mapped]) {
		t.Errorf("naive loses %v, mapped rejects %v", told[Naive], told[Mapped])
	}
}

func TestResponses(t *testing.T) {
	list := []bench.IntegrationResponse{
		{Pattern: `2\d\d`, Status: 201, Template: `{"id":$input.json('$.Attributes.id'),"request":"$context.requestId"}`},
		{Pattern: `4\d{2}`, Status: 409},
		{Pattern: `50`, Status: 502}, // matches no whole status
		{Pattern: `5.3`, Status: 503, Template: `#set($context.responseOverride.status = 599)#set($context.responseOverride.header.Retry-After = 7)busy`},
	}
	tests := []struct {
		status int
		body   string
		want   int
		text   string
		after  string
	}{
		{200, `{"Attributes":{"id":"x"}}`, 201, `{"id":"x","request":"`, ""},
		{400, `as it is`, 409, `as it is`, ""},
		{503, ``, 599, `busy`, "7"},
		{500, `{}`, 500, `no method response for what the integration said: 500`, ""},
		{200, `not JSON`, 500, `Could not parse`, ""},
	}
	for _, tt := range tests {
		api := start(t, bench.Streams, &fake{status: tt.status, body: tt.body}, func(c *Config) { c.Settings.Responses = list })
		status, header, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
		if status != tt.want || !strings.Contains(text, tt.text) || header.Get("Retry-After") != tt.after {
			t.Errorf("%d %s: got %d %s, retry after %q; want %d %s", tt.status, tt.body, status, text, header.Get("Retry-After"), tt.want, tt.text)
		}
	}
}

// TestMethodResponses: a status that the method does not declare is an internal
// error, even if the item was written.
func TestMethodResponses(t *testing.T) {
	up := &fake{status: 400, body: dynamoError("ThrottlingException")}
	api := start(t, bench.Streams, up, func(c *Config) { c.Settings.MethodResponses = []int{200, 500} })
	if status, _, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`); status != 500 || !strings.Contains(text, "no method response") {
		t.Errorf("got %d %s", status, text)
	}
}

func TestPassthrough(t *testing.T) {
	tests := []struct {
		passthrough, template, contentType string
		want                               string // that DynamoDB gets; empty: 415
	}{
		{Never, `{"t":1}`, "application/json", `{"t":1}`},
		{Never, `{"t":1}`, "text/plain", ``},
		{Never, NoTemplate, "application/json", ``},
		{WhenNoMatch, `{"t":1}`, "application/json; charset=utf-8", `{"t":1}`},
		{WhenNoMatch, `{"t":1}`, "text/plain", `{"id":"a"}`},
		{WhenNoMatch, `{"t":1}`, ";;", `{"id":"a"}`},
		{WhenNoMatch, NoTemplate, "application/json", `{"id":"a"}`},
		{WhenNoTemplates, `{"t":1}`, "text/plain", ``},
		{WhenNoTemplates, NoTemplate, "text/plain", `{"id":"a"}`},
	}
	for _, tt := range tests {
		up := &fake{status: 200, body: `{}`}
		api := start(t, bench.Streams, up, func(c *Config) {
			c.Settings.Passthrough, c.Settings.Template = tt.passthrough, tt.template
		})
		status, header, text := post(t, api.URL+"/items", tt.contentType, `{"id":"a"}`)
		switch {
		case tt.want == "" && (status != 415 || up.calls() != 0 || header.Get("X-Amzn-Errortype") != "UnsupportedMediaTypeException"):
			t.Errorf("%+v: got %d %s, %d calls", tt, status, text, up.calls())
		case tt.want != "" && (status != 200 || up.calls() != 1 || up.texts[0] != tt.want):
			t.Errorf("%+v: got %d %s, upstream %q", tt, status, text, up.texts)
		}
	}
}

// TestProxyTakesEveryType: in front of a function there is no template, and
// nothing that a content type could miss.
func TestProxyTakesEveryType(t *testing.T) {
	api := start(t, bench.FireAndForget, &fake{status: 202}, nil)
	if status, _, text := post(t, api.URL+"/items", "text/plain", `hello`); status != 202 {
		t.Errorf("got %d %s", status, text)
	}
}

// TestTemplateFails: what the client cannot be blamed for is an internal error.
func TestTemplateFails(t *testing.T) {
	up := &fake{status: 200}
	api := start(t, bench.Streams, up, func(c *Config) { c.Settings.Template = `$input.path('$.id').substring(5)` })
	status, header, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
	if status != 500 || header.Get("X-Amzn-Errortype") != "InternalServerErrorException" || !strings.Contains(text, "outside a text") || up.calls() != 0 {
		t.Errorf("got %d %s after %d calls", status, text, up.calls())
	}
}

func TestBucket(t *testing.T) {
	now := time.UnixMilli(0)
	b := newBucket(bench.Throttle{Rate: 100, Burst: 3}, now)
	taken := func(at time.Duration, tries int) (n int) {
		for range tries {
			if b.take(now.Add(at)) {
				n++
			}
		}
		return n
	}
	for _, tt := range []struct {
		at          time.Duration
		tries, want int
	}{
		{0, 5, 3},                     // the burst
		{9 * time.Millisecond, 1, 0},  // not a whole token yet
		{10 * time.Millisecond, 2, 1}, // one
		{5 * time.Millisecond, 1, 0},  // the past brings none
		{30 * time.Millisecond, 5, 2}, // two more
		{10 * time.Second, 10, 3},     // never more than the burst
		{10500 * time.Millisecond, 9, 3},
	} {
		if got := taken(tt.at, tt.tries); got != tt.want {
			t.Errorf("at %v: %d of %d passed, want %d", tt.at, got, tt.tries, tt.want)
		}
	}
}

// TestThrottle: beyond the bucket the integration is never asked.
func TestThrottle(t *testing.T) {
	up := &fake{status: 200, body: `{}`}
	virtual := clock.NewVirtual(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	api := start(t, bench.Streams, up, func(c *Config) {
		c.Clock = virtual
		c.Settings.Throttle = bench.Throttle{Rate: 1, Burst: 2}
	})
	var got []string
	for i := range 5 {
		if i == 4 {
			virtual.Advance(time.Second)
		}
		status, header, text := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
		got = append(got, fmt.Sprint(status))
		if status == 429 && (text != `{"message":"Too Many Requests"}` || header.Get("X-Amzn-Errortype") != "TooManyRequestsException") {
			t.Errorf("got %s with %v", text, header)
		}
	}
	if want := "200 200 429 429 200"; strings.Join(got, " ") != want || up.calls() != 3 {
		t.Errorf("got %v and %d calls, want %s and 3", got, up.calls(), want)
	}
}

// TestTimeoutTakesNothingBack: after the 504 the upstream goes on, and the write
// happens.
func TestTimeoutTakesNothingBack(t *testing.T) {
	release, written := make(chan struct{}), make(chan struct{})
	up := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-release
		close(written)
	})
	api := start(t, bench.Streams, up, func(c *Config) { c.Settings.IntegrationTimeout = MinIntegrationTimeout })
	status, header, _ := post(t, api.URL+"/items", "application/json", `{"id":"a"}`)
	if status != 504 || header.Get("X-Amzn-Errortype") != "InternalServerErrorException" {
		t.Errorf("got %d with %v", status, header)
	}
	close(release)
	<-written
}

func TestCheckSettings(t *testing.T) {
	if errs := CheckSettings(bench.Gateway{Path: "/items"}); len(errs) > 0 {
		t.Errorf("the defaults: %v", errs)
	}
	errs := CheckSettings(bench.Gateway{
		Path: "items", Template: "$x", StatusMapping: Mapped, Passthrough: "ALWAYS", IntegrationTimeout: time.Minute,
		MethodResponses: []int{99}, Throttle: bench.Throttle{Rate: -1},
		Responses: []bench.IntegrationResponse{{Status: 600}, {Status: 600, Pattern: "("}, {Status: 200, Template: "#if"}},
	})
	for _, want := range []string{`path "items"`, "nothing sets $x", `status mapping "mapped" with 3 responses`, "response 1: status 600", "response 2: status 600 is that of",
		"response 2: pattern", "response 3: parse template", "method response 99", `passthrough "ALWAYS"`, "integration timeout 1m0s", "throttle of -1"} {
		found := false
		for _, err := range errs {
			found = found || strings.Contains(err.Error(), want)
		}
		if !found {
			t.Errorf("nothing says %q in %v", want, errs)
		}
	}
}

// FuzzMapped: whatever DynamoDB says, the answer is JSON, and only a 200 is one.
func FuzzMapped(f *testing.F) {
	f.Add(400, []byte(dynamoError("ThrottlingException")))
	f.Add(500, []byte(`{"__type":"#\"","Message":{"a":"'"}}`))
	f.Add(200, []byte(`[`))
	m := newStatusMapping(withDefaults(bench.Gateway{}))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a := m.answer(status, values{body: body, requestID: "r"})
		if !json.Valid(a.body) || (a.status < 300) != (status == 200) {
			t.Errorf("%d %q is answered %d %q", status, body, a.status, a.body)
		}
	})
}
