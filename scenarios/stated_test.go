package scenarios

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStated: what a file or --set gives is stated, with its place, and a default is not.
func TestStated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("load: [{name: a, for: 1s, rate: 1/s}]\nmapping: {batchSize: 7}\nprocessor:\n  env: {LEVEL: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stated, err := Stated(file, []string{"mapping.onFailure=payload", "table={shards: 2}"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"mapping.batchSize": file + ":2:22", "processor.env.LEVEL": file + ":4:16", "mapping.onFailure": "--set mapping.onFailure=payload",
		"table.shards": "--set table={shards: 2}", "mapping.maximumRetryAttempts": "", "table.streamViewType": "", "architecture": "",
	} {
		if stated[path] != want {
			t.Errorf("%s is stated at %q, want %q", path, stated[path], want)
		}
	}
	if _, err := Stated(file, []string{"mapping.batchSize=0"}); err == nil {
		t.Error("of a scenario that is wrong")
	}
	if stated, err := Stated("crash", nil); err != nil || stated["processor.timeout"] == "" || stated["mapping.batchSize"] != "" {
		t.Errorf("of one that is built in: %v, %v", stated["processor.timeout"], err)
	}
}
