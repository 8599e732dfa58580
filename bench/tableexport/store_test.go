package tableexport_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/ackproof/ackproof/bench/tableexport"
	"github.com/ackproof/ackproof/bench/targettest"
)

// memory is a store in memory.
type memory map[string][]byte

func (m memory) Open(_ context.Context, name, _ string) (io.ReadCloser, error) {
	b, there := m[name]
	if !there {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (m memory) Where(name string) string { return "memory/" + name }

func (m memory) String() string { return "memory" }

// FuzzManifests opens anything: of what is taken, files and counts agree.
func FuzzManifests(f *testing.F) {
	dir := f.TempDir()
	targettest.WriteTableExport(f, dir, "orders", exportedAt, []string{`{"Item":{"id":{"S":"a"}}}`}, []string{`{"Item":{"id":{"S":"b"}}}`})
	sound := memory{}
	for _, name := range []string{"manifest-summary.json", "manifest-files.json", "data/part0000.json.gz", "data/part0001.json.gz"} {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			f.Fatal(err)
		}
		sound[name] = b
	}
	f.Add(sound["manifest-summary.json"], sound["manifest-files.json"])
	f.Add(sound["manifest-summary.json"], []byte(`{"dataFileS3Key":"../../x","itemCount":2,"md5Checksum":"AAAAAAAAAAAAAAAAAAAAAA==","etag":"\""}`))
	f.Add([]byte(`{"tableArn":"/","exportTime":"2026-11-24T10:00:00Z","itemCount":0,"outputFormat":"DYNAMODB_JSON"}`), []byte("\n\n"))
	f.Fuzz(func(t *testing.T, summary, files []byte) {
		store := memory{"manifest-summary.json": summary, "manifest-files.json": files, "data/part0000.json.gz": sound["data/part0000.json.gz"], "data/part0001.json.gz": sound["data/part0001.json.gz"]}
		e, err := tableexport.Open(t.Context(), store)
		if err != nil {
			return
		}
		var n atomic.Int64
		err = e.Rows(t.Context(), []string{"id"}, func([]tableexport.Value) error { n.Add(1); return nil })
		if e.At.IsZero() || err == nil && n.Load() != e.Items {
			t.Errorf("of %q and %q: %d items of %d, as of %s", summary, files, n.Load(), e.Items, e.At)
		}
	})
}
