package suite

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/selftest.md anew")

// TestPage holds the documentation to the table that the selftest works by.
func TestPage(t *testing.T) {
	const path = "../../docs/selftest.md"
	if *update {
		if err := os.WriteFile(path, Page(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, Page()) {
		t.Errorf("docs/selftest.md is not what the table says (%v); write it anew with: go test ./bench/suite -run Page -update", err)
	}
}
