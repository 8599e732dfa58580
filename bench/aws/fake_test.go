package aws

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fake is as much of AWS as the journal and the reserved concurrency take, to make
// things fail that moto never fails.
type fake struct {
	mu       sync.Mutex
	objects  map[string]string
	reserved *int32
	throttle float64             // what CloudWatch counts
	fails    map[string][]string // by call: codes of errors that it gives in turn; the last one for ever
	calls    []string
	metrics  []string     // that CloudWatch was asked for
	tables   http.Handler // that DynamoDB is; nil: there is none
}

// onFake opens an account on a fake.
func onFake(t *testing.T) (*fake, *Account) {
	t.Helper()
	f := &fake{objects: map[string]string{}, fails: map[string][]string{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	a, err := OpenAccount(t.Context(), server.URL, "eu-west-1", "")
	if err != nil {
		t.Fatal(err)
	}
	return f, a
}

// call names what is asked for.
func call(r *http.Request, body string) string {
	switch path := r.URL.Path; {
	case strings.Contains(path, "/functions/"):
		return r.Method + " concurrency"
	case strings.Contains(body, "Action=GetCallerIdentity"):
		return "GetCallerIdentity"
	case strings.Contains(body, "Action=GetMetricData"):
		return "GetMetricData"
	case r.URL.Query().Has("list-type"):
		return "ListObjects"
	case strings.Count(strings.Trim(path, "/"), "/") > 0:
		return r.Method + " object"
	}
	return r.Method + " bucket"
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	name := call(r, string(b))
	f.calls = append(f.calls, name)
	if f.tables != nil && strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_") {
		r.Body = io.NopCloser(bytes.NewReader(b))
		f.tables.ServeHTTP(w, r)
		return
	}
	if codes := f.fails[name]; len(codes) > 0 {
		if f.fails[name] = codes[1:]; len(codes) == 1 {
			f.fails[name] = codes
		}
		if codes[0] != "" {
			refuse(w, name, codes[0])
			return
		}
	}
	key := strings.TrimPrefix(r.URL.Path, "/")
	switch name {
	case "GetCallerIdentity":
		fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/tester</Arn><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	case "GetMetricData":
		q, _ := url.ParseQuery(string(b))
		f.metrics = append(f.metrics, q.Get("MetricDataQueries.member.1.MetricStat.Metric.MetricName"))
		fmt.Fprintf(w, `<GetMetricDataResponse><GetMetricDataResult><MetricDataResults><member><Id>bites</Id><Values><member>%g</member></Values></member></MetricDataResults></GetMetricDataResult></GetMetricDataResponse>`, f.throttle)
	case "GET concurrency":
		json.NewEncoder(w).Encode(map[string]any{"ReservedConcurrentExecutions": f.reserved})
	case "PUT concurrency":
		var in struct{ ReservedConcurrentExecutions int32 }
		json.Unmarshal(b, &in)
		f.reserved = &in.ReservedConcurrentExecutions
		json.NewEncoder(w).Encode(in)
	case "DELETE concurrency":
		f.reserved = nil
		w.WriteHeader(http.StatusNoContent)
	case "PUT bucket":
	case "PUT object":
		f.objects[key] = string(b)
	case "GET object":
		io.WriteString(w, f.objects[key])
	case "DELETE object":
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case "ListObjects":
		type content struct{ Key string }
		out := struct {
			XMLName  xml.Name `xml:"ListBucketResult"`
			Contents []content
		}{}
		for _, k := range slices.Sorted(maps.Keys(f.objects)) {
			bucket, rest, _ := strings.Cut(k, "/")
			if bucket == strings.Trim(r.URL.Path, "/") && strings.HasPrefix(rest, r.URL.Query().Get("prefix")) {
				out.Contents = append(out.Contents, content{rest})
			}
		}
		xml.NewEncoder(w).Encode(out)
	default:
		http.Error(w, name, http.StatusNotImplemented)
	}
}

// refuse answers with an error as each service writes it.
func refuse(w http.ResponseWriter, name, code string) {
	status := http.StatusForbidden
	if strings.HasPrefix(code, "TooMany") {
		status = http.StatusTooManyRequests
	}
	switch {
	case strings.HasSuffix(name, "concurrency"):
		w.Header().Set("X-Amzn-ErrorType", code)
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"Message":"no"}`)
	case name == "GetMetricData":
		w.WriteHeader(status)
		fmt.Fprintf(w, `<ErrorResponse><Error><Code>%s</Code><Message>no</Message></Error></ErrorResponse>`, code)
	default:
		w.WriteHeader(status)
		fmt.Fprintf(w, `<Error><Code>%s</Code><Message>no</Message></Error>`, code)
	}
}

// journal lists the objects of the journal.
func (f *fake) journal() (keys []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(f.objects)) {
		if strings.Contains(k, "/open-faults/") {
			keys = append(keys, k)
		}
	}
	return keys
}

// fail makes a call fail, with each of the codes in turn and then with the last; ""
// lets it through. Without codes it fails no more.
func (f *fake) fail(name string, codes ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails[name] = codes
}

func (f *fake) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fake) now() *int32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reserved
}

func (f *fake) has(reserved *int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reserved = reserved
}

func (f *fake) counts(n float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.throttle = n
}

func (f *fake) put(key, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[key] = text
}
