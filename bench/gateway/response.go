package gateway

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/ackproof/ackproof/bench"
)

// successTemplate is the body of an answer that says: it is written.
const successTemplate = `{"requestId":"$context.requestId"}`

// errorTemplate passes on what DynamoDB said. The name of an error may carry a
// name space before a '#', and its message is spelt in two ways.
const errorTemplate = `#set($type = $input.path('$.__type').replaceAll("^.*#", ""))
{"message":#if($input.path('$.message'))$input.json('$.message')#else$input.json('$.Message')#end,` +
	`"type":"$!util.escapeJavaScript($type).replaceAll("\\'", "'")"}`

// throttleTemplate makes a 429 of the errors that mean "not written, try
// later", which DynamoDB tells as 400.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
const throttleTemplate = `#set($name = $input.path('$.__type').replaceAll("^.*#", ""))
#if($name == "ProvisionedThroughputExceededException" || $name == "ThrottlingException" || $name == "RequestLimitExceeded")
#set($context.responseOverride.status = 429)
#end
`

// mappedResponses are those of a careful engineer:
//
//	200      200  the item is written
//	4xx      400  not written; 429 for a throttle
//	default  500  perhaps written: DynamoDB's 500, and what nobody thought of
//
// What makes it careful is that the default is an error: success must be named
// to be told.
var mappedResponses = []bench.IntegrationResponse{
	{Pattern: "200", Status: http.StatusOK, Template: successTemplate},
	{Pattern: `4\d{2}`, Status: http.StatusBadRequest, Template: throttleTemplate + errorTemplate},
	{Status: http.StatusInternalServerError, Template: errorTemplate},
}

// naiveResponses are what API Gateway's console begins with: one response, 200,
// without a pattern. It takes whatever DynamoDB says, so that a write that was
// refused is acknowledged: the worst answer there is, since nothing will ever
// tell the client.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-integration-settings-integration-response.html
var naiveResponses = []bench.IntegrationResponse{{Status: http.StatusOK, Template: successTemplate}}

// statusMapping is the table of integration responses.
type statusMapping struct {
	rows     []responseRow
	declared []int // the method's own responses; empty: every row's status
}

type responseRow struct {
	pattern  *regexp.Regexp // nil: the default
	status   int
	template *template // nil: the integration's body as it is
}

// newStatusMapping makes the table of checked settings.
func newStatusMapping(s bench.Gateway) *statusMapping {
	all := responsesOf(s)
	m := &statusMapping{declared: s.MethodResponses}
	for _, ir := range all {
		row := responseRow{status: ir.Status, template: mustParse(ir.Template)}
		if ir.Pattern != "" {
			row.pattern = regexp.MustCompile("^(?:" + ir.Pattern + ")$")
		}
		m.rows = append(m.rows, row)
	}
	return m
}

// row finds the row of a status: the first whose pattern matches the whole of
// it, else the one without a pattern, else none.
func (m *statusMapping) row(status int) *responseRow {
	text := strconv.Itoa(status)
	var standard *responseRow
	for i := range m.rows {
		switch r := &m.rows[i]; {
		case r.pattern == nil:
			standard = r
		case r.pattern.MatchString(text):
			return r
		}
	}
	return standard
}

// answer maps an integration's response. Where the table has no row for it, the
// method has not declared the row's status, or the template fails, the client
// is told of an internal error, whatever DynamoDB did.
func (m *statusMapping) answer(status int, v values) answer {
	row := m.row(status)
	if row == nil || len(m.declared) > 0 && !slices.Contains(m.declared, row.status) {
		return configurationError("no method response for what the integration said: " + strconv.Itoa(status)).answer()
	}
	if row.template == nil {
		return answer{status: row.status, body: v.body}
	}
	out, err := row.template.render(v)
	if err != nil {
		return configurationError(err.Error()).answer()
	}
	a := answer{status: row.status, body: out.body}
	if out.status != 0 {
		a.status = out.status
	}
	if len(out.header) > 0 {
		a.header = http.Header{}
		for k, v := range out.header {
			a.header.Set(k, v)
		}
		for _, k := range ours {
			a.header.Del(k)
		}
	}
	return a
}

// gatewayResponse is what API Gateway answers in its own name, without asking
// the integration or without its answer.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
type gatewayResponse struct {
	status    int
	errorType string // of the header X-Amzn-Errortype
	message   string
}

// The gateway responses, by their names there. A 4xx is a definite "not
// written"; 504 and 500 say nothing about it.
var (
	missingAuthenticationToken = gatewayResponse{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	throttledResponse          = gatewayResponse{http.StatusTooManyRequests, "TooManyRequestsException", "Too Many Requests"}
	requestTooLarge            = gatewayResponse{http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request Too Long"}
	headersTooLarge            = gatewayResponse{http.StatusRequestHeaderFieldsTooLarge, "RequestTooLargeException", "Request Header Fields Too Large"}
	unsupportedMediaType       = gatewayResponse{http.StatusUnsupportedMediaType, "UnsupportedMediaTypeException", "Unsupported Media Type"}
	integrationTimeout         = gatewayResponse{http.StatusGatewayTimeout, "InternalServerErrorException", "Endpoint request timed out"}
	integrationFailure         = gatewayResponse{http.StatusGatewayTimeout, "InternalServerErrorException", "Network error communicating with endpoint"}
)

// badRequestBody is a body that the template cannot read.
func badRequestBody(message string) gatewayResponse {
	return gatewayResponse{http.StatusBadRequest, "BadRequestException", message}
}

// configurationError is API_CONFIGURATION_ERROR. AWS says no more than its
// first words; the cause is there because whoever runs a benchmark wants it.
func configurationError(cause string) gatewayResponse {
	return gatewayResponse{http.StatusInternalServerError, "InternalServerErrorException", internalError + ": " + cause}
}

// answer makes the answer.
func (g gatewayResponse) answer() answer {
	body, err := json.Marshal(map[string]string{"message": g.message})
	if err != nil {
		panic("gateway: marshal a string: " + err.Error())
	}
	return answer{status: g.status, header: http.Header{"X-Amzn-Errortype": {g.errorType}}, body: body}
}
