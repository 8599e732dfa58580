package local

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// kept is an answer that is not sent yet. The zero value is ready.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is that of the answer.
func (k *kept) Header() http.Header {
	if k.header == nil {
		k.header = http.Header{}
	}
	return k.header
}

// WriteHeader keeps the status.
func (k *kept) WriteHeader(status int) { k.status = status }

// Write keeps a part of the body.
func (k *kept) Write(p []byte) (int, error) {
	if k.status == 0 {
		k.status = http.StatusOK
	}
	return k.body.Write(p)
}

// replace puts another body in the place of the one that is kept. It has no
// checksum: clients check one only where there is one.
func (k *kept) replace(body []byte) {
	k.Header().Del("X-Amz-Crc32")
	k.Header().Del("Content-Length")
	k.body.Reset()
	k.body.Write(body)
}

// send sends it.
func (k *kept) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), k.Header())
	w.WriteHeader(k.status)
	w.Write(k.body.Bytes())
}

// sendHalf sends the head and half of the body, of which the head announces all.
func (k *kept) sendHalf(w http.ResponseWriter) {
	maps.Copy(w.Header(), k.Header())
	w.Header().Set("Content-Length", strconv.Itoa(k.body.Len()))
	w.WriteHeader(k.status)
	w.Write(k.body.Bytes()[:k.body.Len()/2])
	http.NewResponseController(w).Flush() // fails where the client is gone
}

// encoded is JSON of what was read from JSON.
func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("local: what was JSON is none: " + err.Error())
	}
	return b
}
