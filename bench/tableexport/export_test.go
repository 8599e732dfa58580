package tableexport_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench/tableexport"
	"github.com/ackproof/ackproof/bench/targettest"
)

var exportedAt = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// rowsOf reads an export whole, as "id=payload" and how often each was there.
func rowsOf(dir string) (map[string]int, error) {
	e, err := tableexport.Open(context.Background(), tableexport.Folder(dir))
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	got := map[string]int{}
	return got, e.Rows(context.Background(), []string{"payload", "id"}, func(v []tableexport.Value) error {
		mu.Lock()
		defer mu.Unlock()
		got[fmt.Sprintf("%s:%s=%s:%s", v[1].Type, v[1].Text, v[0].Type, v[0].Text)]++
		return nil
	})
}

func TestAnExportIsReadWhole(t *testing.T) {
	dir := t.TempDir()
	targettest.WriteTableExport(t, dir, "orders", exportedAt,
		[]string{`{"Item":{"id":{"S":"a"},"payload":{"S":"x \"y\" ü"},"more":{"M":{"l":{"L":[{"N":"1"},{"NULL":true}]}}}}}`, `{"Item":{"id":{"S":"b"}}}`},
		nil, // of an empty partition
		[]string{`{ "Item" : { "payload":{"B":"AAAA"}, "id" : { "N" : "7" } } }`})
	e, err := tableexport.Open(context.Background(), tableexport.Folder(dir))
	if err != nil {
		t.Fatal(err)
	}
	if e.Table != "orders" || !e.At.Equal(exportedAt) || e.Items != 3 {
		t.Errorf("opened %+v", e)
	}
	got, err := rowsOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{`S:a=S:x "y" ü`: 1, "S:b=:": 1, "N:7=B:": 1}
	if !maps.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

// TestAnExportIsTakenWholeOrNotAtAll damages an export in every way that can be
// thought of: an item that is not read would be counted as lost.
func TestAnExportIsTakenWholeOrNotAtAll(t *testing.T) {
	replace := func(name, from, to string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(b), from) {
				t.Fatalf("%s holds no %q: %v", name, from, err)
			}
			if err := os.WriteFile(path, []byte(strings.Replace(string(b), from, to, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(t *testing.T, dir string) {
		path := filepath.Join(dir, "data", "part0001.json.gz")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[4] ^= 1 // the time in gzip's header, which nothing else looks at
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	line := func(lines ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { targettest.WriteTableExport(t, dir, "orders", exportedAt, lines) }
	}
	summary, files := "manifest-summary.json", "manifest-files.json"
	for name, c := range map[string]struct {
		damage func(*testing.T, string)
		says   string
	}{
		"no export":             {remove(summary), "it has no manifest-summary.json"},
		"no list of files":      {remove(files), "manifest-files.json: no such file"},
		"a file is missing":     {remove("data/part0001.json.gz"), "part0001.json.gz is missing"},
		"a file has changed":    {flip, "part0001.json.gz is not as it was exported: its MD5 is"},
		"a file not listed":     {replace(files, `{"dataFileS3Key":"prefix/AWSDynamoDB/01693685827463-2d8752fd/data/part0000`, `{"dataFileS3Key":"prefix/AWSDynamoDB/01693685827463-2d8752fd/data/part0001`), "is listed twice"},
		"a line cut off":        {replace(files, `"md5Checksum":"`, `"md5Checksum":"AAAA`), "line 1"},
		"counts disagree":       {replace(summary, `"itemCount":3`, `"itemCount":4`), "lists 3 items, manifest-summary.json counts 4"},
		"incremental":           {replace(summary, "FULL_EXPORT", "INCREMENTAL_EXPORT"), "holds changes and no table; make a full export"},
		"a type of export":      {replace(summary, "FULL_EXPORT", "SOME_EXPORT"), `exportType "SOME_EXPORT" is not known`},
		"ion":                   {replace(summary, "DYNAMODB_JSON", "ION"), `outputFormat "ION" cannot be read; export as DYNAMODB_JSON`},
		"no count":              {replace(summary, `"itemCount"`, `"items"`), "no itemCount"},
		"no JSON":               {replace(summary, "{", ""), "manifest-summary.json"},
		"changes, not items":    {line(`{"Metadata":{},"Keys":{"id":{"S":"a"}},"NewImage":{}}`), "line 1: byte"},
		"a line without an end": {line(`{"Item":{"id":{"S":"a"}}}`, `{"Item":{"id":{"S":"a"}}`), "line 2: byte"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			targettest.WriteTableExport(t, dir, "orders", exportedAt,
				[]string{`{"Item":{"id":{"S":"a"}}}`}, []string{`{"Item":{"id":{"S":"b"}}}`, `{"Item":{"id":{"S":"c"}}}`})
			if got, err := rowsOf(dir); err != nil || len(got) != 3 {
				t.Fatalf("sound, it gives %v, %v", got, err)
			}
			c.damage(t, dir)
			if _, err := rowsOf(dir); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("says %v, want %q", err, c.says)
			}
		})
	}
}

func TestRowsEndWithTheErrorOfTheirReader(t *testing.T) {
	dir := t.TempDir()
	targettest.WriteTableExport(t, dir, "orders", exportedAt, []string{`{"Item":{"id":{"S":"a"}}}`, `{"Item":{"id":{"S":"b"}}}`})
	e, err := tableexport.Open(context.Background(), tableexport.Folder(dir))
	if err != nil {
		t.Fatal(err)
	}
	full, n := errors.New("disk full"), 0
	if err := e.Rows(t.Context(), []string{"id"}, func([]tableexport.Value) error { n++; return full }); !errors.Is(err, full) || n != 1 {
		t.Errorf("%d rows, then %v", n, err)
	}
}
