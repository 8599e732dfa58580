package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
)

// statement is one of an IAM policy that allows. Conditions are taken to be met.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type statement struct {
	Sid, Effect      string
	Action, Resource several
}

// several is a list of texts, of which one may stand alone.
type several []string

// UnmarshalJSON takes one text or a list of them.
func (s *several) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*s = several{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// matches reports whether any of the patterns, with * for any text, is a text.
func (s several) matches(text string) bool {
	return slices.ContainsFunc(s, func(pattern string) bool { return matches(pattern, text) })
}

func matches(pattern, text string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	for ok {
		if matches(rest, text) {
			return true
		}
		if text == "" {
			return false
		}
		text = text[1:]
	}
	return false
}

// Allow gives the account's key the permissions of policies, and no others: what they do
// not allow is refused. ACCOUNT and REGION stand for those of the account.
func (a *Account) Allow(policies ...[]byte) error {
	var all []statement
	for _, text := range policies {
		var p struct{ Statement []statement }
		text := strings.NewReplacer("ACCOUNT", ID, "REGION", Region).Replace(string(text))
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return err
		}
		all = append(all, p.Statement...)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.policy = all
	return nil
}

// Used lists the permissions that requests have taken.
func (a *Account) Used() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.used))
}

// allowed reports whether something may be done, and notes that it was asked. It is
// called with the lock held.
func (a *Account) allowed(action, resource string) bool {
	if action == "" {
		return true
	}
	a.used[action] = true
	return a.policy == nil || slices.ContainsFunc(a.policy, func(s statement) bool {
		return s.Effect == "Allow" && s.Action.matches(action) && s.Resource.matches(resource)
	})
}

// mayMake says what is lacking for CloudFormation to make a resource in the name of
// whoever asked; "": nothing.
func (a *Account) mayMake(kind string) string {
	for _, action := range Takes(kind) {
		a.used[action] = true
		if a.policy != nil && !slices.ContainsFunc(a.policy, func(s statement) bool { return s.Effect == "Allow" && s.Action.matches(action) }) {
			return "User: arn:aws:iam::" + ID + ":user/standin is not authorized to perform: " + action
		}
	}
	return ""
}

// authorize refuses a request that the policy does not allow, and says so in the words of
// its service; it reports whether it is allowed.
func (a *Account) authorize(w http.ResponseWriter, r *http.Request, service string, body []byte) bool {
	action, resource := a.asked(service, r, body)
	a.mu.Lock()
	ok := a.allowed(action, resource)
	a.mu.Unlock()
	if ok {
		return true
	}
	message := fmt.Sprintf("User: arn:aws:iam::%s:user/standin is not authorized to perform: %s on resource: %s", ID, action, resource)
	a.refuse(r, errors.New(message))
	switch service {
	case "dynamodb":
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"com.amazon.coral.service#AccessDeniedException","message":%q}`, message)
	case "s3":
		fault(w, http.StatusForbidden, "AccessDenied")
	case "cloudformation":
		w.WriteHeader(http.StatusForbidden)
		writeXML(w, queryError{Error: queryFault{Type: "Sender", Code: "AccessDenied", Message: message}})
	case "monitoring":
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.Header().Set("Content-Type", "application/cbor")
		w.WriteHeader(http.StatusForbidden)
		writeCBOR(w, map[string]string{"__type": "com.amazonaws.cloudwatch#AccessDeniedException", "message": message})
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"Message":%q}`, message)
	}
	return false
}

// arn names something of the account.
func arn(service, what string) string {
	return "arn:aws:" + service + ":" + Region + ":" + ID + ":" + what
}

// asked is the permission that a request takes, and on what. One that takes none has no
// action: anybody may ask who he is.
func (a *Account) asked(service string, r *http.Request, body []byte) (action, resource string) {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch service {
	case "sts":
		return "", ""
	case "cloudformation":
		return askedOfFormation(body)
	case "s3":
		return askedOfObjects(r)
	case "lambda":
		return askedOfLambda(r.Method, segments[1:])
	case "apigateway":
		return "apigateway:" + r.Method, "arn:aws:apigateway:" + Region + "::/" + strings.Join(segments, "/")
	case "monitoring":
		return "cloudwatch:" + path.Base(r.URL.Path), "*"
	case "execute-api":
		return "execute-api:Invoke", arn("execute-api", "api/"+segments[0]+"/"+r.Method+"/"+strings.Join(segments[1:], "/"))
	case "dynamodb":
		return a.askedOfTables(r, body)
	}
	operation := r.Header.Get("X-Amz-Target")
	operation = operation[strings.LastIndex(operation, ".")+1:]
	if service == "sqs" { // of one message or several
		operation = strings.TrimSuffix(operation, "Batch")
	}
	return service + ":" + operation, arn(service, "ackproof")
}

func askedOfFormation(body []byte) (action, resource string) {
	q, stack := map[string]string{}, ""
	for pair := range strings.SplitSeq(string(body), "&") {
		name, value, _ := strings.Cut(pair, "=")
		q[name] = value
	}
	if stack = strings.NewReplacer("%3A", ":", "%2F", "/").Replace(q["StackName"]); !strings.HasPrefix(stack, "arn:") {
		stack = arn("cloudformation", "stack/"+stack+"/id")
	}
	return "cloudformation:" + q["Action"], stack
}

// askedOfObjects knows the permissions of S3, which have other names than its operations.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
func askedOfObjects(r *http.Request) (action, resource string) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	resource = "arn:aws:s3:::" + bucket
	if key != "" {
		resource += "/" + key
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			return "s3:GetObject", resource
		case http.MethodDelete:
			return "s3:DeleteObject", resource
		}
		return "s3:PutObject", resource
	}
	switch {
	case r.Method == http.MethodPut && r.URL.Query().Has("publicAccessBlock"):
		return "s3:PutBucketPublicAccessBlock", resource
	case r.Method == http.MethodPut:
		return "s3:CreateBucket", resource
	case r.Method == http.MethodDelete:
		return "s3:DeleteBucket", resource
	}
	return "s3:ListBucket", resource
}

func askedOfLambda(method string, segments []string) (action, resource string) {
	verb := map[string]string{http.MethodGet: "Get", http.MethodPut: "Put", http.MethodDelete: "Delete", http.MethodPost: "Create"}[method]
	if segments[0] == "event-source-mappings" {
		switch {
		case len(segments) < 2 && method == http.MethodGet:
			return "lambda:ListEventSourceMappings", "*"
		case method == http.MethodPut:
			verb = "Update"
		}
		return "lambda:" + verb + "EventSourceMapping", arn("lambda", "event-source-mapping:"+strings.Join(segments[1:], ""))
	}
	what := map[string]string{"concurrency": "FunctionConcurrency", "configuration": "FunctionConfiguration", "event-invoke-config": "FunctionEventInvokeConfig"}[segments[len(segments)-1]]
	if what == "FunctionConfiguration" && method == http.MethodPut {
		verb = "Update"
	}
	return "lambda:" + verb + what, arn("lambda", "function:"+segments[1])
}

// askedOfTables names tables as AWS does that the system has under other names.
func (a *Account) askedOfTables(r *http.Request, body []byte) (action, resource string) {
	operation := r.Header.Get("X-Amz-Target")
	action = "dynamodb:" + operation[strings.LastIndex(operation, ".")+1:]
	var in struct {
		TableName, TableArn, StreamArn, ExportArn string
		RequestItems                              map[string]any
	}
	json.Unmarshal(body, &in) // what cannot be read names no table
	for name := range in.RequestItems {
		in.TableName = name
	}
	if s := a.running(); s != nil {
		for id, table := range map[string]string{"Items": s.endpoints.ItemsTable, "Results": s.endpoints.ResultsTable} {
			if in.TableName == table || in.TableArn != "" && strings.HasSuffix(in.TableArn, "/"+table) {
				in.TableName = s.name + "-" + id
			}
		}
		if in.TableName == "" {
			in.TableName = s.name + "-Items"
		}
	}
	resource = arn("dynamodb", "table/"+in.TableName)
	switch {
	case strings.HasPrefix(operation, "DynamoDBStreams"):
		resource += "/stream/label"
	case in.ExportArn != "":
		resource += "/export/id"
	}
	return action, resource
}
