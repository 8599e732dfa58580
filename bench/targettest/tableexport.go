package targettest

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// WriteTableExport writes what a full DynamoDB export to Amazon S3 of a table
// leaves, as of a moment: one data file for each list of lines, which are items
// as {"Item":{...}}. A folder in AWSDynamoDB names the export.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
func WriteTableExport(t testing.TB, dir, table string, at time.Time, files ...[]string) {
	t.Helper()
	id := "01693685827463-2d8752fd"
	if filepath.Base(filepath.Dir(dir)) == "AWSDynamoDB" {
		id = filepath.Base(dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	encode := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return append(b, '\n')
	}
	var listed []byte
	total := 0
	for i, lines := range files {
		var object bytes.Buffer
		zip := gzip.NewWriter(&object)
		for _, line := range lines {
			fmt.Fprintln(zip, line)
		}
		if err := zip.Close(); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("data/part%04d.json.gz", i)
		write(name, object.Bytes())
		sum := md5.Sum(object.Bytes())
		listed = append(listed, encode(map[string]any{
			"itemCount": len(lines), "md5Checksum": sum[:], "etag": fmt.Sprintf("%x-1", md5.Sum(sum[:])),
			"dataFileS3Key": "prefix/AWSDynamoDB/" + id + "/" + name,
		})...)
		total += len(lines)
	}
	write("manifest-files.json", listed)
	arn := tableARN(table)
	write("manifest-summary.json", encode(map[string]any{
		"version": "2023-08-01", "exportArn": exportARN(table, id), "tableArn": arn, "exportTime": at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"manifestFilesS3Key": "prefix/AWSDynamoDB/" + id + "/manifest-files.json",
		"itemCount":          total, "outputFormat": "DYNAMODB_JSON", "exportType": "FULL_EXPORT",
	}))
}

func tableARN(table string) string { return "arn:aws:dynamodb:us-east-1:123456789012:table/" + table }

func exportARN(table, id string) string { return tableARN(table) + "/export/" + id }
