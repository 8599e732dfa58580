package standin

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// listing is the answer of ListObjectsV2.
type listing struct {
	XMLName     xml.Name `xml:"ListBucketResult"`
	Name        string
	Prefix      string
	KeyCount    int
	MaxKeys     int
	IsTruncated bool
	Contents    []object
}

type object struct {
	Key  string
	Size int
}

// serveObjects is S3, with the bucket in the path.
func (a *Account) serveObjects(w http.ResponseWriter, r *http.Request, body []byte) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	a.mu.Lock()
	defer a.mu.Unlock()
	objects, there := a.buckets[bucket]
	query := r.URL.Query()
	switch {
	case bucket == "":
		fault(w, http.StatusNotImplemented, "NotImplemented")
	case r.Method == http.MethodPut && key == "" && query.Has("publicAccessBlock") && there:
	case r.Method == http.MethodPut && key == "" && there:
		fault(w, http.StatusConflict, "BucketAlreadyOwnedByYou")
	case r.Method == http.MethodPut && key == "":
		a.buckets[bucket] = map[string][]byte{}
	case !there:
		fault(w, http.StatusNotFound, "NoSuchBucket")
	case r.Method == http.MethodPut:
		objects[key] = body
	case r.Method == http.MethodDelete && key != "":
		delete(objects, key)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete && len(objects) > 0:
		fault(w, http.StatusConflict, "BucketNotEmpty")
	case r.Method == http.MethodDelete:
		delete(a.buckets, bucket)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet && key == "":
		l := listing{Name: bucket, Prefix: query.Get("prefix"), MaxKeys: 1000}
		for _, k := range slices.Sorted(maps.Keys(objects)) {
			if strings.HasPrefix(k, l.Prefix) {
				l.Contents = append(l.Contents, object{k, len(objects[k])})
			}
		}
		l.KeyCount = len(l.Contents)
		writeXML(w, l)
	case r.Method == http.MethodGet && objects[key] == nil:
		fault(w, http.StatusNotFound, "NoSuchKey")
	case r.Method == http.MethodGet:
		w.Write(objects[key])
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
	if a.buckets[bucket] == nil {
		a.buckets[bucket] = map[string][]byte{}
	}
	a.buckets[bucket][key] = body
}
