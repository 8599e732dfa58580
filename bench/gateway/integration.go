package gateway

import (
	"net/http"

	"github.com/ackproof/ackproof/bench"
)

// Integration is a PutItem integration as API Gateway is told of it.
type Integration struct {
	Template    string // of the request; NoTemplate: it has none
	Passthrough string
	Responses   []bench.IntegrationResponse
	Statuses    []int // that the method declares: those of the responses, and of what a template may choose
}

// IntegrationOf gives the integration that an API with these settings has.
func IntegrationOf(s bench.Gateway) Integration {
	s = withDefaults(s)
	i := Integration{Template: s.Template, Passthrough: s.Passthrough, Responses: responsesOf(s), Statuses: s.MethodResponses}
	if len(i.Statuses) == 0 {
		for _, r := range i.Responses {
			i.Statuses = append(i.Statuses, r.Status)
		}
		if s.StatusMapping == Mapped {
			i.Statuses = append(i.Statuses, http.StatusTooManyRequests)
		}
	}
	return i
}

// responsesOf lists the integration responses of checked settings.
func responsesOf(s bench.Gateway) []bench.IntegrationResponse {
	switch s.StatusMapping {
	case Mapped:
		return mappedResponses
	case Naive:
		return naiveResponses
	}
	return s.Responses
}

// EventTemplate makes an API Gateway proxy event of a request, for an integration
// that is no proxy. The body goes as base64: nothing in it can leave its string.
const EventTemplate = `{"httpMethod":"$context.httpMethod","path":"$context.resourcePath","requestContext":{"requestId":"$context.requestId"},` +
	`"isBase64Encoded":true,"body":"$util.base64Encode($input.body)"}`
