package processor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
)

// proxyEvent is what the processor reads of an API Gateway proxy event, payload
// format 1.0.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
type proxyEvent struct {
	HTTPMethod      string `json:"httpMethod"`
	Body            string `json:"body"`
	IsBase64Encoded bool   `json:"isBase64Encoded"`
}

// proxy handles one API request: store the item and apply its effect together.
// It has no stream and thus no sequence number; all its effects carry 0, so a
// second event for the same id, which the asynchronous queue may well deliver,
// applies nothing.
func (h *Handler) proxy(ctx context.Context, e proxyEvent) (events.APIGatewayProxyResponse, error) {
	id, version, payload, err := e.item()
	if err != nil {
		return respond(http.StatusBadRequest, map[string]string{"message": err.Error()}), nil
	}
	if h.defect.name == DefectSkip && h.seen.hit(h.defect.nth) {
		return respond(http.StatusOK, map[string]string{"id": id}), nil
	}
	err = h.finish(ctx, func(ctx context.Context) error {
		err := h.work(ctx, id, []byte(payload))
		if err == nil {
			err = h.transact(ctx, effect{id: id, version: version, sequence: "0", digest: h.digest([]byte(payload))}, payload)
		}
		return h.swallowed(err)
	})
	if err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	return respond(http.StatusOK, map[string]string{"id": id}), nil
}

// item takes id, version and payload out of the request's body. Its errors are for the
// client: a bad body is answered, not failed, since a failed asynchronous event
// would be tried again and stay as bad as it was.
func (e proxyEvent) item() (id, version, payload string, err error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return "", "", "", errors.New("the body is marked as base64 and is not")
		}
	}
	var in struct {
		ID      *string `json:"id"`
		Version string  `json:"version"`
		Payload *string `json:"payload"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return "", "", "", fmt.Errorf(`want {"id":"…","payload":"…"}: %w`, err)
	}
	if in.ID == nil || *in.ID == "" || in.Payload == nil {
		return "", "", "", errors.New(`want {"id":"…","payload":"…"}: id or payload is missing`)
	}
	return *in.ID, in.Version, *in.Payload, nil
}

// respond makes a proxy response, whose body is JSON inside a string.
func respond(status int, body map[string]string) events.APIGatewayProxyResponse {
	text, err := json.Marshal(body)
	if err != nil {
		panic("processor: marshal strings: " + err.Error())
	}
	return events.APIGatewayProxyResponse{
		StatusCode: status,
		Headers:    map[string]string{"Content-Type": "application/json"},
		Body:       string(text),
	}
}
