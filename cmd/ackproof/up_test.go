package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The folder of a call that was killed goes with the next one, that of a call
// that lives stays, and so does what only begins like it.
func TestAbandonedFoldersAreCleared(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	live, release, err := workFolder()
	if err != nil {
		t.Fatal(err)
	}
	abandoned, foreign := filepath.Join(temp, workPrefix+"1234"), filepath.Join(temp, "ackproof-update")
	for _, dir := range []string{abandoned, foreign} {
		if err := os.MkdirAll(filepath.Join(dir, "deliveries"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	there := func(dir string) bool { _, err := os.Stat(dir); return err == nil }
	clearAbandoned()
	if there(abandoned) || !there(live) || !there(foreign) {
		t.Errorf("the abandoned folder is there: %v; the live one: %v; a foreign one: %v; want false, true, true", there(abandoned), there(live), there(foreign))
	}
	release()
	if there(live) {
		t.Error("the folder is there after its release")
	}
}
