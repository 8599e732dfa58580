package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// putItem is the service integration of the streams architecture: API Gateway
// type AWS, action PutItem. The template's text is the request, unseen.
type putItem struct {
	template *template
	table    string
	url      string
}

func (p *putItem) call(r request) (call, error) {
	out, err := p.template.render(values{body: r.body, requestID: r.id, table: p.table, http: r.http})
	if err != nil {
		return call{}, err
	}
	return call{
		service: "dynamodb",
		url:     p.url,
		header: http.Header{
			"Content-Type": {"application/x-amz-json-1.0"},
			"X-Amz-Target": {"DynamoDB_20120810.PutItem"},
		},
		body: out.body,
	}, nil
}

// throttled holds the errors of DynamoDB that mean "not written, try later".
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
var throttled = map[string]bool{
	"ProvisionedThroughputExceededException": true,
	"ThrottlingException":                    true,
	"RequestLimitExceeded":                   true,
}

// answer is the table of integration responses. On AWS a row is chosen by a
// pattern over DynamoDB's status, and the 429 by the response template of the
// row for 4xx, which overrides the status after a look at the error's type:
//
//	200                            200  the item is written
//	4xx with a throttling error    429  not written
//	other 4xx                      400  not written
//	everything else                500  perhaps written: DynamoDB's own words for its 500
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-integration-settings-integration-response.html
func (p *putItem) answer(r request, status int, _ http.Header, body []byte) answer {
	if status == http.StatusOK {
		return answer{status: http.StatusOK, body: fmt.Appendf(nil, `{"requestId":%q}`, r.id)}
	}
	errorType, message := readError(body)
	switch {
	case status < 400 || status > 499:
		return problem(http.StatusInternalServerError, errorType, message)
	case throttled[errorType]:
		return problem(http.StatusTooManyRequests, errorType, message)
	}
	return problem(http.StatusBadRequest, errorType, message)
}

// readError takes type and message out of an AWS JSON error, whose message is
// spelt in two ways and whose type may carry a name space before a '#'.
func readError(body []byte) (errorType, message string) {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // encoding/json also takes Message
	}
	if json.Unmarshal(body, &e) != nil {
		return "", "the upstream's error is not JSON"
	}
	return e.Type[strings.LastIndexByte(e.Type, '#')+1:], e.Message
}
