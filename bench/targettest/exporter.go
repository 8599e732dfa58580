package targettest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/sdk"
)

// Exporter is a front of a DynamoDB that cannot export tables: it answers what has to
// do with exports, as AWS does, and hands on the rest. The flags make it go wrong.
type Exporter struct {
	T      testing.TB
	Behind string // URL of the DynamoDB
	Put    func(bucket, key string, object []byte) error

	// AsOf gives the items of a table at a moment; false: nobody knows any more, or yet.
	// Where it is nil the items are those that there are when an export is asked for, so
	// that whoever asks must ask late enough.
	AsOf func(table string, at time.Time) (lines []string, known bool)

	Off      bool                          // tables have no point-in-time recovery
	Early    int                           // exports that are refused at first: recovery does not reach that far yet
	Fails    bool                          // exports fail
	Older    bool                          // they show the table of an hour before
	Miscount bool                          // DynamoDB says that it exported more than there is
	Change   func(lines []string) []string // the items of an export
	Damage   func(dir string)              // the files of one

	mu      sync.Mutex
	exports map[string]map[string]any
	looks   map[string]int
}

// Made is how many exports were made.
func (x *Exporter) Made() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.exports)
}

// ServeHTTP answers one request.
func (x *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var in exportRequest
	json.Unmarshal(body, &in) // what is none is handed on
	x.mu.Lock()
	defer x.mu.Unlock()
	answer := func(v any) {
		b, err := json.Marshal(v)
		if err != nil {
			x.T.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(b)), 10))
		w.Write(b)
	}
	switch action {
	case "DescribeContinuousBackups":
		status := map[bool]string{true: "DISABLED", false: "ENABLED"}[x.Off]
		answer(map[string]any{"ContinuousBackupsDescription": map[string]any{"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": map[string]any{"PointInTimeRecoveryStatus": status}}})
	case "ExportTableToPointInTime":
		if d, refusal := x.export(in); refusal != "" {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"refused"}`, refusal)
		} else {
			answer(map[string]any{"ExportDescription": d})
		}
	case "DescribeExport":
		d := x.exports[in.ExportArn]
		if x.looks[in.ExportArn]++; x.looks[in.ExportArn] > 1 { // it takes a while
			d["ExportStatus"] = "COMPLETED"
			if x.Fails {
				d["ExportStatus"], d["FailureCode"], d["FailureMessage"] = "FAILED", "S3AccessDenied", "the bucket is not yours"
			}
		}
		answer(map[string]any{"ExportDescription": d})
	default:
		x.handOn(w, r, body)
	}
}

// exportRequest is what is asked about exports.
type exportRequest struct {
	TableArn, ExportArn, S3Bucket, S3Prefix, ClientToken, ExportFormat, ExportType string
	ExportTime                                                                     float64
}

// export makes an export, or says with which error it is refused.
func (x *Exporter) export(in exportRequest) (description map[string]any, refusal string) {
	if x.Early > 0 {
		x.Early--
		return nil, "InvalidExportTimeException"
	}
	at := time.Unix(int64(in.ExportTime), 0).UTC()
	if at.After((clock.Real{}).Now()) || in.ExportFormat != "DYNAMODB_JSON" || in.ExportType != "FULL_EXPORT" || in.ClientToken == "" {
		return nil, "ValidationException"
	}
	table := in.TableArn[strings.LastIndexByte(in.TableArn, '/')+1:]
	lines, known := x.asOf(table, at)
	if !known {
		return nil, "InvalidExportTimeException"
	}
	if x.Change != nil {
		lines = x.Change(lines)
	}
	if x.Older {
		at = at.Add(-time.Hour)
	}
	id := fmt.Sprintf("0169368582746%d-2d8752fd", len(x.exports))
	dir := filepath.Join(x.T.TempDir(), "AWSDynamoDB", id)
	WriteTableExport(x.T, dir, table, at, lines[:len(lines)/2], nil, lines[len(lines)/2:])
	if x.Damage != nil {
		x.Damage(dir)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		object, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return x.Put(in.S3Bucket, in.S3Prefix+"/AWSDynamoDB/"+id+strings.TrimPrefix(filepath.ToSlash(path), filepath.ToSlash(dir)), object)
	})
	if err != nil {
		x.T.Errorf("export %s: %v", table, err)
	}
	arn := exportARN(table, id)
	if x.exports == nil {
		x.exports, x.looks = map[string]map[string]any{}, map[string]int{}
	}
	count := len(lines)
	if x.Miscount {
		count++
	}
	x.exports[arn] = map[string]any{
		"ExportArn": arn, "ExportStatus": "IN_PROGRESS", "ExportTime": at.Unix(), "ItemCount": count, "BilledSizeBytes": 1000,
		"ExportManifest": in.S3Prefix + "/AWSDynamoDB/" + id + "/manifest-summary.json",
	}
	return x.exports[arn], ""
}

// asOf are the items of a table at a moment.
func (x *Exporter) asOf(table string, at time.Time) (lines []string, known bool) {
	if x.AsOf != nil {
		return x.AsOf(table, at)
	}
	return x.Lines(table), true
}

// Lines are the items of a table as they are now, as an export has them.
func (x *Exporter) Lines(table string) (lines []string) {
	d, err := sdk.OpenDynamoDB(context.Background(), x.Behind, "", "", nil)
	if err != nil {
		x.T.Error(err)
		return nil
	}
	pages := dynamodb.NewScanPaginator(d.DB(), &dynamodb.ScanInput{TableName: &table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			x.T.Error(err)
			return nil
		}
		for _, item := range page.Items {
			values := map[string]map[string]string{}
			for name, v := range item {
				switch v := v.(type) {
				case *types.AttributeValueMemberS:
					values[name] = map[string]string{"S": v.Value}
				case *types.AttributeValueMemberN:
					values[name] = map[string]string{"N": v.Value}
				}
			}
			b, err := json.Marshal(map[string]any{"Item": values})
			if err != nil {
				x.T.Error(err)
			}
			lines = append(lines, string(b))
		}
	}
	return lines
}

// handOn lets the DynamoDB behind answer.
func (x *Exporter) handOn(w http.ResponseWriter, r *http.Request, body []byte) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, x.Behind, bytes.NewReader(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	out.Header = r.Header.Clone()
	x.mu.Unlock() // it may take long
	defer x.mu.Lock()
	resp, err := http.DefaultClient.Do(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}
