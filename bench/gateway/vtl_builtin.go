package gateway

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What every template has without setting it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html

// builtin gives what a name stands for, and the steps that are left to be
// taken from there.
func builtin(word string, steps []access) (root expression, rest []access, err error) {
	switch word {
	case "input":
		root, rest, err = inputReference(steps)
	case "util":
		root, rest, err = utilReference(steps)
	case "context":
		root, rest, err = contextReference(steps)
	case "stageVariables":
		root, rest, err = stageReference(steps)
	default:
		root, rest = variable(word), steps
	}
	if err == nil {
		err = checkMethods(rest)
	}
	return root, rest, err
}

func inputReference(steps []access) (expression, []access, error) {
	var first access
	if len(steps) > 0 {
		first = steps[0]
	}
	switch {
	case first.kind == isMember && first.name == "body":
		return inputBody{}, steps[1:], nil
	case first.kind == isMethod && first.name == "params" && len(first.args) <= 1:
		p := inputParams{}
		if len(first.args) == 1 {
			p.name = first.args[0]
		}
		return p, steps[1:], nil
	case first.name != "path" && first.name != "json":
		return nil, nil, errors.New("$input has body, path('$.a'), json('$.a') and params('a')")
	case first.kind != isMethod || len(first.args) != 1:
		return nil, nil, fmt.Errorf("$input.%s wants one JSONPath, as in $input.%s('$.id')", first.name, first.name)
	}
	in := inputPath{arg: first.args[0], json: first.name == "json"}
	if l, ok := in.arg.(literal); ok {
		s, ok := l.v.(string)
		if !ok {
			return nil, nil, fmt.Errorf("$input.%s wants one JSONPath in quotes", first.name)
		}
		p, err := parsePath(s)
		if err != nil {
			return nil, nil, fmt.Errorf("$input.%s('%s'): %w", first.name, s, err)
		}
		in.path = &p
	}
	return in, steps[1:], nil
}

// inputBody is $input.body. An empty body is an empty object.
type inputBody struct{}

func (inputBody) eval(r *renderer) (any, error) {
	if len(r.body) == 0 {
		return "{}", nil
	}
	return string(r.body), r.did(len(r.body))
}

// inputPath is $input.path or $input.json.
type inputPath struct {
	arg  expression
	path *path // nil: computed from arg each time
	json bool
}

// eval looks into the body. What is missing is nothing for path, and an empty
// text for json, which always gives a JSON text.
func (in inputPath) eval(r *renderer) (any, error) {
	if r.doc == nil {
		d, err := parseDocument(r.body)
		if err != nil {
			return nil, err
		}
		r.doc = &d
		if err := r.did(len(r.body)); err != nil {
			return nil, err
		}
	}
	p := in.path
	if p == nil {
		v, err := in.arg.eval(r)
		if err != nil {
			return nil, err
		}
		s, _ := v.(string)
		computed, err := parsePath(s)
		if err != nil {
			return nil, fmt.Errorf("the JSONPath %q: %w", s, err)
		}
		p = &computed
	}
	// Below the first level a lookup reads the member's text again at each step.
	if len(*p) > 1 {
		if err := r.did(r.doc.size((*p)[0]) * len(*p)); err != nil {
			return nil, err
		}
	}
	raw, found := r.doc.lookup(*p)
	switch {
	case !found && in.json:
		return `""`, nil
	case !found:
		return nil, nil
	}
	if err := r.did(len(raw)); err != nil {
		return nil, err
	}
	if in.json {
		return string(raw), nil
	}
	return readJSON(raw)
}

// inputParams is $input.params: all of them, or the one of a name, looked for
// in path, query and header, in this order.
type inputParams struct{ name expression }

func (in inputParams) eval(r *renderer) (any, error) {
	query, header := url.Values{}, http.Header{}
	if r.http != nil {
		query, header = r.http.URL.Query(), r.http.Header
	}
	if err := r.did(64 * (len(query) + len(header))); err != nil {
		return nil, err
	}
	if in.name == nil {
		all := newObject()
		all.put("path", newObject()) // the route has no parameters
		all.put("querystring", fromMap(last(query)))
		all.put("header", fromMap(last(header)))
		return all, nil
	}
	v, err := in.name.eval(r)
	if err != nil {
		return nil, err
	}
	name, _ := v.(string)
	if v, ok := last(query)[name]; ok {
		return v, nil
	}
	// The names of headers are compared without their case, since HTTP has none
	// and they arrive in one form here.
	return last(header)[http.CanonicalHeaderKey(name)], nil
}

func fromMap(m map[string]string) *object {
	o := newObject()
	for _, k := range slices.Sorted(maps.Keys(m)) {
		o.put(k, m[k])
	}
	return o
}

// utils are the functions of $util.
var utils = map[string]func(string) (any, error){
	"escapeJavaScript": func(s string) (any, error) { return escapeJavaScript(s), nil },
	"urlEncode":        func(s string) (any, error) { return url.QueryEscape(s), nil },
	"urlDecode":        func(s string) (any, error) { return url.QueryUnescape(s) },
	"base64Encode":     func(s string) (any, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil },
	"base64Decode": func(s string) (any, error) {
		b, err := base64.StdEncoding.DecodeString(s)
		return strings.ToValidUTF8(string(b), string(utf8.RuneError)), err
	},
	"parseJson": func(s string) (any, error) { return readJSON([]byte(s)) },
}

func utilReference(steps []access) (expression, []access, error) {
	known := strings.Join(slices.Sorted(maps.Keys(utils)), ", ")
	if len(steps) == 0 || steps[0].kind != isMethod {
		return nil, nil, fmt.Errorf("$util has the functions %s", known)
	}
	f, ok := utils[steps[0].name]
	if !ok {
		return nil, nil, fmt.Errorf("$util.%s is unknown: $util has the functions %s", steps[0].name, known)
	}
	if len(steps[0].args) != 1 {
		return nil, nil, fmt.Errorf("$util.%s wants one argument", steps[0].name)
	}
	return utilCall{steps[0].name, f, steps[0].args[0]}, steps[1:], nil
}

// utilCall is a call of a function of $util. Nothing gives nothing.
type utilCall struct {
	name string
	f    func(string) (any, error)
	arg  expression
}

func (c utilCall) eval(r *renderer) (any, error) {
	v, err := c.arg.eval(r)
	if err != nil || v == nil {
		return nil, err
	}
	s, err := r.text(v)
	if err != nil {
		return nil, err
	}
	if len(s) > maxOutput/6 { // an escape has six times the length
		return nil, errTooLarge
	}
	if err := r.did(len(s) * 4); err != nil {
		return nil, err
	}
	out, err := c.f(s)
	if err != nil {
		return nil, fmt.Errorf("$util.%s: %w", c.name, err)
	}
	return out, nil
}

// stageReference is $stageVariables, of which there is one.
func stageReference(steps []access) (expression, []access, error) {
	if len(steps) > 0 {
		s := steps[0]
		named := s.kind == isMember && s.name == stageVariable
		if len(s.args) == 1 && (s.kind == isIndex || s.name == "get") {
			l, ok := s.args[0].(literal)
			named = ok && l.v == stageVariable
		}
		if named {
			return stageTable{}, steps[1:], nil
		}
	}
	return nil, nil, fmt.Errorf("the stage has one variable: write $stageVariables.%s", stageVariable)
}

type stageTable struct{}

func (stageTable) eval(r *renderer) (any, error) { return r.table, nil }

// contexts are the variables of $context that a REST API has, with those empty
// that belong to what this API is without: authorizers, API keys, caches,
// certificates, firewall.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
var contexts = map[string]func(*values) any{
	"accountId":         func(*values) any { return "000000000000" },
	"apiId":             func(*values) any { return "ackproof" },
	"deploymentId":      func(*values) any { return "1" },
	"domainName":        func(v *values) any { return v.host() },
	"domainPrefix":      func(v *values) any { prefix, _, _ := strings.Cut(v.host(), "."); return prefix },
	"extendedRequestId": func(v *values) any { return v.requestID },
	"requestId":         func(v *values) any { return v.requestID },
	"httpMethod":        func(*values) any { return http.MethodPost },
	"identity.sourceIp": func(v *values) any { return v.source() },
	"identity.userAgent": func(v *values) any {
		if v.http == nil {
			return ""
		}
		return v.http.UserAgent()
	},
	"isCanaryRequest":  func(*values) any { return false },
	"path":             func(v *values) any { return "/" + stageName + v.path },
	"protocol":         func(*values) any { return "HTTP/1.1" },
	"requestTime":      func(v *values) any { return v.now.UTC().Format(requestTimeForm) },
	"requestTimeEpoch": func(v *values) any { return v.now.UnixMilli() },
	"resourceId":       func(*values) any { return "items" },
	"resourcePath":     func(v *values) any { return v.path },
	"stage":            func(*values) any { return stageName },
}

func init() {
	for _, name := range strings.Fields(`authorizer.principalId awsEndpointRequestId identity.accountId identity.apiKey identity.apiKeyId
		identity.caller identity.cognitoAuthenticationProvider identity.cognitoAuthenticationType identity.cognitoIdentityId
		identity.cognitoIdentityPoolId identity.principalOrgId identity.user identity.userArn identity.vpceId identity.vpcId
		wafResponseCode webaclArn xrayTraceId`) {
		contexts[name] = func(*values) any { return "" }
	}
}

const (
	// stageName is the stage that the API is deployed to.
	stageName = "prod"
	// requestTimeForm is the Common Log Format's.
	requestTimeForm = "02/Jan/2006:15:04:05 -0700"
)

func contextReference(steps []access) (expression, []access, error) {
	var names []string
	for _, s := range steps {
		name := s.name
		if s.kind == isIndex {
			l, _ := s.args[0].(literal)
			name, _ = l.v.(string)
		}
		if s.kind == isMethod || name == "" {
			break
		}
		names = append(names, name)
	}
	for n := min(2, len(names)); n > 0; n-- {
		if f, ok := contexts[strings.Join(names[:n], ".")]; ok {
			return contextValue(f), steps[n:], nil
		}
	}
	switch {
	case len(names) == 2 && names[0] == "responseOverride" && names[1] == "status":
		return override{}, steps[2:], nil
	case len(names) >= 3 && names[0] == "responseOverride" && names[1] == "header":
		return override{header: names[2]}, steps[3:], nil
	case len(names) > 0 && names[0] == "requestOverride":
		return nil, nil, errors.New("$context.requestOverride is not modelled: the integration's headers are fixed")
	}
	return nil, nil, fmt.Errorf("$context.%s is not modelled; known are %s, responseOverride.status and responseOverride.header.NAME",
		strings.Join(names, "."), strings.Join(slices.Sorted(maps.Keys(contexts)), ", "))
}

type contextValue func(*values) any

func (f contextValue) eval(r *renderer) (any, error) { return f(r.values), nil }

// values is what the references of one rendering refer to.
type values struct {
	body      []byte // of the request, or of the integration's response
	requestID string
	table     string
	path      string        // of the route
	http      *http.Request // the client's; nil: none
	now       time.Time
}

func (v *values) host() string {
	if v.http == nil {
		return ""
	}
	return v.http.Host
}

func (v *values) source() string {
	if v.http == nil {
		return ""
	}
	return sourceIP(v.http)
}

// sourceIP is the client's address without its port.
func sourceIP(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ip
}

// parseStatus reads an HTTP status that is given as text.
func parseStatus(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 32)
	return n, err == nil
}
