package standin

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// TestSignatures holds requests that the SDK has signed: they are taken as they are,
// and whatever is changed of one afterwards is found.
func TestSignatures(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	secrets := map[string]string{KeyID: Secret}
	for _, service := range []string{"execute-api", "dynamodb", "s3"} {
		for name, change := range map[string]func(*http.Request, *[]byte){
			"":                func(*http.Request, *[]byte) {},
			"the body":        func(_ *http.Request, b *[]byte) { *b = append(*b, ' ') },
			"the path":        func(r *http.Request, _ *[]byte) { r.URL.Path += "x" },
			"the query":       func(r *http.Request, _ *[]byte) { r.URL.RawQuery += "&d=3" },
			"the method":      func(r *http.Request, _ *[]byte) { r.Method = http.MethodPut },
			"a signed header": func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Target", "other") },
			"the date":        func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Date", "20260301T120001Z") },
			"the host":        func(r *http.Request, _ *[]byte) { r.Host = "example.org" },
			"the signature": func(r *http.Request, _ *[]byte) {
				r.Header.Set("Authorization", flipped(r.Header.Get("Authorization")))
			},
			"no authorization": func(r *http.Request, _ *[]byte) { r.Header.Del("Authorization") },
			"the scope": func(r *http.Request, _ *[]byte) {
				r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), service, "sqs", 1))
			},
		} {
			body := []byte(`{"id":"é"}`)
			r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8000/run/it%20ems/a+b?c=1%2F2&b=&a=x+y", bytes.NewReader(body))
			r.Header.Set("X-Amz-Target", " DynamoDB_20120810.PutItem ")
			if err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }).SignHTTP(t.Context(), aws.Credentials{AccessKeyID: KeyID, SecretAccessKey: Secret}, r, sum(body), service, Region, now); err != nil {
				t.Fatal(err)
			}
			if u := r.URL; u.Host != "" { // as a server sees it
				r.Host, u.Host, u.Scheme = u.Host, "", ""
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			change(r, &body)
			s, err := verify(r, body, secrets, Region, now.Add(time.Minute))
			if name == "" && (err != nil || s.service != service) {
				t.Errorf("%s: a signed request is refused: %v", service, err)
			}
			if name != "" && err == nil {
				t.Errorf("%s: %s was changed, and the signature still holds", service, name)
			}
		}
	}
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", nil)
	if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: KeyID, SecretAccessKey: "another"}, r, sum(nil), "s3", Region, now); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		secrets map[string]string
		region  string
		now     time.Time
	}{
		"another secret": {secrets, Region, now}, "nobody's key": {nil, Region, now}, "another region": {map[string]string{KeyID: "another"}, "us-east-1", now},
		"long ago": {map[string]string{KeyID: "another"}, Region, now.Add(6 * time.Minute)},
	} {
		if _, err := verify(r, nil, c.secrets, c.region, c.now); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// flipped changes the last digit of a signature.
func flipped(header string) string {
	last := byte('0')
	if header[len(header)-1] == last {
		last = '1'
	}
	return header[:len(header)-1] + string(last)
}
