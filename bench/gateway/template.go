package gateway

import (
	"bytes"
	"fmt"
	"strings"
)

// DefaultTemplate is the mapping template used where the scenario names none.
// It quotes nothing itself: $input.json renders a JSON text with its own
// quotes, so that no value can leave the string it belongs in.
const DefaultTemplate = `{"TableName":"$stageVariables.itemsTable",` +
	`"Item":{"id":{"S":$input.json('$.id')},"payload":{"S":$input.json('$.payload')}}}`

// NoTemplate is what a scenario writes for an API that has no mapping template.
const NoTemplate = "none"

// maxTemplate is API Gateway's bound on a mapping template, in bytes.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const maxTemplate = 300 << 10

// stageVariable is the one stage variable that the stack sets.
const stageVariable = "itemsTable"

// template is a parsed mapping template. It is immutable and safe for
// concurrent use.
type template struct{ nodes []node }

// Check reports everything that is wrong with a mapping template, so that a
// scenario can be refused before anything is started. It knows VTL as far as
// mapping templates use it:
//
//	$input.path('$.a') $input.json('$.a') $input.params('a') $input.body
//	$util.escapeJavaScript(…) parseJson urlEncode urlDecode base64Encode base64Decode
//	$context.requestId … $context.responseOverride.status  $stageVariables.itemsTable
//	#set #if #elseif #else #end #foreach with $foreach.index, .count, .hasNext  ## #* *# #[[ ]]#
//	methods of texts, lists, maps and numbers; arithmetic and comparisons
//
// What is not modelled (macros, #parse, JSONPaths that name several values) is
// refused, with line and column.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
func Check(template string) []error {
	if template == NoTemplate {
		return nil
	}
	_, errs := parseTemplate(template)
	return errs
}

// rendering is what came out of a template.
type rendering struct {
	body   []byte
	status int               // that the template chose for the answer; 0: none
	header map[string]string // that it set on the answer
}

// render runs the template once. Its error is the client's fault where it is
// errNotJSON, else the template's.
func (t *template) render(v values) (rendering, error) {
	r := &renderer{values: &v, vars: map[string]any{}, out: &bytes.Buffer{}}
	r.out.Grow(len(v.body) + 256)
	if err := r.nodes(t.nodes); err != nil {
		return rendering{}, fmt.Errorf("render template: %w", err)
	}
	return rendering{body: r.out.Bytes(), status: r.status, header: r.header}, nil
}

// escapeJavaScript escapes as $util.escapeJavaScript does, which is how
// JavaScript wants it and not JSON: ' becomes \', which JSON does not know.
func escapeJavaScript(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 16)
	for _, r := range s {
		switch {
		case r == '\'' || r == '"' || r == '\\' || r == '/':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r >= 0x10000:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04X\u%04X`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		case r < 0x20 || r > 0x7E:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
