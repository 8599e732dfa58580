package scenarios

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ackproof/ackproof/faults"
)

// The placeholders of request.body. They look like text/template's, but nothing
// else of it is known: a body is made once per request, on the path that is
// measured, and four names need no template engine.
const (
	placeID      = ".ID"
	placeKey     = ".Key" // the item's key: of a unique item, the id
	placePayload = ".Payload"
	placeSeq     = ".Seq"
)

var placeholders = []string{placeID, placeKey, placePayload, placeSeq}

// body is a parsed template: text and placeholders in turn.
type body struct {
	texts []string // one more than names
	names []string
}

func parseBody(template string) (*body, error) {
	b := &body{}
	for rest := template; ; {
		text, after, found := strings.Cut(rest, "{{")
		b.texts = append(b.texts, text)
		if !found {
			return b, nil
		}
		name, next, closed := strings.Cut(after, "}}")
		at := len(template) - len(after) - 2
		if !closed {
			return nil, fmt.Errorf(`character %d: "{{" without "}}"`, at+1)
		}
		name = strings.TrimSpace(name)
		known := false
		for _, p := range placeholders {
			known = known || p == name
		}
		if !known {
			hint := "known: {{" + strings.Join(placeholders, "}}, {{") + "}}"
			if near := faults.Nearest(name, placeholders); near != "" {
				hint = "did you mean {{" + near + "}}?"
			}
			return nil, fmt.Errorf("character %d: unknown placeholder {{%s}}; %s", at+1, name, hint)
		}
		b.names = append(b.names, name)
		rest = next
	}
}

// has reports whether the template uses a placeholder.
func (b *body) has(name string) bool {
	for _, n := range b.names {
		if n == name {
			return true
		}
	}
	return false
}

// Body is the HTTP body of a request, as it is sent first.
func (p *Plan) Body(seq uint64) []byte {
	return p.AppendBody(nil, seq, 0)
}

// AppendBody appends the HTTP body of an attempt at a request to dst and returns
// it. A retry says the same again, or has an id of its own. All that
// is filled in is safe inside a JSON string: ids, digits and payloads have no
// character that needs escaping.
func (p *Plan) AppendBody(dst []byte, seq uint64, retry int) []byte {
	body := p.kinds.bodies[p.Kind(seq)]
	for i, name := range body.names {
		dst = append(dst, body.texts[i]...)
		switch name {
		case placeID:
			dst = append(dst, p.AttemptID(seq, retry)...)
		case placeKey:
			if p.shares(seq) {
				dst = append(dst, p.Key(seq)...)
			} else {
				dst = append(dst, p.AttemptID(seq, retry)...)
			}
		case placePayload:
			dst = p.AppendPayload(dst, seq)
		case placeSeq:
			dst = strconv.AppendUint(dst, seq*p.every+p.offset, 10)
		}
	}
	return append(dst, body.texts[len(body.names)]...)
}
