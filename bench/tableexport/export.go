package tableexport

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// Export is an export, opened: its manifests are read, its data is not.
type Export struct {
	// Table is the name of the exported table.
	Table string
	// At is the moment as of which the table was exported.
	At time.Time
	// Items is how many items it holds.
	Items int64

	// ARN is that of the export; empty in exports that do not say.
	ARN string

	store Store
	files []file
}

// file is a line of manifest-files.json.
type file struct {
	name  string // below the export
	Items int64  `json:"itemCount"`
	MD5   []byte `json:"md5Checksum"` // encoding/json reads base64 into bytes
	ETag  string `json:"etag"`
	Key   string `json:"dataFileS3Key"`
}

// summary is manifest-summary.json, so far as it is read here.
type summary struct {
	ExportARN    string    `json:"exportArn"`
	TableARN     string    `json:"tableArn"`
	ExportTime   time.Time `json:"exportTime"`
	ItemCount    *int64    `json:"itemCount"`
	OutputFormat string    `json:"outputFormat"`
	ExportType   string    `json:"exportType"` // absent in exports of before there were two types
}

const (
	summaryName = "manifest-summary.json"
	filesName   = "manifest-files.json"
)

// maxManifest bounds a manifest in bytes: that of a hundred thousand data files.
const maxManifest = 64 << 20

// Open reads the manifests of the export in a store, and of a [Folder] looks for
// every file that they name. Its error says all that is wrong.
func Open(ctx context.Context, store Store) (*Export, error) {
	s, err := readSummary(ctx, store)
	if err != nil {
		return nil, err
	}
	e := &Export{Table: s.TableARN[strings.LastIndexByte(s.TableARN, '/')+1:], At: s.ExportTime, Items: *s.ItemCount, ARN: s.ExportARN, store: store}
	b, err := readManifest(ctx, store, filesName)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", store, err)
	}
	var errs []error
	var total int64
	seen := map[string]bool{}
	for n := 1; len(b) > 0; n++ {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		if b = rest; len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		f, err := e.entry(line)
		if err == nil && seen[f.name] {
			err = fmt.Errorf("%s is listed twice", f.Key)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("export %s: %s, line %d: %w", store, filesName, n, err))
			continue
		}
		seen[f.name] = true
		total += f.Items
		e.files = append(e.files, f)
	}
	if len(errs) == 0 && total != e.Items {
		errs = append(errs, fmt.Errorf("export %s: %s lists %d items, %s counts %d; copy the folder anew", store, filesName, total, summaryName, e.Items))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return e, nil
}

// readManifest reads a manifest whole.
func readManifest(ctx context.Context, store Store, name string) ([]byte, error) {
	in, err := store.Open(ctx, name, "")
	if err != nil {
		return nil, err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxManifest+1))
	if err == nil && len(b) > maxManifest {
		err = fmt.Errorf("it has more than %d bytes", maxManifest)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", store.Where(name), err)
	}
	return b, nil
}

func readSummary(ctx context.Context, store Store) (*summary, error) {
	name := store.Where(summaryName)
	b, err := readManifest(ctx, store, summaryName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no DynamoDB export: it has no %s; name the folder AWSDynamoDB/<export id> that holds it", store, summaryName)
	}
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", store, err)
	}
	var s summary
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var errs []error
	if s.ExportType == "INCREMENTAL_EXPORT" {
		errs = append(errs, fmt.Errorf("%s: an incremental export holds changes and no table; make a full export", name))
	} else if s.ExportType != "" && s.ExportType != "FULL_EXPORT" {
		errs = append(errs, fmt.Errorf("%s: exportType %q is not known; make a full export", name, s.ExportType))
	}
	if s.OutputFormat != "DYNAMODB_JSON" {
		errs = append(errs, fmt.Errorf("%s: outputFormat %q cannot be read; export as DYNAMODB_JSON", name, s.OutputFormat))
	}
	if s.TableARN == "" || s.ExportTime.IsZero() {
		errs = append(errs, fmt.Errorf("%s: tableArn or exportTime is missing", name))
	}
	if len(errs) == 0 && (s.ItemCount == nil || *s.ItemCount < 0) {
		errs = append(errs, fmt.Errorf("%s: no itemCount", name))
	}
	return &s, errors.Join(errs...)
}

// entry reads one line of manifest-files.json and finds its file.
func (e *Export) entry(line []byte) (file, error) {
	var f file
	if err := json.Unmarshal(line, &f); err != nil {
		return f, err
	}
	if f.Key == "" || f.Items < 0 || len(f.MD5) != 16 {
		return f, errors.New("want dataFileS3Key, itemCount and a base64 md5Checksum")
	}
	// A key counts from the bucket's root; the files lie where they lie in the
	// bucket, below the folder of the manifests.
	f.name = "data/" + path.Base(f.Key)
	if folder, ok := e.store.(Folder); ok {
		return f, folder.has(f.name)
	}
	return f, nil
}

// sum prints an MD5 as the manifest does.
func sum(md5 []byte) string { return base64.StdEncoding.EncodeToString(md5) }
