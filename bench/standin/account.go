package standin

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/sdk"
	"github.com/ackproof/ackproof/bench/targettest"
)

// The account, and the key that opens it. Loopback endpoints that are named one by one
// get fixed credentials of package sdk, which open it too.
const (
	ID     = "123456789012"
	Region = "eu-west-1"
	KeyID  = "AKIASTANDIN"
	Secret = "standin/secret+key"
)

// Options say what the account does.
type Options struct {
	// System makes the target that plays the system of a stack; nil: stacks are made
	// of names alone, and nothing runs.
	System func() bench.Target
	// Faults are armed in the system as soon as it is up, and stay.
	Faults []string
	// Polls is how long a mapping that says Enabled takes until it polls: minutes in AWS.
	Polls time.Duration
	// Fail names resources that cannot be made, and why.
	Fail map[string]string
	// Stuck names resources that cannot be deleted at the first time, or ForGood, and
	// why.
	Stuck   map[string]string
	ForGood bool
	// Letter names a bucket of the stack into which something comes while the stack is
	// being deleted.
	Letter string
}

// Account is an account of AWS on this machine. It ends with its test.
type Account struct {
	URL string // of every service, as AWS_ENDPOINT_URL names it

	t       testing.TB
	options Options
	clock   clock.Clock
	client  *http.Client
	api     *httptest.Server // the stage of the one stack that runs

	mu      sync.Mutex
	secrets map[string]string
	stacks  []*stack
	buckets map[string]map[string]object
	calls   map[time.Time]*counted // of the API, by minute
	alarms  map[string]alarm
	refused []string        // why requests were
	policy  []statement     // of what the key may do; nil: everything
	used    map[string]bool // permissions that requests have taken
	serial  uint64
}

// Start starts an account.
func Start(t testing.TB, o Options) *Account {
	t.Helper()
	a := &Account{
		t: t, options: o, clock: clock.Real{}, client: sdk.HTTPClient(nil),
		secrets: map[string]string{KeyID: Secret}, buckets: map[string]map[string]object{}, calls: map[time.Time]*counted{}, alarms: map[string]alarm{}, used: map[string]bool{},
	}
	own, err := sdk.Local(Region, nil).Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.secrets[own.AccessKeyID] = own.SecretAccessKey
	services := httptest.NewServer(http.HandlerFunc(a.serve))
	a.api = httptest.NewServer(http.HandlerFunc(a.serveAPI))
	a.URL = services.URL
	t.Cleanup(func() {
		services.Close()
		a.api.Close()
		a.client.CloseIdleConnections()
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, s := range a.stacks {
			s.stop()
		}
	})
	return a
}

// Environ is what leads a program of AWS's SDKs here.
func (a *Account) Environ() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + a.URL, "AWS_REGION=" + Region, "AWS_ACCESS_KEY_ID=" + KeyID, "AWS_SECRET_ACCESS_KEY=" + Secret,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=", "AWS_SESSION_TOKEN=",
	}
}

// Refused says why requests were refused, in their order.
func (a *Account) Refused() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.refused...)
}

// PollAfter changes how long the mappings of stacks that are made from now on take
// until they poll.
func (a *Account) PollAfter(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.options.Polls = d
}

// System is where the system of the stack that runs can be reached without a
// signature, for somebody who looks into its tables with a client of his own.
func (a *Account) System() bench.Endpoints {
	if s := a.running(); s != nil {
		return s.endpoints
	}
	return bench.Endpoints{}
}

// Exporter is what exports the tables of the stack that runs, for it to go wrong; nil:
// none runs.
func (a *Account) Exporter() *targettest.Exporter {
	if s := a.running(); s != nil {
		return s.exporter
	}
	return nil
}

// signedBy checks the signature of a request, and gives the service that it is for
// and the body.
func (a *Account) signedBy(r *http.Request) (service string, body []byte, err error) {
	if body, err = io.ReadAll(r.Body); err != nil {
		return "", nil, err
	}
	s, err := verify(r, body, a.secrets, Region, a.clock.Now())
	return s.service, body, err
}

// refuse notes why a request is.
func (a *Account) refuse(r *http.Request, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused = append(a.refused, fmt.Sprintf("%s %s: %v", r.Method, r.URL, err))
}

// serve is every service but the API itself.
func (a *Account) serve(w http.ResponseWriter, r *http.Request) {
	service, body, err := a.signedBy(r)
	if err != nil {
		a.refuse(r, err)
		denied(w, service, err)
		return
	}
	if !a.authorize(w, r, service, body) {
		return
	}
	switch service {
	case "dynamodb":
		a.serveTables(w, r, body)
	case "sqs":
		a.serveQueues(w, r, body)
	case "s3":
		a.serveObjects(w, r, body)
	case "sts", "cloudformation":
		a.serveQuery(w, body)
	case "lambda":
		a.serveLambda(w, r, body)
	case "apigateway":
		a.serveGateway(w, r)
	case "monitoring":
		a.serveMetrics(w, r, body)
	default:
		a.refuse(r, fmt.Errorf("there is no service %s here", service))
		http.Error(w, "no such service: "+service, http.StatusNotImplemented)
	}
}

// denied answers a request with a bad signature in the protocol of the service.
func denied(w http.ResponseWriter, service string, err error) {
	switch service {
	case "dynamodb":
		tableError(w, "InvalidSignatureException", err.Error())
	default:
		w.WriteHeader(http.StatusForbidden)
		writeXML(w, queryError{Error: queryFault{Type: "Sender", Code: "SignatureDoesNotMatch", Message: err.Error()}})
	}
}

// pass sends a request on, and its answer back.
func (a *Account) pass(w http.ResponseWriter, r *http.Request, body []byte, url string) (status int) {
	on, err := http.NewRequestWithContext(r.Context(), r.Method, url, bytes.NewReader(body))
	if err == nil {
		on.Header = r.Header.Clone()
		var answer *http.Response
		if answer, err = a.client.Do(on); err == nil {
			defer answer.Body.Close()
			for name, values := range answer.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(answer.StatusCode)
			io.Copy(w, answer.Body)
			return answer.StatusCode
		}
	}
	http.Error(w, err.Error(), http.StatusBadGateway)
	return http.StatusBadGateway
}

// running is the stack whose system is up; nil: there is none.
func (a *Account) running() *stack {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.stacks {
		if s.target != nil {
			return s
		}
	}
	return nil
}

// serveAPI is the stage of the API: signed requests alone, unless anybody may call it.
func (a *Account) serveAPI(w http.ResponseWriter, r *http.Request) {
	s := a.running()
	var path string
	if s != nil {
		path, _ = strings.CutPrefix(r.URL.Path, "/"+s.stage)
	}
	if path == "" {
		http.Error(w, `{"message":"Forbidden"}`, http.StatusForbidden)
		return
	}
	service, body, err := a.signedBy(r)
	switch {
	case s.public && err == errUnsigned:
		err = nil
	case err == nil && service != "execute-api":
		err = fmt.Errorf("the request is signed for %s, and this is execute-api", service)
	}
	status := http.StatusForbidden
	if err != nil {
		a.refuse(r, err)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":%q}`, err)
	} else if s.public || a.authorize(w, r, service, body) {
		r.Header.Del("Authorization")
		status = a.pass(w, r, body, s.endpoints.API+path)
	}
	a.count(status)
}
