package gateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// invoke hands the request to a function as an API Gateway proxy event, payload
// 1.0, and waits for the answer (sync) or for its being queued (event).
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
type invoke struct {
	event bool
	url   string
	path  string
	stage map[string]string
	clock clock.Clock
}

func newInvoke(c Config) *invoke {
	return &invoke{
		event: c.Architecture == bench.FireAndForget,
		url:   strings.TrimSuffix(c.Invoke, "/") + "/2015-03-31/functions/" + url.PathEscape(c.FunctionName) + "/invocations",
		path:  c.Settings.Path,
		stage: map[string]string{stageVariable: c.ItemsTable},
		clock: c.Clock,
	}
}

func (i *invoke) call(r request) (call, *gatewayResponse) {
	body, err := json.Marshal(i.proxyEvent(r))
	if err != nil {
		g := configurationError("write proxy event: " + err.Error())
		return call{}, &g
	}
	how := "RequestResponse"
	if i.event {
		how = "Event"
	}
	return call{
		service: "lambda",
		url:     i.url,
		header:  http.Header{"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {how}},
		body:    body,
	}, nil
}

// proxyEvent writes the event of a REST API's Lambda proxy integration.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
func (i *invoke) proxyEvent(r request) events.APIGatewayProxyRequest {
	now := i.clock.Now().UTC()
	query := r.http.URL.Query()
	return events.APIGatewayProxyRequest{
		Resource:                        i.path,
		Path:                            i.path,
		HTTPMethod:                      r.http.Method,
		Headers:                         last(r.http.Header),
		MultiValueHeaders:               r.http.Header,
		QueryStringParameters:           last(query),
		MultiValueQueryStringParameters: query,
		StageVariables:                  i.stage,
		Body:                            string(r.body),
		RequestContext: events.APIGatewayProxyRequestContext{
			RequestID:         r.id,
			ExtendedRequestID: r.id,
			ResourcePath:      i.path,
			Stage:             stageName,
			Path:              "/" + stageName + i.path,
			HTTPMethod:        r.http.Method,
			Protocol:          r.http.Proto,
			DomainName:        r.http.Host,
			RequestTime:       now.Format(requestTimeForm),
			RequestTimeEpoch:  now.UnixMilli(),
			Identity:          events.APIGatewayRequestIdentity{SourceIP: sourceIP(r.http), UserAgent: r.http.UserAgent()},
		},
	}
}

// last keeps the last value of each name, as API Gateway does for the maps
// that hold one value a name.
func last(all map[string][]string) map[string]string {
	one := make(map[string]string, len(all))
	for k, v := range all {
		if len(v) > 0 {
			one[k] = v[len(v)-1]
		}
	}
	return one
}

// internalError is what API Gateway says whatever went wrong behind it.
const internalError = "Internal server error"

// answer maps the Invoke API's response:
//
//	202 to an Event             202  queued, and nothing more is known
//	200, a proxy response       its own status, headers and body
//	200, X-Amz-Function-Error   502  the function failed; what it did before stays done
//	200, anything else          502  malformed proxy response
//	everything else             500  also Lambda's throttle (429), which a REST API with a
//	                                 proxy integration tells its client as 500
//
// https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway-errors.html
func (i *invoke) answer(r request, status int, header http.Header, body []byte) answer {
	want := http.StatusOK
	if i.event {
		want = http.StatusAccepted
	}
	switch {
	case status != want:
		return functionFailed(http.StatusInternalServerError)
	case i.event:
		return answer{status: http.StatusAccepted, body: fmt.Appendf(nil, `{"requestId":%q}`, r.id)}
	case header.Get("X-Amz-Function-Error") != "":
		return functionFailed(http.StatusBadGateway)
	}
	a, err := readProxyResponse(body)
	if err != nil {
		return functionFailed(http.StatusBadGateway)
	}
	return a
}

// functionFailed is the answer when there is none of the function's own.
func functionFailed(status int) answer {
	return gatewayResponse{status, "InternalServerErrorException", internalError}.answer()
}

// ours are the headers that belong to the connection or to the gateway, which
// a function cannot set.
var ours = []string{"Connection", "Content-Length", "Date", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// readProxyResponse reads {statusCode, headers, multiValueHeaders, body}, and is
// as strict as API Gateway: a body that is an object and not a string, the most
// common slip, is malformed. Names are compared exactly, which is why the type
// of aws-lambda-go is not used: encoding/json would take StatusCode too.
//
// The body is passed on as text, also when it is marked as base64: API Gateway
// decodes it only for media types that an API declares binary, and this one
// declares none.
func readProxyResponse(body []byte) (answer, error) {
	var p map[string]json.RawMessage
	if err := json.Unmarshal(body, &p); err != nil {
		return answer{}, fmt.Errorf("read proxy response: %w", err)
	}
	status, err := strconv.Atoi(strings.Trim(string(p["statusCode"]), `"`))
	if err != nil || status < 200 || status > 599 {
		return answer{}, fmt.Errorf("read proxy response: status code %.20q", p["statusCode"])
	}
	var text string
	var single map[string]any // strings, numbers, booleans
	var multi map[string][]string
	for _, part := range []struct {
		name string
		into any
	}{{"body", &text}, {"headers", &single}, {"multiValueHeaders", &multi}} {
		raw, ok := p[part.name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, part.into); err != nil {
			return answer{}, fmt.Errorf("read proxy response: %s: %w", part.name, err)
		}
	}
	h := http.Header{}
	for k, v := range single {
		h.Set(k, fmt.Sprint(v))
	}
	for k, v := range multi {
		h[http.CanonicalHeaderKey(k)] = v
	}
	maps.DeleteFunc(h, func(k string, _ []string) bool { return !validHeaderName(k) })
	for _, k := range ours {
		h.Del(k)
	}
	return answer{status: status, header: h, body: []byte(text)}, nil
}

// validHeaderName keeps names that HTTP can carry; net/http drops the others
// without a word, and we want to be the one that decides.
func validHeaderName(k string) bool {
	return k != "" && strings.IndexFunc(k, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	}) < 0
}
