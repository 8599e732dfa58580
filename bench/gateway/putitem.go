package gateway

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/ackproof/ackproof/bench/clock"
)

// putItem is the service integration of the streams architecture: API Gateway
// type AWS, action PutItem. The template's text is the request, unseen.
type putItem struct {
	template    *template // nil: the API has none
	passthrough string
	mapping     *statusMapping
	table       string
	url         string
	path        string
	clock       clock.Clock
}

func newPutItem(c Config) *putItem {
	return &putItem{
		template: mustParse(c.Settings.Template), passthrough: c.Settings.Passthrough, mapping: newStatusMapping(c.Settings),
		table: c.ItemsTable, url: strings.TrimSuffix(c.DynamoDB, "/") + "/", path: c.Settings.Path, clock: c.Clock,
	}
}

// values are what a template may refer to, with the body that it looks into.
func (p *putItem) values(r request, body []byte) values {
	return values{body: body, requestID: r.id, table: p.table, path: p.path, http: r.http, now: p.clock.Now()}
}

func (p *putItem) call(r request) (call, *gatewayResponse) {
	body := r.body
	switch {
	case p.template != nil && isJSON(r.http.Header.Get("Content-Type")):
		out, err := p.template.render(p.values(r, r.body))
		if err != nil {
			g := configurationError(err.Error())
			if errors.Is(err, errNotJSON) {
				g = badRequestBody(err.Error())
			}
			return call{}, &g
		}
		body = out.body
	case p.passthrough == Never, p.passthrough == WhenNoTemplates && p.template != nil:
		return call{}, &unsupportedMediaType
	}
	return call{
		service: "dynamodb",
		url:     p.url,
		header: http.Header{
			"Content-Type": {"application/x-amz-json-1.0"},
			"X-Amz-Target": {"DynamoDB_20120810.PutItem"},
		},
		body: body,
	}, nil
}

// isJSON reports whether the template is for a content type: it is for
// application/json, which is also what no content type means.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return contentType == "" || err == nil && media == "application/json"
}

func (p *putItem) answer(r request, status int, _ http.Header, body []byte) answer {
	return p.mapping.answer(status, p.values(r, body))
}
