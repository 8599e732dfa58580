package standin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ackproof/ackproof/bench/targettest"
)

// serveTables is DynamoDB. Exports are made here, and what limits the writes of a table
// is done to the system; all else is the system's own to answer.
func (a *Account) serveTables(w http.ResponseWriter, r *http.Request, body []byte) {
	s := a.running()
	if s == nil {
		tableError(w, "ResourceNotFoundException", "Requested resource not found")
		return
	}
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch action {
	case "DescribeContinuousBackups", "ExportTableToPointInTime", "DescribeExport":
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.exporter.ServeHTTP(w, r)
		return
	case "UpdateTable":
		if err := a.limit(s, body); err != nil {
			tableError(w, "InternalServerError", err.Error())
			return
		}
	}
	a.pass(w, r, body, s.endpoints.DynamoDB+r.URL.RequestURI())
}

func tableError(w http.ResponseWriter, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, code, message)
}

// newExporter makes what exports the tables of a system into the buckets of the account:
// those that the template gives point-in-time recovery.
func (s *stack) newExporter() *targettest.Exporter {
	x := &targettest.Exporter{T: s.account.t, Behind: s.endpoints.DynamoDB, Put: func(bucket, key string, body []byte) error {
		s.account.mu.Lock()
		defer s.account.mu.Unlock()
		if s.account.buckets[bucket] == nil {
			return fmt.Errorf("there is no bucket %s", bucket)
		}
		if !s.account.allowed("s3:PutObject", "arn:aws:s3:::"+bucket+"/"+key) { // DynamoDB writes in the name of whoever asks
			return fmt.Errorf("nobody may write to bucket %s", bucket)
		}
		s.account.put(bucket, key, s.account.inParts(body))
		return nil
	}}
	for _, id := range []string{"Items", "Results"} {
		x.Off = x.Off || at(s.template.Resources[id].Properties, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true
	}
	if !x.Off {
		s.history = newHistory(s.account.clock, x.Lines, s.endpoints.ItemsTable, s.endpoints.ResultsTable)
		x.AsOf = s.history.asOf
	}
	return x
}

// limit does to the system what a maximum of write throughput of one unit a second does
// to a table under load: its writes are throttled, here all of them. What is asked for
// is kept, and told, by the system's DynamoDB.
func (a *Account) limit(s *stack, body []byte) error {
	var in struct {
		TableName          string
		OnDemandThroughput struct{ MaxWriteRequestUnits int64 }
	}
	if json.Unmarshal(body, &in) != nil || in.OnDemandThroughput.MaxWriteRequestUnits == 0 {
		return nil // the system says what is wrong with it
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	lever, known := map[string]int{s.endpoints.ItemsTable: leverItems, s.endpoints.ResultsTable: leverResults}[in.TableName]
	on := in.OnDemandThroughput.MaxWriteRequestUnits == 1
	if !known || s.levers.limited[lever] == on {
		return nil
	}
	if err := s.pull(lever, on); err != nil {
		return err
	}
	s.levers.limited[lever] = on
	return nil
}
