package standin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// skew is how far the date of a request may be from the time.
const skew = 5 * time.Minute

// algorithm begins the Authorization header of a signed request.
const algorithm = "AWS4-HMAC-SHA256"

// signed is what an Authorization header says.
type signed struct {
	key, date, region, service string
	headers                    []string
	signature                  string
}

// errUnsigned is what a request without a signature gets.
var errUnsigned = errors.New("the request is not signed")

// parseSigned takes an Authorization header apart.
func parseSigned(header string) (s signed, err error) {
	if header == "" {
		return s, errUnsigned
	}
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return s, fmt.Errorf("the header Authorization does not say %s", algorithm)
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 || scope[4] != "aws4_request" {
				return s, fmt.Errorf("the Credential %q is no scope", value)
			}
			s.key, s.date, s.region, s.service = scope[0], scope[1], scope[2], scope[3]
		case "SignedHeaders":
			s.headers = strings.Split(value, ";")
		case "Signature":
			s.signature = value
		}
	}
	if s.key == "" || len(s.headers) == 0 || s.signature == "" {
		return s, errors.New("the header Authorization lacks Credential, SignedHeaders or Signature")
	}
	return s, nil
}

// verify computes the signature of a request and compares.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func verify(r *http.Request, body []byte, secrets map[string]string, region string, now time.Time) (signed, error) {
	s, err := parseSigned(r.Header.Get("Authorization"))
	if err != nil {
		return s, err
	}
	secret, known := secrets[s.key]
	date := r.Header.Get("X-Amz-Date")
	at, dateErr := time.Parse("20060102T150405Z", date)
	switch {
	case !known:
		return s, fmt.Errorf("the key %s is nobody's", s.key)
	case s.region != region:
		return s, fmt.Errorf("the request is signed for the region %s, and this is %s", s.region, region)
	case dateErr != nil || at.Sub(now).Abs() > skew || !strings.HasPrefix(date, s.date):
		return s, fmt.Errorf("X-Amz-Date %q: now it is %s", date, now.UTC().Format(time.RFC3339))
	case !slices.Contains(s.headers, "host") || !slices.Contains(s.headers, "x-amz-date") || !slices.IsSorted(s.headers):
		return s, fmt.Errorf("SignedHeaders %v: want host and x-amz-date among them, in order", s.headers)
	}
	payload, err := payloadHash(r, body, s.service)
	if err != nil {
		return s, err
	}
	canonical := strings.Join([]string{r.Method, canonicalPath(r.URL, s.service), canonicalQuery(r.URL), canonicalHeaders(r, s.headers), strings.Join(s.headers, ";"), payload}, "\n")
	scope := strings.Join([]string{s.date, s.region, s.service, "aws4_request"}, "/")
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		key = mac(key, part)
	}
	want := mac(key, strings.Join([]string{algorithm, date, scope, sum([]byte(canonical))}, "\n"))
	if got, err := hex.DecodeString(s.signature); err != nil || !hmac.Equal(got, want) {
		return s, errors.New("the request signature we calculated does not match the signature you provided")
	}
	return s, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// payloadHash is what the body counts with. S3 alone takes bodies that are not
// hashed.
func payloadHash(r *http.Request, body []byte, service string) (string, error) {
	said, is := r.Header.Get("X-Amz-Content-Sha256"), sum(body)
	if said == "" || said == is {
		return is, nil
	}
	if service == "s3" && (said == "UNSIGNED-PAYLOAD" || strings.HasPrefix(said, "STREAMING-UNSIGNED-PAYLOAD")) {
		return said, nil
	}
	return "", fmt.Errorf("X-Amz-Content-Sha256 is %s, and the body's is %s", said, is)
}

// canonicalPath escapes the path once more, which S3 does not.
func canonicalPath(u *url.URL, service string) string {
	path := u.EscapedPath()
	if path == "" {
		return "/"
	}
	if service == "s3" {
		return path
	}
	return escape(path, true)
}

func canonicalQuery(u *url.URL) string {
	var pairs []string
	for name, values := range u.Query() {
		for _, v := range values {
			pairs = append(pairs, escape(name, false)+"="+escape(v, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// canonicalHeaders are the signed headers, each on a line.
func canonicalHeaders(r *http.Request, names []string) string {
	var b strings.Builder
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		fmt.Fprintf(&b, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	return b.String()
}

// escape writes all but unreserved characters as %XX; slashes stay where they part a
// path.
func escape(text string, slashes bool) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~", c) >= 0, slashes && c == '/':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
