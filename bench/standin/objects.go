package standin

import (
	"bytes"
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// object is what a bucket holds under a key.
type object struct {
	body     []byte
	etag     string // in quotes
	modified time.Time
}

// object makes one of a body that is put whole.
func (a *Account) object(body []byte) object {
	return object{body, fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(body))), a.clock.Now().UTC()}
}

// inParts makes one that is put in one part, as DynamoDB puts the files of an export:
// its ETag is another.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
func (a *Account) inParts(body []byte) object {
	o := a.object(body)
	part := md5.Sum(body)
	o.etag = fmt.Sprintf("%q", fmt.Sprintf("%x-1", md5.Sum(part[:])))
	return o
}

// has reports whether there is an object.
func (a *Account) has(bucket, key string) bool {
	_, there := a.buckets[bucket][key]
	return there
}

// listing is the answer of ListObjectsV2.
type listing struct {
	XMLName        xml.Name `xml:"ListBucketResult"`
	Name           string
	Prefix         string
	Delimiter      string `xml:",omitempty"`
	KeyCount       int
	MaxKeys        int
	IsTruncated    bool
	Contents       []listed
	CommonPrefixes []folder
}

type listed struct {
	Key, ETag, LastModified string
	Size                    int
}

type folder struct{ Prefix string }

// listOf lists the objects of a bucket below a prefix; with a delimiter those behind it as
// folders.
func listOf(bucket, prefix, delimiter, after string, objects map[string]object) listing {
	l := listing{Name: bucket, Prefix: prefix, Delimiter: delimiter, MaxKeys: 1000}
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		rest, below := strings.CutPrefix(key, prefix)
		if !below || key <= after {
			continue
		}
		if delimiter != "" {
			if name, _, in := strings.Cut(rest, delimiter); in {
				if f := (folder{prefix + name + delimiter}); !slices.Contains(l.CommonPrefixes, f) {
					l.CommonPrefixes = append(l.CommonPrefixes, f)
				}
				continue
			}
		}
		o := objects[key]
		l.Contents = append(l.Contents, listed{key, o.etag, o.modified.Format(time.RFC3339), len(o.body)})
	}
	l.KeyCount = len(l.Contents) + len(l.CommonPrefixes)
	return l
}

// serveObjects is S3, with the bucket in the path.
func (a *Account) serveObjects(w http.ResponseWriter, r *http.Request, body []byte) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deliver(bucket)
	objects, there := a.buckets[bucket]
	query := r.URL.Query()
	switch {
	case bucket == "":
		fault(w, http.StatusNotImplemented, "NotImplemented")
	case r.Method == http.MethodPut && key == "" && query.Has("publicAccessBlock") && there:
	case r.Method == http.MethodPut && key == "" && there:
		fault(w, http.StatusConflict, "BucketAlreadyOwnedByYou")
	case r.Method == http.MethodPut && key == "":
		a.buckets[bucket] = map[string]object{}
	case !there:
		fault(w, http.StatusNotFound, "NoSuchBucket")
	case r.Method == http.MethodHead && key == "":
	case r.Method == http.MethodPut:
		objects[key] = a.object(body)
	case r.Method == http.MethodDelete && key != "":
		delete(objects, key)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete && len(objects) > 0:
		fault(w, http.StatusConflict, "BucketNotEmpty")
	case r.Method == http.MethodDelete:
		delete(a.buckets, bucket)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet && key == "":
		writeXML(w, listOf(bucket, query.Get("prefix"), query.Get("delimiter"), query.Get("start-after"), objects))
	case r.Method == http.MethodGet && !a.has(bucket, key):
		fault(w, http.StatusNotFound, "NoSuchKey")
	case r.Method == http.MethodGet: // a range of it, if that is what is asked for, and this version alone
		w.Header().Set("ETag", objects[key].etag)
		w.Header().Set("Content-Type", "binary/octet-stream")
		http.ServeContent(w, r, "", objects[key].modified, bytes.NewReader(objects[key].body))
	default:
		fault(w, http.StatusNotImplemented, "NotImplemented")
	}
}

// fault is an error of S3.
func fault(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	writeXML(w, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: code})
}

// Buckets lists the buckets that there are.
func (a *Account) Buckets() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.buckets))
}

// Put puts an object into a bucket, which is made if need be.
func (a *Account) Put(bucket, key string, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(bucket, key, a.object(body))
}

func (a *Account) put(bucket, key string, o object) {
	if a.buckets[bucket] == nil {
		a.buckets[bucket] = map[string]object{}
	}
	a.buckets[bucket][key] = o
}
